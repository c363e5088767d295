-- What a process has measured and the next one has to know.
CREATE TABLE memory (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
