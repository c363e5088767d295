"""The row about much that is there: many deliveries to list."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterable
from pathlib import Path

from bench.payload import body
from bench.table import Row, Scale
from jobhook.adapters.sqlite_files import open_writer
from jobhook.adapters.sqlite_reads import sqlite_reads
from jobhook.core.deliveries import DeliveryState
from jobhook.core.filters import DeliveryFilter

_PAGE = 100
_LOOKS = 100


def storing(folder: Path, scale: Scale) -> Iterable[Row]:
    """Yield the row; *folder* is for the database."""
    yield _list(folder / "many.db", scale)


def _list(path: Path, scale: Scale) -> Row:
    _fill(path, scale.stored)
    waits = asyncio.run(_looks(path))
    p50, p95 = statistics.median(waits) * 1000, statistics.quantiles(waits, n=20)[18] * 1000
    return Row(
        f"{scale.stored:,} stored deliveries: list of {_PAGE} in one state",
        "p95 ≤ 50 ms",
        f"p95 {p95:.1f} ms (median {p50:.1f})",
        p95 <= 50,
    )


def _fill(path: Path, number: int) -> None:
    """Make deliveries in one statement: of a thousand, 900 ignored, 95 matched, 5 unparsed."""
    connection = open_writer(path)
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)"
        " INSERT INTO delivery (id, source, key, webhook_id, received_at, state, scope, action,"
        " repo_type, repo_name, body) SELECT printf('d%025d', i), 'hub', printf('w%d', i),"
        " printf('w%d', i), 1700000000000 + i,"
        " CASE WHEN i % 1000 < 900 THEN 'ignored' WHEN i % 1000 < 995 THEN 'matched'"
        " ELSE 'unparsed' END, 'repo.content', 'update', 'model', printf('acme/m%d', i % 500),"
        " ?2 FROM n",
        (number, body()),
    )
    connection.close()


async def _looks(path: Path) -> list[float]:
    states = (
        DeliveryState.IGNORED,
        DeliveryState.MATCHED,
        DeliveryState.UNPARSED,
        DeliveryState.QUARANTINED,  # there is none
    )
    waits = []
    async with sqlite_reads(path) as reads:
        for look in range(_LOOKS):
            begun = time.perf_counter()
            wanted = DeliveryFilter(state=states[look % len(states)])
            await reads.deliveries(wanted, limit=_PAGE)
            waits.append(time.perf_counter() - begun)
    return waits
