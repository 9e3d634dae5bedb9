-- A database as of migration 13, with what was in it. Frozen.
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
-- Since when the exam is paused, when it first began, when it was closed; null as long as it has not.
ALTER TABLE exams ADD COLUMN paused_at INTEGER;
ALTER TABLE exams ADD COLUMN started_at INTEGER;
ALTER TABLE exams ADD COLUMN ended_at INTEGER;
-- How a sitting stands apart from its exam (JSON), and a number that every change of it counts up.
ALTER TABLE sessions ADD COLUMN sitting TEXT NOT NULL DEFAULT '{}';
ALTER TABLE sessions ADD COLUMN sitting_revision INTEGER NOT NULL DEFAULT 0;
-- How many candidates the roster holds (exams that were there keep what they have), and what changes with every edit and step.
ALTER TABLE exams ADD COLUMN capacity INTEGER NOT NULL DEFAULT 500;
ALTER TABLE exams ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;

-- Creates that were done, by their idempotency keys, for a day. No secret stands here: those that the answer held are made again
-- from the salt and the server's key, and by nobody once the row is gone.
CREATE TABLE idempotency (
    actor      TEXT NOT NULL,
    key        TEXT NOT NULL,
    -- SHA-256 of the request
    request    BLOB NOT NULL,
    salt       BLOB NOT NULL,
    answer     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (actor, key)
) STRICT;
CREATE INDEX idempotency_by_age ON idempotency (created_at);
-- How often an account or a sitting was revoked: tokens of an earlier generation are refused.
ALTER TABLE users ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN deactivated_at INTEGER;
ALTER TABLE sessions ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN revoked_at INTEGER;

-- The newest generation of everybody who was ever revoked, in the order of the changes: servers follow it by seq. Rows are replaced by
-- later ones of the same subject and never deleted, so that seq only rises.
CREATE TABLE revocations (
    subject    TEXT PRIMARY KEY NOT NULL,
    -- user or session
    kind       TEXT NOT NULL,
    generation INTEGER NOT NULL,
    seq        INTEGER NOT NULL UNIQUE
) STRICT;

-- One link for each account at most: a later one takes the place of the one before.
CREATE TABLE invitations (
    account    TEXT PRIMARY KEY NOT NULL REFERENCES users (id),
    -- HMAC-SHA256 under the server's key
    token_hash BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
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
-- Who watches the candidate of a session; nobody yet, or nobody any more: null.
ALTER TABLE sessions ADD COLUMN proctor TEXT REFERENCES users (id);
-- Since when, and why, something is kept whatever the exam's policy says: a legal hold. And since when candidates' data are erased: of an
-- exam, once of all of its candidates.
ALTER TABLE exams ADD COLUMN held_at INTEGER;
ALTER TABLE exams ADD COLUMN hold_reason TEXT;
ALTER TABLE exams ADD COLUMN erased_at INTEGER;
ALTER TABLE roster ADD COLUMN held_at INTEGER;
ALTER TABLE roster ADD COLUMN hold_reason TEXT;
ALTER TABLE roster ADD COLUMN erased_at INTEGER;

-- What the audit log says of one candidate is found by these when it is erased.
CREATE INDEX audit_by_actor ON audit (actor);
CREATE INDEX audit_by_target ON audit (target);
-- What a human should look at, in the order in which it was stored.
CREATE TABLE incidents (
    seq      INTEGER PRIMARY KEY NOT NULL,
    exam     TEXT NOT NULL REFERENCES exams (id),
    session  TEXT NOT NULL REFERENCES sessions (id),
    kind     TEXT NOT NULL,
    severity TEXT NOT NULL,
    at       INTEGER NOT NULL
) STRICT;
CREATE INDEX incidents_by_exam ON incidents (exam, seq);

-- Institutions' systems that are told what happens, and how far each has been told.
CREATE TABLE webhooks (
    id           TEXT PRIMARY KEY NOT NULL,
    url          TEXT NOT NULL,
    -- JSON array of what it wants; empty: everything
    kinds        TEXT NOT NULL,
    -- its secret is derived from this and the server's key
    salt         BLOB NOT NULL,
    created_at   INTEGER NOT NULL,
    -- why it is not told any more; null while it is
    stopped      TEXT,
    -- records of the audit log and incidents that it has been told, or did not want
    audit_seq    INTEGER NOT NULL,
    incident_seq INTEGER NOT NULL,
    -- tries that failed since the last that did not
    attempts     INTEGER NOT NULL DEFAULT 0,
    next_at      INTEGER NOT NULL DEFAULT 0,
    last_error   TEXT,
    delivered_at INTEGER,
    -- one server at a time tells it
    leased_until INTEGER NOT NULL DEFAULT 0
) STRICT;
-- Words to many at once, and what became of them at each.
CREATE TABLE broadcasts (
    id     TEXT PRIMARY KEY NOT NULL,
    exam   TEXT NOT NULL REFERENCES exams (id),
    author TEXT NOT NULL,
    text   TEXT NOT NULL,
    at     INTEGER NOT NULL
) STRICT;
CREATE TABLE broadcast_recipients (
    broadcast       TEXT NOT NULL REFERENCES broadcasts (id),
    candidate       TEXT NOT NULL,
    delivered_at    INTEGER,
    acknowledged_at INTEGER,
    PRIMARY KEY (broadcast, candidate)
) STRICT, WITHOUT ROWID;
CREATE INDEX broadcasts_unread ON broadcast_recipients (candidate, broadcast) WHERE acknowledged_at IS NULL;
-- For entries about a broadcast: how far it has come is read from there.
ALTER TABLE timeline ADD COLUMN broadcast TEXT REFERENCES broadcasts (id);
-- The most candidates who were in the exam's room at once.
ALTER TABLE exams ADD COLUMN peak INTEGER NOT NULL DEFAULT 0;

-- Every device that has held a session. The one that holds it now stands with the session too.
CREATE TABLE device_keys (
    session       TEXT NOT NULL REFERENCES sessions (id),
    -- Ed25519 public key
    device_key    BLOB NOT NULL,
    registered_at INTEGER NOT NULL,
    -- since when another device holds the session, and why; null for the one that does
    superseded_at INTEGER,
    reason        TEXT,
    PRIMARY KEY (session, registered_at, device_key)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX device_keys_in_use ON device_keys (session) WHERE superseded_at IS NULL;
INSERT INTO device_keys (session, device_key, registered_at)
    SELECT id, device_key, created_at FROM sessions WHERE device_key IS NOT NULL;

-- Stays of people in rooms, and how their connection was over all of it.
CREATE TABLE participations (
    id          TEXT PRIMARY KEY NOT NULL,
    exam        TEXT NOT NULL REFERENCES exams (id),
    participant TEXT NOT NULL,
    role        TEXT NOT NULL,
    -- a candidate's place on the roster, or the account of whoever watched
    entry       TEXT REFERENCES roster (id),
    account     TEXT REFERENCES users (id),
    joined_at   INTEGER NOT NULL,
    -- when the server last saw it: the end of a stay whose server went down
    seen_at     INTEGER NOT NULL,
    -- null while it lasts
    left_at     INTEGER,
    departure   TEXT,
    -- null where nothing was measured
    rtt_us      INTEGER,
    up_bps      INTEGER,
    down_bps    INTEGER,
    lost_ppm    INTEGER,
    -- a byte a step
    trend       BLOB NOT NULL
) STRICT;
CREATE INDEX participations_by_exam ON participations (exam, id);
CREATE INDEX participations_by_participant ON participations (participant);
CREATE INDEX participations_open ON participations (seen_at) WHERE left_at IS NULL;

CREATE TABLE statistics (
    participation TEXT NOT NULL REFERENCES participations (id) ON DELETE CASCADE,
    at            INTEGER NOT NULL,
    rtt_us        INTEGER,
    up_bps        INTEGER,
    down_bps      INTEGER,
    lost_ppm      INTEGER,
    -- that arrived from the client
    layers        INTEGER NOT NULL,
    PRIMARY KEY (participation, at)
) STRICT, WITHOUT ROWID;

-- Closing an exam ends the sittings that are left; those of exams that were closed before had been left open.
UPDATE sessions SET finished_at = (SELECT coalesce(exams.ended_at, exams.ends_at) FROM exams WHERE exams.id = sessions.exam)
    WHERE finished_at IS NULL AND exam IN (SELECT id FROM exams WHERE status IN ('closed', 'archived'));
-- Who people with an account are at the identity provider.
CREATE TABLE oidc_links (
    account   TEXT PRIMARY KEY NOT NULL REFERENCES users (id),
    issuer    TEXT NOT NULL,
    subject   TEXT NOT NULL,
    linked_at INTEGER NOT NULL,
    UNIQUE (issuer, subject)
) STRICT;
CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL, execution_time BIGINT NOT NULL);
INSERT INTO exams (capacity, code, created_at, ended_at, ends_at, erased_at, held_at, hold_reason, id, paused_at, peak, policy, revision, started_at, starts_at, status, title) VALUES (100, 'SNAP-1', 1795718976721597, NULL, 4102444800000000, NULL, NULL, NULL, '01a21931-14ce-7364-9ea4-1de85cf73852', NULL, 0, '{"camera":"required","microphone":"required","screen":"required","keeps_video":false,"exam_page_keeps_answers":false,"retention_days":30,"exam_page_url":null,"tell_when_listening":true,"allow_test_picture":true}', 0, NULL, 1700000000000001, 'active', 'The exam SNAP-1, ä and 試験');
INSERT INTO exams (capacity, code, created_at, ended_at, ends_at, erased_at, held_at, hold_reason, id, paused_at, peak, policy, revision, started_at, starts_at, status, title) VALUES (100, 'SNAP-2', 1795718976747530, 1700000003600001, 1700000003600001, NULL, NULL, NULL, '01a21931-14eb-7591-a244-bcff1e3a13c6', NULL, 0, '{"camera":"required","microphone":"required","screen":"required","keeps_video":false,"exam_page_keeps_answers":false,"retention_days":30,"exam_page_url":null,"tell_when_listening":true,"allow_test_picture":true}', 1, NULL, 1700000000000001, 'closed', 'The exam SNAP-2, ä and 試験');
INSERT INTO roster (allowances, created_at, erased_at, exam, held_at, hold_reason, id, label, seat, secret_hash) VALUES ('{"extra_time_percent":25,"second_display":false,"assistive_tools":[]}', 7, NULL, '01a21931-14ce-7364-9ea4-1de85cf73852', NULL, NULL, '01a21931-14d2-746a-8100-bf1c608bf222', 'Candidate 1', 'A 3', X'31206574616469646E614331206574616469646E614331206574616469646E61');
INSERT INTO roster (allowances, created_at, erased_at, exam, held_at, hold_reason, id, label, seat, secret_hash) VALUES ('{"extra_time_percent":25,"second_display":false,"assistive_tools":[]}', 7, NULL, '01a21931-14ce-7364-9ea4-1de85cf73852', NULL, NULL, '01a21931-14e1-79fb-aa16-d429a07e20c8', 'Candidate 2', 'A 3', X'32206574616469646E614332206574616469646E614332206574616469646E61');
INSERT INTO roster (allowances, created_at, erased_at, exam, held_at, hold_reason, id, label, seat, secret_hash) VALUES ('{"extra_time_percent":25,"second_display":false,"assistive_tools":[]}', 7, NULL, '01a21931-14eb-7591-a244-bcff1e3a13c6', NULL, NULL, '01a21931-14ec-7245-a5a2-c64e924bdbfd', 'Candidate 3', 'A 3', X'33206574616469646E614333206574616469646E614333206574616469646E61');
INSERT INTO users (created_at, deactivated_at, email, generation, id, name, password_hash, role) VALUES (1, NULL, 'admin@example.org', 0, '01a21931-14cc-7b37-acd4-64aaddb5801d', 'Ünal', '$argon2id$…', 'admin');
INSERT INTO users (created_at, deactivated_at, email, generation, id, name, password_hash, role) VALUES (1, NULL, 'lead@example.org', 0, '01a21931-14c5-7228-8531-5e1fef07331d', 'Ünal', '$argon2id$…', 'lead');
INSERT INTO sessions (chain_hash, chain_seq, created_at, device_key, entry, exam, finished_at, generation, id, joined_at, looked_at, participant, proctor, revoked_at, sitting, sitting_revision) VALUES (X'1E23AF8E54BFA5311DC0C928EA7B08BA2D38AA2DB6D00DEF276FE02FADD631FA', 3, 8, X'8A88E3DD7409F195FD52DB2D3CBA5D72CA6709BF1D94121BF3748801B40F6F5C', '01a21931-14d2-746a-8100-bf1c608bf222', '01a21931-14ce-7364-9ea4-1de85cf73852', NULL, 0, '01a21931-14d6-796c-82ff-dc96e54ef345', 1700000000000100, 0, '01a21931-14d6-7974-bbb7-9c75141290a4', NULL, NULL, '{}', 0);
INSERT INTO sessions (chain_hash, chain_seq, created_at, device_key, entry, exam, finished_at, generation, id, joined_at, looked_at, participant, proctor, revoked_at, sitting, sitting_revision) VALUES (X'2747C73CDCDBEE0BBA6C2A416B2B3CFE570DBA2CA8E1173E7B220EA69494D969', 0, 8, X'8A88E3DD7409F195FD52DB2D3CBA5D72CA6709BF1D94121BF3748801B40F6F5C', '01a21931-14ec-7245-a5a2-c64e924bdbfd', '01a21931-14eb-7591-a244-bcff1e3a13c6', 1700000003600001, 0, '01a21931-14ed-708f-815a-572938db8d7c', 1700000000000100, 0, '01a21931-14ed-7093-954c-8f481fac550a', NULL, NULL, '{}', 0);
INSERT INTO sessions (chain_hash, chain_seq, created_at, device_key, entry, exam, finished_at, generation, id, joined_at, looked_at, participant, proctor, revoked_at, sitting, sitting_revision) VALUES (X'2D84D94E028B6B31D02AAE69F6A98E6CAD3400A8A1BE47D05FCF41FD16CC64C4', 0, 8, X'8A88E3DD7409F195FD52DB2D3CBA5D72CA6709BF1D94121BF3748801B40F6F5C', '01a21931-14e1-79fb-aa16-d429a07e20c8', '01a21931-14ce-7364-9ea4-1de85cf73852', NULL, 0, '01a21931-14e2-75fb-a0fd-063a904f153e', 1700000000000100, 0, '01a21931-14e2-7600-b4ed-b181ab190b9a', NULL, NULL, '{}', 0);
INSERT INTO integrity_events (clock_offset, hash, payload, payload_hash, prev, received_at, salt, seq, session) VALUES (-7, X'1E23AF8E54BFA5311DC0C928EA7B08BA2D38AA2DB6D00DEF276FE02FADD631FA', '{"kind":"focus_lost","time":{"boot_id":"01a21931-14e6-70c9-8539-c832b6e42f0e","monotonic_us":1,"wall_us":2},"observer":"system","confidence":100,"facts":{"window":"a\u0000 \u001f ü"}}', X'76534D97EBF8446658E0642902365FAF0D152AE49BB2E7F6A2A1ED8EA5FCCD58', X'55B99FCAFA205F3D560F29618A21CFA7ABBCDC29A099CCC4214418E2C72D272C', 4, 'd0e03cb80773143abf37d38575938bb4', 3, '01a21931-14d6-796c-82ff-dc96e54ef345');
INSERT INTO integrity_events (clock_offset, hash, payload, payload_hash, prev, received_at, salt, seq, session) VALUES (-7, X'3231E392899E05161C2ABBBF8E5CFFB1BC4A6A15667C650A0CE698D77244D3B8', '{"kind":"focus_lost","time":{"boot_id":"01a21931-14e6-7041-aea8-1e28ac3c4959","monotonic_us":1,"wall_us":2},"observer":"system","confidence":100,"facts":{"window":"a\u0000 \u001f ü"}}', X'4E26AE67AA6EFDE4064155CAC098F3B184DB1B6E34F48E39FB066B2E23039EC5', X'24DAEBC8DF0B5D3F877E70953851B102D27F5E6C763CBEC2355C1723CAAC3886', 4, '5946070b1a05e8587ca2d2f9574ca923', 1, '01a21931-14d6-796c-82ff-dc96e54ef345');
INSERT INTO integrity_events (clock_offset, hash, payload, payload_hash, prev, received_at, salt, seq, session) VALUES (-7, X'55B99FCAFA205F3D560F29618A21CFA7ABBCDC29A099CCC4214418E2C72D272C', '{"kind":"focus_lost","time":{"boot_id":"01a21931-14e6-70b9-bb1b-36aa5df54825","monotonic_us":1,"wall_us":2},"observer":"system","confidence":100,"facts":{"window":"a\u0000 \u001f ü"}}', X'2830ACD560CADE8A0F9E4150CAD943C500946393B346C99AA7FFDD3CFE33734E', X'3231E392899E05161C2ABBBF8E5CFFB1BC4A6A15667C650A0CE698D77244D3B8', 4, '544fafd564962724237b048b105abe7c', 2, '01a21931-14d6-796c-82ff-dc96e54ef345');
INSERT INTO messages (acknowledged_at, at, author, candidate, delivered_at, exam, from_candidate, id, kind, text) VALUES (NULL, 50, 'Lead', '01a21931-14d6-7974-bbb7-9c75141290a4', NULL, '01a21931-14ce-7364-9ea4-1de85cf73852', 0, '01a21931-14e9-78b8-8772-b7b9c9e01487', 'warning', 'Put the phone away, it''s "seen"');
INSERT INTO broadcasts (at, author, exam, id, text) VALUES (60, 'Lead', '01a21931-14ce-7364-9ea4-1de85cf73852', '01a21931-14ea-76c8-802d-dfe03738a14a', 'Ten minutes');
INSERT INTO broadcast_recipients (acknowledged_at, broadcast, candidate, delivered_at) VALUES (NULL, '01a21931-14ea-76c8-802d-dfe03738a14a', '01a21931-14d6-7974-bbb7-9c75141290a4', NULL);
INSERT INTO timeline (at, body, broadcast, exam, id, message, participant, received_at) VALUES (3, '{"what":"integrity","kind":"focus_lost","seq":1,"observer":"system","confidence":100,"severity":"medium","begins":null}', NULL, '01a21931-14ce-7364-9ea4-1de85cf73852', '01a21931-14e6-70b8-8969-8297a73fe65f', NULL, '01a21931-14d6-7974-bbb7-9c75141290a4', 4);
INSERT INTO timeline (at, body, broadcast, exam, id, message, participant, received_at) VALUES (3, '{"what":"integrity","kind":"focus_lost","seq":2,"observer":"system","confidence":100,"severity":"medium","begins":null}', NULL, '01a21931-14ce-7364-9ea4-1de85cf73852', '01a21931-14e6-70c8-9c45-60815598ce06', NULL, '01a21931-14d6-7974-bbb7-9c75141290a4', 4);
INSERT INTO timeline (at, body, broadcast, exam, id, message, participant, received_at) VALUES (3, '{"what":"integrity","kind":"focus_lost","seq":3,"observer":"system","confidence":100,"severity":"medium","begins":null}', NULL, '01a21931-14ce-7364-9ea4-1de85cf73852', '01a21931-14e6-70d4-a688-490adb9a4738', NULL, '01a21931-14d6-7974-bbb7-9c75141290a4', 4);
INSERT INTO timeline (at, body, broadcast, exam, id, message, participant, received_at) VALUES (50, '{"what":"message","message":"01a21931-14e9-78b8-8772-b7b9c9e01487","kind":"warning","from_candidate":false,"text":"Put the phone away, it''s \"seen\"","delivered":false,"acknowledged":false}', NULL, '01a21931-14ce-7364-9ea4-1de85cf73852', '01a21931-14e9-78b0-8d86-dbee795eea48', '01a21931-14e9-78b8-8772-b7b9c9e01487', '01a21931-14d6-7974-bbb7-9c75141290a4', 51);
INSERT INTO timeline (at, body, broadcast, exam, id, message, participant, received_at) VALUES (60, '{"what":"broadcast","message":"01a21931-14ea-76c8-802d-dfe03738a14a","audience":"everyone","by":"Lead","text":"Ten minutes","reach":{"recipients":0,"delivered":0,"acknowledged":0}}', '01a21931-14ea-76c8-802d-dfe03738a14a', '01a21931-14ce-7364-9ea4-1de85cf73852', '01a21931-14ea-76d0-84b8-c8f1c8664c79', NULL, '01a21931-14d6-7974-bbb7-9c75141290a4', 61);
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('add_roster_entry', 'server', NULL, 1795718976725972, X'12AC605FD8877FA542421C59ECEC820DD8C45B9065711BAE162693C40B425787', '{"allowances":{"assistive_tools":[],"extra_time_percent":25,"second_display":false},"exam":"01a21931-14ce-7364-9ea4-1de85cf73852","label":"Candidate 1"}', X'B0940206F03EE535C3EFB0460B4E45847EA8F087546A9F466BE75FAF921ED033', X'786CF15BE913E4FE754C8F4C80DCD1812FB4D9AA78C93EACDA11EA4748025D64', 'server', X'C27CC6B6B9140DC08408131B44D9786B', 5, '01a21931-14d2-746a-8100-bf1c608bf222');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('add_roster_entry', 'server', NULL, 1795718976737864, X'D9D93FC8E93D8CB110E24AB8D7E1B0FBA53A02D18A7CFD635575CE2F9E73C0DA', '{"allowances":{"assistive_tools":[],"extra_time_percent":25,"second_display":false},"exam":"01a21931-14ce-7364-9ea4-1de85cf73852","label":"Candidate 2"}', X'A2B7BD267E25CE138C1E0EDDB59C8764CC8164870B3F3533FCD9ED292EE90DB2', X'24F65C24226B1A3A51D4D7321C1F4C41C94C2B3C94CAEBF1F9722AED4A43DEDD', 'server', X'94543C0AFDC5E87D96EE9FEE8E9BBAC9', 8, '01a21931-14e1-79fb-aa16-d429a07e20c8');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('add_roster_entry', 'server', NULL, 1795718976748371, X'84FE255B85FEF0E67110CC7BC89E94E97E746D3AFB9760E68EFAC86FA7035251', '{"allowances":{"assistive_tools":[],"extra_time_percent":25,"second_display":false},"exam":"01a21931-14eb-7591-a244-bcff1e3a13c6","label":"Candidate 3"}', X'761A04960F59C968721F1C82DCBB842290FB13B004D0FB2C042CAFE8C177F79B', X'DEDE5A39DD899281838CFA1EF640AD7DD0CE35855E1A7216C512FF72BDC024F8', 'server', X'1566B8EE459F70D8138AB397F58DD3C6', 14, '01a21931-14ec-7245-a5a2-c64e924bdbfd');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('add_user', 'server', NULL, 1795718976712139, X'77933816D245BE24BCEF1BAE6F912323ED8C9A194C747167974A9616E2CE082F', '{"email":"lead@example.org","role":"lead"}', X'19D4C1838EB0BD27DF475B8733B42BF383CE94E51C99E0A9B8AE842D3BE12EAD', X'AB451FD6ACBAF0779EFD8FD36C51F37B1D857F43D528FBDABE4030B91F4E5795', 'server', X'1437090CBDE69D7120346D3E115AE97F', 1, '01a21931-14c5-7228-8531-5e1fef07331d');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('add_user', 'server', NULL, 1795718976717657, X'BAF7B05E8BE82BC5EFA6FEB94ED8031BBA97C366580E140AF4CE41B121DC1696', '{"email":"admin@example.org","role":"admin"}', X'E31BD23F2F39F1C5D22F582B785905AFA63B831A64413117EBAD3A5E075B2991', X'D4EE61C0A39452A9566283B7D70BAE53215C01DC08A532E2EA863EAED86A645F', 'server', X'90D488EBDC10FC1649E691F041D0B772', 3, '01a21931-14cc-7b37-acd4-64aaddb5801d');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('broadcast', 'server', NULL, 1795718976746761, X'89218011DB66AC5CA1AFD88CD3DC11517C73CE41477FDC54C012D15BBB1DD542', '{"broadcast":"01a21931-14ea-76c8-802d-dfe03738a14a","recipients":1}', X'76A8E2BD3AB2DB41BB18589B660C4926CFFF61E0BC65D8E489CC63234695E57E', X'B1B767C939DE34044E1599F723E156F38A910A25315EB1C6B6EBA16D0A043D3A', 'server', X'D1AF5607CFF3EB609DF846FE7E5EB2B8', 12, '01a21931-14ce-7364-9ea4-1de85cf73852');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('change_exam', 'server', NULL, 1795718976758190, X'3D81E956289FC323E06A5102966F14D3B3BC9A6C75F0FDC5A312D0DED7FB815C', '{"ends_at":1700000003600001,"from":"active","to":"closed"}', X'6D5D8A117453505052DA51BC9B150C309B52A86B86BF46C0E2FDAE5B25433B4D', X'489B90236CC85EA99B414815112573409B47978C5CE7B945D4CC516693144B95', 'server', X'FBC7B0802234C59826B481B77D3B4D06', 17, '01a21931-14eb-7591-a244-bcff1e3a13c6');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('create_exam', 'server', NULL, 1795718976721777, X'B0940206F03EE535C3EFB0460B4E45847EA8F087546A9F466BE75FAF921ED033', '{"capacity":100,"code":"SNAP-1","ends_at":4102444800000000,"policy":{"allow_test_picture":true,"camera":"required","exam_page_keeps_answers":false,"exam_page_url":null,"keeps_video":false,"microphone":"required","retention_days":30,"screen":"required","tell_when_listening":true},"starts_at":1700000000000001,"title":"The exam SNAP-1, ä and 試験"}', X'BAF7B05E8BE82BC5EFA6FEB94ED8031BBA97C366580E140AF4CE41B121DC1696', X'BAB293946D59E7A9684F8EBAD82C1D711D5B3618370B1F00C73F9E468EE741CD', 'server', X'3FB6582F9A58910869693CE391891B00', 4, '01a21931-14ce-7364-9ea4-1de85cf73852');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('create_exam', 'server', NULL, 1795718976747585, X'761A04960F59C968721F1C82DCBB842290FB13B004D0FB2C042CAFE8C177F79B', '{"capacity":100,"code":"SNAP-2","ends_at":1700000003600001,"policy":{"allow_test_picture":true,"camera":"required","exam_page_keeps_answers":false,"exam_page_url":null,"keeps_video":false,"microphone":"required","retention_days":30,"screen":"required","tell_when_listening":true},"starts_at":1700000000000001,"title":"The exam SNAP-2, ä and 試験"}', X'89218011DB66AC5CA1AFD88CD3DC11517C73CE41477FDC54C012D15BBB1DD542', X'F303D830DF1F96B57DB2EE6DA7878CA578D3A9D2B715B04C083CF6BAD715D766', 'server', X'01C814A60EED958937F52B07C2858251', 13, '01a21931-14eb-7591-a244-bcff1e3a13c6');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('enter_room', 'server', NULL, 1795718976733782, X'A2B7BD267E25CE138C1E0EDDB59C8764CC8164870B3F3533FCD9ED292EE90DB2', '{"entry":"01a21931-14d2-746a-8100-bf1c608bf222","exam":"01a21931-14ce-7364-9ea4-1de85cf73852"}', X'EA9A095F65EC51241E0197F9FA599A038C751491178281C1E983A02C9703C83F', X'7950671EB00A2869C8878D3C19BA866B961CE587D2B7A5245286D23E1ED1245E', 'server', X'1A6120B3508F855B687C73164EB7093D', 7, '01a21931-14d6-796c-82ff-dc96e54ef345');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('enter_room', 'server', NULL, 1795718976741073, X'7D568CD86A56C08E20111F93AC1D0A98594AF4A7AC07371B134275F7B8F9ABDB', '{"entry":"01a21931-14e1-79fb-aa16-d429a07e20c8","exam":"01a21931-14ce-7364-9ea4-1de85cf73852"}', X'0C63BB3DDE5F1B60AB5F38CEFD9155EBB3CE58BE58EACAB75950194493F0B359', X'1845F6170763DAE223E4EBA900D816F8885A89D75666D040389E187AAAF89498', 'server', X'CEF5B9138473852589B8D8E58625343B', 10, '01a21931-14e2-75fb-a0fd-063a904f153e');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('enter_room', 'server', NULL, 1795718976756653, X'6D5D8A117453505052DA51BC9B150C309B52A86B86BF46C0E2FDAE5B25433B4D', '{"entry":"01a21931-14ec-7245-a5a2-c64e924bdbfd","exam":"01a21931-14eb-7591-a244-bcff1e3a13c6"}', X'946F21E0E4C03EC890A9B5349EBBE59E6715E12B4CE4B8412A1709DC5A97279A', X'15E2915E038BB8812CB971EC8CE2376D8B97183037BAE44809C0C752638B12B8', 'server', X'39BFA8CDB0F2D33B4F00D31410C2CC7D', 16, '01a21931-14ed-708f-815a-572938db8d7c');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('finish', 'server', NULL, 1795718976758470, X'BB4281959780C6406BC7EFB102FED9519370EEB55844F2506248A7BB40E902B6', '{"by":"close","exam":"01a21931-14eb-7591-a244-bcff1e3a13c6"}', X'3D81E956289FC323E06A5102966F14D3B3BC9A6C75F0FDC5A312D0DED7FB815C', X'695FB76284A4554FE6FBCFED1275EACEAC293E6E9CD61502435A4B1FE24D7C43', 'server', X'EA97165F77FD778229C8C54D0B7072EA', 18, '01a21931-14ed-708f-815a-572938db8d7c');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('join', 'server', NULL, 1795718976728459, X'EA9A095F65EC51241E0197F9FA599A038C751491178281C1E983A02C9703C83F', '{"device":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c","entry":"01a21931-14d2-746a-8100-bf1c608bf222","exam":"01a21931-14ce-7364-9ea4-1de85cf73852"}', X'12AC605FD8877FA542421C59ECEC820DD8C45B9065711BAE162693C40B425787', X'7F45328B37A7E986B13013DCAA932BD81A5AD34AA0C3FE15B228F9C98D83AAFB', 'server', X'3AF83964CE792D3ECE319F052FC455E5', 6, '01a21931-14d6-796c-82ff-dc96e54ef345');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('join', 'server', NULL, 1795718976738584, X'0C63BB3DDE5F1B60AB5F38CEFD9155EBB3CE58BE58EACAB75950194493F0B359', '{"device":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c","entry":"01a21931-14e1-79fb-aa16-d429a07e20c8","exam":"01a21931-14ce-7364-9ea4-1de85cf73852"}', X'D9D93FC8E93D8CB110E24AB8D7E1B0FBA53A02D18A7CFD635575CE2F9E73C0DA', X'D0683714EAE261A8FE01CFE19249D090F81D85C26AEF017DB19373B7A1E8DACA', 'server', X'57080344FE4FC399E5C203C5E6B65F72', 9, '01a21931-14e2-75fb-a0fd-063a904f153e');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('join', 'server', NULL, 1795718976754079, X'946F21E0E4C03EC890A9B5349EBBE59E6715E12B4CE4B8412A1709DC5A97279A', '{"device":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c","entry":"01a21931-14ec-7245-a5a2-c64e924bdbfd","exam":"01a21931-14eb-7591-a244-bcff1e3a13c6"}', X'84FE255B85FEF0E67110CC7BC89E94E97E746D3AFB9760E68EFAC86FA7035251', X'B32A996350157A348C6B64423E1DB713CFD8871978E205D9EAA386B67FA521F9', 'server', X'EA5316BD369AE82EBBA5E47770B41DFA', 15, '01a21931-14ed-708f-815a-572938db8d7c');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('link_oidc', 'server', NULL, 1795718976713901, X'E31BD23F2F39F1C5D22F582B785905AFA63B831A64413117EBAD3A5E075B2991', '{"email":"lead@example.org","issuer":"https://login.example.org","subject":"ä-1"}', X'77933816D245BE24BCEF1BAE6F912323ED8C9A194C747167974A9616E2CE082F', X'344287D4467F1C92B5EA7425EF55C1A784B92085B26A3D8CE2555517B589913D', 'server', X'B15936F5962ABADDA1E5C56496BD6BC4', 2, '01a21931-14c5-7228-8531-5e1fef07331d');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('warn', 'server', NULL, 1795718976745800, X'76A8E2BD3AB2DB41BB18589B660C4926CFFF61E0BC65D8E489CC63234695E57E', '{"exam":"01a21931-14ce-7364-9ea4-1de85cf73852","message":"01a21931-14e9-78b8-8772-b7b9c9e01487"}', X'7D568CD86A56C08E20111F93AC1D0A98594AF4A7AC07371B134275F7B8F9ABDB', X'87002BFF0270FD73ED247DE1E76727CC092B2C7660B4269F084C4ED35AF3CC49', 'server', X'ACD211196CDDF74B2727AA837C4BA756', 11, '01a21931-14d6-7974-bbb7-9c75141290a4');
INSERT INTO incidents (at, exam, kind, seq, session, severity) VALUES (3, '01a21931-14ce-7364-9ea4-1de85cf73852', 'focus_lost', 1, '01a21931-14d6-796c-82ff-dc96e54ef345', 'medium');
INSERT INTO incidents (at, exam, kind, seq, session, severity) VALUES (3, '01a21931-14ce-7364-9ea4-1de85cf73852', 'focus_lost', 2, '01a21931-14d6-796c-82ff-dc96e54ef345', 'medium');
INSERT INTO incidents (at, exam, kind, seq, session, severity) VALUES (3, '01a21931-14ce-7364-9ea4-1de85cf73852', 'focus_lost', 3, '01a21931-14d6-796c-82ff-dc96e54ef345', 'medium');
INSERT INTO device_keys (device_key, reason, registered_at, session, superseded_at) VALUES (X'8A88E3DD7409F195FD52DB2D3CBA5D72CA6709BF1D94121BF3748801B40F6F5C', NULL, 8, '01a21931-14d6-796c-82ff-dc96e54ef345', NULL);
INSERT INTO device_keys (device_key, reason, registered_at, session, superseded_at) VALUES (X'8A88E3DD7409F195FD52DB2D3CBA5D72CA6709BF1D94121BF3748801B40F6F5C', NULL, 8, '01a21931-14e2-75fb-a0fd-063a904f153e', NULL);
INSERT INTO device_keys (device_key, reason, registered_at, session, superseded_at) VALUES (X'8A88E3DD7409F195FD52DB2D3CBA5D72CA6709BF1D94121BF3748801B40F6F5C', NULL, 8, '01a21931-14ed-708f-815a-572938db8d7c', NULL);
INSERT INTO oidc_links (account, issuer, linked_at, subject) VALUES ('01a21931-14c5-7228-8531-5e1fef07331d', 'https://login.example.org', 40, 'ä-1');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (X'0D61AEEF7BC73E92DD70EFE4421DD156DEF91546F60A720B2C150A832A36BED4D215B6A0CA480BF1676C23650349DB2C', 'people', 1487378, '2026-11-26 18:49:36', 1, 6);
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (X'0F567221B3DA9503ADC552BEE629ECEFC43E6B10305DE10F179F7F965B1E32CBAC550EE458C01509556186853E31A17D', 'oidc', 486763, '2026-11-26 18:49:36', 1, 13);
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (X'3F1DBEE7AC31C7C797EBA37EA5D27C28F7574D1145D911FD7A059C2129732340126533A40EEF2A9BFA11B4AF01EF5C6E', 'audit', 633460, '2026-11-26 18:49:36', 1, 2);
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (X'44790913B1CAE8A047451B7B17448F862591F08728445860F11CD1B99004855E10277E34946AE5FB9DF0E4E83AE34E4E', 'retention', 2804634, '2026-11-26 18:49:36', 1, 9);
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (X'46AB1AE001D25DC7E8FCBC93679D5D2BB09D487F07E437DF523C1EF56429092ADE7F3192BBC50CBFD0631D92AC6514F3', 'sittings', 4392001, '2026-11-26 18:49:36', 1, 4);
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (X'49AA311107FD1868B0D4F29A25E60A63A3C006D943BA602D95730BCCE9766860250EDCD87CBD8C0044FB288E073FA03F', 'first light', 4130813, '2026-11-26 18:49:36', 1, 1);
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (X'4F23A2F2E783B083487F7D4D09534D064D3AE0BBC1CDE72CC8C2775413E77D0E6C7349309E03F9A9B65C222E7093B024', 'office', 1075467, '2026-11-26 18:49:36', 1, 5);
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (X'55E63B40701D7F30D8EEBDE9002B4EC1CACC7B88E1D10E3221221344DDB36C2EBFCFE15179D6E50518AA482D8B86536C', 'access', 917693, '2026-11-26 18:49:36', 1, 7);
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (X'8E6490B7396A47F2C2C2B5DD098146C4B6AEE0434D57854B8D3BA46C02DB0FFE3BC4A8527057C91759582816C81F4EC6', 'broadcasts', 1460638, '2026-11-26 18:49:36', 1, 11);
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (X'8FD3100088233DFE3CDB76BE5AED380EFC2DBBA9DB251107868382DE1C87781EDFD193D76093C16E58C016E0B4EEC03B', 'webhooks', 653390, '2026-11-26 18:49:36', 1, 10);
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (X'9CE39EAC541F5CA792AFE061039675C9053EEF7BA652DAF646D39F3CA60171CFA848C9A57AE153463B82C7D0030C7BD0', 'assignment', 3688076, '2026-11-26 18:49:36', 1, 8);
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (X'B409D89E6EA98B77B1E0557C3133E7F71D5ADD7711F9504C02A131E4D1E65CCB4B3DC3BD2E040499D65CC2BBAB3EA370', 'participations', 1366479, '2026-11-26 18:49:36', 1, 12);
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (X'DC6E9DEB59BDF13E262EF12B7EC5EAB5E006276B293C68C9A6393E4AF49785A3833CCCEFD2351326DE37D9BAFF5C10D6', 'exam times', 2590726, '2026-11-26 18:49:36', 1, 3);
