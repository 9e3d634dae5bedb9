-- Released migrations are frozen. The audit log: each record continues the hash of the one before.
CREATE TABLE audit (
    seq         BIGINT PRIMARY KEY,
    prev        BYTEA NOT NULL,
    hash        BYTEA NOT NULL,
    -- null once what the record says was erased; the chain stays verifiable by record_hash
    salt        BYTEA,
    record_hash BYTEA NOT NULL,
    at          BIGINT NOT NULL,
    actor       TEXT NOT NULL,
    role        TEXT NOT NULL,
    action      TEXT NOT NULL,
    target      TEXT NOT NULL,
    -- JSON, as it was hashed
    metadata    TEXT NOT NULL,
    address     TEXT
);
