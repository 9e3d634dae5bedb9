-- Released migrations are frozen. Times are microseconds since the Unix epoch, UTC. JSON is text: it is kept as it was written.
CREATE TABLE exams (
    id         UUID PRIMARY KEY,
    code       TEXT NOT NULL UNIQUE,
    title      TEXT NOT NULL,
    status     TEXT NOT NULL,
    starts_at  BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL,
    policy     TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE roster (
    id          UUID PRIMARY KEY,
    exam        UUID NOT NULL REFERENCES exams (id),
    label       TEXT NOT NULL,
    seat        TEXT,
    allowances  TEXT NOT NULL,
    -- HMAC-SHA256 under the server's key
    secret_hash BYTEA NOT NULL,
    created_at  BIGINT NOT NULL,
    UNIQUE (exam, label),
    UNIQUE (exam, secret_hash)
);

CREATE TABLE sessions (
    id          UUID PRIMARY KEY,
    exam        UUID NOT NULL REFERENCES exams (id),
    entry       UUID NOT NULL UNIQUE REFERENCES roster (id),
    participant UUID NOT NULL UNIQUE,
    -- Ed25519 public key of the device that holds the session; null until a device joins
    device_key  BYTEA,
    created_at  BIGINT NOT NULL,
    -- first room:join
    joined_at   BIGINT,
    finished_at BIGINT,
    looked_at   BIGINT NOT NULL DEFAULT 0,
    -- where the chain of integrity events stands
    chain_seq   BIGINT NOT NULL,
    chain_hash  BYTEA NOT NULL
);
CREATE INDEX sessions_by_exam ON sessions (exam);

CREATE TABLE users (
    id            UUID PRIMARY KEY,
    email         TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    role          TEXT NOT NULL,
    -- PHC string; null for an account that can't sign in by password
    password_hash TEXT,
    created_at    BIGINT NOT NULL
);

CREATE TABLE integrity_events (
    session      UUID NOT NULL REFERENCES sessions (id),
    seq          BIGINT NOT NULL,
    prev         BYTEA NOT NULL,
    hash         BYTEA NOT NULL,
    -- dropped together on erasure; the chain stays verifiable by payload_hash
    salt         TEXT,
    payload      TEXT,
    payload_hash BYTEA NOT NULL,
    received_at  BIGINT NOT NULL,
    -- server clock minus the machine's, as known when the event came
    clock_offset BIGINT,
    PRIMARY KEY (session, seq)
);

CREATE TABLE messages (
    id              UUID PRIMARY KEY,
    exam            UUID NOT NULL REFERENCES exams (id),
    candidate       UUID NOT NULL,
    from_candidate  BOOLEAN NOT NULL,
    author          TEXT NOT NULL,
    kind            TEXT NOT NULL,
    text            TEXT NOT NULL,
    at              BIGINT NOT NULL,
    delivered_at    BIGINT,
    acknowledged_at BIGINT
);
CREATE INDEX messages_by_candidate ON messages (candidate, id);

CREATE TABLE timeline (
    id          UUID PRIMARY KEY,
    exam        UUID NOT NULL REFERENCES exams (id),
    participant UUID NOT NULL,
    at          BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    -- for entries about a message: its delivery is read from there
    message     UUID REFERENCES messages (id),
    body        TEXT NOT NULL
);
CREATE INDEX timeline_by_exam ON timeline (exam, id);

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);
