-- Lists are in the order of their dates, so that each filter has the same order and a range of time
-- is a range of each index.
DROP INDEX delivery_state;
CREATE INDEX delivery_state ON delivery (state, received_at, seq);
DROP INDEX delivery_repo;
CREATE INDEX delivery_repo ON delivery (repo_name, received_at, seq) WHERE repo_name IS NOT NULL;
DROP INDEX delivery_received;
CREATE INDEX delivery_received ON delivery (received_at, seq);
CREATE INDEX launch_in_state ON launch (state, created_at, seq);
DROP INDEX launch_of_rule;
CREATE INDEX launch_of_rule ON launch (rule, created_at, seq);
DROP INDEX launch_of_repo;
CREATE INDEX launch_of_repo ON launch (repo, created_at, seq);
DROP INDEX launch_created;
CREATE INDEX launch_created ON launch (created_at, seq);

-- What changed, as far as anybody is shown it; only the newest are kept. Transactions do not end in
-- the order in which their numbers were drawn: whoever reads goes by the number of the transaction
-- first, and no further than where all have ended (`postgres_changes.py`).
CREATE TABLE change (
    xid  BIGINT NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    seq  BIGINT GENERATED ALWAYS AS IDENTITY,
    kind TEXT   NOT NULL,
    id   TEXT   NOT NULL,
    PRIMARY KEY (xid, seq)
);
-- Whoever has seen this one has missed nothing.
INSERT INTO change (kind, id) VALUES ('', '');

CREATE FUNCTION note_deliveries() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO change (kind, id) SELECT 'delivery', id FROM new_rows; RETURN NULL; END $$;
CREATE FUNCTION note_launches() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO change (kind, id) SELECT 'launch', id FROM new_rows; RETURN NULL; END $$;
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO change (kind, id) VALUES (TG_ARGV[0], NEW.id); RETURN NULL; END $$;
CREATE TRIGGER delivery_came AFTER INSERT ON delivery REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION note_deliveries();
CREATE TRIGGER launch_came AFTER INSERT ON launch REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION note_launches();
CREATE TRIGGER delivery_changed AFTER UPDATE OF state ON delivery
FOR EACH ROW EXECUTE FUNCTION note_change('delivery');
CREATE TRIGGER launch_changed AFTER UPDATE ON launch
FOR EACH ROW WHEN
    ((OLD.state, OLD.reason, OLD.job_id, OLD.job_url, OLD.attempts, OLD.micro_usd)
    IS DISTINCT FROM
    (NEW.state, NEW.reason, NEW.job_id, NEW.job_url, NEW.attempts, NEW.micro_usd))
EXECUTE FUNCTION note_change('launch');
