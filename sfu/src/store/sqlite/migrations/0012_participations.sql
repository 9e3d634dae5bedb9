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
