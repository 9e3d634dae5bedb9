-- Since when the exam is paused, when it first began, when it was closed; null as long as it has not.
ALTER TABLE exams ADD COLUMN paused_at INTEGER;
ALTER TABLE exams ADD COLUMN started_at INTEGER;
ALTER TABLE exams ADD COLUMN ended_at INTEGER;
