-- A database as of migration 1, with what was in it. Frozen.
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
CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL, checksum BYTEA NOT NULL, execution_time BIGINT NOT NULL);
INSERT INTO exams (code, created_at, ends_at, id, policy, starts_at, status, title) VALUES ('SNAP-1', '1795699294450566', '4102444800000000', '01a21804-c0ef-7f95-a5ba-e82b0274eaa5', '{"camera":"required","microphone":"required","screen":"required","keeps_video":false,"exam_page_keeps_answers":false,"retention_days":30,"exam_page_url":null,"tell_when_listening":true,"allow_test_picture":true}', '1700000000000001', 'active', 'The exam SNAP-1, ä and 試験');
INSERT INTO exams (code, created_at, ends_at, id, policy, starts_at, status, title) VALUES ('SNAP-2', '1795699294635716', '1700000003600001', '01a21804-c1a9-7d1e-9d14-3f341785d7f1', '{"camera":"required","microphone":"required","screen":"required","keeps_video":false,"exam_page_keeps_answers":false,"retention_days":30,"exam_page_url":null,"tell_when_listening":true,"allow_test_picture":true}', '1700000000000001', 'closed', 'The exam SNAP-2, ä and 試験');
INSERT INTO roster (allowances, created_at, exam, id, label, seat, secret_hash) VALUES ('{"extra_time_percent":25,"second_display":false,"assistive_tools":[]}', '7', '01a21804-c0ef-7f95-a5ba-e82b0274eaa5', '01a21804-c101-75ca-be84-e9bc5f0cb035', 'Candidate 1', 'A 3', E'\\x31206574616469646e614331206574616469646e614331206574616469646e61');
INSERT INTO roster (allowances, created_at, exam, id, label, seat, secret_hash) VALUES ('{"extra_time_percent":25,"second_display":false,"assistive_tools":[]}', '7', '01a21804-c0ef-7f95-a5ba-e82b0274eaa5', '01a21804-c11c-787a-b7a3-223857170b38', 'Candidate 2', 'A 3', E'\\x32206574616469646e614332206574616469646e614332206574616469646e61');
INSERT INTO roster (allowances, created_at, exam, id, label, seat, secret_hash) VALUES ('{"extra_time_percent":25,"second_display":false,"assistive_tools":[]}', '7', '01a21804-c1a9-7d1e-9d14-3f341785d7f1', '01a21804-c1ae-7bd7-896e-edaf1e2451bd', 'Candidate 3', 'A 3', E'\\x33206574616469646e614333206574616469646e614333206574616469646e61');
INSERT INTO users (created_at, email, id, name, password_hash, role) VALUES ('1', 'admin@example.org', '01a21804-c0db-7b47-96c9-714edd7a8b87', 'Ünal', '$argon2id$…', 'admin');
INSERT INTO users (created_at, email, id, name, password_hash, role) VALUES ('1', 'lead@example.org', '01a21804-c0d1-71be-999b-8360dd5eba98', 'Ünal', '$argon2id$…', 'lead');
INSERT INTO sessions (chain_hash, chain_seq, created_at, device_key, entry, exam, finished_at, id, joined_at, looked_at, participant) VALUES (E'\\x4a85eb0706e72c574ba850c7620f633239931e822d9db76a272204efcf8dc744', '3', '8', E'\\x8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c', '01a21804-c101-75ca-be84-e9bc5f0cb035', '01a21804-c0ef-7f95-a5ba-e82b0274eaa5', NULL, '01a21804-c10c-74a3-900e-a84946deaf5d', '1700000000000100', '0', '01a21804-c10c-74b0-a27c-f532c5fd9c3c');
INSERT INTO sessions (chain_hash, chain_seq, created_at, device_key, entry, exam, finished_at, id, joined_at, looked_at, participant) VALUES (E'\\x7643a25c7f8fc9030183067e7648cfeb6fad276dc7e5dc3d8bbf12b423a5a19b', '0', '8', E'\\x8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c', '01a21804-c1ae-7bd7-896e-edaf1e2451bd', '01a21804-c1a9-7d1e-9d14-3f341785d7f1', '1700000003600001', '01a21804-c1bd-7aed-b223-1a005b6609f0', '1700000000000100', '0', '01a21804-c1bd-7afd-8598-8e7fe02d0cd0');
INSERT INTO sessions (chain_hash, chain_seq, created_at, device_key, entry, exam, finished_at, id, joined_at, looked_at, participant) VALUES (E'\\xf9a90c2b4782663bf0158972a72b0c8f52ae6353773425141555765c6509bfe9', '0', '8', E'\\x8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c', '01a21804-c11c-787a-b7a3-223857170b38', '01a21804-c0ef-7f95-a5ba-e82b0274eaa5', NULL, '01a21804-c129-7ddf-b832-0876ebfb5914', '1700000000000100', '0', '01a21804-c129-7df3-a039-b12cf5a80532');
INSERT INTO integrity_events (clock_offset, hash, payload, payload_hash, prev, received_at, salt, seq, session) VALUES ('-7', E'\\x4a85eb0706e72c574ba850c7620f633239931e822d9db76a272204efcf8dc744', E'{"kind":"focus_lost","time":{"boot_id":"01a21804-c142-72a0-91ff-e7b119cf309c","monotonic_us":1,"wall_us":2},"observer":"system","confidence":100,"facts":{"window":"a\\u0000 \\u001f ü"}}', E'\\x734d87f584b498fd6191ba55c2a2da31aef406153792d61fa0f8cedb2e82c00d', E'\\x743d0135bca73edc439bac4ba5227aba61801bea45e7ee0bbaacede9a984bcb1', '4', '08c444b4db400ffcd1a18c56e761977b', '3', '01a21804-c10c-74a3-900e-a84946deaf5d');
INSERT INTO integrity_events (clock_offset, hash, payload, payload_hash, prev, received_at, salt, seq, session) VALUES ('-7', E'\\x743d0135bca73edc439bac4ba5227aba61801bea45e7ee0bbaacede9a984bcb1', E'{"kind":"focus_lost","time":{"boot_id":"01a21804-c142-728b-985b-299c44a7d85f","monotonic_us":1,"wall_us":2},"observer":"system","confidence":100,"facts":{"window":"a\\u0000 \\u001f ü"}}', E'\\x85e6946b24682d6a79dd2821a35d812360ff965c0ea74d49a41e39d49126ebd2', E'\\xb834bb4c11304a0e335033b5607d6eb3868539a5a509576a910ba6eb6af62f4b', '4', '796a501bc7eb4ea43f68b6827dbfe101', '2', '01a21804-c10c-74a3-900e-a84946deaf5d');
INSERT INTO integrity_events (clock_offset, hash, payload, payload_hash, prev, received_at, salt, seq, session) VALUES ('-7', E'\\xb834bb4c11304a0e335033b5607d6eb3868539a5a509576a910ba6eb6af62f4b', E'{"kind":"focus_lost","time":{"boot_id":"01a21804-c142-71a1-b2eb-7197bca0303a","monotonic_us":1,"wall_us":2},"observer":"system","confidence":100,"facts":{"window":"a\\u0000 \\u001f ü"}}', E'\\xd1ef1a78e8a82fd8a5a5bcdfdb4ce66508467b4bd6f9a8c2f39a6865ff92861a', E'\\x2f6061e6e38014ff9c1cb23ba1bee51a395cf9b07ea7df600a769a113608d290', '4', 'c1edd160d83409e32dfc0ffca85bf436', '1', '01a21804-c10c-74a3-900e-a84946deaf5d');
INSERT INTO messages (acknowledged_at, at, author, candidate, delivered_at, exam, from_candidate, id, kind, text) VALUES (NULL, '50', 'Lead', '01a21804-c10c-74b0-a27c-f532c5fd9c3c', NULL, '01a21804-c0ef-7f95-a5ba-e82b0274eaa5', 'false', '01a21804-c17d-72d0-854f-b4d9d01b13f5', 'warning', 'Put the phone away, it''s "seen"');
INSERT INTO timeline (at, body, exam, id, message, participant, received_at) VALUES ('3', '{"what":"integrity","kind":"focus_lost","seq":1,"observer":"system","confidence":100,"severity":"medium","begins":null}', '01a21804-c0ef-7f95-a5ba-e82b0274eaa5', '01a21804-c142-7287-8c45-7efc3ff11d34', NULL, '01a21804-c10c-74b0-a27c-f532c5fd9c3c', '4');
INSERT INTO timeline (at, body, exam, id, message, participant, received_at) VALUES ('3', '{"what":"integrity","kind":"focus_lost","seq":2,"observer":"system","confidence":100,"severity":"medium","begins":null}', '01a21804-c0ef-7f95-a5ba-e82b0274eaa5', '01a21804-c142-729f-9d60-675629601034', NULL, '01a21804-c10c-74b0-a27c-f532c5fd9c3c', '4');
INSERT INTO timeline (at, body, exam, id, message, participant, received_at) VALUES ('3', '{"what":"integrity","kind":"focus_lost","seq":3,"observer":"system","confidence":100,"severity":"medium","begins":null}', '01a21804-c0ef-7f95-a5ba-e82b0274eaa5', '01a21804-c142-72b4-8b97-b26381a0d0a8', NULL, '01a21804-c10c-74b0-a27c-f532c5fd9c3c', '4');
INSERT INTO timeline (at, body, exam, id, message, participant, received_at) VALUES ('50', E'{"what":"message","message":"01a21804-c17d-72d0-854f-b4d9d01b13f5","kind":"warning","from_candidate":false,"text":"Put the phone away, it''s \\"seen\\"","delivered":false,"acknowledged":false}', '01a21804-c0ef-7f95-a5ba-e82b0274eaa5', '01a21804-c17d-72c0-a2ba-dbc29b04f282', '01a21804-c17d-72d0-854f-b4d9d01b13f5', '01a21804-c10c-74b0-a27c-f532c5fd9c3c', '51');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (E'\\x9cc66f4f3f8a13c67fe9b74d809eed87f065c7dd80b6410116eb5d101fffd1acbd49c7fcbb96ec3013a132e5445ba2dd', 'first light', '96844782', '2026-11-26 13:21:34.028129+00', 'true', '1');
