-- Who may call: of a token's value only the digest is kept, with which nobody can call.
CREATE TABLE api_token (
    seq          BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id           TEXT    NOT NULL UNIQUE,
    name         TEXT    NOT NULL,
    role         TEXT    NOT NULL,
    digest       TEXT    NOT NULL UNIQUE,
    created_at   BIGINT  NOT NULL,
    created_by   TEXT    NOT NULL,
    expires_at   BIGINT,
    last_used_at BIGINT,
    revoked_at   BIGINT
);
-- Whoever reads a name in the audit log must know who that was.
CREATE UNIQUE INDEX api_token_name ON api_token (name) WHERE revoked_at IS NULL;

-- Who changed what, when and from where; a number is never given twice.
CREATE TABLE audit (
    seq        BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         BIGINT  NOT NULL,
    who        TEXT    NOT NULL,
    role       TEXT    NOT NULL,
    source     TEXT    NOT NULL,
    did        TEXT    NOT NULL,
    about      TEXT    NOT NULL,
    outcome    TEXT    NOT NULL,
    request_id TEXT    NOT NULL
);
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_who ON audit (who, seq);
CREATE INDEX audit_did ON audit (did, seq);
CREATE INDEX audit_about ON audit (about, seq);

-- Calls that carry a key, and what they were answered with.
CREATE TABLE api_request (
    caller    TEXT    NOT NULL,
    key       TEXT    NOT NULL,
    digest    TEXT    NOT NULL,
    began_at  BIGINT  NOT NULL,
    -- Who last began with it: whoever was there before keeps no answer any more.
    holder    TEXT    NOT NULL,
    status    INTEGER,
    body      BYTEA,
    PRIMARY KEY (caller, key)
);
CREATE INDEX api_request_began ON api_request (began_at);
CREATE INDEX api_request_of ON api_request (caller, began_at);
