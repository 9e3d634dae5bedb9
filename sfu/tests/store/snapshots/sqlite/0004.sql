-- A database as of migration 4, with what was in it. Frozen.
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
CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL, execution_time BIGINT NOT NULL);
INSERT INTO exams (code, created_at, ended_at, ends_at, id, paused_at, policy, started_at, starts_at, status, title) VALUES ('SNAP-1', 1795699291109007, NULL, 4102444800000000, '01a21804-b3e3-7c49-9f2e-6fd19081666b', NULL, '{"camera":"required","microphone":"required","screen":"required","keeps_video":false,"exam_page_keeps_answers":false,"retention_days":30,"exam_page_url":null,"tell_when_listening":true,"allow_test_picture":true}', NULL, 1700000000000001, 'active', 'The exam SNAP-1, ä and 試験');
INSERT INTO exams (code, created_at, ended_at, ends_at, id, paused_at, policy, started_at, starts_at, status, title) VALUES ('SNAP-2', 1795699291168985, 1700000003600001, 1700000003600001, '01a21804-b420-7c9b-afa0-733a6722f7d9', NULL, '{"camera":"required","microphone":"required","screen":"required","keeps_video":false,"exam_page_keeps_answers":false,"retention_days":30,"exam_page_url":null,"tell_when_listening":true,"allow_test_picture":true}', NULL, 1700000000000001, 'closed', 'The exam SNAP-2, ä and 試験');
INSERT INTO roster (allowances, created_at, exam, id, label, seat, secret_hash) VALUES ('{"extra_time_percent":25,"second_display":false,"assistive_tools":[]}', 7, '01a21804-b3e3-7c49-9f2e-6fd19081666b', '01a21804-b3e7-77b2-9754-e3fca4323d07', 'Candidate 1', 'A 3', X'31206574616469646E614331206574616469646E614331206574616469646E61');
INSERT INTO roster (allowances, created_at, exam, id, label, seat, secret_hash) VALUES ('{"extra_time_percent":25,"second_display":false,"assistive_tools":[]}', 7, '01a21804-b3e3-7c49-9f2e-6fd19081666b', '01a21804-b413-77fb-88dd-2586d95a9654', 'Candidate 2', 'A 3', X'32206574616469646E614332206574616469646E614332206574616469646E61');
INSERT INTO roster (allowances, created_at, exam, id, label, seat, secret_hash) VALUES ('{"extra_time_percent":25,"second_display":false,"assistive_tools":[]}', 7, '01a21804-b420-7c9b-afa0-733a6722f7d9', '01a21804-b421-7e04-8a9d-b7c35b463ce5', 'Candidate 3', 'A 3', X'33206574616469646E614333206574616469646E614333206574616469646E61');
INSERT INTO users (created_at, email, id, name, password_hash, role) VALUES (1, 'admin@example.org', '01a21804-b3d7-76d0-8338-649d718e935c', 'Ünal', '$argon2id$…', 'admin');
INSERT INTO users (created_at, email, id, name, password_hash, role) VALUES (1, 'lead@example.org', '01a21804-b3c8-7e4d-8a34-58364308b0c5', 'Ünal', '$argon2id$…', 'lead');
INSERT INTO sessions (chain_hash, chain_seq, created_at, device_key, entry, exam, finished_at, id, joined_at, looked_at, participant, sitting, sitting_revision) VALUES (X'303CB4BB56E7F8632B1D07FDA8705261655FBD4DD2F45E265BAC8EBA8149C734', 0, 8, X'8A88E3DD7409F195FD52DB2D3CBA5D72CA6709BF1D94121BF3748801B40F6F5C', '01a21804-b413-77fb-88dd-2586d95a9654', '01a21804-b3e3-7c49-9f2e-6fd19081666b', NULL, '01a21804-b415-76ed-a6ee-0952b2125228', 1700000000000100, 0, '01a21804-b415-76f5-b6b1-a00e68c74691', '{}', 0);
INSERT INTO sessions (chain_hash, chain_seq, created_at, device_key, entry, exam, finished_at, id, joined_at, looked_at, participant, sitting, sitting_revision) VALUES (X'CD283EFFA5FC7D3F4AF54318CF74007986C14CD4EC7ACFAFE898F4AFA177A342', 3, 8, X'8A88E3DD7409F195FD52DB2D3CBA5D72CA6709BF1D94121BF3748801B40F6F5C', '01a21804-b3e7-77b2-9754-e3fca4323d07', '01a21804-b3e3-7c49-9f2e-6fd19081666b', NULL, '01a21804-b3fa-7ba9-91ec-485ed1443dd4', 1700000000000100, 0, '01a21804-b3fa-7bba-be2c-28a76be67744', '{}', 0);
INSERT INTO sessions (chain_hash, chain_seq, created_at, device_key, entry, exam, finished_at, id, joined_at, looked_at, participant, sitting, sitting_revision) VALUES (X'D94DDF5600FE64ADCED9DA985E62E3C7834292D29246B539F42C6AAD773E8D8B', 0, 8, X'8A88E3DD7409F195FD52DB2D3CBA5D72CA6709BF1D94121BF3748801B40F6F5C', '01a21804-b421-7e04-8a9d-b7c35b463ce5', '01a21804-b420-7c9b-afa0-733a6722f7d9', 1700000003600001, '01a21804-b422-7c6a-9542-0f77e32dca87', 1700000000000100, 0, '01a21804-b422-7c76-9c1e-1b23676f81d4', '{}', 0);
INSERT INTO integrity_events (clock_offset, hash, payload, payload_hash, prev, received_at, salt, seq, session) VALUES (-7, X'064EF479EE3C39B13283A020F9E09DCFA2B248D85ADE6030FCB7918DA06ED588', '{"kind":"focus_lost","time":{"boot_id":"01a21804-b417-7f26-b553-998c3bb89087","monotonic_us":1,"wall_us":2},"observer":"system","confidence":100,"facts":{"window":"a\u0000 \u001f ü"}}', X'42E9859DDB96E714E8AABFFCD601A386DED7E3D6242213331BA4AC104BE17EED', X'45C1443F699AC0EA37C0B1BB713E0D2455D5B7E72286803208D72602DDC132DC', 4, 'd0f136d7c276e77c0f7bb6fbf2e6c30a', 2, '01a21804-b3fa-7ba9-91ec-485ed1443dd4');
INSERT INTO integrity_events (clock_offset, hash, payload, payload_hash, prev, received_at, salt, seq, session) VALUES (-7, X'45C1443F699AC0EA37C0B1BB713E0D2455D5B7E72286803208D72602DDC132DC', '{"kind":"focus_lost","time":{"boot_id":"01a21804-b417-7ddf-a639-c08826139f2b","monotonic_us":1,"wall_us":2},"observer":"system","confidence":100,"facts":{"window":"a\u0000 \u001f ü"}}', X'9E83508B213232F1FB95B4095A4911BB5B736A918CF5BE31F63B14817B406F59', X'FED77FA2DD4942669A0E6E7B89B9A6AE3F70E76E451C297073CC1714841B9C3C', 4, 'c1efd5682e1fa2bdab43136ea33d6466', 1, '01a21804-b3fa-7ba9-91ec-485ed1443dd4');
INSERT INTO integrity_events (clock_offset, hash, payload, payload_hash, prev, received_at, salt, seq, session) VALUES (-7, X'CD283EFFA5FC7D3F4AF54318CF74007986C14CD4EC7ACFAFE898F4AFA177A342', '{"kind":"focus_lost","time":{"boot_id":"01a21804-b417-7f38-8e4f-20382393550f","monotonic_us":1,"wall_us":2},"observer":"system","confidence":100,"facts":{"window":"a\u0000 \u001f ü"}}', X'358195404B842DEC536C4C5FBBC65B29C94ABC4C1C438F795DF0DF5BADA759CE', X'064EF479EE3C39B13283A020F9E09DCFA2B248D85ADE6030FCB7918DA06ED588', 4, '00b73310ff016c3cee0b48b036e3aa9c', 3, '01a21804-b3fa-7ba9-91ec-485ed1443dd4');
INSERT INTO messages (acknowledged_at, at, author, candidate, delivered_at, exam, from_candidate, id, kind, text) VALUES (NULL, 50, 'Lead', '01a21804-b3fa-7bba-be2c-28a76be67744', NULL, '01a21804-b3e3-7c49-9f2e-6fd19081666b', 0, '01a21804-b419-7799-a4b2-492a78e4e399', 'warning', 'Put the phone away, it''s "seen"');
INSERT INTO timeline (at, body, exam, id, message, participant, received_at) VALUES (3, '{"what":"integrity","kind":"focus_lost","seq":1,"observer":"system","confidence":100,"severity":"medium","begins":null}', '01a21804-b3e3-7c49-9f2e-6fd19081666b', '01a21804-b417-7f22-9c3c-953ee1dd4a79', NULL, '01a21804-b3fa-7bba-be2c-28a76be67744', 4);
INSERT INTO timeline (at, body, exam, id, message, participant, received_at) VALUES (3, '{"what":"integrity","kind":"focus_lost","seq":2,"observer":"system","confidence":100,"severity":"medium","begins":null}', '01a21804-b3e3-7c49-9f2e-6fd19081666b', '01a21804-b417-7f37-b754-c880a35a72ba', NULL, '01a21804-b3fa-7bba-be2c-28a76be67744', 4);
INSERT INTO timeline (at, body, exam, id, message, participant, received_at) VALUES (3, '{"what":"integrity","kind":"focus_lost","seq":3,"observer":"system","confidence":100,"severity":"medium","begins":null}', '01a21804-b3e3-7c49-9f2e-6fd19081666b', '01a21804-b417-7f47-b671-dd83b11b0bac', NULL, '01a21804-b3fa-7bba-be2c-28a76be67744', 4);
INSERT INTO timeline (at, body, exam, id, message, participant, received_at) VALUES (50, '{"what":"message","message":"01a21804-b419-7799-a4b2-492a78e4e399","kind":"warning","from_candidate":false,"text":"Put the phone away, it''s \"seen\"","delivered":false,"acknowledged":false}', '01a21804-b3e3-7c49-9f2e-6fd19081666b', '01a21804-b419-7791-b0ca-0760822d4b5d', '01a21804-b419-7799-a4b2-492a78e4e399', '01a21804-b3fa-7bba-be2c-28a76be67744', 51);
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('add_roster_entry', 'server', NULL, 1795699291120412, X'32737312EEBD4BD0FDEFA234A0E2E67014CB0F093E011C389BC157FCDB833CE8', '{"allowances":{"assistive_tools":[],"extra_time_percent":25,"second_display":false},"exam":"01a21804-b3e3-7c49-9f2e-6fd19081666b","label":"Candidate 1"}', X'B13F064739A06369F5BE23F13E731A088A8A1145D4BA0AB2F7C541517AD08CB5', X'204834FA37597F0E10B44C0D054B46CC62FE6D9B1B34B40A536174C50D4EDF6D', 'server', X'09B08CBEFAABA54971E8E89FDB0715E0', 4, '01a21804-b3e7-77b2-9754-e3fca4323d07');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('add_roster_entry', 'server', NULL, 1795699291156135, X'60CC1D696CEC0BAD30E2E0B4BFFF752C2FF78E8DEF87A26EDD67CC8D5CD77D17', '{"allowances":{"assistive_tools":[],"extra_time_percent":25,"second_display":false},"exam":"01a21804-b3e3-7c49-9f2e-6fd19081666b","label":"Candidate 2"}', X'09D70051E5280BA2E138EC012317CADCD44C92CCA72AC005943AF405168E4321', X'57B32B7B69B21B396F3BAEC9CD9A0F061AC2676FE3A4CE715D73FA2A511B150B', 'server', X'9A7129743777A0926C1D3A74C6FCB985', 7, '01a21804-b413-77fb-88dd-2586d95a9654');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('add_roster_entry', 'server', NULL, 1795699291170078, X'03731A7B958604C120E0A3FCE264BF439CBA141ABDE08A2DD3D636F79E8CB1DC', '{"allowances":{"assistive_tools":[],"extra_time_percent":25,"second_display":false},"exam":"01a21804-b420-7c9b-afa0-733a6722f7d9","label":"Candidate 3"}', X'54A419C5CE3DBB571F78A025DF13138BBF60677735AB542B430F8424D54CE876', X'C390BDC407EA50619C01A3AA2D879B15BE88278162ED4AFEE99C4E772FF845F0', 'server', X'B6BC04946BB1F3C97EE0C63E47A1E84F', 13, '01a21804-b421-7e04-8a9d-b7c35b463ce5');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('add_user', 'server', NULL, 1795699291083397, X'171CC0EFF3A3DDF4C80853F99036B6014EE63FA80306EAFAB314E0EC56650FB4', '{"email":"lead@example.org","role":"lead"}', X'19D4C1838EB0BD27DF475B8733B42BF383CE94E51C99E0A9B8AE842D3BE12EAD', X'0BC45FF4635E9984214647548F3194E305790FF0D9490A02B0FC5DD884175099', 'server', X'22CE09964BE02A45C048933C677B8186', 1, '01a21804-b3c8-7e4d-8a34-58364308b0c5');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('add_user', 'server', NULL, 1795699291100286, X'D5B5B6C5CAA75F98FCC2998438E037C880C3269272E6109774451CC6031F0B18', '{"email":"admin@example.org","role":"admin"}', X'171CC0EFF3A3DDF4C80853F99036B6014EE63FA80306EAFAB314E0EC56650FB4', X'79B271F24FDE6B903FDF714D514BB6DDF3F95CFC9155DE05C222D613C351858B', 'server', X'85091C9609FEBCCA89C186FD029999D2', 2, '01a21804-b3d7-76d0-8338-649d718e935c');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('broadcast', 'server', NULL, 1795699291167731, X'1E3E782DFF8304BC42A706CAEFAFC4A0894874066EFEEE4EC107B19F9B227CC5', '{"broadcast":"01a21804-b41f-7158-a879-dc1eb7fb8229","recipients":1}', X'694877A6CAFDBF1214AC0E75CD7DB8D41A097A4B43D9012F708A255B816B7315', X'A90A9D23BFCCE07BA0A95FC2E3642B1F1601B8953D25109FEBBEFAB50FCE3EDC', 'server', X'6AF501FCBE86720D75C01ECE8BEB8934', 11, '01a21804-b3e3-7c49-9f2e-6fd19081666b');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('change_exam', 'server', NULL, 1795699291173022, X'DB26887602A4C60D3E540D2463DA831E16FFEE4CD70535AF65D57194A2A0942F', '{"ends_at":1700000003600001,"from":"active","to":"closed"}', X'6E568754E1DC78A0104A8CF6EB3642D6B361FED4644E0CBB687344FB85C61514', X'5368167D3F5AF7B6EDC01B9D0F8D51BEF32DCF09820D1649299997DE87E96E3D', 'server', X'E5C4D82E8EC3C877AF62F3E5E2DB6DA5', 16, '01a21804-b420-7c9b-afa0-733a6722f7d9');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('create_exam', 'server', NULL, 1795699291109221, X'B13F064739A06369F5BE23F13E731A088A8A1145D4BA0AB2F7C541517AD08CB5', '{"capacity":100,"code":"SNAP-1","ends_at":4102444800000000,"policy":{"allow_test_picture":true,"camera":"required","exam_page_keeps_answers":false,"exam_page_url":null,"keeps_video":false,"microphone":"required","retention_days":30,"screen":"required","tell_when_listening":true},"starts_at":1700000000000001,"title":"The exam SNAP-1, ä and 試験"}', X'D5B5B6C5CAA75F98FCC2998438E037C880C3269272E6109774451CC6031F0B18', X'0D10BE547E7369AD1C9014E9F3AEDC9641064A5079BFF7236DF7B71574E9924E', 'server', X'95EB2B2368D485932801A41BC866EFB0', 3, '01a21804-b3e3-7c49-9f2e-6fd19081666b');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('create_exam', 'server', NULL, 1795699291169051, X'54A419C5CE3DBB571F78A025DF13138BBF60677735AB542B430F8424D54CE876', '{"capacity":100,"code":"SNAP-2","ends_at":1700000003600001,"policy":{"allow_test_picture":true,"camera":"required","exam_page_keeps_answers":false,"exam_page_url":null,"keeps_video":false,"microphone":"required","retention_days":30,"screen":"required","tell_when_listening":true},"starts_at":1700000000000001,"title":"The exam SNAP-2, ä and 試験"}', X'1E3E782DFF8304BC42A706CAEFAFC4A0894874066EFEEE4EC107B19F9B227CC5', X'70A93D1DB92DCCBB53CD0E991F09E17875F45D3E306DB2E9075694F0E177B795', 'server', X'ACFB695D6D59A40BD0E95AC7D8C4915F', 12, '01a21804-b420-7c9b-afa0-733a6722f7d9');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('enter_room', 'server', NULL, 1795699291146674, X'09D70051E5280BA2E138EC012317CADCD44C92CCA72AC005943AF405168E4321', '{"entry":"01a21804-b3e7-77b2-9754-e3fca4323d07","exam":"01a21804-b3e3-7c49-9f2e-6fd19081666b"}', X'4734C42275356B20002DE8D957D4679FE926239CCEAF7F54B88F21C17678298C', X'1CCCECEDC3F19FF80C10E63AB3647F7E788BE87B95A94D870D0FDDA84E471D0A', 'server', X'A57F4DA9150AABBFC64F309AD8A615EE', 6, '01a21804-b3fa-7ba9-91ec-485ed1443dd4');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('enter_room', 'server', NULL, 1795699291159101, X'F653BC002CF0BC9847101733F7C680A23EC5F02ED9B5ECCB5D7A9CB1BF646880', '{"entry":"01a21804-b413-77fb-88dd-2586d95a9654","exam":"01a21804-b3e3-7c49-9f2e-6fd19081666b"}', X'D16260C269FE206FBCD54CB4D41EAB71E35466F4CB83E5FDF538CDB960A97F67', X'97C45812FF6654B8F646A30EF2DBD31BD121FF2474052BF717C4B86B250602C7', 'server', X'78F92B00DDFED05F6E49CD0197789D93', 9, '01a21804-b415-76ed-a6ee-0952b2125228');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('enter_room', 'server', NULL, 1795699291172092, X'6E568754E1DC78A0104A8CF6EB3642D6B361FED4644E0CBB687344FB85C61514', '{"entry":"01a21804-b421-7e04-8a9d-b7c35b463ce5","exam":"01a21804-b420-7c9b-afa0-733a6722f7d9"}', X'0448FE6E3FCE68A666F3E43CCFB53CA9703B8D6414611439AE560E7256B51E07', X'3B50EE130F5F8A0C4A88A738FD759F85F0BDDA5B2651F66CC45500A02F6A8C5B', 'server', X'0C0E2329EE9139E35B2A7B5BCFB0608B', 15, '01a21804-b422-7c6a-9542-0f77e32dca87');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('finish', 'server', NULL, 1795699291173238, X'8B644612CD2A3D16B8EC66D94A3C94ABAC087009D25467C2323C6E6FA56DFD1F', '{"by":"close","exam":"01a21804-b420-7c9b-afa0-733a6722f7d9"}', X'DB26887602A4C60D3E540D2463DA831E16FFEE4CD70535AF65D57194A2A0942F', X'6B6987C6DD945CE033014F362F3B18E00656265DE952B221F63E16324B2CDFE8', 'server', X'7624D559C92A2D57052FEECDA21811C1', 17, '01a21804-b422-7c6a-9542-0f77e32dca87');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('join', 'server', NULL, 1795699291139622, X'4734C42275356B20002DE8D957D4679FE926239CCEAF7F54B88F21C17678298C', '{"device":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c","entry":"01a21804-b3e7-77b2-9754-e3fca4323d07","exam":"01a21804-b3e3-7c49-9f2e-6fd19081666b"}', X'32737312EEBD4BD0FDEFA234A0E2E67014CB0F093E011C389BC157FCDB833CE8', X'F35DC9F3AA1486244E529512F91E8CB457DE299113B9D0B547FD05DDF161BDD0', 'server', X'12991CD4C3BDE17F30008FA0306BFA0A', 5, '01a21804-b3fa-7ba9-91ec-485ed1443dd4');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('join', 'server', NULL, 1795699291157865, X'D16260C269FE206FBCD54CB4D41EAB71E35466F4CB83E5FDF538CDB960A97F67', '{"device":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c","entry":"01a21804-b413-77fb-88dd-2586d95a9654","exam":"01a21804-b3e3-7c49-9f2e-6fd19081666b"}', X'60CC1D696CEC0BAD30E2E0B4BFFF752C2FF78E8DEF87A26EDD67CC8D5CD77D17', X'3704743CDFBCADE5BB0D022CCE7ACADF5569049A8D0866B90D6BC43FC76AA7E1', 'server', X'8E4AC456680A912CBC4E27C4B788BE00', 8, '01a21804-b415-76ed-a6ee-0952b2125228');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('join', 'server', NULL, 1795699291171100, X'0448FE6E3FCE68A666F3E43CCFB53CA9703B8D6414611439AE560E7256B51E07', '{"device":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c","entry":"01a21804-b421-7e04-8a9d-b7c35b463ce5","exam":"01a21804-b420-7c9b-afa0-733a6722f7d9"}', X'03731A7B958604C120E0A3FCE264BF439CBA141ABDE08A2DD3D636F79E8CB1DC', X'B867BD245DAA2A8DF21922C9F0DBE5E5B7A04D61CC547842E9F62F3ADC3B2D62', 'server', X'E9524B536559DB04E25450115322BB3C', 14, '01a21804-b422-7c6a-9542-0f77e32dca87');
INSERT INTO audit (action, actor, address, at, hash, metadata, prev, record_hash, role, salt, seq, target) VALUES ('warn', 'server', NULL, 1795699291165836, X'694877A6CAFDBF1214AC0E75CD7DB8D41A097A4B43D9012F708A255B816B7315', '{"exam":"01a21804-b3e3-7c49-9f2e-6fd19081666b","message":"01a21804-b419-7799-a4b2-492a78e4e399"}', X'F653BC002CF0BC9847101733F7C680A23EC5F02ED9B5ECCB5D7A9CB1BF646880', X'CBC33B2AE0F9793B20218C163E2E07FAEE5841D11D439A68F604575C70D3BAF0', 'server', X'297CA72CD2A6B991BB9C8958268B0C3B', 10, '01a21804-b3fa-7bba-be2c-28a76be67744');
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (X'3F1DBEE7AC31C7C797EBA37EA5D27C28F7574D1145D911FD7A059C2129732340126533A40EEF2A9BFA11B4AF01EF5C6E', 'audit', 4189743, '2026-11-26 13:21:30', 1, 2);
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (X'46AB1AE001D25DC7E8FCBC93679D5D2BB09D487F07E437DF523C1EF56429092ADE7F3192BBC50CBFD0631D92AC6514F3', 'sittings', 7563906, '2026-11-26 13:21:30', 1, 4);
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (X'49AA311107FD1868B0D4F29A25E60A63A3C006D943BA602D95730BCCE9766860250EDCD87CBD8C0044FB288E073FA03F', 'first light', 8074574, '2026-11-26 13:21:30', 1, 1);
INSERT INTO _sqlx_migrations (checksum, description, execution_time, installed_on, success, version) VALUES (X'DC6E9DEB59BDF13E262EF12B7EC5EAB5E006276B293C68C9A6393E4AF49785A3833CCCEFD2351326DE37D9BAFF5C10D6', 'exam times', 2451160, '2026-11-26 13:21:30', 1, 3);
