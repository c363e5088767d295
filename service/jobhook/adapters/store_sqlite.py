"""The store on SQLite: one machine, one process that writes, any number that read."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path

from jobhook.adapters.noting import NotingGuard
from jobhook.adapters.page_sums import CHECKPOINT_PAGES
from jobhook.adapters.rows import (
    LEAVES_ROOM,
    OPEN_STATES,
    PRUNE_LAUNCHES,
    UNDECIDED,
    launch_row,
    leaves_room,
    room_at,
)
from jobhook.adapters.sqlite import Reader, Writer
from jobhook.adapters.sqlite_access import SqliteAccess
from jobhook.adapters.sqlite_changes import prune_changes
from jobhook.adapters.sqlite_claims import begin_direct, claimed
from jobhook.adapters.sqlite_deciding import begin_enriching, begin_routing, keep_decision
from jobhook.adapters.sqlite_files import Connect, WriterLock, connect, open_reader, open_writer
from jobhook.adapters.sqlite_reads import SqliteReads
from jobhook.adapters.sqlite_rows import (
    INSERT_LAUNCH,
    record_deliveries,
    replace_launch,
    with_body,
)
from jobhook.adapters.sqlite_tasks import Work
from jobhook.core.errors import LaunchMoved
from jobhook.core.events import Event
from jobhook.core.guards import Guard, paused_reason
from jobhook.core.launches import Launch, LaunchState
from jobhook.core.records import Pause, Receipt, Received, StoredDelivery, Verdict
from jobhook.failpoints import failpoint
from jobhook.ports import NO_METER, Meter

_OPEN = f"l.state IN {OPEN_STATES}"


class SqliteStore(SqliteReads, SqliteAccess):
    """The store that a running service has."""

    def __init__(self, reader: Reader, writer: Writer, meter: Meter = NO_METER) -> None:
        super().__init__(reader)
        self._meter = meter
        self._writer = writer
        self._led_by: str | None = None

    async def record(self, received: Received) -> Receipt:
        receipt = await self._writer.submit_to(record_deliveries, received, size=len(received.body))
        failpoint("store.committed")
        return receipt

    async def route(
        self,
        delivery: StoredDelivery,
        *,
        events: Sequence[Event],
        verdicts: Sequence[Verdict],
        launches: Sequence[Launch],
    ) -> bool:
        kept = await self._writer.submit(
            partial(keep_decision, delivery=delivery, verdicts=verdicts, launches=launches)
        )
        for launch in launches if kept else ():
            self._meter.moved(launch)
        return kept

    async def claim(self, now: int, limit: int, guard: Guard) -> tuple[tuple[Launch, bytes], ...]:
        noting = NotingGuard.of(guard)

        def work(connection: sqlite3.Connection) -> tuple[tuple[Launch, bytes], ...]:
            return tuple(
                with_body(connection, launch)
                for launch in islice(claimed(connection, now, noting), limit)
            )

        claims = await self._writer.submit(work)
        noting.tell(self._meter)
        return claims

    async def add(self, launch: Launch) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            return bool(connection.execute(INSERT_LAUNCH, launch_row(launch)).rowcount)

        added = await self._writer.submit(work)
        if added:
            self._meter.moved(launch)
        return added

    async def begin_direct(self, launch: Launch, guard: Guard) -> tuple[Launch, bool]:
        # Whoever hears that nothing was kept must not find it sent.
        kept, is_new = await self._writer.submit_to(begin_direct, (launch, guard), repeatable=False)
        if is_new:
            self._meter.moved(kept)
        return kept, is_new

    async def room_at(self, now: int, micro_usd: int) -> int | None:
        asked = LEAVES_ROOM.replace("$", "?")
        (row,) = await self._reader.fetch(asked, leaves_room(now, micro_usd))
        return room_at(row)

    async def replace(self, old: Launch, new: Launch) -> None:
        def work(connection: sqlite3.Connection) -> None:
            if not replace_launch(connection, old, new):
                raise LaunchMoved(f"launch {old.id} is no longer {old.state}")

        await self._writer.submit(work)
        if new.state != old.state:
            self._meter.moved(new)

    async def abandon_sending(self, now: int, *, older_than_ms: int) -> int:
        reason = "whoever sent it stopped while the request was on its way"

        def work(connection: sqlite3.Connection) -> int:
            return connection.execute(
                "UPDATE launch SET state = 'unknown', reason = ?1, updated_at = ?2,"
                " unknown_since = ?2, looks = 0, waited_ms = 0, due_at = ?2"
                " WHERE state = 'sending' AND abs(?2 - updated_at) > ?3",
                (reason, now, older_than_ms),
            ).rowcount

        return await self._move_many(LaunchState.UNKNOWN, work)

    async def expire(self, now: int, *, created_before: int) -> int:
        reason = "it was not sent in time"

        def work(connection: sqlite3.Connection) -> int:
            return connection.execute(
                "UPDATE launch SET state = 'expired', reason = ?, updated_at = ?"
                " WHERE state IN ('matched', 'ready', 'held') AND created_at < ?",
                (reason, now, created_before),
            ).rowcount

        return await self._move_many(LaunchState.EXPIRED, work)

    async def release(self, now: int, *, reason_prefix: str) -> int:
        def work(connection: sqlite3.Connection) -> int:
            return connection.execute(
                "UPDATE launch SET state = 'ready', reason = '', due_at = 0, updated_at = ?"
                " WHERE state = 'held' AND substr(reason, 1, length(?2)) = ?2",
                (now, reason_prefix),
            ).rowcount

        return await self._move_many(LaunchState.READY, work)

    async def pause(self, pause: Pause) -> None:
        row = asdict(pause)
        await self._writer.submit(
            lambda connection: connection.execute(
                "INSERT INTO pause VALUES (:scope, :since, :by, :reason) ON CONFLICT (scope)"
                " DO UPDATE SET by = excluded.by, reason = excluded.reason"
                " WHERE excluded.reason != ''",
                row,
            )
        )

    async def resume(self, now: int, scope: str) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            connection.execute(
                "UPDATE launch SET due_at = ?, reason = '' WHERE state = 'ready' AND reason = ?",
                (now, paused_reason(scope)),
            )
            return bool(connection.execute("DELETE FROM pause WHERE scope = ?", (scope,)).rowcount)

        return await self._writer.submit(work)

    async def remember(self, name: str, value: int) -> None:
        await self._writer.submit(
            lambda connection: connection.execute(
                "INSERT OR REPLACE INTO memory VALUES (?, ?)", (name, value)
            )
        )

    async def signing_key(self, drawn: str) -> str:
        def work(connection: sqlite3.Connection) -> str:
            connection.execute("INSERT OR IGNORE INTO signing_key VALUES (1, ?)", (drawn,))
            return str(connection.execute("SELECT key FROM signing_key").fetchone()["key"])

        return await self._writer.submit(work)

    async def begin_anew(self, now: int) -> None:
        await self._writer.submit(
            lambda connection: connection.execute("UPDATE epoch SET began_at = ?", (now,))
        )

    async def replay(self, delivery_id: str) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            return bool(
                connection.execute(
                    "UPDATE delivery SET state = 'stored', tries = 0, looks = 0,"  # noqa: S608
                    " generation = 1 + max("
                    " generation, coalesce((SELECT max(l.generation) FROM launch l"
                    " WHERE l.delivery = delivery.id), 0))"
                    f" WHERE id = ?1 AND state NOT IN {UNDECIDED} AND state != 'conflict'"
                    f" AND NOT EXISTS (SELECT 1 FROM launch l WHERE l.delivery = ?1 AND {_OPEN})",
                    (delivery_id,),
                ).rowcount
            )

        return await self._writer.submit(work)

    async def prune(self, *, received_before: int, limit: int) -> int:
        def work(connection: sqlite3.Connection) -> int:
            old = connection.execute(
                "SELECT d.id, d.received_at FROM delivery d WHERE d.received_at < ?"  # noqa: S608
                f" AND d.state NOT IN {UNDECIDED} AND NOT EXISTS"
                f" (SELECT 1 FROM launch l WHERE l.delivery = d.id AND {_OPEN})"
                " ORDER BY d.received_at LIMIT ?",
                (received_before, limit),
            ).fetchall()
            ids = [(row["id"],) for row in old]
            connection.executemany("INSERT OR IGNORE INTO tombstone VALUES (?, ?)", old)
            failpoint("store.pruning")
            connection.executemany("DELETE FROM verdict WHERE delivery = ?", ids)
            connection.executemany("DELETE FROM launch WHERE delivery = ?", ids)
            connection.executemany("DELETE FROM delivery WHERE id = ?", ids)
            rest = (received_before, limit - len(ids))
            return len(ids) + connection.execute(PRUNE_LAUNCHES.replace("$", "?"), rest).rowcount

        return await self._writer.submit(work)

    async def prune_changes(self, *, keep: int, limit: int) -> int:
        return await self._writer.submit(partial(prune_changes, keep=keep, limit=limit))

    async def lead(
        self, holder: str, ttl_ms: int, *, version: str, replaces: str | None = None
    ) -> bool:
        # The lock beside the file: whoever has it open for writing is alone.
        if version != self._led_by:
            await self._writer.submit(
                lambda connection: connection.execute(
                    "INSERT OR REPLACE INTO ruleset VALUES (1, ?)", (version,)
                )
            )
            self._led_by = version
        return True

    async def step_down(self, holder: str) -> None:
        return

    async def get_to_know(self, repo: str, repo_id: str) -> str:
        def work(connection: sqlite3.Connection) -> str:
            pair = (repo, repo_id)
            connection.execute("INSERT OR IGNORE INTO trusted_repo VALUES (?, ?)", pair)
            known = connection.execute("SELECT id FROM trusted_repo WHERE repo = ?", (repo,))
            return str(known.fetchone()["id"])

        return await self._writer.submit(work)

    async def trust(self, repo: str, repo_id: str) -> None:
        await self._writer.submit(
            lambda connection: connection.execute(
                "INSERT OR REPLACE INTO trusted_repo VALUES (?, ?)", (repo, repo_id)
            )
        )

    async def begin_enriching(
        self, now: int, limit: int, lease_ms: int, *, besides: Collection[str] = ()
    ) -> tuple[tuple[StoredDelivery, bytes], ...]:
        return await self._writer.submit(
            partial(begin_enriching, now=now, limit=limit, lease_ms=lease_ms, besides=list(besides))
        )

    async def begin_routing(self, limit: int) -> tuple[tuple[StoredDelivery, bytes, int], ...]:
        return await self._writer.submit(partial(begin_routing, limit=limit))

    async def _move_many(self, state: LaunchState, work: Work[int]) -> int:
        count = await self._writer.submit(work)
        self._meter.moved_many(state, count)
        return count


@asynccontextmanager
async def sqlite_store(
    path: Path,
    *,
    connect: Connect = connect,
    force: bool = False,
    checkpoint_pages: int = CHECKPOINT_PAGES,
    meter: Meter = NO_METER,
) -> AsyncIterator[SqliteStore]:
    """
    Open the store for the one process that writes; raises `StoreError` if another one does.

    All its connections come from *connect*. Without *force* it refuses network file systems. The
    log is copied into the database when it has *checkpoint_pages*.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(WriterLock(path))
        opened = open_writer(path, connect=connect, force=force)
        writer = Writer(
            opened, path, connect=connect, checkpoint_pages=checkpoint_pages, meter=meter
        )
        stack.push_async_callback(writer.aclose)
        reader = Reader(open_reader(path, connect), path)
        stack.push_async_callback(reader.aclose)
        yield SqliteStore(reader, writer, meter)
