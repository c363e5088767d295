"""Hand out the deliveries that wait to be decided, and keep what was decided, on SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from jobhook.adapters.rows import (
    DAMAGED_REASON,
    UNDECIDED,
    WHOLE_DELIVERY,
    decision_row,
    delivery_of,
    is_damaged,
    launch_row,
    said_by,
)
from jobhook.adapters.sqlite_rows import INSERT_LAUNCH
from jobhook.core.launches import LONGEST_WAIT_MS, Launch
from jobhook.core.records import StoredDelivery, Verdict
from jobhook.failpoints import failpoint

_DECIDED = (
    "UPDATE delivery SET state = ?, reason = ?, scope = ?, action = ?, repo_type = ?,"  # noqa: S608
    " repo_name = ?, events = ?, due_at = ?"
    f" WHERE id = ? AND state IN {UNDECIDED} AND generation = ?"
)


def keep_decision(
    connection: sqlite3.Connection,
    delivery: StoredDelivery,
    verdicts: Sequence[Verdict],
    launches: Sequence[Launch],
) -> bool:
    """Keep it all, or nothing if the delivery does not wait to be decided any more."""
    if not connection.execute(_DECIDED, decision_row(delivery)).rowcount:
        return False
    failpoint("store.routing")
    kept = (delivery.id, said_by(verdicts))
    connection.execute("INSERT OR REPLACE INTO verdict VALUES (?, ?)", kept)
    connection.executemany(INSERT_LAUNCH, map(launch_row, launches))
    return True


def begin_routing(
    connection: sqlite3.Connection, limit: int
) -> tuple[tuple[StoredDelivery, bytes, int], ...]:
    """Count a try of the first *limit* that nobody has looked at, and return them."""
    rows = _whole(connection, "d.state = 'stored'", (), limit)
    # What was tried before may be what ended the process: it goes alone.
    suspect = next((at for at, row in enumerate(rows) if row["tries"]), len(rows))
    taken = rows[: suspect or 1]
    connection.executemany(
        "UPDATE delivery SET tries = tries + 1 WHERE seq = ?",
        [(row["seq"],) for row in taken],
    )
    return tuple((delivery_of(row), row["body"], row["tries"]) for row in taken)


def begin_enriching(
    connection: sqlite3.Connection, now: int, limit: int, lease_ms: int, besides: Sequence[str]
) -> tuple[tuple[StoredDelivery, bytes], ...]:
    """Count a look of the first *limit* that are due, and return them."""
    due = (
        "d.state = 'enriching' AND (d.due_at <= ? OR d.due_at > ?)"
        " AND d.id NOT IN (SELECT value FROM json_each(?))"
    )
    values = (now, now + LONGEST_WAIT_MS, json.dumps(besides))
    rows = _whole(connection, due, values, limit)
    connection.executemany(
        "UPDATE delivery SET due_at = ?, looks = looks + 1 WHERE seq = ?",
        [(now + lease_ms, row["seq"]) for row in rows],
    )
    return tuple((replace(delivery_of(row), looks=row["looks"] + 1), row["body"]) for row in rows)


def _whole(
    connection: sqlite3.Connection, condition: str, values: tuple[int | str, ...], limit: int
) -> list[sqlite3.Row]:
    """Return the first rows that meet *condition*; the damaged among them go into quarantine."""
    while True:
        rows = connection.execute(
            f"SELECT d.seq, {WHOLE_DELIVERY} FROM delivery d"  # noqa: S608
            f" WHERE {condition} ORDER BY d.received_at, d.seq LIMIT ?",
            (*values, limit),
        ).fetchall()
        damaged = [(DAMAGED_REASON, row["seq"]) for row in rows if is_damaged(row)]
        if not damaged:
            return rows
        connection.executemany(
            "UPDATE delivery SET state = 'quarantined', reason = ? WHERE seq = ?", damaged
        )
