"""The store on SQLite: one machine, one process that writes, any number that read."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from jobhook.adapters.sqlite import Reader, Writer, WriterLock, open_reader, open_writer
from jobhook.core.deliveries import DeliveryState, delivery_id, short_digest
from jobhook.core.errors import LaunchMoved
from jobhook.core.events import Event
from jobhook.core.guards import DAY_MS, HOUR_MS, Guard, Spent, judged
from jobhook.core.launches import Launch, LaunchState, spec_from_json, spec_to_json
from jobhook.core.records import WEAK_WINDOW_MS, Receipt, Received, StoredDelivery, Verdict
from jobhook.failpoints import failpoint

_DELIVERY = (
    "d.id, d.source, d.key, d.webhook_id, d.received_at, d.state, d.reason, d.scope, d.action, "
    "d.repo_type, d.repo_name, d.events"
)
_NO_LIMIT = -1
# Launches that have to wait must not keep those behind them from being looked at.
_JUDGED_AT_ONCE = 500


class SqliteReads:
    """What can be asked of the database while somebody else writes to it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def deliveries(
        self, *, limit: int, state: DeliveryState | None = None
    ) -> tuple[tuple[StoredDelivery, tuple[str, ...]], ...]:
        rows = await self._reader.fetch(
            f"SELECT {_DELIVERY}, (SELECT json_group_array(l.id) FROM launch l"  # noqa: S608
            " WHERE l.delivery = d.id) AS launches FROM delivery d"
            " WHERE (?1 IS NULL OR d.state = ?1) ORDER BY d.seq DESC LIMIT ?2",
            (state, limit or _NO_LIMIT),
        )
        return tuple((_delivery(row), tuple(json.loads(row["launches"]))) for row in rows)

    async def delivery(self, delivery_id: str) -> StoredDelivery | None:
        rows = await self._reader.fetch(
            f"SELECT {_DELIVERY} FROM delivery d WHERE d.id = ?",  # noqa: S608
            (delivery_id,),
        )
        return _delivery(rows[0]) if rows else None

    async def body(self, delivery_id: str) -> bytes | None:
        rows = await self._reader.fetch("SELECT body FROM delivery WHERE id = ?", (delivery_id,))
        return rows[0]["body"] if rows else None

    async def verdicts(self, delivery_id: str) -> tuple[Verdict, ...]:
        rows = await self._reader.fetch(
            "SELECT said FROM verdict WHERE delivery = ?", (delivery_id,)
        )
        return tuple(Verdict(*said) for row in rows for said in json.loads(row["said"]))

    async def launches(
        self, *, limit: int, state: LaunchState | None = None, delivery_id: str | None = None
    ) -> tuple[Launch, ...]:
        rows = await self._reader.fetch(
            "SELECT * FROM launch WHERE (?1 IS NULL OR state = ?1)"
            " AND (?2 IS NULL OR delivery = ?2) ORDER BY seq DESC LIMIT ?3",
            (state, delivery_id, limit or _NO_LIMIT),
        )
        return tuple(map(_launch, rows))

    async def launch(self, launch_id: str) -> Launch | None:
        rows = await self._reader.fetch("SELECT * FROM launch WHERE id = ?", (launch_id,))
        return _launch(rows[0]) if rows else None

    async def unresolved(self, now: int) -> tuple[Launch, ...]:
        rows = await self._reader.fetch(
            "SELECT * FROM launch WHERE state = 'unknown' AND due_at <= ? ORDER BY due_at, seq",
            (now,),
        )
        return tuple(map(_launch, rows))

    async def began_at(self) -> int:
        (row,) = await self._reader.fetch("SELECT began_at FROM epoch")
        began_at: int = row["began_at"]
        return began_at

    async def followed(self) -> tuple[Launch, ...]:
        rows = await self._reader.fetch(
            "SELECT * FROM launch WHERE state IN ('launched', 'running') ORDER BY seq"
        )
        return tuple(map(_launch, rows))


class SqliteStore(SqliteReads):
    """The store that a running service has."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        super().__init__(reader)
        self._writer = writer

    async def record(self, received: Received) -> Receipt:
        receipt = await self._writer.submit(lambda connection: _record(connection, received))
        failpoint("store.committed")
        return receipt

    async def route(
        self,
        delivery: StoredDelivery,
        *,
        events: Sequence[Event],
        verdicts: Sequence[Verdict],
        launches: Sequence[Launch],
    ) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE delivery SET state = ?, reason = ?, scope = ?, action = ?, repo_type = ?,"
                " repo_name = ?, events = ? WHERE id = ?",
                (
                    delivery.state,
                    delivery.reason,
                    delivery.scope,
                    delivery.action,
                    delivery.repo_type,
                    delivery.repo_name,
                    json.dumps(delivery.events),
                    delivery.id,
                ),
            )
            failpoint("store.routing")
            said = json.dumps([[v.rule, v.fired, v.reason] for v in verdicts])
            connection.execute("INSERT OR REPLACE INTO verdict VALUES (?, ?)", (delivery.id, said))
            connection.executemany(_INSERT_LAUNCH, map(_launch_row, launches))

        await self._writer.submit(work)

    async def claim(self, now: int, limit: int, guard: Guard) -> tuple[tuple[Launch, bytes], ...]:
        def work(connection: sqlite3.Connection) -> tuple[tuple[Launch, bytes], ...]:
            rows = connection.execute(
                "SELECT * FROM launch WHERE state = 'ready' AND due_at <= ? ORDER BY seq LIMIT ?",
                (now, _JUDGED_AT_ONCE),
            ).fetchall()
            judged = (_judge(connection, _launch(row), guard) for row in rows)
            claimed = (launch for launch in judged if launch.state == LaunchState.SENDING)
            return tuple(
                (launch, _body(connection, launch.delivery)) for launch in islice(claimed, limit)
            )

        return await self._writer.submit(work)

    async def replace(self, old: Launch, new: Launch) -> None:
        def work(connection: sqlite3.Connection) -> None:
            if not _replace(connection, old, new):
                raise LaunchMoved(f"launch {old.id} is no longer {old.state}")

        await self._writer.submit(work)

    async def abandon_sending(self, now: int, *, claimed_before: int) -> int:
        reason = "whoever sent it stopped while the request was on its way"

        def work(connection: sqlite3.Connection) -> int:
            return connection.execute(
                "UPDATE launch SET state = 'unknown', reason = ?1, updated_at = ?2,"
                " unknown_since = ?2, looks = 0, due_at = ?2"
                " WHERE state = 'sending' AND updated_at < ?3",
                (reason, now, claimed_before),
            ).rowcount

        return await self._writer.submit(work)

    async def expire(self, now: int, *, created_before: int) -> int:
        reason = "it was not sent in time"

        def work(connection: sqlite3.Connection) -> int:
            return connection.execute(
                "UPDATE launch SET state = 'expired', reason = ?, updated_at = ?"
                " WHERE state IN ('matched', 'ready', 'held') AND created_at < ?",
                (reason, now, created_before),
            ).rowcount

        return await self._writer.submit(work)

    async def release(self, now: int, *, reason_prefix: str) -> int:
        def work(connection: sqlite3.Connection) -> int:
            return connection.execute(
                "UPDATE launch SET state = 'ready', reason = '', due_at = 0, updated_at = ?"
                " WHERE state = 'held' AND substr(reason, 1, length(?2)) = ?2",
                (now, reason_prefix),
            ).rowcount

        return await self._writer.submit(work)

    async def begin_routing(self, limit: int) -> tuple[tuple[StoredDelivery, bytes, int], ...]:
        def work(connection: sqlite3.Connection) -> tuple[tuple[StoredDelivery, bytes, int], ...]:
            rows = connection.execute(
                f"SELECT d.seq, {_DELIVERY}, d.tries, d.body FROM delivery d"  # noqa: S608
                " WHERE d.state = 'stored' ORDER BY d.seq LIMIT ?",
                (limit,),
            ).fetchall()
            # What was tried before may be what ended the process: it goes alone.
            suspect = next((at for at, row in enumerate(rows) if row["tries"]), len(rows))
            taken = rows[: suspect or 1]
            connection.executemany(
                "UPDATE delivery SET tries = tries + 1 WHERE seq = ?",
                [(row["seq"],) for row in taken],
            )
            return tuple((_delivery(row), row["body"], row["tries"]) for row in taken)

        return await self._writer.submit(work)


@asynccontextmanager
async def sqlite_store(path: Path) -> AsyncIterator[SqliteStore]:
    """Open the store for the one process that writes; raises `StoreError` if another one does."""
    async with AsyncExitStack() as stack:
        stack.enter_context(WriterLock(path))
        writer = Writer(open_writer(path), path)
        stack.push_async_callback(writer.aclose)
        reader = Reader(open_reader(path), path)
        stack.push_async_callback(reader.aclose)
        yield SqliteStore(reader, writer)


@asynccontextmanager
async def sqlite_reads(path: Path) -> AsyncIterator[SqliteReads]:
    """Open the database for reading, beside a running service or without one."""
    reader = Reader(open_reader(path), path)
    try:
        yield SqliteReads(reader)
    finally:
        await reader.aclose()


def _judge(connection: sqlite3.Connection, launch: Launch, guard: Guard) -> Launch:
    """Keep what *guard* says of a due launch, and return the launch as it is then."""
    new = judged(launch, guard.permit(launch, _spent(connection, launch, guard.now)), guard.now)
    _replace(connection, launch, new)
    return new


def _spent(connection: sqlite3.Connection, launch: Launch, now: int) -> Spent:
    sums = connection.execute(
        "SELECT count(*) FILTER (WHERE rule = ?1 AND repo = ?2 AND claimed_at > ?4) AS hour,"
        " count(*) FILTER (WHERE rule = ?1 AND repo = ?2) AS day,"
        " coalesce(sum(micro_usd) FILTER (WHERE rule = ?1), 0) AS rule_micro_usd,"
        " coalesce(sum(micro_usd), 0) AS micro_usd"
        " FROM launch WHERE claimed_at > ?3",
        (launch.rule, launch.repo, now - DAY_MS, now - HOUR_MS),
    ).fetchone()
    same = connection.execute(
        "SELECT id FROM launch WHERE rule = ? AND repo = ? AND subject = ? AND action = ?"
        " AND claimed_at > 0 AND id != ? AND generation = ?",
        (
            launch.rule,
            launch.repo,
            launch.subject,
            launch.action,
            launch.id,
            launch.generation,
        ),
    ).fetchone()
    return Spent(
        rule_repo_hour=sums["hour"],
        rule_repo_day=sums["day"],
        rule_micro_usd=sums["rule_micro_usd"],
        micro_usd=sums["micro_usd"],
        same_commit=same["id"] if same else None,
    )


def _replace(connection: sqlite3.Connection, old: Launch, new: Launch) -> bool:
    changed = {name: getattr(new, name) for name in _CHANGING}
    done = connection.execute(
        f"UPDATE launch SET {', '.join(f'{name} = :{name}' for name in _CHANGING)}"  # noqa: S608
        " WHERE id = :id AND state = :old_state AND attempts = :old_attempts",
        {**changed, "id": old.id, "old_state": old.state, "old_attempts": old.attempts},
    )
    return bool(done.rowcount)


def _record(connection: sqlite3.Connection, received: Received) -> Receipt:
    key, weak_key = received.key.value, None
    if received.key.is_weak:
        weak_key = key
        earlier = connection.execute(
            "SELECT id FROM delivery WHERE source = ? AND weak_key = ? AND received_at > ?",
            (received.source, weak_key, received.received_at - WEAK_WINDOW_MS),
        ).fetchone()
        if earlier:
            return Receipt(earlier["id"], duplicate=True)
        key = f"{key}@{received.received_at}"
    identity = delivery_id(received.source, key)
    if _insert_delivery(connection, identity, key, weak_key, received, DeliveryState.STORED):
        failpoint("store.inserted")
        return Receipt(identity, duplicate=False)
    if _body(connection, identity) != received.body:
        other = f"{key}#{short_digest(received.body.hex())}"
        conflict = delivery_id(received.source, other)
        _insert_delivery(connection, conflict, other, None, received, DeliveryState.CONFLICT)
    return Receipt(identity, duplicate=True)


def _insert_delivery(
    connection: sqlite3.Connection,
    identity: str,
    key: str,
    weak_key: str | None,
    received: Received,
    state: DeliveryState,
) -> bool:
    reason = "its Webhook-Id was used before, for another body" if state == "conflict" else ""
    done = connection.execute(
        "INSERT INTO delivery (id, source, key, webhook_id, weak_key, received_at, state, reason,"
        " body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (source, key) DO NOTHING",
        (
            identity,
            received.source,
            key,
            received.key.webhook_id,
            weak_key,
            received.received_at,
            state,
            reason,
            received.body,
        ),
    )
    return bool(done.rowcount)


def _body(connection: sqlite3.Connection, delivery_id: str) -> bytes:
    row = connection.execute("SELECT body FROM delivery WHERE id = ?", (delivery_id,)).fetchone()
    body: bytes = row["body"]
    return body


def _delivery(row: sqlite3.Row) -> StoredDelivery:
    return StoredDelivery(
        id=row["id"],
        source=row["source"],
        key=row["key"],
        webhook_id=row["webhook_id"],
        received_at=row["received_at"],
        state=DeliveryState(row["state"]),
        reason=row["reason"],
        scope=row["scope"],
        action=row["action"],
        repo_type=row["repo_type"],
        repo_name=row["repo_name"],
        events=tuple(json.loads(row["events"])),
    )


_LAUNCH_COLUMNS = (
    "id delivery rule action generation rule_hash event spec state reason namespace job_id job_url "
    "attempts due_at unknown_since looks repo subject claimed_at micro_usd created_at updated_at"
).split()
_CHANGING = (
    "state reason namespace job_id job_url attempts due_at unknown_since looks claimed_at "
    "micro_usd updated_at"
).split()
_INSERT_LAUNCH = (
    f"INSERT INTO launch ({', '.join(_LAUNCH_COLUMNS)})"  # noqa: S608
    f" VALUES ({', '.join('?' * len(_LAUNCH_COLUMNS))}) ON CONFLICT DO NOTHING"
)


def _launch_row(launch: Launch) -> list[Any]:
    values = {name: getattr(launch, name) for name in _LAUNCH_COLUMNS}
    return list({**values, "spec": spec_to_json(launch.spec)}.values())


def _launch(row: sqlite3.Row) -> Launch:
    values = {name: row[name] for name in _LAUNCH_COLUMNS}
    return Launch(
        **{**values, "spec": spec_from_json(row["spec"]), "state": LaunchState(row["state"])}
    )
