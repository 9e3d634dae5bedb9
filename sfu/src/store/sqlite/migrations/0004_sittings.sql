-- How a sitting stands apart from its exam (JSON), and a number that every change of it counts up.
ALTER TABLE sessions ADD COLUMN sitting TEXT NOT NULL DEFAULT '{}';
ALTER TABLE sessions ADD COLUMN sitting_revision INTEGER NOT NULL DEFAULT 0;
