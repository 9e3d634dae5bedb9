-- What a human should look at, in the order in which it was stored.
CREATE TABLE incidents (
    seq      INTEGER PRIMARY KEY NOT NULL,
    exam     TEXT NOT NULL REFERENCES exams (id),
    session  TEXT NOT NULL REFERENCES sessions (id),
    kind     TEXT NOT NULL,
    severity TEXT NOT NULL,
    at       INTEGER NOT NULL
) STRICT;
CREATE INDEX incidents_by_exam ON incidents (exam, seq);

-- Institutions' systems that are told what happens, and how far each has been told.
CREATE TABLE webhooks (
    id           TEXT PRIMARY KEY NOT NULL,
    url          TEXT NOT NULL,
    -- JSON array of what it wants; empty: everything
    kinds        TEXT NOT NULL,
    -- its secret is derived from this and the server's key
    salt         BLOB NOT NULL,
    created_at   INTEGER NOT NULL,
    -- why it is not told any more; null while it is
    stopped      TEXT,
    -- records of the audit log and incidents that it has been told, or did not want
    audit_seq    INTEGER NOT NULL,
    incident_seq INTEGER NOT NULL,
    -- tries that failed since the last that did not
    attempts     INTEGER NOT NULL DEFAULT 0,
    next_at      INTEGER NOT NULL DEFAULT 0,
    last_error   TEXT,
    delivered_at INTEGER,
    -- one server at a time tells it
    leased_until INTEGER NOT NULL DEFAULT 0
) STRICT;
