-- Who watches the candidate of a session; nobody yet, or nobody any more: null.
ALTER TABLE sessions ADD COLUMN proctor UUID REFERENCES users (id);
