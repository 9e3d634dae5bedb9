-- Words to many at once, and what became of them at each.
CREATE TABLE broadcasts (
    id     TEXT PRIMARY KEY NOT NULL,
    exam   TEXT NOT NULL REFERENCES exams (id),
    author TEXT NOT NULL,
    text   TEXT NOT NULL,
    at     INTEGER NOT NULL
) STRICT;
CREATE TABLE broadcast_recipients (
    broadcast       TEXT NOT NULL REFERENCES broadcasts (id),
    candidate       TEXT NOT NULL,
    delivered_at    INTEGER,
    acknowledged_at INTEGER,
    PRIMARY KEY (broadcast, candidate)
) STRICT, WITHOUT ROWID;
CREATE INDEX broadcasts_unread ON broadcast_recipients (candidate, broadcast) WHERE acknowledged_at IS NULL;
-- For entries about a broadcast: how far it has come is read from there.
ALTER TABLE timeline ADD COLUMN broadcast TEXT REFERENCES broadcasts (id);
