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
