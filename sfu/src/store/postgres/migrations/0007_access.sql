-- Keys of institutions' systems. Revoked ones stay: the audit log names them.
CREATE TABLE api_keys (
    id           UUID PRIMARY KEY,
    name         TEXT NOT NULL,
    -- separated by blanks
    scopes       TEXT NOT NULL,
    -- HMAC-SHA256 under the server's key
    secret_hash  BYTEA NOT NULL,
    -- as the audit log names whoever made it
    created_by   TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    revoked_at   BIGINT,
    -- to the minute
    last_used_at BIGINT
);

-- The second factor of an account (RFC 6238). It counts once it was confirmed.
CREATE TABLE second_factors (
    account      UUID PRIMARY KEY REFERENCES users (id),
    -- AES-256-GCM under the server's key
    secret       BYTEA NOT NULL,
    created_at   BIGINT NOT NULL,
    confirmed_at BIGINT,
    -- the newest step whose code was used
    used_step    BIGINT NOT NULL DEFAULT 0
);

-- Those that were not used yet.
CREATE TABLE recovery_codes (
    account   UUID NOT NULL REFERENCES second_factors (account) ON DELETE CASCADE,
    -- HMAC-SHA256 under the server's key
    code_hash BYTEA NOT NULL,
    PRIMARY KEY (account, code_hash)
);

-- One join link for each roster entry at most: a later one takes the place of the one before.
CREATE TABLE join_links (
    entry      UUID PRIMARY KEY REFERENCES roster (id) ON DELETE CASCADE,
    -- HMAC-SHA256 under the server's key
    token_hash BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT
);

-- A second device that waits for "move to this device".
CREATE TABLE device_moves (
    session    UUID PRIMARY KEY REFERENCES sessions (id),
    -- Ed25519 public key of the device that waits
    device_key BYTEA NOT NULL,
    asked_at   BIGINT NOT NULL,
    -- since when a proctor does not let it
    refused_at BIGINT
);
