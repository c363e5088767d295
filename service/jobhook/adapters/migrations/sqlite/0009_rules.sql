-- By which set of rules the one process decides, or did last; one row at most.
CREATE TABLE ruleset (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    version TEXT    NOT NULL
);
