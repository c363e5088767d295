"""What can be asked of a store on PostgreSQL without changing it."""

from __future__ import annotations

from collections.abc import Sequence

from jobhook.adapters.access_rows import AUDITS, TOKENS, entry_of, token_of, wanted_audits
from jobhook.adapters.conditions import Dialect, wanted_deliveries, wanted_launches
from jobhook.adapters.figures import DELIVERIES, DOLLARS, LAUNCHES, PAUSES, figures_of
from jobhook.adapters.listing import Chosen, Listing, order_of
from jobhook.adapters.postgres import Database, Row
from jobhook.adapters.postgres_changes import PostgresChanges
from jobhook.adapters.postgres_launches import SERVER_NOW
from jobhook.adapters.rows import (
    BACKLOG,
    DELIVERY_COLUMNS,
    NAMESPACES,
    STANDING,
    WHOLE_DELIVERY,
    delivery_of,
    launch_of,
    standing_of,
    verdicts_of,
    whole_delivery_of,
)
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

_DIALECT = Dialect(
    hint="",
    fence="({0} ORDER BY {1} OFFSET 0)",
    any_of="{0} = ANY({1}::text[])",
    packed=list,
)
_DELIVERY = (
    f"{DELIVERY_COLUMNS}, ARRAY(SELECT l.id FROM launch l"  # noqa: S608
    " WHERE l.delivery = d.id ORDER BY l.seq) AS launches"
)
# What is long is not read for its length.
_CHOSEN = (
    "WITH chosen AS MATERIALIZED ({keys}), sized AS (SELECT seq, sum(octet_length({heavy})) OVER"
    " (ORDER BY {order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before"
    " FROM {name} WHERE seq = ANY(ARRAY(SELECT seq FROM chosen)))"
    " SELECT {columns}, {alias}.seq, (SELECT count(*) FROM chosen) AS found FROM {name} {alias}"
    " WHERE {alias}.seq = ANY(ARRAY(SELECT seq FROM sized WHERE coalesce(before, 0) < {size:d}))"
    " ORDER BY {order}"
)


class PostgresReads(PostgresChanges):
    """What can be asked of the database while others write to it."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
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
        rows = await self._database.fetch("SELECT * FROM launch WHERE id = $1", launch_id)
        return launch_of(rows[0]) if rows else None

    async def standing(self, launch_id: str) -> Standing | None:
        return standing_of(await self._database.fetch(STANDING.format("$1"), launch_id))

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
        return await self._turns.launches_of(rows)

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

    async def _fetch(self, query: str, values: Sequence[object]) -> list[Row]:
        return await self._database.fetch(query, *values)

    async def _fetch_chosen(self, chosen: Chosen) -> tuple[list[Row], bool]:
        table = chosen.table
        query = _CHOSEN.format(
            keys=chosen.keys,
            columns=chosen.columns,
            name=table.name,
            alias=table.alias,
            heavy=table.heavy,
            order=order_of(table),
            size=chosen.size,
        )
        rows = await self._database.fetch(query, *chosen.values)
        return rows, not rows or len(rows) == rows[0]["found"]

    async def followed(self) -> tuple[Launch, ...]:
        rows = await self._database.fetch(
            "SELECT * FROM launch WHERE state IN ('launched', 'running') ORDER BY seq"
        )
        return await self._turns.launches_of(rows)

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


def _listed(row: Row) -> DeliveryWithLaunches:
    return delivery_of(row), tuple(row["launches"])


def _where(*conditions: tuple[str, object]) -> tuple[str, list[object]]:
    """Return the clause of the conditions that have a value, so that indexes are used for them."""
    given = [(text, value) for text, value in conditions if value is not None]
    clause = " AND ".join(text.format(f"${at}") for at, (text, _) in enumerate(given, 1))
    return f"WHERE {clause}" if given else "", [value for _, value in given]


def _limit(limit: int) -> str:
    return f"LIMIT {limit:d}" if limit else ""
