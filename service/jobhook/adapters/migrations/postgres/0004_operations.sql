-- What people do with launches and deliveries, and what is kept of a chain of launches.

-- How often a person asked for it to be decided again.
ALTER TABLE delivery ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
-- Which process is deciding about it, and until when the others leave it alone.
ALTER TABLE delivery ADD COLUMN routed_by TEXT;
ALTER TABLE delivery ADD COLUMN routed_until BIGINT NOT NULL DEFAULT 0;
CREATE INDEX delivery_repo ON delivery (repo_name, seq) WHERE repo_name IS NOT NULL;
CREATE INDEX delivery_received ON delivery (received_at);

-- Deliveries that were forgotten: they must still be recognised when they come again.
CREATE TABLE tombstone (id TEXT PRIMARY KEY, received_at BIGINT NOT NULL);

-- How much of the quarantine is over, by looks and not by the clock alone.
ALTER TABLE launch ADD COLUMN waited_ms BIGINT NOT NULL DEFAULT 0;
-- Where it stands among launches that set one another off, and the delivery that began it.
ALTER TABLE launch ADD COLUMN depth INTEGER NOT NULL DEFAULT 0;
ALTER TABLE launch ADD COLUMN root TEXT NOT NULL DEFAULT '';
-- Who let it go in spite of a guard, or asked for it again.
ALTER TABLE launch ADD COLUMN asked_by TEXT NOT NULL DEFAULT '';
-- When it was claimed, by the clock of this server, which all processes share.
ALTER TABLE launch ADD COLUMN leased_at BIGINT NOT NULL DEFAULT 0;

DROP INDEX launch_state;
CREATE INDEX launch_state ON launch (state, seq);
CREATE INDEX launch_of_rule ON launch (rule, seq);
CREATE INDEX launch_of_repo ON launch (repo, seq);
CREATE INDEX launch_created ON launch (created_at);
-- What the limits count.
DROP INDEX launch_spent;
CREATE INDEX launch_spent ON launch (claimed_at, micro_usd) WHERE claimed_at > 0;
CREATE INDEX launch_spent_rule ON launch (rule, claimed_at, micro_usd) WHERE claimed_at > 0;
CREATE INDEX launch_spent_repo ON launch (rule, repo, claimed_at) WHERE claimed_at > 0;
CREATE INDEX launch_of_root ON launch (root) WHERE claimed_at > 0;

-- A person's word that nothing is launched for now.
CREATE TABLE pause (
    scope  TEXT PRIMARY KEY,
    since  BIGINT NOT NULL,
    by     TEXT   NOT NULL,
    reason TEXT   NOT NULL
);

-- Which process leads, until when by the clock of this server; one row at most.
CREATE TABLE lead (
    one    BOOLEAN PRIMARY KEY DEFAULT true CHECK (one),
    holder TEXT    NOT NULL,
    until  BIGINT  NOT NULL
);
