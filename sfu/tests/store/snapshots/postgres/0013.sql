-- A database as of migration 13, with what was in it. Frozen.
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
-- The most candidates who were in the exam's room at once.
ALTER TABLE exams ADD COLUMN peak BIGINT NOT NULL DEFAULT 0;

-- Every device that has held a session. The one that holds it now stands with the session too.
CREATE TABLE device_keys (
    session       UUID NOT NULL REFERENCES sessions (id),
    -- Ed25519 public key
    device_key    BYTEA NOT NULL,
    registered_at BIGINT NOT NULL,
    -- since when another device holds the session, and why; null for the one that does
    superseded_at BIGINT,
    reason        TEXT,
    PRIMARY KEY (session, registered_at, device_key)
);
CREATE UNIQUE INDEX device_keys_in_use ON device_keys (session) WHERE superseded_at IS NULL;
INSERT INTO device_keys (session, device_key, registered_at)
    SELECT id, device_key, created_at FROM sessions WHERE device_key IS NOT NULL;

-- Stays of people in rooms, and how their connection was over all of it.
CREATE TABLE participations (
    id          UUID PRIMARY KEY,
    exam        UUID NOT NULL REFERENCES exams (id),
    participant UUID NOT NULL,
    role        TEXT NOT NULL,
    -- a candidate's place on the roster, or the account of whoever watched
    entry       UUID REFERENCES roster (id),
    account     UUID REFERENCES users (id),
    joined_at   BIGINT NOT NULL,
    -- when the server last saw it: the end of a stay whose server went down
    seen_at     BIGINT NOT NULL,
    -- null while it lasts
    left_at     BIGINT,
    departure   TEXT,
    -- null where nothing was measured
    rtt_us      BIGINT,
    up_bps      BIGINT,
    down_bps    BIGINT,
    lost_ppm    BIGINT,
    -- a byte a step
    trend       BYTEA NOT NULL
);
CREATE INDEX participations_by_exam ON participations (exam, id);
CREATE INDEX participations_by_participant ON participations (participant);
CREATE INDEX participations_open ON participations (seen_at) WHERE left_at IS NULL;

CREATE TABLE statistics (
    participation UUID NOT NULL REFERENCES participations (id) ON DELETE CASCADE,
    at            BIGINT NOT NULL,
    rtt_us        BIGINT,
    up_bps        BIGINT,
    down_bps      BIGINT,
    lost_ppm      BIGINT,
    -- that arrived from the client
    layers        BIGINT NOT NULL,
    PRIMARY KEY (participation, at)
);

-- Closing an exam ends the sittings that are left; those of exams that were closed before had been left open.
UPDATE sessions SET finished_at = (SELECT coalesce(exams.ended_at, exams.ends_at) FROM exams WHERE exams.id = sessions.exam)
    WHERE finished_at IS NULL AND exam IN (SELECT id FROM exams WHERE status IN ('closed', 'archived'));
-- Who people with an account are at the identity provider.
CREATE TABLE oidc_links (
    account   UUID PRIMARY KEY NOT NULL REFERENCES users (id),
    issuer    TEXT NOT NULL,
    subject   TEXT NOT NULL,
    linked_at BIGINT NOT NULL,
    UNIQUE (issuer, subject)
);
CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL, checksum BYTEA NOT NULL, execution_time BIGINT NOT NULL);
INSERT INTO exams (capacity, code, created_at, ended_at, ends_at, erased_at, held_at, hold_reason, id, paused_at, peak, policy, revision, started_at, starts_at, status, title) VALUES ('100', 'SNAP-1', '1795718978521801', NULL, '4102444800000000', NULL, NULL, NULL, '01a21931-1bd9-7849-973f-5e8a6e2af28e', NULL, '0', '{"camera":"required","microphone":"required","screen":"required","keeps_video":false,"exam_page_keeps_answers":false,"retention_days":30,"exam_page_url":null,"tell_when_listening":true,"allow_test_picture":true}', '0', NULL, '1700000000000001', 'active', 'The exam SNAP-1, ä and 試験');
INSERT INTO exams (capacity, code, created_at, ended_at, ends_at, erased_at, held_at, hold_reason, id, paused_at, peak, policy, revision, started_at, starts_at, status, title) VALUES ('100', 'SNAP-2', '1795718978555444', '1700000003600001', '1700000003600001', NULL, NULL, NULL, '01a21931-1bfa-769f-b7ef-673a5a274adb', NULL, '0', '{"camera":"required","microphone":"required","screen":"required","keeps_video":false,"exam_page_keeps_answers":false,"retention_days":30,"exam_page_url":null,"tell_when_listening":true,"allow_test_picture":true}', '1', NULL, '1700000000000001', 'closed', 'The exam SNAP-2, ä and 試験');
INSERT INTO roster (allowances, created_at, erased_at, exam, held_at, hold_reason, id, label, seat, secret_hash) VALUES ('{"extra_time_percent":25,"second_display":false,"assistive_tools":[]}', '7', NULL, '01a21931-1bd9-7849-973f-5e8a6e2af28e', NULL, NULL, '01a21931-1bdb-721c-9589-7bd413ea281f', 'Candidate 1', 'A 3', E'\\x31206574616469646e614331206574616469646e614331206574616469646e61');
INSERT INTO roster (allowances, created_at, erased_at, exam, held_at, hold_reason, id, label, seat, secret_hash) VALUES ('{"extra_time_percent":25,"second_display":false,"assistive_tools":[]}', '7', NULL, '01a21931-1bd9-7849-973f-5e8a6e2af28e', NULL, NULL, '01a21931-1be3-749b-92f0-4ceedc23fe91', 'Candidate 2', 'A 3', E'\\x32206574616469646e614332206574616469646e614332206574616469646e61');
INSERT INTO roster (allowances, created_at, erased_at, exam, held_at, hold_reason, id, label, seat, secret_hash) VALUES ('{"extra_time_percent":25,"second_display":false,"assistive_tools":[]}', '7', NULL, '01a21931-1bfa-769f-b7ef-673a5a274adb', NULL, NULL, '01a21931-1bfc-77fb-8848-9780c21da05e', 'Candidate 3', 'A 3', E'\\x33206574616469646e614333206574616469646e614333206574616469646e61');
INSERT INTO users (created_at, deactivated_at, email, generation, id, name, password_hash, role) VALUES ('1', NULL, 'admin@example.org', '0', '01a21931-1bd7-7b99-9133-e923cc675eac', 'Ünal', '$argon2id$…', 'admin');
INSERT INTO users (created_at, deactivated_at, email, generation, id, name, password_hash, role) VALUES ('1', NULL, 'lead@example.org', '0', '01a21931-1bd1-7b89-9fbc-de2c828173de', 'Ünal', '$argon2id$…', 'lead');
INSERT INTO sessions (chain_hash, chain_seq, created_at, device_key, entry, exam, finished_at, generation, id, joined_at, looked_at, participant, proctor, revoked_at, sitting, sitting_revision) VALUES (E'\\x719747fcf24c57156e5e5bb566c1e1c0b7923f29017e1ba3493d18f2736e5890', '0', '8', E'\\x8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c', '01a21931-1bfc-77fb-8848-9780c21da05e', '01a21931-1bfa-769f-b7ef-673a5a274adb', '1700000003600001', '0', '01a21931-1bfe-7d70-b4a4-84151eb882ff', '1700000000000100', '0', '01a21931-1bfe-7d78-9469-24d52b6255e5', NULL, NULL, '{}', '0');
INSERT INTO sessions (chain_hash, chain_seq, created_at, device_key, entry, exam, finished_at, generation, id, joined_at, looked_at, participant, proctor, revoked_at, sitting, sitting_revision) VALUES (E'\\x913136e08ddc6de392bdca31946bad44c55fdc372524124094c94b1398ed7e0e', '0', '8', E'\\x8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c', '01a21931-1be3-749b-92f0-4ceedc23fe91', '01a21931-1bd9-7849-973f-5e8a6e2af28e', NULL, '0', '01a21931-1be5-79ce-8ecf-c7d42b781780', '1700000000000100', '0', '01a21931-1be5-79d2-9d22-1205bbcad19b', NULL, NULL, '{}', '0');
INSERT INTO sessions (chain_hash, chain_seq, created_at, device_key, entry, exam, finished_at, generation, id, joined_at, looked_at, participant, proctor, revoked_at, sitting, sitting_revision) VALUES (E'\\xdac6d7fed7f1840c0f125c03add7c64d7fd5ac4db5e7d4d31f6d9365eb10c4b5', '3', '8', E'\\x8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c', '01a21931-1bdb-721c-9589-7bd413ea281f', '01a21931-1bd9-7849-973f-5e8a6e2af28e', NULL, '0', '01a21931-1bde-76cc-9a31-c04a1cf3be7e', '1700000000000100', '0', '01a21931-1bde-76d0-b8e0-4e27690559f0', NULL, NULL, '{}', '0');
INSERT INTO integrity_events (clock_offset, hash, payload, payload_hash, prev, received_at, salt, seq, session) VALUES ('-7', E'\\x64b18443094d4805003a40a4a68dff67fb21e098ff2fe07f33947658f47ef2be', E'{"kind":"focus_lost","time":{"boot_id":"01a21931-1be9-78c8-bf31-2529fac5649f","monotonic_us":1,"wall_us":2},"observer":"system","confidence":100,"facts":{"window":"a\\u0000 \\u001f ü"}}', E'\\xf7c4e0a13ed6a39dcc3173bd8fae4bb0e63e6ef827a5ca32a499d206330be7df', E'\\xfeb021f2aafcf65b4230bed7fdeeb4b6fa4d6a96625c43178324d988a3d8bd69', '4', '92a9ebd14b268fd903d4a41aaa1417bc', '2', '01a21931-1bde-76cc-9a31-c04a1cf3be7e');
INSERT INTO integrity_events (clock_offset, hash, payload, payload_hash, prev, received_at, salt, seq, session) VALUES ('-7', E'\\xdac6d7fed7f1840c0f125c03add7c64d7fd5ac4db5e7d4d31f6d9365eb10c4b5', E'{"kind":"focus_lost","time":{"boot_id":"01a21931-1be9-78d5-9fd3-740e810798b6","monotonic_us":1,"wall_us":2},"observer":"system","confidence":100,"facts":{"window":"a\\u0000 \\u001f ü"}}', E'\\x705f5e1f2d66ad5f3a310ec51f1787cbc3cb469cdcf038b344a2eecab3346934', E'\\x64b18443094d4805003a40a4a68dff67fb21e098ff2fe07f33947658f47ef2be', '4', '5e80dac3e7718caf9cabe9e0360bd508', '3', '01a21931-1bde-76cc-9a31-c04a1cf3be7e');
INSERT INTO integrity_events (clock_offset, hash, payload, payload_hash, prev, received_at, salt, seq, session) VALUES ('-7', E'\\xfeb021f2aafcf65b4230bed7fdeeb4b6fa4d6a96625c43178324d988a3d8bd69', E'{"kind":"focus_lost","time":{"boot_id":"01a21931-1be9-788b-9902-c9428cafc25c","monotonic_us":1,"wall_us":2},"observer":"system","confidence":100,"facts":{"window":"a\\u0000 \\u001f ü"}}', E'\\x520048d9cbd2637581433d118b6a3cf228f4b040efaa3a73a2250505b0092fc4', E'\\x8c5850e2b3062518d96258b0899305b4b4125243ffa602e710902c3f212c9e12', '4', 'f752b1ae59ca2e4767fd6967e4a9add5', '1', '01a21931-1bde-76cc-9a31-c04a1cf3be7e');
INSERT INTO messages (acknowledged_at, at, author, candidate, delivered_at, exam, from_candidate, id, kind, text) VALUES (NULL, '50', 'Lead', '01a21931-1bde-76d0-b8e0-4e27690559f0', NULL, '01a21931-1bd9-7849-973f-5e8a6e2af28e', 'false', '01a21931-1bf1-7e20-8f8a-4bb57d8f571b', 'warning', 'Put the phone away, it''s "seen"');
INSERT INTO broadcasts (at, author, exam, id, text) VALUES ('60', 'Lead', '01a21931-1bd9-7849-973f-5e8a6e2af28e', '01a21931-1bf5-747a-b985-fc9f1ce9e921', 'Ten minutes');
INSERT INTO broadcast_recipients (acknowledged_at, broadcast, candidate, delivered_at) VALUES (NULL, '01a21931-1bf5-747a-b985-fc9f1ce9e921', '01a21931-1bde-76d0-b8e0-4e27690559f0', NULL);
INSERT INTO timeline (at, body, broadcast, exam, id, message, participant, received_at) VALUES ('3', '{"what":"integrity","kind":"focus_lost","seq":1,"observer":"system","confidence":100,"severity":"medium","begins":null}', NULL, '01a21931-1bd9-7849-973f-5e8a6e2af28e', '01a21931-1be9-78c4-ae10-537527ea2c91', NULL, '01a21931-1bde-76d0-b8e0-4e27690559f0', '4');
INSERT INTO timeline (at, body, broadcast, exam, id, message, participant, received_at) VALUES ('3', '{"what":"integrity","kind":"focus_lost","seq":2,"observer":"system","confidence":100,"severity":"medium","begins":null}', NULL, '01a21931-1bd9-7849-973f-5e8a6e2af28e', '01a21931-1be9-78d4-b8db-e68379a8ac07', NULL, '01a21931-1bde-76d0-b8e0-4e27690559f0', '4');
INSERT INTO timeline (at, body, broadcast, exam, id, message, participant, received_at) VALUES ('3', '{"what":"integrity","kind":"focus_lost","seq":3,"observer":"system","confidence":100,"severity":"medium","begins":null}', NULL, '01a21931-1bd9-7849-973f-5e8a6e2af28e', '01a21931-1be9-78dd-befc-3c57ce6e0bcd', NULL, '01a21931-1bde-76d0-b8e0-4e27690559f0', '4');
INSERT INTO timeline (at, body, broadcast, exam, id, message, participant, received_at) VALUES ('50', E'{"what":"message","message":"01a21931-1bf1-7e20-8f8a-4bb57d8f571b","kind":"warning","from_candidate":false,"text":"Put the phone away, it''s \\"seen\\"","delivered":false,"acknowledged":false}', NULL, '01a21931-1bd9-7849-973f-5e8a6e2af28e', '01a21931-1bf1-7e14-9e0b-2a76874cb2a3', '01a21931-1bf1-7e20-8f8a-4bb57d8f571b', '01a21931-1bde-76d0-b8e0-4e27690559f0', '51');
INSERT INTO timeline (at, body, broadcast, exam, id, message, participant, received_at) VALUES ('60', '{"what":"broadcast","message":"01a21931-1bf5-747a-b985-fc9f1ce9e921","audience":"everyone","by":"Lead","text":"Ten minutes","reach":{"recipients":0,"delivered":0,"acknowledged":0}}', '01a21931-1bf5-747a-b985-fc9f1ce9e921', '01a21931-1bd9-7849-973f-5e8a6e2af28e', '01a21931-1bf5-7483-86af-30749ccda7a7', NULL, '01a21931-1bde-76d0-b8e0-4e27690559f0', '61');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('add_roster_entry', 'server', NULL, '1795718978525667', E'\\xc69df894087f239e7992478dd9b5b31cc139d2b813f5c800b4b3dbde6c31de18', '{"allowances":{"assistive_tools":[],"extra_time_percent":25,"second_display":false},"exam":"01a21931-1bd9-7849-973f-5e8a6e2af28e","label":"Candidate 1"}', E'\\xee826911f5a8fc73bdf61daa250c6d2fd642ce92c34151d9430c2b6af01172b6', E'\\x0316921b6f1a62bd8e66fb25edae1fb24f4393af6fc099d272ddd4ab69d3aeec', 'server', E'\\xbb3f4bf6446da0177d657f466b205a97', '5', '01a21931-1bdb-721c-9589-7bd413ea281f');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('add_roster_entry', 'server', NULL, '1795718978532810', E'\\x86a5cc185c293c1b2a4d860520e403e4734cf441365b442f994f4ffd6f4a5858', '{"allowances":{"assistive_tools":[],"extra_time_percent":25,"second_display":false},"exam":"01a21931-1bd9-7849-973f-5e8a6e2af28e","label":"Candidate 2"}', E'\\xd54673811c9a198666f537a9d8b105282f8706f790111907b94facf93b0e57ee', E'\\x7c00fd71fe36372cb0bc9ff551cd19e21eec9c00b10211a5fde420df35fa53f8', 'server', E'\\x0bc50226833ea119ee088a97e8f47067', '8', '01a21931-1be3-749b-92f0-4ceedc23fe91');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('add_roster_entry', 'server', NULL, '1795718978557621', E'\\x8a35eeb01e6b422eafb7c67ffe0ebaa330b577eb8172d4a5790f98dda4b899db', '{"allowances":{"assistive_tools":[],"extra_time_percent":25,"second_display":false},"exam":"01a21931-1bfa-769f-b7ef-673a5a274adb","label":"Candidate 3"}', E'\\x7e164d10bba26feb1789b93c03a75f4c5f8d8edf3e50c55aa410dd9963c80606', E'\\x8f4d3ed5b7eab2eb0343fc5c1d4cc031f9797c155469b151ecee48a797d4ff77', 'server', E'\\x571ec9a632a1a9d760bf032af41cf13d', '14', '01a21931-1bfc-77fb-8848-9780c21da05e');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('add_user', 'server', NULL, '1795718978515463', E'\\xcfb9218f8744d601addeeea6f7b5b4221d7703105f237c137461373253e214df', '{"email":"lead@example.org","role":"lead"}', E'\\x19d4c1838eb0bd27df475b8733b42bf383ce94e51c99e0a9b8ae842d3be12ead', E'\\x52fa9df4891b9680d6aa0915d239f4ecd3d4a741c3ae1fdff0aecc7e7c08c62e', 'server', E'\\xfa7eec8e65f9cb54fe7fc3ff70627f1e', '1', '01a21931-1bd1-7b89-9fbc-de2c828173de');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('add_user', 'server', NULL, '1795718978520199', E'\\x6e3ef670e7ef35c5dac789d455c85a9b67a9e184ba8e2b9350c531fd96c47ade', '{"email":"admin@example.org","role":"admin"}', E'\\xeefb357c077a7be415074423705f4aa460471f7964713f97ffc95ee950870ee0', E'\\x78f1ecff968e2bd6748649651591650e929d02b5250e4c538376274f1b0506ea', 'server', E'\\x58e51f687a5570bc949f5224b3fb9c01', '3', '01a21931-1bd7-7b99-9133-e923cc675eac');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('broadcast', 'server', NULL, '1795718978553345', E'\\xcf250e6e41fe02367b1ee78ce2f1ebd713ed90bf096bf3c9cd5309f66aa5dff5', '{"broadcast":"01a21931-1bf5-747a-b985-fc9f1ce9e921","recipients":1}', E'\\x98ab37707a4a67ddf2a566835a684c51e11b7c66a191a4f7a5de08bea99986a8', E'\\x1b630fc057ebf4a9070259b5b4579416b13c720023d89092c2fbfbb82960fc9d', 'server', E'\\xd3be655413a0b16754df054a365065aa', '12', '01a21931-1bd9-7849-973f-5e8a6e2af28e');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('change_exam', 'server', NULL, '1795718978565927', E'\\x3df3a5fb2120722ff37137a5d9acf6c3953af2ef878dac379c2a5a2dfba6a4d0', '{"ends_at":1700000003600001,"from":"active","to":"closed"}', E'\\x4861f2d0ba3330ff6709a2d15c60052fac6a33c2ac36ca26e48a14d8ecfae312', E'\\x3d97c09947fecc31ee283ca02034156558ab5232880bb7dc670101534c36e546', 'server', E'\\x7f86a193e0d9295af07b9e0a7f66998f', '17', '01a21931-1bfa-769f-b7ef-673a5a274adb');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('create_exam', 'server', NULL, '1795718978522549', E'\\xee826911f5a8fc73bdf61daa250c6d2fd642ce92c34151d9430c2b6af01172b6', '{"capacity":100,"code":"SNAP-1","ends_at":4102444800000000,"policy":{"allow_test_picture":true,"camera":"required","exam_page_keeps_answers":false,"exam_page_url":null,"keeps_video":false,"microphone":"required","retention_days":30,"screen":"required","tell_when_listening":true},"starts_at":1700000000000001,"title":"The exam SNAP-1, ä and 試験"}', E'\\x6e3ef670e7ef35c5dac789d455c85a9b67a9e184ba8e2b9350c531fd96c47ade', E'\\x851df5e51283a1212457fc9ecb3c76907c60ab2bc9fdf32156cbf99fb372d482', 'server', E'\\x1eee51125633f780f57c8843c3b16d85', '4', '01a21931-1bd9-7849-973f-5e8a6e2af28e');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('create_exam', 'server', NULL, '1795718978555772', E'\\x7e164d10bba26feb1789b93c03a75f4c5f8d8edf3e50c55aa410dd9963c80606', '{"capacity":100,"code":"SNAP-2","ends_at":1700000003600001,"policy":{"allow_test_picture":true,"camera":"required","exam_page_keeps_answers":false,"exam_page_url":null,"keeps_video":false,"microphone":"required","retention_days":30,"screen":"required","tell_when_listening":true},"starts_at":1700000000000001,"title":"The exam SNAP-2, ä and 試験"}', E'\\xcf250e6e41fe02367b1ee78ce2f1ebd713ed90bf096bf3c9cd5309f66aa5dff5', E'\\x8fb4e916a36ad0ffbbea2a66f864eb3dd6e28a9bed73a5fd996abf729c54f7d1', 'server', E'\\xf35357324bb35a8df3c6b74bd0e677c7', '13', '01a21931-1bfa-769f-b7ef-673a5a274adb');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('enter_room', 'server', NULL, '1795718978530475', E'\\xd54673811c9a198666f537a9d8b105282f8706f790111907b94facf93b0e57ee', '{"entry":"01a21931-1bdb-721c-9589-7bd413ea281f","exam":"01a21931-1bd9-7849-973f-5e8a6e2af28e"}', E'\\x7be63f9a34bb549813581d8ce525976b8127818dfa8a365f49fbdf491b2e4a94', E'\\x755f864675ca30c49cbb149f33076b199e2aa7c3af7d59bc41fef084484ff039', 'server', E'\\x05423c041700d2e27cf2d2740ffa8252', '7', '01a21931-1bde-76cc-9a31-c04a1cf3be7e');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('enter_room', 'server', NULL, '1795718978536922', E'\\xeb5934a53784c921a46baabc07f721922af798d9f16a69bef1751019d6c95001', '{"entry":"01a21931-1be3-749b-92f0-4ceedc23fe91","exam":"01a21931-1bd9-7849-973f-5e8a6e2af28e"}', E'\\xd8a1416eb561cad095a13937925443053eb0c23d3ec2b18df8df6fda15cead1b', E'\\x648c788357dd0dab3440dec0e3e826596b10984ce116625f1c94bee90a058294', 'server', E'\\xf81eb33f2135e9a9f4058ea721b1cfb0', '10', '01a21931-1be5-79ce-8ecf-c7d42b781780');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('enter_room', 'server', NULL, '1795718978562554', E'\\x4861f2d0ba3330ff6709a2d15c60052fac6a33c2ac36ca26e48a14d8ecfae312', '{"entry":"01a21931-1bfc-77fb-8848-9780c21da05e","exam":"01a21931-1bfa-769f-b7ef-673a5a274adb"}', E'\\xe393723383bc3ecbc82ccd4a15862527de49f63206b47ead4cd9a498cb252518', E'\\xf919c4fb2c66e35be34dcba8823930d42b5a065c88d4545ff0d79a56b18bf08a', 'server', E'\\xf447d14b6b4061e51b7197ed52702a26', '16', '01a21931-1bfe-7d70-b4a4-84151eb882ff');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('finish', 'server', NULL, '1795718978566715', E'\\xab45e1e32dd4a202e07ab6812f921d0bacf737b5f3c8fa5c41beb8629e161e72', '{"by":"close","exam":"01a21931-1bfa-769f-b7ef-673a5a274adb"}', E'\\x3df3a5fb2120722ff37137a5d9acf6c3953af2ef878dac379c2a5a2dfba6a4d0', E'\\x20f83f7697296c4a56e20c96cd0590afec7bee2e74f76b08c485260a33b93505', 'server', E'\\x62794fd76a831cf01c2949373a2d4c6f', '18', '01a21931-1bfe-7d70-b4a4-84151eb882ff');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('join', 'server', NULL, '1795718978528430', E'\\x7be63f9a34bb549813581d8ce525976b8127818dfa8a365f49fbdf491b2e4a94', '{"device":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c","entry":"01a21931-1bdb-721c-9589-7bd413ea281f","exam":"01a21931-1bd9-7849-973f-5e8a6e2af28e"}', E'\\xc69df894087f239e7992478dd9b5b31cc139d2b813f5c800b4b3dbde6c31de18', E'\\x48e4e18fa73df59dd44d5d34c4bc1c7763d2e74f190ed172d4bdbe0841e78544', 'server', E'\\x6881ec250e64cef6a437d72020a495db', '6', '01a21931-1bde-76cc-9a31-c04a1cf3be7e');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('join', 'server', NULL, '1795718978534774', E'\\xd8a1416eb561cad095a13937925443053eb0c23d3ec2b18df8df6fda15cead1b', '{"device":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c","entry":"01a21931-1be3-749b-92f0-4ceedc23fe91","exam":"01a21931-1bd9-7849-973f-5e8a6e2af28e"}', E'\\x86a5cc185c293c1b2a4d860520e403e4734cf441365b442f994f4ffd6f4a5858', E'\\x28764ead00a88370aac86b366657a8c2c61a4ca43060e62b4291be724501a847', 'server', E'\\xfc6a836e6293fe23c52335b72516a413', '9', '01a21931-1be5-79ce-8ecf-c7d42b781780');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('join', 'server', NULL, '1795718978560027', E'\\xe393723383bc3ecbc82ccd4a15862527de49f63206b47ead4cd9a498cb252518', '{"device":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c","entry":"01a21931-1bfc-77fb-8848-9780c21da05e","exam":"01a21931-1bfa-769f-b7ef-673a5a274adb"}', E'\\x8a35eeb01e6b422eafb7c67ffe0ebaa330b577eb8172d4a5790f98dda4b899db', E'\\xa5cbaf734fd31a323d1df6cb44715a17797df1afb3a66493b8dfebb350af7a39', 'server', E'\\x930db23fa4e35e9c46d5c2bc9744e145', '15', '01a21931-1bfe-7d70-b4a4-84151eb882ff');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('link_oidc', 'server', NULL, '1795718978519038', E'\\xeefb357c077a7be415074423705f4aa460471f7964713f97ffc95ee950870ee0', '{"email":"lead@example.org","issuer":"https://login.example.org","subject":"ä-1"}', E'\\xcfb9218f8744d601addeeea6f7b5b4221d7703105f237c137461373253e214df', E'\\x9cddcb4c8accb51d0ff8d0abd555debd5bb15a21c8f612d488196ed8efcdcea5', 'server', E'\\x98c6eae5950ed381e7e7109288da1167', '2', '01a21931-1bd1-7b89-9fbc-de2c828173de');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('warn', 'server', NULL, '1795718978548352', E'\\x98ab37707a4a67ddf2a566835a684c51e11b7c66a191a4f7a5de08bea99986a8', '{"exam":"01a21931-1bd9-7849-973f-5e8a6e2af28e","message":"01a21931-1bf1-7e20-8f8a-4bb57d8f571b"}', E'\\xeb5934a53784c921a46baabc07f721922af798d9f16a69bef1751019d6c95001', E'\\xec3ce56bb1876bb7e09d9ea1f8e3dd64a73657cd5c16e9e6226961631a58b4f7', 'server', E'\\xcc9fd94ae3d61db32e55035ceb02bd69', '11', '01a21931-1bde-76d0-b8e0-4e27690559f0');
INSERT INTO incidents (at, exam, kind, seq, session, severity) VALUES ('3', '01a21931-1bd9-7849-973f-5e8a6e2af28e', 'focus_lost', '1', '01a21931-1bde-76cc-9a31-c04a1cf3be7e', 'medium');
INSERT INTO incidents (at, exam, kind, seq, session, severity) VALUES ('3', '01a21931-1bd9-7849-973f-5e8a6e2af28e', 'focus_lost', '2', '01a21931-1bde-76cc-9a31-c04a1cf3be7e', 'medium');
INSERT INTO incidents (at, exam, kind, seq, session, severity) VALUES ('3', '01a21931-1bd9-7849-973f-5e8a6e2af28e', 'focus_lost', '3', '01a21931-1bde-76cc-9a31-c04a1cf3be7e', 'medium');
INSERT INTO device_keys (device_key, reason, registered_at, session, superseded_at) VALUES (E'\\x8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c', NULL, '8', '01a21931-1bde-76cc-9a31-c04a1cf3be7e', NULL);
INSERT INTO device_keys (device_key, reason, registered_at, session, superseded_at) VALUES (E'\\x8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c', NULL, '8', '01a21931-1be5-79ce-8ecf-c7d42b781780', NULL);
INSERT INTO device_keys (device_key, reason, registered_at, session, superseded_at) VALUES (E'\\x8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c', NULL, '8', '01a21931-1bfe-7d70-b4a4-84151eb882ff', NULL);
INSERT INTO oidc_links (account, issuer, linked_at, subject) VALUES ('01a21931-1bd1-7b89-9fbc-de2c828173de', 'https://login.example.org', '40', 'ä-1');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (E'\\x0d4c85cf20c93c24f7e84c355063756204ac25e703444e87bd3a6f531356c3be40d5ecd6063d56be5274a07fa6cfcda0', 'participations', '22556079', '2026-11-26 18:49:38.475704+00', 'true', '12');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (E'\\x22f4630c6c7e1a5cb81d18be4e08d0b93de97655910ff94a11893a88aa2e32f6d92084b44301560f33d6974bb5297414', 'access', '24731443', '2026-11-26 18:49:38.417723+00', 'true', '7');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (E'\\x3ed899c1ff065531906ecd99acbce1a1997a75493dcd73a32ce673a2648243a2096dfca1ab60473944ae864505c64aae', 'office', '7447086', '2026-11-26 18:49:38.394772+00', 'true', '5');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (E'\\x4aa3aa72586e844452209c56e4edae55c779f0854c6e47c55863cfbf0361b72eb78316bac0e0e649760855a20ed3617d', 'sittings', '1231348', '2026-11-26 18:49:38.393148+00', 'true', '4');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (E'\\x6a17be5bb933d104920d0cddb4d1075f071035187e42511b208e250bbeebeb78268d19544629d527ca30d5ae9e14c979', 'oidc', '10474532', '2026-11-26 18:49:38.499017+00', 'true', '13');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (E'\\x9b3da5df5096f6504ac18bd00eef30de3493e2699a1e27e746a3c34d5f429cefdbe891c5a178a55ec96352a68430bd52', 'webhooks', '12743110', '2026-11-26 18:49:38.451875+00', 'true', '10');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (E'\\x9cc66f4f3f8a13c67fe9b74d809eed87f065c7dd80b6410116eb5d101fffd1acbd49c7fcbb96ec3013a132e5445ba2dd', 'first light', '51475255', '2026-11-26 18:49:38.333356+00', 'true', '1');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (E'\\xad57ad382d3a4e598bb55d1825131492d6a6a30cc105de853a91b295479daf85173625b22c21f2586b9cd73808ed4c23', 'broadcasts', '9400086', '2026-11-26 18:49:38.465868+00', 'true', '11');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (E'\\xb5c22bd377fdfb5d1b94b5a0ceeda8f6594eea555fdf04dadc243ada510d8c28a87de42a1d6aec2e4a1e12f2186abd2e', 'exam times', '991482', '2026-11-26 18:49:38.391752+00', 'true', '3');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (E'\\xe1f4c97c94e150b78dd2ed670146f96eb423f5e746c89aa8b2862fe0434343bfe3ebcc197e04146066c99dd4417ea70d', 'assignment', '4265323', '2026-11-26 18:49:38.442912+00', 'true', '8');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (E'\\xe8d3b9a693968e20fb0a3cf37b421615cd31dfc5ecad0873308ac79546a65a670bdeb75297a373221799d4e7bd3cc8f2', 'retention', '3901323', '2026-11-26 18:49:38.447679+00', 'true', '9');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (E'\\xe8e57dac9a6e2c274d6ecf1df963407f8498a90bd7d91389e84d069d686996268ab1a144e4e8afb07061a64228c0b344', 'audit', '5435761', '2026-11-26 18:49:38.385724+00', 'true', '2');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (E'\\xf5c9271ef6e0c224b1f47a82ef4beccff75f7cb17355c274a3d0e5824edf5bc975355c7b2983989eafe2fa7f9a617044', 'people', '14163458', '2026-11-26 18:49:38.402841+00', 'true', '6');
