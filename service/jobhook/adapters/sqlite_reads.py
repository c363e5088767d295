"""What is asked of a SQLite database, also beside the process that writes to it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from jobhook.adapters.access_rows import AUDITS, TOKENS, entry_of, token_of, wanted_audits
from jobhook.adapters.figures import DELIVERIES, DOLLARS, LAUNCHES, PAUSES, figures_of
from jobhook.adapters.rows import (
    BACKLOG,
    DELIVERY_COLUMNS,
    NAMESPACES,
    WHOLE_DELIVERY,
    body_in,
    delivery_of,
    launch_of,
    verdicts_of,
    whole_delivery_of,
)
from jobhook.adapters.sqlite import Reader
from jobhook.adapters.sqlite_files import open_reader
from jobhook.core.access import ApiToken
from jobhook.core.audits import ANY_ENTRY, AuditEntry, AuditFilter
from jobhook.core.figures import Figures
from jobhook.core.filters import ANY_DELIVERY, ANY_LAUNCH, DeliveryFilter, LaunchFilter
from jobhook.core.guards import AHEAD_MS, DAY_MS
from jobhook.core.launches import LONGEST_LOOK_PAUSE_MS, Launch
from jobhook.core.records import Backlog, Pause, StoredDelivery, Verdict

_NO_LIMIT = -1


class SqliteReads:
    """What can be asked of the database while somebody else writes to it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def deliveries(
        self, wanted: DeliveryFilter = ANY_DELIVERY, *, limit: int
    ) -> tuple[tuple[StoredDelivery, tuple[str, ...]], ...]:
        where, values = _where(
            ("d.id IN (SELECT value FROM json_each(?))", _as_json(wanted.ids)),
            ("instr(d.id, ?) = 1", wanted.begins),
            ("d.state = ?", wanted.state),
            ("d.repo_type = ?", wanted.repo_type),
            ("d.repo_name = ?", wanted.repo),
            ("d.received_at >= ?", wanted.since),
            ("d.received_at < ?", wanted.until),
        )
        rows = await self._reader.fetch(
            f"SELECT {DELIVERY_COLUMNS}, (SELECT json_group_array(l.id) FROM launch l"  # noqa: S608
            f" WHERE l.delivery = d.id) AS launches FROM delivery d {where}"
            " ORDER BY d.seq DESC LIMIT ?",
            (*values, limit or _NO_LIMIT),
        )
        return tuple((delivery_of(row), tuple(json.loads(row["launches"]))) for row in rows)

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
        where, values = _where(
            ("id IN (SELECT value FROM json_each(?))", _as_json(wanted.ids)),
            ("instr(id, ?) = 1", wanted.begins),
            ("state IN (SELECT value FROM json_each(?))", _as_json(wanted.states)),
            ("rule = ?", wanted.rule),
            ("repo IN (SELECT value FROM json_each(?))", _as_json(wanted.repos)),
            ("delivery = ?", wanted.delivery),
            ("created_at >= ?", wanted.since),
            ("created_at < ?", wanted.until),
            ("instr(reason, ?) = 1", wanted.reason),
        )
        order = "ASC" if oldest_first else "DESC"
        rows = await self._reader.fetch(
            f"SELECT * FROM launch {where} ORDER BY seq {order} LIMIT ?",  # noqa: S608
            (*values, limit or _NO_LIMIT),
        )
        return tuple(map(launch_of, rows))

    async def launch(self, launch_id: str) -> Launch | None:
        rows = await self._reader.fetch("SELECT * FROM launch WHERE id = ?", (launch_id,))
        return launch_of(rows[0]) if rows else None

    async def trusted_id(self, repo: str) -> str | None:
        rows = await self._reader.fetch("SELECT id FROM trusted_repo WHERE repo = ?", (repo,))
        return rows[0]["id"] if rows else None

    async def unresolved(self, now: int, *, limit: int) -> tuple[Launch, ...]:
        rows = await self._reader.fetch(
            "SELECT * FROM launch WHERE state = 'unknown' AND (due_at <= ?1 OR due_at > ?1 + ?2)"
            " ORDER BY due_at, seq LIMIT ?3",
            (now, LONGEST_LOOK_PAUSE_MS, limit),
        )
        return tuple(map(launch_of, rows))

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

    async def followed(self) -> tuple[Launch, ...]:
        rows = await self._reader.fetch(
            "SELECT * FROM launch WHERE state IN ('launched', 'running') ORDER BY seq"
        )
        return tuple(map(launch_of, rows))

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


def _where(*conditions: tuple[str, object]) -> tuple[str, tuple[object, ...]]:
    """Return the clause of the conditions that have a value, so that indexes are used for them."""
    given = [(text, value) for text, value in conditions if value is not None]
    clause = " AND ".join(text for text, _ in given)
    return f"WHERE {clause}" if given else "", tuple(value for _, value in given)


def _as_json(values: Collection[str] | None) -> str | None:
    return None if values is None else json.dumps(list(values))
