-- Keys of institutions' systems. Revoked ones stay: the audit log names them.
CREATE TABLE api_keys (
    id           TEXT PRIMARY KEY NOT NULL,
    name         TEXT NOT NULL,
    -- separated by blanks
    scopes       TEXT NOT NULL,
    -- HMAC-SHA256 under the server's key
    secret_hash  BLOB NOT NULL,
    -- as the audit log names whoever made it
    created_by   TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    -- to the minute
    last_used_at INTEGER
) STRICT;

-- The second factor of an account (RFC 6238). It counts once it was confirmed.
CREATE TABLE second_factors (
    account      TEXT PRIMARY KEY NOT NULL REFERENCES users (id),
    -- AES-256-GCM under the server's key
    secret       BLOB NOT NULL,
    created_at   INTEGER NOT NULL,
    confirmed_at INTEGER,
    -- the newest step whose code was used
    used_step    INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Those that were not used yet.
CREATE TABLE recovery_codes (
    account   TEXT NOT NULL REFERENCES second_factors (account) ON DELETE CASCADE,
    -- HMAC-SHA256 under the server's key
    code_hash BLOB NOT NULL,
    PRIMARY KEY (account, code_hash)
) STRICT, WITHOUT ROWID;

-- One join link for each roster entry at most: a later one takes the place of the one before.
CREATE TABLE join_links (
    entry      TEXT PRIMARY KEY NOT NULL REFERENCES roster (id) ON DELETE CASCADE,
    -- HMAC-SHA256 under the server's key
    token_hash BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER
) STRICT;

-- A second device that waits for "move to this device".
CREATE TABLE device_moves (
    session    TEXT PRIMARY KEY NOT NULL REFERENCES sessions (id),
    -- Ed25519 public key of the device that waits
    device_key BLOB NOT NULL,
    asked_at   INTEGER NOT NULL,
    -- since when a proctor does not let it
    refused_at INTEGER
) STRICT;
