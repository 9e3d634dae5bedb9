-- Released migrations are frozen. Ids are UUIDv7 as text; times are microseconds since the Unix epoch, UTC.
CREATE TABLE exams (
    id         TEXT PRIMARY KEY NOT NULL,
    code       TEXT NOT NULL UNIQUE,
    title      TEXT NOT NULL,
    status     TEXT NOT NULL,
    starts_at  INTEGER NOT NULL,
    ends_at    INTEGER NOT NULL,
    policy     TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE roster (
    id          TEXT PRIMARY KEY NOT NULL,
    exam        TEXT NOT NULL REFERENCES exams (id),
    label       TEXT NOT NULL,
    seat        TEXT,
    allowances  TEXT NOT NULL,
    -- HMAC-SHA256 under the server's key
    secret_hash BLOB NOT NULL,
    created_at  INTEGER NOT NULL,
    UNIQUE (exam, label),
    UNIQUE (exam, secret_hash)
) STRICT;

CREATE TABLE sessions (
    id          TEXT PRIMARY KEY NOT NULL,
    exam        TEXT NOT NULL REFERENCES exams (id),
    entry       TEXT NOT NULL UNIQUE REFERENCES roster (id),
    participant TEXT NOT NULL UNIQUE,
    -- Ed25519 public key of the device that holds the session; null until a device joins
    device_key  BLOB,
    created_at  INTEGER NOT NULL,
    -- first room:join
    joined_at   INTEGER,
    finished_at INTEGER,
    looked_at   INTEGER NOT NULL DEFAULT 0,
    -- where the chain of integrity events stands
    chain_seq   INTEGER NOT NULL,
    chain_hash  BLOB NOT NULL
) STRICT;
CREATE INDEX sessions_by_exam ON sessions (exam);

CREATE TABLE users (
    id            TEXT PRIMARY KEY NOT NULL,
    email         TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    role          TEXT NOT NULL,
    -- PHC string; null for an account that can't sign in by password
    password_hash TEXT,
    created_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE integrity_events (
    session     TEXT NOT NULL REFERENCES sessions (id),
    seq         INTEGER NOT NULL,
    prev        BLOB NOT NULL,
    hash        BLOB NOT NULL,
    -- dropped together on erasure; the chain stays verifiable by payload_hash
    salt        TEXT,
    payload     TEXT,
    payload_hash BLOB NOT NULL,
    received_at INTEGER NOT NULL,
    -- server clock minus the machine's, as known when the event came
    clock_offset INTEGER,
    PRIMARY KEY (session, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE messages (
    id              TEXT PRIMARY KEY NOT NULL,
    exam            TEXT NOT NULL REFERENCES exams (id),
    candidate       TEXT NOT NULL,
    from_candidate  INTEGER NOT NULL,
    author          TEXT NOT NULL,
    kind            TEXT NOT NULL,
    text            TEXT NOT NULL,
    at              INTEGER NOT NULL,
    delivered_at    INTEGER,
    acknowledged_at INTEGER
) STRICT;
CREATE INDEX messages_by_candidate ON messages (candidate, id);

CREATE TABLE timeline (
    id          TEXT PRIMARY KEY NOT NULL,
    exam        TEXT NOT NULL REFERENCES exams (id),
    participant TEXT NOT NULL,
    at          INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    -- for entries about a message: its delivery is read from there
    message     TEXT REFERENCES messages (id),
    body        TEXT NOT NULL
) STRICT;
CREATE INDEX timeline_by_exam ON timeline (exam, id);

CREATE TABLE settings (
    name  TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
) STRICT;
