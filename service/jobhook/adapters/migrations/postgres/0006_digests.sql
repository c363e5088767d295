-- What of a row never changes, as a digest, so that damage is seen before it is acted on; empty for
-- rows that are older than this.
ALTER TABLE delivery ADD COLUMN digest TEXT NOT NULL DEFAULT '';
ALTER TABLE launch ADD COLUMN digest TEXT NOT NULL DEFAULT '';
