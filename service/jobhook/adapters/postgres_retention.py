"""Forget old deliveries in PostgreSQL, and still know them when they come again."""

from __future__ import annotations

from jobhook.adapters.postgres import Connection, changed
from jobhook.adapters.rows import FINAL_STATES, OPEN_STATES, PRUNE_LAUNCHES, UNDECIDED
from jobhook.failpoints import failpoint

# Nobody records meanwhile: whoever looked for a tombstone before there was one would store the
# delivery again after it is gone.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('jobhook.record', 0))"
_OLD = f"""
SELECT d.id, d.received_at FROM delivery d
WHERE d.received_at < $1 AND d.state NOT IN {UNDECIDED}
AND NOT EXISTS (SELECT 1 FROM launch l WHERE l.delivery = d.id AND l.state IN {OPEN_STATES})
ORDER BY d.received_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""  # noqa: S608


async def prune(connection: Connection, received_before: int, limit: int) -> int:
    """Forget up to *limit* deliveries that are over, and launches without one; return how many."""
    await connection.execute(_LOCK)
    old = await connection.fetch(_OLD, received_before, limit)
    ids = [row["id"] for row in old]
    await connection.execute(
        "INSERT INTO tombstone SELECT * FROM unnest($1::text[], $2::bigint[])"
        " ON CONFLICT DO NOTHING",
        ids,
        [row["received_at"] for row in old],
    )
    failpoint("store.pruning")
    await connection.execute("DELETE FROM verdict WHERE delivery = ANY($1::text[])", ids)
    # One that somebody asked for at this moment stays.
    await connection.execute(
        f"DELETE FROM launch WHERE delivery = ANY($1::text[]) AND state IN {FINAL_STATES}",  # noqa: S608
        ids,
    )
    await connection.execute("DELETE FROM delivery WHERE id = ANY($1::text[])", ids)
    return len(ids) + await changed(connection, PRUNE_LAUNCHES, received_before, limit - len(ids))
