"""What can be asked of a store on PostgreSQL without changing it."""

from __future__ import annotations

from collections.abc import Collection

from jobhook.adapters.access_rows import AUDITS, TOKENS, entry_of, token_of, wanted_audits
from jobhook.adapters.figures import DELIVERIES, DOLLARS, LAUNCHES, PAUSES, figures_of
from jobhook.adapters.postgres import Database
from jobhook.adapters.postgres_launches import SERVER_NOW
from jobhook.adapters.rows import (
    BACKLOG,
    DELIVERY_COLUMNS,
    NAMESPACES,
    WHOLE_DELIVERY,
    delivery_of,
    launch_of,
    verdicts_of,
    whole_delivery_of,
)
from jobhook.core.access import ApiToken
from jobhook.core.audits import ANY_ENTRY, AuditEntry, AuditFilter
from jobhook.core.figures import Figures
from jobhook.core.filters import ANY_DELIVERY, ANY_LAUNCH, DeliveryFilter, LaunchFilter
from jobhook.core.guards import AHEAD_MS, DAY_MS
from jobhook.core.launches import LONGEST_LOOK_PAUSE_MS, Launch
from jobhook.core.records import Backlog, Pause, StoredDelivery, Verdict


class PostgresReads:
    """What can be asked of the database while others write to it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def deliveries(
        self, wanted: DeliveryFilter = ANY_DELIVERY, *, limit: int
    ) -> tuple[tuple[StoredDelivery, tuple[str, ...]], ...]:
        where, values = _where(
            ("d.id = ANY({}::text[])", _as_list(wanted.ids)),
            ("starts_with(d.id, {})", wanted.begins),
            ("d.state = {}", wanted.state),
            ("d.repo_type = {}", wanted.repo_type),
            ("d.repo_name = {}", wanted.repo),
            ("d.received_at >= {}", wanted.since),
            ("d.received_at < {}", wanted.until),
        )
        rows = await self._database.fetch(
            f"SELECT {DELIVERY_COLUMNS}, ARRAY(SELECT l.id FROM launch l"  # noqa: S608
            f" WHERE l.delivery = d.id ORDER BY l.seq) AS launches FROM delivery d {where}"
            f" ORDER BY d.seq DESC {_limit(limit)}",
            *values,
        )
        return tuple((delivery_of(row), tuple(row["launches"])) for row in rows)

    async def delivery(self, delivery_id: str) -> StoredDelivery | None:
        rows = await self._database.fetch(
            f"SELECT {WHOLE_DELIVERY} FROM delivery d WHERE d.id = $1",  # noqa: S608
            delivery_id,
        )
        return whole_delivery_of(rows[0]) if rows else None

    async def body(self, delivery_id: str) -> bytes | None:
        rows = await self._database.fetch("SELECT body FROM delivery WHERE id = $1", delivery_id)
        return rows[0]["body"] if rows else None

    async def verdicts(self, delivery_id: str) -> tuple[Verdict, ...]:
        rows = await self._database.fetch(
            "SELECT said FROM verdict WHERE delivery = $1", delivery_id
        )
        return verdicts_of(rows[0]["said"]) if rows else ()

    async def launches(
        self, wanted: LaunchFilter = ANY_LAUNCH, *, limit: int, oldest_first: bool = False
    ) -> tuple[Launch, ...]:
        where, values = _where(
            ("id = ANY({}::text[])", _as_list(wanted.ids)),
            ("starts_with(id, {})", wanted.begins),
            ("state = ANY({}::text[])", _as_list(wanted.states)),
            ("rule = {}", wanted.rule),
            ("repo = ANY({}::text[])", _as_list(wanted.repos)),
            ("delivery = {}", wanted.delivery),
            ("created_at >= {}", wanted.since),
            ("created_at < {}", wanted.until),
            ("starts_with(reason, {})", wanted.reason),
        )
        order = "ASC" if oldest_first else "DESC"
        rows = await self._database.fetch(
            f"SELECT * FROM launch {where} ORDER BY seq {order} {_limit(limit)}",  # noqa: S608
            *values,
        )
        return tuple(map(launch_of, rows))

    async def launch(self, launch_id: str) -> Launch | None:
        rows = await self._database.fetch("SELECT * FROM launch WHERE id = $1", launch_id)
        return launch_of(rows[0]) if rows else None

    async def trusted_id(self, repo: str) -> str | None:
        rows = await self._database.fetch("SELECT id FROM trusted_repo WHERE repo = $1", repo)
        return rows[0]["id"] if rows else None

    async def unresolved(self, now: int, *, limit: int) -> tuple[Launch, ...]:
        rows = await self._database.fetch(
            "SELECT * FROM launch WHERE state = 'unknown' AND (due_at <= $1 OR due_at > $2)"
            " ORDER BY due_at, seq LIMIT $3",
            now,
            now + LONGEST_LOOK_PAUSE_MS,
            limit,
        )
        return tuple(map(launch_of, rows))

    async def recall(self, name: str) -> int | None:
        rows = await self._database.fetch("SELECT value FROM memory WHERE name = $1", name)
        return rows[0]["value"] if rows else None

    async def pauses(self) -> tuple[Pause, ...]:
        rows = await self._database.fetch(
            "SELECT scope, since, by, reason FROM pause ORDER BY since"
        )
        return tuple(Pause(**row) for row in rows)

    async def backlog(self) -> Backlog:
        (row,) = await self._database.fetch(BACKLOG)
        return Backlog(*row)

    async def figures(self, now: int) -> Figures:
        day = now - DAY_MS
        return figures_of(
            await self._database.fetch(DELIVERIES),
            await self._database.fetch(LAUNCHES.format("$1"), day),
            await self._database.fetch(DOLLARS.format("$1", "$2"), day, now + AHEAD_MS),
            await self._database.fetch(PAUSES),
        )

    async def leader(self) -> str | None:
        rows = await self._database.fetch(
            f"SELECT holder FROM lead WHERE until > {SERVER_NOW}"  # noqa: S608
        )
        return rows[0]["holder"] if rows else None

    async def rules_version(self) -> str | None:
        rows = await self._database.fetch(
            "SELECT version FROM candidate JOIN ruleset USING (version)"  # noqa: S608
            f" WHERE until > {SERVER_NOW} ORDER BY introduced DESC LIMIT 1"
        )
        return rows[0]["version"] if rows else None

    async def began_at(self) -> int:
        (row,) = await self._database.fetch("SELECT began_at FROM epoch")
        began_at: int = row["began_at"]
        return began_at

    async def namespaces(self, since: int) -> frozenset[str]:
        rows = await self._database.fetch(NAMESPACES.format("$1"), since)
        return frozenset(row["namespace"] for row in rows)

    async def followed(self) -> tuple[Launch, ...]:
        rows = await self._database.fetch(
            "SELECT * FROM launch WHERE state IN ('launched', 'running') ORDER BY seq"
        )
        return tuple(map(launch_of, rows))

    async def tokens(self) -> tuple[ApiToken, ...]:
        return tuple(map(token_of, await self._database.fetch(f"{TOKENS} ORDER BY seq DESC")))

    async def audits(
        self, wanted: AuditFilter = ANY_ENTRY, *, limit: int, before: int | None = None
    ) -> tuple[AuditEntry, ...]:
        where, values = _where(*wanted_audits(wanted, before, "{}"))
        rows = await self._database.fetch(
            f"{AUDITS} {where} ORDER BY seq DESC {_limit(limit)}", *values
        )
        return tuple(map(entry_of, rows))


def _where(*conditions: tuple[str, object]) -> tuple[str, list[object]]:
    """Return the clause of the conditions that have a value, so that indexes are used for them."""
    given = [(text, value) for text, value in conditions if value is not None]
    clause = " AND ".join(text.format(f"${at}") for at, (text, _) in enumerate(given, 1))
    return f"WHERE {clause}" if given else "", [value for _, value in given]


def _limit(limit: int) -> str:
    return f"LIMIT {limit:d}" if limit else ""


def _as_list(values: Collection[str] | None) -> list[str] | None:
    return None if values is None else list(values)
