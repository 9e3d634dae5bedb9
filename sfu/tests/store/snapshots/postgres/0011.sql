-- A database as of migration 11, with what was in it. Frozen.
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
-- Since when the exam is paused, when it first began, when it was closed; null as long as it has not.
ALTER TABLE exams ADD COLUMN paused_at BIGINT;
ALTER TABLE exams ADD COLUMN started_at BIGINT;
ALTER TABLE exams ADD COLUMN ended_at BIGINT;
-- How a sitting stands apart from its exam (JSON), and a number that every change of it counts up.
ALTER TABLE sessions ADD COLUMN sitting TEXT NOT NULL DEFAULT '{}';
ALTER TABLE sessions ADD COLUMN sitting_revision BIGINT NOT NULL DEFAULT 0;
-- How many candidates the roster holds (exams that were there keep what they have), and what changes with every edit and step.
ALTER TABLE exams ADD COLUMN capacity BIGINT NOT NULL DEFAULT 500;
ALTER TABLE exams ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;

-- Creates that were done, by their idempotency keys, for a day. No secret stands here: those that the answer held are made again
-- from the salt and the server's key, and by nobody once the row is gone.
CREATE TABLE idempotency (
    actor      TEXT NOT NULL,
    key        TEXT NOT NULL,
    -- SHA-256 of the request
    request    BYTEA NOT NULL,
    salt       BYTEA NOT NULL,
    answer     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (actor, key)
);
CREATE INDEX idempotency_by_age ON idempotency (created_at);
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
-- Who watches the candidate of a session; nobody yet, or nobody any more: null.
ALTER TABLE sessions ADD COLUMN proctor UUID REFERENCES users (id);
-- Since when, and why, something is kept whatever the exam's policy says: a legal hold. And since when candidates' data are erased: of an
-- exam, once of all of its candidates.
ALTER TABLE exams ADD COLUMN held_at BIGINT;
ALTER TABLE exams ADD COLUMN hold_reason TEXT;
ALTER TABLE exams ADD COLUMN erased_at BIGINT;
ALTER TABLE roster ADD COLUMN held_at BIGINT;
ALTER TABLE roster ADD COLUMN hold_reason TEXT;
ALTER TABLE roster ADD COLUMN erased_at BIGINT;

-- What the audit log says of one candidate is found by these when it is erased.
CREATE INDEX audit_by_actor ON audit (actor);
CREATE INDEX audit_by_target ON audit (target);
-- What a human should look at, in the order in which it was stored.
CREATE TABLE incidents (
    seq      BIGINT PRIMARY KEY,
    exam     UUID NOT NULL REFERENCES exams (id),
    session  UUID NOT NULL REFERENCES sessions (id),
    kind     TEXT NOT NULL,
    severity TEXT NOT NULL,
    at       BIGINT NOT NULL
);
CREATE INDEX incidents_by_exam ON incidents (exam, seq);

-- Institutions' systems that are told what happens, and how far each has been told.
CREATE TABLE webhooks (
    id           UUID PRIMARY KEY,
    url          TEXT NOT NULL,
    -- JSON array of what it wants; empty: everything
    kinds        TEXT NOT NULL,
    -- its secret is derived from this and the server's key
    salt         BYTEA NOT NULL,
    created_at   BIGINT NOT NULL,
    -- why it is not told any more; null while it is
    stopped      TEXT,
    -- records of the audit log and incidents that it has been told, or did not want
    audit_seq    BIGINT NOT NULL,
    incident_seq BIGINT NOT NULL,
    -- tries that failed since the last that did not
    attempts     BIGINT NOT NULL DEFAULT 0,
    next_at      BIGINT NOT NULL DEFAULT 0,
    last_error   TEXT,
    delivered_at BIGINT,
    -- one server at a time tells it
    leased_until BIGINT NOT NULL DEFAULT 0
);
-- Words to many at once, and what became of them at each.
CREATE TABLE broadcasts (
    id     UUID PRIMARY KEY,
    exam   UUID NOT NULL REFERENCES exams (id),
    author TEXT NOT NULL,
    text   TEXT NOT NULL,
    at     BIGINT NOT NULL
);
CREATE TABLE broadcast_recipients (
    broadcast       UUID NOT NULL REFERENCES broadcasts (id),
    candidate       UUID NOT NULL,
    delivered_at    BIGINT,
    acknowledged_at BIGINT,
    PRIMARY KEY (broadcast, candidate)
);
CREATE INDEX broadcasts_unread ON broadcast_recipients (candidate, broadcast) WHERE acknowledged_at IS NULL;
-- For entries about a broadcast: how far it has come is read from there.
ALTER TABLE timeline ADD COLUMN broadcast UUID REFERENCES broadcasts (id);
CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL, checksum BYTEA NOT NULL, execution_time BIGINT NOT NULL);
INSERT INTO exams (capacity, code, created_at, ended_at, ends_at, erased_at, held_at, hold_reason, id, paused_at, policy, revision, started_at, starts_at, status, title) VALUES ('100', 'SNAP-1', '1795699294450566', NULL, '4102444800000000', NULL, NULL, NULL, '01a21804-c0ef-7f95-a5ba-e82b0274eaa5', NULL, '{"camera":"required","microphone":"required","screen":"required","keeps_video":false,"exam_page_keeps_answers":false,"retention_days":30,"exam_page_url":null,"tell_when_listening":true,"allow_test_picture":true}', '0', NULL, '1700000000000001', 'active', 'The exam SNAP-1, ä and 試験');
INSERT INTO exams (capacity, code, created_at, ended_at, ends_at, erased_at, held_at, hold_reason, id, paused_at, policy, revision, started_at, starts_at, status, title) VALUES ('100', 'SNAP-2', '1795699294635716', '1700000003600001', '1700000003600001', NULL, NULL, NULL, '01a21804-c1a9-7d1e-9d14-3f341785d7f1', NULL, '{"camera":"required","microphone":"required","screen":"required","keeps_video":false,"exam_page_keeps_answers":false,"retention_days":30,"exam_page_url":null,"tell_when_listening":true,"allow_test_picture":true}', '1', NULL, '1700000000000001', 'closed', 'The exam SNAP-2, ä and 試験');
INSERT INTO roster (allowances, created_at, erased_at, exam, held_at, hold_reason, id, label, seat, secret_hash) VALUES ('{"extra_time_percent":25,"second_display":false,"assistive_tools":[]}', '7', NULL, '01a21804-c0ef-7f95-a5ba-e82b0274eaa5', NULL, NULL, '01a21804-c101-75ca-be84-e9bc5f0cb035', 'Candidate 1', 'A 3', E'\\x31206574616469646e614331206574616469646e614331206574616469646e61');
INSERT INTO roster (allowances, created_at, erased_at, exam, held_at, hold_reason, id, label, seat, secret_hash) VALUES ('{"extra_time_percent":25,"second_display":false,"assistive_tools":[]}', '7', NULL, '01a21804-c0ef-7f95-a5ba-e82b0274eaa5', NULL, NULL, '01a21804-c11c-787a-b7a3-223857170b38', 'Candidate 2', 'A 3', E'\\x32206574616469646e614332206574616469646e614332206574616469646e61');
INSERT INTO roster (allowances, created_at, erased_at, exam, held_at, hold_reason, id, label, seat, secret_hash) VALUES ('{"extra_time_percent":25,"second_display":false,"assistive_tools":[]}', '7', NULL, '01a21804-c1a9-7d1e-9d14-3f341785d7f1', NULL, NULL, '01a21804-c1ae-7bd7-896e-edaf1e2451bd', 'Candidate 3', 'A 3', E'\\x33206574616469646e614333206574616469646e614333206574616469646e61');
INSERT INTO users (created_at, deactivated_at, email, generation, id, name, password_hash, role) VALUES ('1', NULL, 'admin@example.org', '0', '01a21804-c0db-7b47-96c9-714edd7a8b87', 'Ünal', '$argon2id$…', 'admin');
INSERT INTO users (created_at, deactivated_at, email, generation, id, name, password_hash, role) VALUES ('1', NULL, 'lead@example.org', '0', '01a21804-c0d1-71be-999b-8360dd5eba98', 'Ünal', '$argon2id$…', 'lead');
INSERT INTO sessions (chain_hash, chain_seq, created_at, device_key, entry, exam, finished_at, generation, id, joined_at, looked_at, participant, proctor, revoked_at, sitting, sitting_revision) VALUES (E'\\x4a85eb0706e72c574ba850c7620f633239931e822d9db76a272204efcf8dc744', '3', '8', E'\\x8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c', '01a21804-c101-75ca-be84-e9bc5f0cb035', '01a21804-c0ef-7f95-a5ba-e82b0274eaa5', NULL, '0', '01a21804-c10c-74a3-900e-a84946deaf5d', '1700000000000100', '0', '01a21804-c10c-74b0-a27c-f532c5fd9c3c', NULL, NULL, '{}', '0');
INSERT INTO sessions (chain_hash, chain_seq, created_at, device_key, entry, exam, finished_at, generation, id, joined_at, looked_at, participant, proctor, revoked_at, sitting, sitting_revision) VALUES (E'\\x7643a25c7f8fc9030183067e7648cfeb6fad276dc7e5dc3d8bbf12b423a5a19b', '0', '8', E'\\x8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c', '01a21804-c1ae-7bd7-896e-edaf1e2451bd', '01a21804-c1a9-7d1e-9d14-3f341785d7f1', '1700000003600001', '0', '01a21804-c1bd-7aed-b223-1a005b6609f0', '1700000000000100', '0', '01a21804-c1bd-7afd-8598-8e7fe02d0cd0', NULL, NULL, '{}', '0');
INSERT INTO sessions (chain_hash, chain_seq, created_at, device_key, entry, exam, finished_at, generation, id, joined_at, looked_at, participant, proctor, revoked_at, sitting, sitting_revision) VALUES (E'\\xf9a90c2b4782663bf0158972a72b0c8f52ae6353773425141555765c6509bfe9', '0', '8', E'\\x8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c', '01a21804-c11c-787a-b7a3-223857170b38', '01a21804-c0ef-7f95-a5ba-e82b0274eaa5', NULL, '0', '01a21804-c129-7ddf-b832-0876ebfb5914', '1700000000000100', '0', '01a21804-c129-7df3-a039-b12cf5a80532', NULL, NULL, '{}', '0');
INSERT INTO integrity_events (clock_offset, hash, payload, payload_hash, prev, received_at, salt, seq, session) VALUES ('-7', E'\\x4a85eb0706e72c574ba850c7620f633239931e822d9db76a272204efcf8dc744', E'{"kind":"focus_lost","time":{"boot_id":"01a21804-c142-72a0-91ff-e7b119cf309c","monotonic_us":1,"wall_us":2},"observer":"system","confidence":100,"facts":{"window":"a\\u0000 \\u001f ü"}}', E'\\x734d87f584b498fd6191ba55c2a2da31aef406153792d61fa0f8cedb2e82c00d', E'\\x743d0135bca73edc439bac4ba5227aba61801bea45e7ee0bbaacede9a984bcb1', '4', '08c444b4db400ffcd1a18c56e761977b', '3', '01a21804-c10c-74a3-900e-a84946deaf5d');
INSERT INTO integrity_events (clock_offset, hash, payload, payload_hash, prev, received_at, salt, seq, session) VALUES ('-7', E'\\x743d0135bca73edc439bac4ba5227aba61801bea45e7ee0bbaacede9a984bcb1', E'{"kind":"focus_lost","time":{"boot_id":"01a21804-c142-728b-985b-299c44a7d85f","monotonic_us":1,"wall_us":2},"observer":"system","confidence":100,"facts":{"window":"a\\u0000 \\u001f ü"}}', E'\\x85e6946b24682d6a79dd2821a35d812360ff965c0ea74d49a41e39d49126ebd2', E'\\xb834bb4c11304a0e335033b5607d6eb3868539a5a509576a910ba6eb6af62f4b', '4', '796a501bc7eb4ea43f68b6827dbfe101', '2', '01a21804-c10c-74a3-900e-a84946deaf5d');
INSERT INTO integrity_events (clock_offset, hash, payload, payload_hash, prev, received_at, salt, seq, session) VALUES ('-7', E'\\xb834bb4c11304a0e335033b5607d6eb3868539a5a509576a910ba6eb6af62f4b', E'{"kind":"focus_lost","time":{"boot_id":"01a21804-c142-71a1-b2eb-7197bca0303a","monotonic_us":1,"wall_us":2},"observer":"system","confidence":100,"facts":{"window":"a\\u0000 \\u001f ü"}}', E'\\xd1ef1a78e8a82fd8a5a5bcdfdb4ce66508467b4bd6f9a8c2f39a6865ff92861a', E'\\x2f6061e6e38014ff9c1cb23ba1bee51a395cf9b07ea7df600a769a113608d290', '4', 'c1edd160d83409e32dfc0ffca85bf436', '1', '01a21804-c10c-74a3-900e-a84946deaf5d');
INSERT INTO messages (acknowledged_at, at, author, candidate, delivered_at, exam, from_candidate, id, kind, text) VALUES (NULL, '50', 'Lead', '01a21804-c10c-74b0-a27c-f532c5fd9c3c', NULL, '01a21804-c0ef-7f95-a5ba-e82b0274eaa5', 'false', '01a21804-c17d-72d0-854f-b4d9d01b13f5', 'warning', 'Put the phone away, it''s "seen"');
INSERT INTO broadcasts (at, author, exam, id, text) VALUES ('60', 'Lead', '01a21804-c0ef-7f95-a5ba-e82b0274eaa5', '01a21804-c18c-7e41-b290-36a2c92c9d7f', 'Ten minutes');
INSERT INTO broadcast_recipients (acknowledged_at, broadcast, candidate, delivered_at) VALUES (NULL, '01a21804-c18c-7e41-b290-36a2c92c9d7f', '01a21804-c10c-74b0-a27c-f532c5fd9c3c', NULL);
INSERT INTO timeline (at, body, broadcast, exam, id, message, participant, received_at) VALUES ('3', '{"what":"integrity","kind":"focus_lost","seq":1,"observer":"system","confidence":100,"severity":"medium","begins":null}', NULL, '01a21804-c0ef-7f95-a5ba-e82b0274eaa5', '01a21804-c142-7287-8c45-7efc3ff11d34', NULL, '01a21804-c10c-74b0-a27c-f532c5fd9c3c', '4');
INSERT INTO timeline (at, body, broadcast, exam, id, message, participant, received_at) VALUES ('3', '{"what":"integrity","kind":"focus_lost","seq":2,"observer":"system","confidence":100,"severity":"medium","begins":null}', NULL, '01a21804-c0ef-7f95-a5ba-e82b0274eaa5', '01a21804-c142-729f-9d60-675629601034', NULL, '01a21804-c10c-74b0-a27c-f532c5fd9c3c', '4');
INSERT INTO timeline (at, body, broadcast, exam, id, message, participant, received_at) VALUES ('3', '{"what":"integrity","kind":"focus_lost","seq":3,"observer":"system","confidence":100,"severity":"medium","begins":null}', NULL, '01a21804-c0ef-7f95-a5ba-e82b0274eaa5', '01a21804-c142-72b4-8b97-b26381a0d0a8', NULL, '01a21804-c10c-74b0-a27c-f532c5fd9c3c', '4');
INSERT INTO timeline (at, body, broadcast, exam, id, message, participant, received_at) VALUES ('50', E'{"what":"message","message":"01a21804-c17d-72d0-854f-b4d9d01b13f5","kind":"warning","from_candidate":false,"text":"Put the phone away, it''s \\"seen\\"","delivered":false,"acknowledged":false}', NULL, '01a21804-c0ef-7f95-a5ba-e82b0274eaa5', '01a21804-c17d-72c0-a2ba-dbc29b04f282', '01a21804-c17d-72d0-854f-b4d9d01b13f5', '01a21804-c10c-74b0-a27c-f532c5fd9c3c', '51');
INSERT INTO timeline (at, body, broadcast, exam, id, message, participant, received_at) VALUES ('60', '{"what":"broadcast","message":"01a21804-c18c-7e41-b290-36a2c92c9d7f","audience":"everyone","by":"Lead","text":"Ten minutes","reach":{"recipients":0,"delivered":0,"acknowledged":0}}', '01a21804-c18c-7e41-b290-36a2c92c9d7f', '01a21804-c0ef-7f95-a5ba-e82b0274eaa5', '01a21804-c18c-7e51-92e7-131a3b2212a7', NULL, '01a21804-c10c-74b0-a27c-f532c5fd9c3c', '61');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('add_roster_entry', 'server', NULL, '1795699294472708', E'\\x1352970e951536f97a252e359be188de6280df64e75b31e126b83342d874a879', '{"allowances":{"assistive_tools":[],"extra_time_percent":25,"second_display":false},"exam":"01a21804-c0ef-7f95-a5ba-e82b0274eaa5","label":"Candidate 1"}', E'\\x76913f5141a82d7490a5227cd166b74067ae25a4668c4d65cba05d566dadca39', E'\\xfb876d681646fcd7df597adb7e73adb8846115b70d4e230276fb1a30b472a179', 'server', E'\\x260bb39e0a2fb55a0b9bde62d1db3882', '4', '01a21804-c101-75ca-be84-e9bc5f0cb035');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('add_roster_entry', 'server', NULL, '1795699294498091', E'\\x265236395463aa4b7cd0fa480efb2a78d3a839d8d09c0c2781d99b07edbf02c5', '{"allowances":{"assistive_tools":[],"extra_time_percent":25,"second_display":false},"exam":"01a21804-c0ef-7f95-a5ba-e82b0274eaa5","label":"Candidate 2"}', E'\\x8482cead8b116bb04b096b4fa9ab11f71d563592c6d3ac1814a2b5c6ddc8eec3', E'\\xd76ebadfd4723e3ad2ac1e04a4317c1da25a493a5c62736e81a7d0b0b9c123c5', 'server', E'\\x72f38589f6118e39127c759a8f977161', '7', '01a21804-c11c-787a-b7a3-223857170b38');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('add_roster_entry', 'server', NULL, '1795699294641239', E'\\x30d55ae18ac7c94eae9026602612853c3a6767cb05d98bbe96af53943d3be338', '{"allowances":{"assistive_tools":[],"extra_time_percent":25,"second_display":false},"exam":"01a21804-c1a9-7d1e-9d14-3f341785d7f1","label":"Candidate 3"}', E'\\xd3201df49b5c5076f44a02a1992f107fe052583a1131e0983390ca742dc4f445', E'\\xdfca7ea3ad4c2537cb0c22de799142c7cf841a01979adf206e31bb4be549551b', 'server', E'\\x335c1e82fe380845addbdfb98e3304a3', '13', '01a21804-c1ae-7bd7-896e-edaf1e2451bd');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('add_user', 'server', NULL, '1795699294420545', E'\\x2099e2c568dd52b56d572ac3e3136d63914328db1b18cd65b2ec73faf8faeb3d', '{"email":"lead@example.org","role":"lead"}', E'\\x19d4c1838eb0bd27df475b8733b42bf383ce94e51c99e0a9b8ae842d3be12ead', E'\\xcf14fb0b152f68b11937eaafc10a6d5becf4bcf07ea5ae8f125231837ae11cc0', 'server', E'\\x39aecb8c5f47c09b61303d6bc9025179', '1', '01a21804-c0d1-71be-999b-8360dd5eba98');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('add_user', 'server', NULL, '1795699294441054', E'\\x372a73af31053a11fd2d678c3604a05e1aa1e9aa5644f860bbfc04c8bc9738e2', '{"email":"admin@example.org","role":"admin"}', E'\\x2099e2c568dd52b56d572ac3e3136d63914328db1b18cd65b2ec73faf8faeb3d', E'\\x836bff068b7af2dd4cc5310935d667fe452b46c83af2f7a76bad6ef6ef8413b1', 'server', E'\\x3cbfbfff1c7629e4b455097cc32766ea', '2', '01a21804-c0db-7b47-96c9-714edd7a8b87');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('broadcast', 'server', NULL, '1795699294627621', E'\\xce0dfb98fd0304c1c536b40d1e60a1c4e5b4aab6a15fcadec3f29222d786ae6d', '{"broadcast":"01a21804-c18c-7e41-b290-36a2c92c9d7f","recipients":1}', E'\\xa1907117151421f3d90b5f28f564fac90cd9b1c8f12afcc02c161fddbf81459c', E'\\xb10e48881e77a234d70140b2b1f67a2977f3467e878950343aae19b66b651f9a', 'server', E'\\x073d6122dc44354cb1ca1d99d7950702', '11', '01a21804-c0ef-7f95-a5ba-e82b0274eaa5');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('change_exam', 'server', NULL, '1795699294688722', E'\\x78a79f45bb4ba3e1c6879d460bdc473da81739c9ceca425948968eea9a47da71', '{"ends_at":1700000003600001,"from":"active","to":"closed"}', E'\\x2e3433dea598661daddf0d448e35a1c21e71a55bb6cfb9b140be07d79d616ef8', E'\\xf65e95e2df748619a325bbf0f69718d8335b1b817aee02b76c2fdf0b8435af9f', 'server', E'\\xe16bca0483b999425cf5710fa16e256c', '16', '01a21804-c1a9-7d1e-9d14-3f341785d7f1');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('create_exam', 'server', NULL, '1795699294452778', E'\\x76913f5141a82d7490a5227cd166b74067ae25a4668c4d65cba05d566dadca39', '{"capacity":100,"code":"SNAP-1","ends_at":4102444800000000,"policy":{"allow_test_picture":true,"camera":"required","exam_page_keeps_answers":false,"exam_page_url":null,"keeps_video":false,"microphone":"required","retention_days":30,"screen":"required","tell_when_listening":true},"starts_at":1700000000000001,"title":"The exam SNAP-1, ä and 試験"}', E'\\x372a73af31053a11fd2d678c3604a05e1aa1e9aa5644f860bbfc04c8bc9738e2', E'\\x9438321f200a542792fa52e1978724966f63f1e85acdba11e3c459ae8cdbc757', 'server', E'\\xb0bb3a4761b0b23d326ae58ef28090a3', '3', '01a21804-c0ef-7f95-a5ba-e82b0274eaa5');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('create_exam', 'server', NULL, '1795699294636142', E'\\xd3201df49b5c5076f44a02a1992f107fe052583a1131e0983390ca742dc4f445', '{"capacity":100,"code":"SNAP-2","ends_at":1700000003600001,"policy":{"allow_test_picture":true,"camera":"required","exam_page_keeps_answers":false,"exam_page_url":null,"keeps_video":false,"microphone":"required","retention_days":30,"screen":"required","tell_when_listening":true},"starts_at":1700000000000001,"title":"The exam SNAP-2, ä and 試験"}', E'\\xce0dfb98fd0304c1c536b40d1e60a1c4e5b4aab6a15fcadec3f29222d786ae6d', E'\\x418f8e2c41741ca77163964c00c856ff609b59319e22ec56d1aba6fd7e2da4d3', 'server', E'\\xfaaaac44e37d615eeede455abbac7422', '12', '01a21804-c1a9-7d1e-9d14-3f341785d7f1');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('enter_room', 'server', NULL, '1795699294490978', E'\\x8482cead8b116bb04b096b4fa9ab11f71d563592c6d3ac1814a2b5c6ddc8eec3', '{"entry":"01a21804-c101-75ca-be84-e9bc5f0cb035","exam":"01a21804-c0ef-7f95-a5ba-e82b0274eaa5"}', E'\\xeadfb1ec8f814b61639f9880b3d6ac64d0481f65ca45730594f24aa74e41a9f6', E'\\xa71b0155d12fa9e34b179f21c3687665cdbe75d5cc4cc6d925c2f4219321d958', 'server', E'\\x8d2d922576a6ef0a99265d3077885d34', '6', '01a21804-c10c-74a3-900e-a84946deaf5d');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('enter_room', 'server', NULL, '1795699294521333', E'\\xfa077f3fe1f81994888cf700f1ff6f5fafae02012745f05ab1d4f9500fb18214', '{"entry":"01a21804-c11c-787a-b7a3-223857170b38","exam":"01a21804-c0ef-7f95-a5ba-e82b0274eaa5"}', E'\\xa0577757c9e1b39dabc4d86141c34179da72f7d040458e10bcd378e6477dc6ff', E'\\x2f46b0cd1a9c39840104d42afc6707279927bd78acacbb3f9802df4614b2f475', 'server', E'\\x56d7f302c4c5529d5ec22b16601e0805', '9', '01a21804-c129-7ddf-b832-0876ebfb5914');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('enter_room', 'server', NULL, '1795699294677240', E'\\x2e3433dea598661daddf0d448e35a1c21e71a55bb6cfb9b140be07d79d616ef8', '{"entry":"01a21804-c1ae-7bd7-896e-edaf1e2451bd","exam":"01a21804-c1a9-7d1e-9d14-3f341785d7f1"}', E'\\xaba74fa9116845fd5b7a08b5c0aa06602ff91815a41c831b1b6fd290222e0464', E'\\x28bf1fe155f06ec92fc76e70d845dec871ab0c941311bcec6b2d41a117a6d60e', 'server', E'\\x79988e9420d9443fc48ce8af357e7888', '15', '01a21804-c1bd-7aed-b223-1a005b6609f0');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('finish', 'server', NULL, '1795699294689460', E'\\x977bad79e90dbde64a52aa08d2d0f8926b194f25f0ffd766209c83d29a85a125', '{"by":"close","exam":"01a21804-c1a9-7d1e-9d14-3f341785d7f1"}', E'\\x78a79f45bb4ba3e1c6879d460bdc473da81739c9ceca425948968eea9a47da71', E'\\xa5709bd632289a349ff524e75d2f4814abaffbc99fdcc453074d76b26de19991', 'server', E'\\x8cd161ade3f38bb3835bd0c6fc93fd72', '17', '01a21804-c1bd-7aed-b223-1a005b6609f0');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('join', 'server', NULL, '1795699294485685', E'\\xeadfb1ec8f814b61639f9880b3d6ac64d0481f65ca45730594f24aa74e41a9f6', '{"device":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c","entry":"01a21804-c101-75ca-be84-e9bc5f0cb035","exam":"01a21804-c0ef-7f95-a5ba-e82b0274eaa5"}', E'\\x1352970e951536f97a252e359be188de6280df64e75b31e126b83342d874a879', E'\\x1454305bb0053a8c695d137e0c1ac44cd34bc79cbb0cb139679b8aa3a12b9381', 'server', E'\\xfaca513bd1ca1ed41223c6e9559b090b', '5', '01a21804-c10c-74a3-900e-a84946deaf5d');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('join', 'server', NULL, '1795699294512911', E'\\xa0577757c9e1b39dabc4d86141c34179da72f7d040458e10bcd378e6477dc6ff', '{"device":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c","entry":"01a21804-c11c-787a-b7a3-223857170b38","exam":"01a21804-c0ef-7f95-a5ba-e82b0274eaa5"}', E'\\x265236395463aa4b7cd0fa480efb2a78d3a839d8d09c0c2781d99b07edbf02c5', E'\\x4e11b72be4145e5efee4d3ec401c3971257e4fa511c8a783781f146d40120b87', 'server', E'\\x0417dbd9bb40e859c9d9cfed95df4621', '8', '01a21804-c129-7ddf-b832-0876ebfb5914');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('join', 'server', NULL, '1795699294665772', E'\\xaba74fa9116845fd5b7a08b5c0aa06602ff91815a41c831b1b6fd290222e0464', '{"device":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c","entry":"01a21804-c1ae-7bd7-896e-edaf1e2451bd","exam":"01a21804-c1a9-7d1e-9d14-3f341785d7f1"}', E'\\x30d55ae18ac7c94eae9026602612853c3a6767cb05d98bbe96af53943d3be338', E'\\x5e06e6574b6688c3924f447767c3a2e247d03fd71bb9e6c96bbbb2b5243afdd1', 'server', E'\\xeb6a700ae8ccf3e039d24a365bfad7f4', '14', '01a21804-c1bd-7aed-b223-1a005b6609f0');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('warn', 'server', NULL, '1795699294599467', E'\\xa1907117151421f3d90b5f28f564fac90cd9b1c8f12afcc02c161fddbf81459c', '{"exam":"01a21804-c0ef-7f95-a5ba-e82b0274eaa5","message":"01a21804-c17d-72d0-854f-b4d9d01b13f5"}', E'\\xfa077f3fe1f81994888cf700f1ff6f5fafae02012745f05ab1d4f9500fb18214', E'\\xee587c97c8aed246113e4e549f1a59f3e429684da1b96d366abcf8d140030a54', 'server', E'\\x9f0494742f810eb5e94902e5a0039379', '10', '01a21804-c10c-74b0-a27c-f532c5fd9c3c');
INSERT INTO incidents (at, exam, kind, seq, session, severity) VALUES ('3', '01a21804-c0ef-7f95-a5ba-e82b0274eaa5', 'focus_lost', '1', '01a21804-c10c-74a3-900e-a84946deaf5d', 'medium');
INSERT INTO incidents (at, exam, kind, seq, session, severity) VALUES ('3', '01a21804-c0ef-7f95-a5ba-e82b0274eaa5', 'focus_lost', '2', '01a21804-c10c-74a3-900e-a84946deaf5d', 'medium');
INSERT INTO incidents (at, exam, kind, seq, session, severity) VALUES ('3', '01a21804-c0ef-7f95-a5ba-e82b0274eaa5', 'focus_lost', '3', '01a21804-c10c-74a3-900e-a84946deaf5d', 'medium');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (E'\\x22f4630c6c7e1a5cb81d18be4e08d0b93de97655910ff94a11893a88aa2e32f6d92084b44301560f33d6974bb5297414', 'access', '66183909', '2026-11-26 13:21:34.230278+00', 'true', '7');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (E'\\x3ed899c1ff065531906ecd99acbce1a1997a75493dcd73a32ce673a2648243a2096dfca1ab60473944ae864505c64aae', 'office', '26275843', '2026-11-26 13:21:34.151493+00', 'true', '5');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (E'\\x4aa3aa72586e844452209c56e4edae55c779f0854c6e47c55863cfbf0361b72eb78316bac0e0e649760855a20ed3617d', 'sittings', '3130495', '2026-11-26 13:21:34.147017+00', 'true', '4');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (E'\\x9b3da5df5096f6504ac18bd00eef30de3493e2699a1e27e746a3c34d5f429cefdbe891c5a178a55ec96352a68430bd52', 'webhooks', '13679482', '2026-11-26 13:21:34.321675+00', 'true', '10');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (E'\\x9cc66f4f3f8a13c67fe9b74d809eed87f065c7dd80b6410116eb5d101fffd1acbd49c7fcbb96ec3013a132e5445ba2dd', 'first light', '96844782', '2026-11-26 13:21:34.028129+00', 'true', '1');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (E'\\xad57ad382d3a4e598bb55d1825131492d6a6a30cc105de853a91b295479daf85173625b22c21f2586b9cd73808ed4c23', 'broadcasts', '19411991', '2026-11-26 13:21:34.336365+00', 'true', '11');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (E'\\xb5c22bd377fdfb5d1b94b5a0ceeda8f6594eea555fdf04dadc243ada510d8c28a87de42a1d6aec2e4a1e12f2186abd2e', 'exam times', '1648043', '2026-11-26 13:21:34.144469+00', 'true', '3');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (E'\\xe1f4c97c94e150b78dd2ed670146f96eb423f5e746c89aa8b2862fe0434343bfe3ebcc197e04146066c99dd4417ea70d', 'assignment', '6962517', '2026-11-26 13:21:34.297797+00', 'true', '8');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (E'\\xe8d3b9a693968e20fb0a3cf37b421615cd31dfc5ecad0873308ac79546a65a670bdeb75297a373221799d4e7bd3cc8f2', 'retention', '11543825', '2026-11-26 13:21:34.307944+00', 'true', '9');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (E'\\xe8e57dac9a6e2c274d6ecf1df963407f8498a90bd7d91389e84d069d686996268ab1a144e4e8afb07061a64228c0b344', 'audit', '11621371', '2026-11-26 13:21:34.128255+00', 'true', '2');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (E'\\xf5c9271ef6e0c224b1f47a82ef4beccff75f7cb17355c274a3d0e5824edf5bc975355c7b2983989eafe2fa7f9a617044', 'people', '43341350', '2026-11-26 13:21:34.180223+00', 'true', '6');
