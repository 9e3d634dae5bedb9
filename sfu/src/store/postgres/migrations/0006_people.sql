-- How often an account or a sitting was revoked: tokens of an earlier generation are refused.
ALTER TABLE users ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN deactivated_at BIGINT;
ALTER TABLE sessions ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN revoked_at BIGINT;

-- The newest generation of everybody who was ever revoked, in the order of the changes: servers follow it by seq. Rows are replaced by
-- later ones of the same subject and never deleted, so that seq only rises.
CREATE TABLE revocations (
    subject    UUID PRIMARY KEY,
    -- user or session
    kind       TEXT NOT NULL,
    generation BIGINT NOT NULL,
    seq        BIGINT NOT NULL UNIQUE
);

-- One link for each account at most: a later one takes the place of the one before.
CREATE TABLE invitations (
    account    UUID PRIMARY KEY REFERENCES users (id),
    -- HMAC-SHA256 under the server's key
    token_hash BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
