-- What is needed to find out what became of a launch, and to put poison aside.

-- When this database was made: a young one may have lost what an older one knew.
CREATE TABLE epoch (began_at INTEGER NOT NULL);
INSERT INTO epoch VALUES (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER));

-- The last moment at which a request for it may have left, and clean looks that found no job.
ALTER TABLE launch ADD COLUMN unknown_since INTEGER NOT NULL DEFAULT 0;
ALTER TABLE launch ADD COLUMN looks INTEGER NOT NULL DEFAULT 0;

-- How often routing was begun: whoever kills the process each time is not tried for ever.
ALTER TABLE delivery ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;
