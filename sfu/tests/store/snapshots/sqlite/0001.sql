-- A database as of migration 1, with what was in it. Frozen.
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
CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL, execution_time BIGINT NOT NULL);
INSERT INTO exams (code, created_at, ends_at, id, policy, starts_at, status, title) VALUES ('SNAP-1', 1795699291109007, 4102444800000000, '01a21804-b3e3-7c49-9f2e-6fd19081666b', '{"camera":"required","microphone":"required","screen":"required","keeps_video":false,"exam_page_keeps_answers":false,"retention_days":30,"exam_page_url":null,"tell_when_listening":true,"allow_test_picture":true}', 1700000000000001, 'active', 'The exam SNAP-1, ä and 試験');
INSERT INTO exams (code, created_at, ends_at, id, policy, starts_at, status, title) VALUES ('SNAP-2', 1795699291168985, 1700000003600001, '01a21804-b420-7c9b-afa0-733a6722f7d9', '{"camera":"required","microphone":"required","screen":"required","keeps_video":false,"exam_page_keeps_answers":false,"retention_days":30,"exam_page_url":null,"tell_when_listening":true,"allow_test_picture":true}', 1700000000000001, 'closed', 'The exam SNAP-2, ä and 試験');
INSERT INTO roster (allowances, created_at, exam, id, label, seat, secret_hash) VALUES ('{"extra_time_percent":25,"second_display":false,"assistive_tools":[]}', 7, '01a21804-b3e3-7c49-9f2e-6fd19081666b', '01a21804-b3e7-77b2-9754-e3fca4323d07', 'Candidate 1', 'A 3', X'31206574616469646E614331206574616469646E614331206574616469646E61');
INSERT INTO roster (allowances, created_at, exam, id, label, seat, secret_hash) VALUES ('{"extra_time_percent":25,"second_display":false,"assistive_tools":[]}', 7, '01a21804-b3e3-7c49-9f2e-6fd19081666b', '01a21804-b413-77fb-88dd-2586d95a9654', 'Candidate 2', 'A 3', X'32206574616469646E614332206574616469646E614332206574616469646E61');
INSERT INTO roster (allowances, created_at, exam, id, label, seat, secret_hash) VALUES ('{"extra_time_percent":25,"second_display":false,"assistive_tools":[]}', 7, '01a21804-b420-7c9b-afa0-733a6722f7d9', '01a21804-b421-7e04-8a9d-b7c35b463ce5', 'Candidate 3', 'A 3', X'33206574616469646E614333206574616469646E614333206574616469646E61');
INSERT INTO users (created_at, email, id, name, password_hash, role) VALUES (1, 'admin@example.org', '01a21804-b3d7-76d0-8338-649d718e935c', 'Ünal', '$argon2id$…', 'admin');
INSERT INTO users (created_at, email, id, name, password_hash, role) VALUES (1, 'lead@example.org', '01a21804-b3c8-7e4d-8a34-58364308b0c5', 'Ünal', '$argon2id$…', 'lead');
INSERT INTO sessions (chain_hash, chain_seq, created_at, device_key, entry, exam, finished_at, id, joined_at, looked_at, participant) VALUES (X'303CB4BB56E7F8632B1D07FDA8705261655FBD4DD2F45E265BAC8EBA8149C734', 0, 8, X'8A88E3DD7409F195FD52DB2D3CBA5D72CA6709BF1D94121BF3748801B40F6F5C', '01a21804-b413-77fb-88dd-2586d95a9654', '01a21804-b3e3-7c49-9f2e-6fd19081666b', NULL, '01a21804-b415-76ed-a6ee-0952b2125228', 1700000000000100, 0, '01a21804-b415-76f5-b6b1-a00e68c74691');
INSERT INTO sessions (chain_hash, chain_seq, created_at, device_key, entry, exam, finished_at, id, joined_at, looked_at, participant) VALUES (X'CD283EFFA5FC7D3F4AF54318CF74007986C14CD4EC7ACFAFE898F4AFA177A342', 3, 8, X'8A88E3DD7409F195FD52DB2D3CBA5D72CA6709BF1D94121BF3748801B40F6F5C', '01a21804-b3e7-77b2-9754-e3fca4323d07', '01a21804-b3e3-7c49-9f2e-6fd19081666b', NULL, '01a21804-b3fa-7ba9-91ec-485ed1443dd4', 1700000000000100, 0, '01a21804-b3fa-7bba-be2c-28a76be67744');
INSERT INTO sessions (chain_hash, chain_seq, created_at, device_key, entry, exam, finished_at, id, joined_at, looked_at, participant) VALUES (X'D94DDF5600FE64ADCED9DA985E62E3C7834292D29246B539F42C6AAD773E8D8B', 0, 8, X'8A88E3DD7409F195FD52DB2D3CBA5D72CA6709BF1D94121BF3748801B40F6F5C', '01a21804-b421-7e04-8a9d-b7c35b463ce5', '01a21804-b420-7c9b-afa0-733a6722f7d9', 1700000003600001, '01a21804-b422-7c6a-9542-0f77e32dca87', 1700000000000100, 0, '01a21804-b422-7c76-9c1e-1b23676f81d4');
INSERT INTO integrity_events (clock_offset, hash, payload, payload_hash, prev, received_at, salt, seq, session) VALUES (-7, X'064EF479EE3C39B13283A020F9E09DCFA2B248D85ADE6030FCB7918DA06ED588', '{"kind":"focus_lost","time":{"boot_id":"01a21804-b417-7f26-b553-998c3bb89087","monotonic_us":1,"wall_us":2},"observer":"system","confidence":100,"facts":{"window":"a\u0000 \u001f ü"}}', X'42E9859DDB96E714E8AABFFCD601A386DED7E3D6242213331BA4AC104BE17EED', X'45C1443F699AC0EA37C0B1BB713E0D2455D5B7E72286803208D72602DDC132DC', 4, 'd0f136d7c276e77c0f7bb6fbf2e6c30a', 2, '01a21804-b3fa-7ba9-91ec-485ed1443dd4');
INSERT INTO integrity_events (clock_offset, hash, payload, payload_hash, prev, received_at, salt, seq, session) VALUES (-7, X'45C1443F699AC0EA37C0B1BB713E0D2455D5B7E72286803208D72602DDC132DC', '{"kind":"focus_lost","time":{"boot_id":"01a21804-b417-7ddf-a639-c08826139f2b","monotonic_us":1,"wall_us":2},"observer":"system","confidence":100,"facts":{"window":"a\u0000 \u001f ü"}}', X'9E83508B213232F1FB95B4095A4911BB5B736A918CF5BE31F63B14817B406F59', X'FED77FA2DD4942669A0E6E7B89B9A6AE3F70E76E451C297073CC1714841B9C3C', 4, 'c1efd5682e1fa2bdab43136ea33d6466', 1, '01a21804-b3fa-7ba9-91ec-485ed1443dd4');
INSERT INTO integrity_events (clock_offset, hash, payload, payload_hash, prev, received_at, salt, seq, session) VALUES (-7, X'CD283EFFA5FC7D3F4AF54318CF74007986C14CD4EC7ACFAFE898F4AFA177A342', '{"kind":"focus_lost","time":{"boot_id":"01a21804-b417-7f38-8e4f-20382393550f","monotonic_us":1,"wall_us":2},"observer":"system","confidence":100,"facts":{"window":"a\u0000 \u001f ü"}}', X'358195404B842DEC536C4C5FBBC65B29C94ABC4C1C438F795DF0DF5BADA759CE', X'064EF479EE3C39B13283A020F9E09DCFA2B248D85ADE6030FCB7918DA06ED588', 4, '00b73310ff016c3cee0b48b036e3aa9c', 3, '01a21804-b3fa-7ba9-91ec-485ed1443dd4');
INSERT INTO messages (acknowledged_at, at, author, candidate, delivered_at, exam, from_candidate, id, kind, text) VALUES (NULL, 50, 'Lead', '01a21804-b3fa-7bba-be2c-28a76be67744', NULL, '01a21804-b3e3-7c49-9f2e-6fd19081666b', 0, '01a21804-b419-7799-a4b2-492a78e4e399', 'warning', 'Put the phone away, it''s "seen"');
INSERT INTO timeline (at, body, exam, id, message, participant, received_at) VALUES (3, '{"what":"integrity","kind":"focus_lost","seq":1,"observer":"system","confidence":100,"severity":"medium","begins":null}', '01a21804-b3e3-7c49-9f2e-6fd19081666b', '01a21804-b417-7f22-9c3c-953ee1dd4a79', NULL, '01a21804-b3fa-7bba-be2c-28a76be67744', 4);
INSERT INTO timeline (at, body, exam, id, message, participant, received_at) VALUES (3, '{"what":"integrity","kind":"focus_lost","seq":2,"observer":"system","confidence":100,"severity":"medium","begins":null}', '01a21804-b3e3-7c49-9f2e-6fd19081666b', '01a21804-b417-7f37-b754-c880a35a72ba', NULL, '01a21804-b3fa-7bba-be2c-28a76be67744', 4);
INSERT INTO timeline (at, body, exam, id, message, participant, received_at) VALUES (3, '{"what":"integrity","kind":"focus_lost","seq":3,"observer":"system","confidence":100,"severity":"medium","begins":null}', '01a21804-b3e3-7c49-9f2e-6fd19081666b', '01a21804-b417-7f47-b671-dd83b11b0bac', NULL, '01a21804-b3fa-7bba-be2c-28a76be67744', 4);
INSERT INTO timeline (at, body, exam, id, message, participant, received_at) VALUES (50, '{"what":"message","message":"01a21804-b419-7799-a4b2-492a78e4e399","kind":"warning","from_candidate":false,"text":"Put the phone away, it''s \"seen\"","delivered":false,"acknowledged":false}', '01a21804-b3e3-7c49-9f2e-6fd19081666b', '01a21804-b419-7791-b0ca-0760822d4b5d', '01a21804-b419-7799-a4b2-492a78e4e399', '01a21804-b3fa-7bba-be2c-28a76be67744', 51);
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (X'49AA311107FD1868B0D4F29A25E60A63A3C006D943BA602D95730BCCE9766860250EDCD87CBD8C0044FB288E073FA03F', 'first light', 8074574, '2026-11-26 13:21:30', 1, 1);
