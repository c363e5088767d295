-- Lists are in the order of their dates, so that each filter has the same order and a range of time
-- is a range of each index. (The seq, which decides between equal dates, is in every index.)
DROP INDEX delivery_state;
CREATE INDEX delivery_state ON delivery (state, received_at);
DROP INDEX delivery_repo;
CREATE INDEX delivery_repo ON delivery (repo_name, received_at) WHERE repo_name IS NOT NULL;
CREATE INDEX launch_in_state ON launch (state, created_at);
DROP INDEX launch_of_rule;
CREATE INDEX launch_of_rule ON launch (rule, created_at);
DROP INDEX launch_of_repo;
CREATE INDEX launch_of_repo ON launch (repo, created_at);

-- What changed, in order, as far as anybody is shown it; only the newest are kept. The last of those
-- that are kept is never deleted, so that no number comes twice.
CREATE TABLE change (
    seq  INTEGER PRIMARY KEY,
    kind TEXT    NOT NULL,
    id   TEXT    NOT NULL
);
-- Whoever has seen this one has missed nothing.
INSERT INTO change VALUES (0, '', '');

-- Deliveries that come are noted many at a time (`sqlite_rows.py`): a trigger takes five times that.
CREATE TRIGGER delivery_changed AFTER UPDATE OF state ON delivery BEGIN
    INSERT INTO change (kind, id) VALUES ('delivery', new.id);
END;
CREATE TRIGGER launch_came AFTER INSERT ON launch BEGIN
    INSERT INTO change (kind, id) VALUES ('launch', new.id);
END;
CREATE TRIGGER launch_changed AFTER UPDATE ON launch
WHEN (old.state, old.reason, old.job_id, old.job_url, old.attempts, old.micro_usd)
    IS NOT (new.state, new.reason, new.job_id, new.job_url, new.attempts, new.micro_usd)
BEGIN
    INSERT INTO change (kind, id) VALUES ('launch', new.id);
END;
