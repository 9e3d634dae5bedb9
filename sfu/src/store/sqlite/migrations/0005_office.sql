-- How many candidates the roster holds (exams that were there keep what they have), and what changes with every edit and step.
ALTER TABLE exams ADD COLUMN capacity INTEGER NOT NULL DEFAULT 500;
ALTER TABLE exams ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;

-- Creates that were done, by their idempotency keys, for a day. No secret stands here: those that the answer held are made again
-- from the salt and the server's key, and by nobody once the row is gone.
CREATE TABLE idempotency (
    actor      TEXT NOT NULL,
    key        TEXT NOT NULL,
    -- SHA-256 of the request
    request    BLOB NOT NULL,
    salt       BLOB NOT NULL,
    answer     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (actor, key)
) STRICT;
CREATE INDEX idempotency_by_age ON idempotency (created_at);
