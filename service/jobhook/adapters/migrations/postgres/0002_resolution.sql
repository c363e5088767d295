-- What is needed to find out what became of a launch, and to put poison aside.

-- When this database was made: a young one may have lost what an older one knew.
CREATE TABLE epoch (began_at BIGINT NOT NULL);
INSERT INTO epoch VALUES (extract(epoch FROM clock_timestamp()) * 1000);

-- The last moment at which a request for it may have left, and clean looks that found no job.
ALTER TABLE launch ADD COLUMN unknown_since BIGINT NOT NULL DEFAULT 0;
ALTER TABLE launch ADD COLUMN looks INTEGER NOT NULL DEFAULT 0;

-- How often routing was begun: whoever kills the process each time is not tried for ever.
ALTER TABLE delivery ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;
