-- What a human should look at, in the order in which it was stored.
CREATE TABLE incidents (
    seq      BIGINT PRIMARY KEY,
    exam     UUID NOT NULL REFERENCES exams (id),
    session  UUID NOT NULL REFERENCES sessions (id),
    kind     TEXT NOT NULL,
    severity TEXT NOT NULL,
    at       BIGINT NOT NULL
);
CREATE INDEX incidents_by_exam ON incidents (exam, seq);

-- Institutions' systems that are told what happens, and how far each has been told.
CREATE TABLE webhooks (
    id           UUID PRIMARY KEY,
    url          TEXT NOT NULL,
    -- JSON array of what it wants; empty: everything
    kinds        TEXT NOT NULL,
    -- its secret is derived from this and the server's key
    salt         BYTEA NOT NULL,
    created_at   BIGINT NOT NULL,
    -- why it is not told any more; null while it is
    stopped      TEXT,
    -- records of the audit log and incidents that it has been told, or did not want
    audit_seq    BIGINT NOT NULL,
    incident_seq BIGINT NOT NULL,
    -- tries that failed since the last that did not
    attempts     BIGINT NOT NULL DEFAULT 0,
    next_at      BIGINT NOT NULL DEFAULT 0,
    last_error   TEXT,
    delivered_at BIGINT,
    -- one server at a time tells it
    leased_until BIGINT NOT NULL DEFAULT 0
);
