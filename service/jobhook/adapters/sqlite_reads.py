"""What is asked of a SQLite database, also beside the process that writes to it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from jobhook.adapters.access_rows import AUDITS, TOKENS, entry_of, token_of, wanted_audits
from jobhook.adapters.conditions import Dialect, wanted_deliveries, wanted_launches
from jobhook.adapters.figures import DELIVERIES, DOLLARS, LAUNCHES, PAUSES, figures_of
from jobhook.adapters.listing import Chosen, Listing
from jobhook.adapters.rows import (
    BACKLOG,
    DELIVERY_COLUMNS,
    NAMESPACES,
    STANDING,
    WHOLE_DELIVERY,
    body_in,
    delivery_of,
    launch_of,
    size_of,
    standing_of,
    verdicts_of,
    whole_delivery_of,
)
from jobhook.adapters.sqlite import Reader
from jobhook.adapters.sqlite_changes import SqliteChanges
from jobhook.adapters.sqlite_files import open_reader
from jobhook.adapters.turns import Turns
from jobhook.core.access import ApiToken
from jobhook.core.audits import ANY_ENTRY, AuditEntry, AuditFilter
from jobhook.core.figures import Figures
from jobhook.core.filters import ANY_DELIVERY, ANY_LAUNCH, DeliveryFilter, LaunchFilter
from jobhook.core.guards import AHEAD_MS, DAY_MS
from jobhook.core.launches import LONGEST_LOOK_PAUSE_MS, Launch
from jobhook.core.pages import Page
from jobhook.core.records import (
    Backlog,
    DeliveryWithLaunches,
    Pause,
    Standing,
    StoredDelivery,
    Verdict,
)

_NO_LIMIT = -1
_DIALECT = Dialect(
    hint="INDEXED BY {0}",
    fence="{0}",
    any_of="{0} IN (SELECT value FROM json_each({1}))",
    packed=lambda values: json.dumps(list(values)),
)
_DELIVERY = (
    f"{DELIVERY_COLUMNS}, (SELECT json_group_array(l.id) FROM launch l"  # noqa: S608
    " WHERE l.delivery = d.id) AS launches"
)


class SqliteReads(SqliteChanges):
    """What can be asked of the database while somebody else writes to it."""

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self._listing = Listing(_DIALECT, self._fetch, self._fetch_chosen)
        self._turns = Turns()

    async def deliveries(
        self, wanted: DeliveryFilter = ANY_DELIVERY, *, limit: int
    ) -> tuple[DeliveryWithLaunches, ...]:
        of = wanted_deliveries(_DIALECT, wanted)
        return tuple(map(_listed, await self._listing.all_of(of, _DELIVERY, limit=limit)))

    async def delivery_page(
        self, wanted: DeliveryFilter = ANY_DELIVERY, *, limit: int, after: str | None = None
    ) -> Page[DeliveryWithLaunches]:
        of = wanted_deliveries(_DIALECT, wanted)
        rows, cursor = await self._listing.page(of, _DELIVERY, limit=limit, after=after)
        return Page(tuple(map(_listed, rows)), cursor)

    async def delivery(self, delivery_id: str) -> StoredDelivery | None:
        rows = await self._reader.fetch(
            f"SELECT {WHOLE_DELIVERY} FROM delivery d WHERE d.id = ?",  # noqa: S608
            (delivery_id,),
        )
        return whole_delivery_of(rows[0]) if rows else None

    async def body(self, delivery_id: str) -> bytes | None:
        rows = await self._reader.fetch("SELECT body FROM delivery WHERE id = ?", (delivery_id,))
        return body_in(rows[0]) if rows else None

    async def verdicts(self, delivery_id: str) -> tuple[Verdict, ...]:
        rows = await self._reader.fetch(
            "SELECT said FROM verdict WHERE delivery = ?", (delivery_id,)
        )
        return verdicts_of(rows[0]["said"]) if rows else ()

    async def launches(
        self, wanted: LaunchFilter = ANY_LAUNCH, *, limit: int, oldest_first: bool = False
    ) -> tuple[Launch, ...]:
        of = wanted_launches(_DIALECT, wanted)
        rows = await self._listing.all_of(of, "l.*", limit=limit, oldest_first=oldest_first)
        return await self._turns.launches_of(rows)

    async def launch_page(
        self, wanted: LaunchFilter = ANY_LAUNCH, *, limit: int, after: str | None = None
    ) -> Page[Launch]:
        of = wanted_launches(_DIALECT, wanted)
        rows, cursor = await self._listing.page(of, "l.*", limit=limit, after=after)
        return Page(await self._turns.launches_of(rows), cursor)

    async def launch(self, launch_id: str) -> Launch | None:
        rows = await self._reader.fetch("SELECT * FROM launch WHERE id = ?", (launch_id,))
        return launch_of(rows[0]) if rows else None

    async def standing(self, launch_id: str) -> Standing | None:
        return standing_of(await self._reader.fetch(STANDING.format("?"), (launch_id,)))

    async def trusted_id(self, repo: str) -> str | None:
        rows = await self._reader.fetch("SELECT id FROM trusted_repo WHERE repo = ?", (repo,))
        return rows[0]["id"] if rows else None

    async def unresolved(self, now: int, *, limit: int) -> tuple[Launch, ...]:
        rows = await self._reader.fetch(
            "SELECT * FROM launch WHERE state = 'unknown' AND (due_at <= ?1 OR due_at > ?1 + ?2)"
            " ORDER BY due_at, seq LIMIT ?3",
            (now, LONGEST_LOOK_PAUSE_MS, limit),
        )
        return await self._turns.launches_of(rows)

    async def recall(self, name: str) -> int | None:
        rows = await self._reader.fetch("SELECT value FROM memory WHERE name = ?", (name,))
        return rows[0]["value"] if rows else None

    async def pauses(self) -> tuple[Pause, ...]:
        rows = await self._reader.fetch("SELECT scope, since, by, reason FROM pause ORDER BY since")
        return tuple(Pause(**row) for row in rows)

    async def backlog(self) -> Backlog:
        (row,) = await self._reader.fetch(BACKLOG)
        return Backlog(*row)

    async def figures(self, now: int) -> Figures:
        day = now - DAY_MS
        return figures_of(
            await self._reader.fetch(DELIVERIES),
            await self._reader.fetch(LAUNCHES.format("?1"), (day,)),
            await self._reader.fetch(DOLLARS.format("?1", "?2"), (day, now + AHEAD_MS)),
            await self._reader.fetch(PAUSES),
        )

    async def leader(self) -> str | None:
        return None

    async def rules_version(self) -> str | None:
        rows = await self._reader.fetch("SELECT version FROM ruleset")
        return rows[0]["version"] if rows else None

    async def began_at(self) -> int:
        (row,) = await self._reader.fetch("SELECT began_at FROM epoch")
        began_at: int = row["began_at"]
        return began_at

    async def namespaces(self, since: int) -> frozenset[str]:
        rows = await self._reader.fetch(NAMESPACES.format("?"), (since,))
        return frozenset(row["namespace"] for row in rows)

    async def _fetch(self, query: str, values: Sequence[object]) -> list[sqlite3.Row]:
        return await self._reader.fetch(query.replace("$", "?"), tuple(values))

    async def _fetch_chosen(self, chosen: Chosen) -> tuple[list[sqlite3.Row], bool]:
        return await self._reader.run(lambda connection: _read_chosen(connection, chosen))

    async def followed(self) -> tuple[Launch, ...]:
        rows = await self._reader.fetch(
            "SELECT * FROM launch WHERE state IN ('launched', 'running') ORDER BY seq"
        )
        return await self._turns.launches_of(rows)

    async def tokens(self) -> tuple[ApiToken, ...]:
        rows = await self._reader.fetch(f"{TOKENS} ORDER BY seq DESC")
        return tuple(map(token_of, rows))

    async def audits(
        self, wanted: AuditFilter = ANY_ENTRY, *, limit: int, before: int | None = None
    ) -> tuple[AuditEntry, ...]:
        where, values = _where(*wanted_audits(wanted, before, "?"))
        rows = await self._reader.fetch(
            f"{AUDITS} {where} ORDER BY seq DESC LIMIT ?", (*values, limit or _NO_LIMIT)
        )
        return tuple(map(entry_of, rows))


@asynccontextmanager
async def sqlite_reads(path: Path) -> AsyncIterator[SqliteReads]:
    """Open the database for reading, beside a running service or without one."""
    reader = Reader(open_reader(path), path)
    try:
        yield SqliteReads(reader)
    finally:
        await reader.aclose()


def _listed(row: sqlite3.Row) -> DeliveryWithLaunches:
    return delivery_of(row), tuple(json.loads(row["launches"]))


def _read_chosen(connection: sqlite3.Connection, chosen: Chosen) -> tuple[list[sqlite3.Row], bool]:
    table, keys = chosen.table, chosen.keys.replace("$", "?")
    query = f"SELECT {chosen.columns}, {table.alias}.seq FROM {table.name} {table.alias}"  # noqa: S608
    rows: list[sqlite3.Row] = []
    size = 0
    # SQLite would read all of a text for its length. While the keys are open, nothing changes.
    with contextlib.closing(connection.execute(keys, chosen.values)) as entries:
        for entry in entries:
            if size >= chosen.size:
                return rows, False
            for row in connection.execute(f"{query} WHERE {table.alias}.seq = ?", (entry["seq"],)):
                rows.append(row)
                size += size_of(row[table.heavy])
    return rows, True


def _where(*conditions: tuple[str, object]) -> tuple[str, tuple[object, ...]]:
    """Return the clause of the conditions that have a value, so that indexes are used for them."""
    given = [(text, value) for text, value in conditions if value is not None]
    clause = " AND ".join(text for text, _ in given)
    return f"WHERE {clause}" if given else "", tuple(value for _, value in given)
