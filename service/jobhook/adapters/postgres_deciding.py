"""Hand out the deliveries that wait to be decided, and keep what was decided, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from jobhook.adapters.postgres import Connection, Row, changed
from jobhook.adapters.postgres_launches import SERVER_NOW, insert_launches
from jobhook.adapters.rows import (
    DAMAGED_REASON,
    UNDECIDED,
    WHOLE_DELIVERY,
    decision_row,
    delivery_of,
    is_damaged,
    said_by,
)
from jobhook.core.launches import LONGEST_WAIT_MS, Launch
from jobhook.core.records import StoredDelivery, Verdict
from jobhook.failpoints import failpoint

# How long the others leave alone what a process began to route; it takes milliseconds.
_ROUTING_MS = 10_000
_DECIDED = (
    "UPDATE delivery SET state = $1, reason = $2, scope = $3, action = $4,"  # noqa: S608
    " repo_type = $5, repo_name = $6, events = $7, due_at = $8"
    f" WHERE id = $9 AND state IN {UNDECIDED} AND generation = $10"
)


async def keep_decision(
    connection: Connection,
    delivery: StoredDelivery,
    verdicts: Sequence[Verdict],
    launches: Sequence[Launch],
) -> bool:
    """Keep it all, or nothing if the delivery does not wait to be decided any more."""
    if not await changed(connection, _DECIDED, *decision_row(delivery)):
        return False
    failpoint("store.routing")
    await connection.execute(
        "INSERT INTO verdict VALUES ($1, $2)"
        " ON CONFLICT (delivery) DO UPDATE SET said = EXCLUDED.said",
        delivery.id,
        said_by(verdicts),
    )
    await insert_launches(connection, launches)
    return True


async def begin_routing(
    connection: Connection, limit: int, holder: str
) -> tuple[tuple[StoredDelivery, bytes, int], ...]:
    """Count a try of the first *limit* that nobody else looks at, and return them."""
    free = f"d.state = 'stored' AND (d.routed_by = $2 OR d.routed_until < {SERVER_NOW})"
    rows = await _whole(connection, free, limit, holder)
    # What was tried before may be what ended the process: it goes alone.
    suspect = next((at for at, row in enumerate(rows) if row["tries"]), len(rows))
    taken = rows[: suspect or 1]
    await connection.execute(
        "UPDATE delivery SET tries = tries + 1, routed_by = $2,"  # noqa: S608
        f" routed_until = {SERVER_NOW} + $3::bigint WHERE seq = ANY($1::bigint[])",
        [row["seq"] for row in taken],
        holder,
        _ROUTING_MS,
    )
    return tuple((delivery_of(row), row["body"], row["tries"]) for row in taken)


async def begin_enriching(
    connection: Connection, now: int, limit: int, lease_ms: int, besides: Sequence[str]
) -> tuple[tuple[StoredDelivery, bytes], ...]:
    """Count a look of the first *limit* that are due, and return them."""
    due = (
        "d.state = 'enriching' AND (d.due_at <= $2 OR d.due_at > $3)"
        " AND NOT (d.id = ANY($4::text[]))"
    )
    rows = await _whole(connection, due, limit, now, now + LONGEST_WAIT_MS, besides)
    await connection.execute(
        "UPDATE delivery SET due_at = $2, looks = looks + 1 WHERE seq = ANY($1::bigint[])",
        [row["seq"] for row in rows],
        now + lease_ms,
    )
    return tuple((replace(delivery_of(row), looks=row["looks"] + 1), row["body"]) for row in rows)


async def _whole(connection: Connection, condition: str, limit: int, *values: object) -> list[Row]:
    """Return the first rows that meet *condition*; the damaged among them go into quarantine."""
    while True:
        rows: list[Row] = await connection.fetch(
            f"SELECT d.seq, {WHOLE_DELIVERY} FROM delivery d"  # noqa: S608
            f" WHERE {condition} ORDER BY d.received_at, d.seq LIMIT $1 FOR UPDATE SKIP LOCKED",
            limit,
            *values,
        )
        damaged = [row["seq"] for row in rows if is_damaged(row)]
        if not damaged:
            return rows
        await connection.execute(
            "UPDATE delivery SET state = 'quarantined', reason = $2 WHERE seq = ANY($1::bigint[])",
            damaged,
            DAMAGED_REASON,
        )
