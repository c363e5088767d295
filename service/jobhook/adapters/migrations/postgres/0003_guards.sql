-- What the limits count. Costs are millionths of a US dollar, reserved first and settled later.
ALTER TABLE launch ADD COLUMN repo TEXT NOT NULL DEFAULT '';
-- The ref and commit that it is for, if it is for one.
ALTER TABLE launch ADD COLUMN subject TEXT;
-- When it was claimed for good; 0 while it is not, or when it was clearly refused.
ALTER TABLE launch ADD COLUMN claimed_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE launch ADD COLUMN micro_usd BIGINT NOT NULL DEFAULT 0;
CREATE INDEX launch_spent ON launch (claimed_at, rule, repo, micro_usd) WHERE claimed_at > 0;
CREATE INDEX launch_subject ON launch (rule, repo, subject) WHERE subject IS NOT NULL;
