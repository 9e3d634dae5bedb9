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
