-- How often an account or a sitting was revoked: tokens of an earlier generation are refused.
ALTER TABLE users ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN deactivated_at INTEGER;
ALTER TABLE sessions ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN revoked_at INTEGER;

-- The newest generation of everybody who was ever revoked, in the order of the changes: servers follow it by seq. Rows are replaced by
-- later ones of the same subject and never deleted, so that seq only rises.
CREATE TABLE revocations (
    subject    TEXT PRIMARY KEY NOT NULL,
    -- user or session
    kind       TEXT NOT NULL,
    generation INTEGER NOT NULL,
    seq        INTEGER NOT NULL UNIQUE
) STRICT;

-- One link for each account at most: a later one takes the place of the one before.
CREATE TABLE invitations (
    account    TEXT PRIMARY KEY NOT NULL REFERENCES users (id),
    -- HMAC-SHA256 under the server's key
    token_hash BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
