-- What links to payloads are signed with where no setting says it: one row, made when it is needed.
CREATE TABLE signing_key (seq INTEGER PRIMARY KEY CHECK (seq = 1), key TEXT NOT NULL);
