-- Released migrations are frozen. The audit log: each record continues the hash of the one before.
CREATE TABLE audit (
    seq         INTEGER PRIMARY KEY NOT NULL,
    prev        BLOB NOT NULL,
    hash        BLOB NOT NULL,
    -- null once what the record says was erased; the chain stays verifiable by record_hash
    salt        BLOB,
    record_hash BLOB NOT NULL,
    at          INTEGER NOT NULL,
    actor       TEXT NOT NULL,
    role        TEXT NOT NULL,
    action      TEXT NOT NULL,
    target      TEXT NOT NULL,
    -- JSON, as it was hashed
    metadata    TEXT NOT NULL,
    address     TEXT
) STRICT;
