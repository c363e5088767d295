-- Times are milliseconds since 1970, UTC.

CREATE TABLE delivery (
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
    -- The bytes as they came; last, so that lists need not step over them.
    body        BLOB    NOT NULL,
    UNIQUE (source, key)
);
CREATE INDEX delivery_unrouted ON delivery (seq) WHERE state = 'stored';
CREATE INDEX delivery_state ON delivery (state, seq);
CREATE INDEX delivery_weak ON delivery (source, weak_key, received_at) WHERE weak_key IS NOT NULL;

-- What every rule said of a delivery, in the order of the rules: [[rule, fired, reason], …].
CREATE TABLE verdict (
    delivery TEXT PRIMARY KEY REFERENCES delivery (id),
    said     TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE launch (
    seq        INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    delivery   TEXT    NOT NULL REFERENCES delivery (id),
    rule       TEXT    NOT NULL,
    action     INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    rule_hash  TEXT    NOT NULL,
    event      TEXT    NOT NULL,
    spec       TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    namespace  TEXT,
    job_id     TEXT,
    job_url    TEXT,
    attempts   INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (delivery, rule, action, generation)
);
CREATE INDEX launch_state ON launch (state, due_at, seq);
