"""Write launches to PostgreSQL, many with one statement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jobhook.adapters.postgres import Connection
from jobhook.adapters.rows import CHANGING, LAUNCH_COLUMNS, launch_row, storable
from jobhook.core.launches import Launch

# Milliseconds since 1970 by the server's clock, which all processes share.
SERVER_NOW = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"

_NUMBERS = frozenset(
    "action generation attempts due_at unknown_since looks waited_ms claimed_at micro_usd depth "
    "created_at updated_at".split()
)


def _arrays(columns: Sequence[str], *, after: int = 0) -> str:
    """Return typed parameters for *columns*, for `unnest`, numbered from after *after*."""
    return ", ".join(
        f"${number}::{'bigint' if name in _NUMBERS else 'text'}[]"
        for number, name in enumerate(columns, after + 1)
    )


_INSERT = (
    f"INSERT INTO launch ({', '.join(LAUNCH_COLUMNS)})"  # noqa: S608
    f" SELECT * FROM unnest({_arrays(LAUNCH_COLUMNS)}) ON CONFLICT DO NOTHING RETURNING id"
)
_REPLACE = (
    f"UPDATE launch l SET {', '.join(f'{name} = new.{name}' for name in CHANGING)},"  # noqa: S608
    f" leased_at = CASE WHEN new.state = 'sending' THEN {SERVER_NOW} ELSE l.leased_at END"
    f" FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], {_arrays(CHANGING, after=4)})"
    f" AS new (id, old_state, old_attempts, old_job_id, {', '.join(CHANGING)})"
    " WHERE l.id = new.id AND l.state = new.old_state AND l.attempts = new.old_attempts"
    " AND l.job_id IS NOT DISTINCT FROM new.old_job_id"
    " RETURNING l.id"
)


async def insert_launches(connection: Connection, launches: Iterable[Launch]) -> int:
    """Keep *launches* unless they are known already; return how many were not."""
    rows = [_storable(launch_row(launch)) for launch in launches]
    if not rows:
        return 0
    done = await connection.fetch(_INSERT, *map(list, zip(*rows, strict=True)))
    return len(done)


async def replace_launches(connection: Connection, pairs: Sequence[tuple[Launch, Launch]]) -> int:
    """Keep the second of each pair where the first still holds; return how often it did."""
    if not pairs:
        return 0
    rows = [
        _storable(
            [
                old.id,
                old.state,
                old.attempts,
                old.job_id,
                *(getattr(new, name) for name in CHANGING),
            ]
        )
        for old, new in pairs
    ]
    done = await connection.fetch(_REPLACE, *map(list, zip(*rows, strict=True)))
    return len(done)


def _storable(values: list[Any]) -> list[Any]:
    return [storable(value) if isinstance(value, str) else value for value in values]
