-- What people do with launches and deliveries, and what is kept of a chain of launches.

-- The id is made from source and key, so that it alone keeps a delivery from being stored twice:
-- one index less to write for each.
CREATE TABLE new_delivery (
    seq         INTEGER PRIMARY KEY,
    id          TEXT    NOT NULL UNIQUE,
    source      TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    webhook_id  TEXT,
    -- The hash of the body, for a delivery that came without an id.
    weak_key    TEXT,
    received_at INTEGER NOT NULL,
    state       TEXT    NOT NULL,
    reason      TEXT    NOT NULL DEFAULT '',
    scope       TEXT,
    action      TEXT,
    repo_type   TEXT,
    repo_name   TEXT,
    events      TEXT    NOT NULL DEFAULT '[]',
    -- How often routing was begun: whoever kills the process each time is not tried for ever.
    tries       INTEGER NOT NULL DEFAULT 0,
    -- How often a person asked for it to be decided again.
    generation  INTEGER NOT NULL DEFAULT 0,
    -- The bytes as they came; last, so that lists need not step over them.
    body        BLOB    NOT NULL
);
INSERT INTO new_delivery SELECT
    seq, id, source, key, webhook_id, weak_key, received_at, state, reason, scope, action,
    repo_type, repo_name, events, tries, 0, body
FROM delivery;
DROP TABLE delivery;
ALTER TABLE new_delivery RENAME TO delivery;
CREATE INDEX delivery_state ON delivery (state, seq);
CREATE INDEX delivery_weak ON delivery (source, weak_key, received_at) WHERE weak_key IS NOT NULL;
CREATE INDEX delivery_repo ON delivery (repo_name, seq) WHERE repo_name IS NOT NULL;
CREATE INDEX delivery_received ON delivery (received_at);

-- Deliveries that were forgotten: they must still be recognised when they come again.
CREATE TABLE tombstone (id TEXT PRIMARY KEY, received_at INTEGER NOT NULL) WITHOUT ROWID;

-- A job that is found on the Hub may belong to a delivery that this database never had: from here
-- on a launch need not have one.
CREATE TABLE new_launch (
    seq           INTEGER PRIMARY KEY,
    id            TEXT    NOT NULL UNIQUE,
    delivery      TEXT    NOT NULL,
    rule          TEXT    NOT NULL,
    action        INTEGER NOT NULL,
    generation    INTEGER NOT NULL,
    rule_hash     TEXT    NOT NULL,
    event         TEXT    NOT NULL,
    spec          TEXT    NOT NULL,
    state         TEXT    NOT NULL,
    reason        TEXT    NOT NULL,
    namespace     TEXT,
    job_id        TEXT,
    job_url       TEXT,
    attempts      INTEGER NOT NULL,
    due_at        INTEGER NOT NULL,
    -- The last moment at which a request for it may have left, clean looks that found no job,
    -- and how much of the quarantine is over, by looks and not by the clock alone.
    unknown_since INTEGER NOT NULL,
    looks         INTEGER NOT NULL,
    waited_ms     INTEGER NOT NULL,
    repo          TEXT    NOT NULL,
    subject       TEXT,
    claimed_at    INTEGER NOT NULL,
    micro_usd     INTEGER NOT NULL,
    -- Where it stands among launches that set one another off, and the delivery that began it.
    depth         INTEGER NOT NULL,
    root          TEXT    NOT NULL,
    -- Who let it go in spite of a guard, or asked for it again.
    asked_by      TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    UNIQUE (delivery, rule, action, generation)
);
INSERT INTO new_launch SELECT
    seq, id, delivery, rule, action, generation, rule_hash, event, spec, state, reason, namespace,
    job_id, job_url, attempts, due_at, unknown_since, looks, 0, repo, subject, claimed_at,
    micro_usd, 0, '', '', created_at, updated_at
FROM launch;
DROP TABLE launch;
ALTER TABLE new_launch RENAME TO launch;
CREATE INDEX launch_state ON launch (state, seq);
CREATE INDEX launch_of_rule ON launch (rule, seq);
CREATE INDEX launch_of_repo ON launch (repo, seq);
CREATE INDEX launch_created ON launch (created_at);
CREATE INDEX launch_subject ON launch (rule, repo, subject) WHERE subject IS NOT NULL;
-- What the limits count.
CREATE INDEX launch_spent ON launch (claimed_at, micro_usd) WHERE claimed_at > 0;
CREATE INDEX launch_spent_rule ON launch (rule, claimed_at, micro_usd) WHERE claimed_at > 0;
CREATE INDEX launch_spent_repo ON launch (rule, repo, claimed_at) WHERE claimed_at > 0;
CREATE INDEX launch_of_root ON launch (root) WHERE claimed_at > 0;

-- A person's word that nothing is launched for now.
CREATE TABLE pause (
    scope  TEXT PRIMARY KEY,
    since  INTEGER NOT NULL,
    by     TEXT NOT NULL,
    reason TEXT NOT NULL
) WITHOUT ROWID;
