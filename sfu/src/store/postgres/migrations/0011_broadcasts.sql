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
