"""The store on PostgreSQL: any number of processes, on any number of machines."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from jobhook.adapters.grouping import Bounds, Grouping
from jobhook.adapters.noting import NotingGuard
from jobhook.adapters.postgres import Connection, Database, changed
from jobhook.adapters.postgres_access import PostgresAccess
from jobhook.adapters.postgres_changes import prune_changes
from jobhook.adapters.postgres_claims import CLAIM_LOCK, begin_direct, claim
from jobhook.adapters.postgres_deciding import begin_enriching, begin_routing, keep_decision
from jobhook.adapters.postgres_launches import SERVER_NOW, insert_launches, replace_launches
from jobhook.adapters.postgres_lead import LEAD_LOCK, leave, take_lead
from jobhook.adapters.postgres_news import DELIVERIES, LAUNCHES, Notifier
from jobhook.adapters.postgres_reads import PostgresReads
from jobhook.adapters.postgres_record import RECORD_LOCK, record
from jobhook.adapters.postgres_retention import prune
from jobhook.adapters.postgres_schema import open_database, open_existing
from jobhook.adapters.rows import LEAVES_ROOM, OPEN_STATES, UNDECIDED, leaves_room, room_at
from jobhook.core.errors import LaunchMoved, StoreError
from jobhook.core.events import Event
from jobhook.core.guards import Guard, paused_reason
from jobhook.core.launches import Launch, LaunchState
from jobhook.core.records import Pause, Receipt, Received, StoredDelivery, Verdict
from jobhook.failpoints import failpoint
from jobhook.ports import NO_METER, Meter


class PostgresStore(PostgresReads, PostgresAccess):
    """The store that each process of a running service has."""

    def __init__(self, database: Database, notifier: Notifier, meter: Meter = NO_METER) -> None:
        super().__init__(database)
        self._meter = meter
        self._notifier = notifier
        self._recording = Grouping(self._record, Bounds())
        # Nobody else's, also not that of this process after it was started again.
        self._holder = secrets.token_hex(8)

    async def aclose(self) -> None:
        """Finish what is waiting."""
        await self._recording.aclose()
        await self._notifier.aclose()

    async def record(self, received: Received) -> Receipt:
        receipt = await self._recording.submit(received, len(received.body))
        failpoint("store.committed")
        return receipt

    async def _record(self, group: Sequence[Received]) -> Sequence[Receipt]:
        began, work = self._meter.moment(), partial(record, group=group)
        try:
            receipts = await self._database.transact(work, first=RECORD_LOCK)
        except StoreError:
            self._meter.not_committed()
            raise
        self._meter.committed(len(group), began)
        self._notifier.post(DELIVERIES)
        return receipts

    async def route(
        self,
        delivery: StoredDelivery,
        *,
        events: Sequence[Event],
        verdicts: Sequence[Verdict],
        launches: Sequence[Launch],
    ) -> bool:
        kept = await self._database.transact(
            partial(keep_decision, delivery=delivery, verdicts=verdicts, launches=launches)
        )
        if kept and launches:
            self._notifier.post(LAUNCHES)
            for launch in launches:
                self._meter.moved(launch)
        return kept

    async def claim(self, now: int, limit: int, guard: Guard) -> tuple[tuple[Launch, bytes], ...]:
        noting = NotingGuard.of(guard)
        claims = await self._database.transact(
            lambda connection: claim(connection, now, limit, noting)
        )
        noting.tell(self._meter)
        return claims

    async def add(self, launch: Launch) -> bool:
        added = await self._database.transact(partial(insert_launches, launches=[launch]))
        self._notifier.post(LAUNCHES)
        if added:
            self._meter.moved(launch)
        return bool(added)

    async def begin_direct(self, launch: Launch, guard: Guard) -> tuple[Launch, bool]:
        kept, is_new = await self._database.transact(
            partial(begin_direct, launch=launch, guard=guard)
        )
        if is_new:
            self._meter.moved(kept)
        return kept, is_new

    async def room_at(self, now: int, micro_usd: int) -> int | None:
        (row,) = await self._database.fetch(LEAVES_ROOM, *leaves_room(now, micro_usd))
        return room_at(row)

    async def replace(self, old: Launch, new: Launch) -> None:
        if not await self._database.transact(partial(replace_launches, pairs=[(old, new)])):
            raise LaunchMoved(f"launch {old.id} is no longer {old.state}")
        if new.state != old.state:
            self._meter.moved(new)

    async def abandon_sending(self, now: int, *, older_than_ms: int) -> int:
        abandoned = await self._count(
            "UPDATE launch SET state = 'unknown', reason = $1, updated_at = $2,"  # noqa: S608
            " unknown_since = $2, looks = 0, waited_ms = 0, due_at = $2"
            f" WHERE state = 'sending' AND abs({SERVER_NOW} - leased_at) > $3::bigint",
            "whoever sent it stopped while the request was on its way",
            now,
            older_than_ms,
        )
        self._meter.moved_many(LaunchState.UNKNOWN, abandoned)
        return abandoned

    async def expire(self, now: int, *, created_before: int) -> int:
        expired = await self._count(
            "UPDATE launch SET state = 'expired', reason = $1, updated_at = $2"
            " WHERE state IN ('matched', 'ready', 'held') AND created_at < $3",
            "it was not sent in time",
            now,
            created_before,
        )
        self._meter.moved_many(LaunchState.EXPIRED, expired)
        return expired

    async def release(self, now: int, *, reason_prefix: str) -> int:
        released = await self._count(
            "UPDATE launch SET state = 'ready', reason = '', due_at = 0, updated_at = $1"
            " WHERE state = 'held' AND starts_with(reason, $2)",
            now,
            reason_prefix,
        )
        if released:
            self._notifier.post(LAUNCHES)
            self._meter.moved_many(LaunchState.READY, released)
        return released

    async def pause(self, pause: Pause) -> None:
        # A claim that began before has ended when this returns.
        await self._count(
            "INSERT INTO pause (scope, since, by, reason) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (scope) DO UPDATE SET by = EXCLUDED.by, reason = EXCLUDED.reason"
            " WHERE EXCLUDED.reason != ''",
            pause.scope,
            pause.since,
            pause.by,
            pause.reason,
            first=CLAIM_LOCK,
        )

    async def resume(self, now: int, scope: str) -> bool:
        async def work(connection: Connection) -> bool:
            await connection.execute(
                "UPDATE launch SET due_at = $1, reason = '' WHERE state = 'ready' AND reason = $2",
                now,
                paused_reason(scope),
            )
            return await changed(connection, "DELETE FROM pause WHERE scope = $1", scope) > 0

        resumed = await self._database.transact(work)
        self._notifier.post(LAUNCHES)
        return resumed

    async def remember(self, name: str, value: int) -> None:
        await self._count(
            "INSERT INTO memory (name, value) VALUES ($1, $2)"
            " ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value",
            name,
            value,
        )

    async def signing_key(self, drawn: str) -> str:
        await self._count("INSERT INTO signing_key VALUES (1, $1) ON CONFLICT DO NOTHING", drawn)
        (row,) = await self._database.fetch("SELECT key FROM signing_key")
        return str(row["key"])

    async def begin_anew(self, now: int) -> None:
        await self._count("UPDATE epoch SET began_at = $1", now)

    async def replay(self, delivery_id: str) -> bool:
        replayed = await self._count(
            "UPDATE delivery d SET state = 'stored', tries = 0, looks = 0,"  # noqa: S608
            " routed_until = 0, generation = 1 + greatest(d.generation,"
            " (SELECT max(l.generation) FROM launch l WHERE l.delivery = d.id))"
            f" WHERE d.id = $1 AND d.state NOT IN {UNDECIDED} AND d.state != 'conflict'"
            " AND NOT EXISTS"
            f" (SELECT 1 FROM launch l WHERE l.delivery = d.id AND l.state IN {OPEN_STATES})",
            delivery_id,
        )
        self._notifier.post(DELIVERIES)
        return replayed > 0

    async def prune(self, *, received_before: int, limit: int) -> int:
        return await self._database.transact(
            partial(prune, received_before=received_before, limit=limit)
        )

    async def prune_changes(self, *, keep: int, limit: int) -> int:
        return await self._database.transact(partial(prune_changes, keep=keep, limit=limit))

    async def lead(
        self, holder: str, ttl_ms: int, *, version: str, replaces: str | None = None
    ) -> bool:
        turn = partial(take_lead, holder=holder, ttl_ms=ttl_ms, version=version, replaces=replaces)
        return await self._database.transact(turn, first=LEAD_LOCK)

    async def step_down(self, holder: str) -> None:
        await self._database.transact(partial(leave, holder=holder), first=LEAD_LOCK)

    async def get_to_know(self, repo: str, repo_id: str) -> str:
        async def work(connection: Connection) -> str:
            known: str = await connection.fetchval(
                "INSERT INTO trusted_repo (repo, id) VALUES ($1, $2) ON CONFLICT (repo)"
                " DO UPDATE SET id = trusted_repo.id RETURNING id",
                repo,
                repo_id,
            )
            return known

        return await self._database.transact(work)

    async def trust(self, repo: str, repo_id: str) -> None:
        await self._count(
            "INSERT INTO trusted_repo (repo, id) VALUES ($1, $2)"
            " ON CONFLICT (repo) DO UPDATE SET id = EXCLUDED.id",
            repo,
            repo_id,
        )

    async def begin_enriching(
        self, now: int, limit: int, lease_ms: int, *, besides: Collection[str] = ()
    ) -> tuple[tuple[StoredDelivery, bytes], ...]:
        return await self._database.transact(
            partial(begin_enriching, now=now, limit=limit, lease_ms=lease_ms, besides=list(besides))
        )

    async def begin_routing(self, limit: int) -> tuple[tuple[StoredDelivery, bytes, int], ...]:
        return await self._database.transact(
            partial(begin_routing, limit=limit, holder=self._holder)
        )

    async def _count(self, statement: str, *values: object, first: str = "") -> int:
        return await self._database.transact(
            lambda connection: changed(connection, statement, *values), first=first
        )


@asynccontextmanager
async def postgres_store(url: str, *, meter: Meter = NO_METER) -> AsyncIterator[PostgresStore]:
    """Open the store for one process of the service; the errors are those of `open_database`."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(url))
        store = PostgresStore(database, Notifier(database), meter)
        stack.push_async_callback(store.aclose)
        yield store


@asynccontextmanager
async def postgres_reads(url: str) -> AsyncIterator[PostgresReads]:
    """Open the database for reading, beside a running service or without one."""
    async with open_existing(url) as database:
        yield PostgresReads(database)
