-- By which rules the processes decide, so that only one set of them does.

-- Every set of rules that a process came with, in the order in which people brought them in.
CREATE TABLE ruleset (version TEXT PRIMARY KEY, introduced BIGINT NOT NULL);

-- Which processes want to lead, with which rules, until when they count as alive by the clock of
-- this server.
CREATE TABLE candidate (
    holder  TEXT   PRIMARY KEY,
    version TEXT   NOT NULL,
    until   BIGINT NOT NULL
);
