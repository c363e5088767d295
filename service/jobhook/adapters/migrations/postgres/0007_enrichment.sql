-- A delivery may wait for what the Hub is asked about it: until when, and how often it was asked.
ALTER TABLE delivery ADD COLUMN due_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN looks INTEGER NOT NULL DEFAULT 0;

-- The id of each repo, as `type:owner/name`, that a rule has fired on: a name can be taken over.
CREATE TABLE trusted_repo (
    repo  TEXT PRIMARY KEY,
    id    TEXT NOT NULL
);
