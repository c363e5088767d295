"""The rows of the SQLite store: how deliveries and launches are written."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from jobhook.adapters.rows import (
    CHANGING,
    CONFLICT_REASON,
    LAUNCH_COLUMNS,
    MEND,
    WHOLE_DELIVERY,
    body_in,
    delivery_digest,
    is_damaged,
    is_mended_by,
)
from jobhook.core.deliveries import DeliveryState, delivery_id, short_digest
from jobhook.core.launches import Launch
from jobhook.core.records import WEAK_WINDOW_MS, Receipt, Received
from jobhook.failpoints import failpoint

INSERT_LAUNCH = (
    f"INSERT INTO launch ({', '.join(LAUNCH_COLUMNS)})"  # noqa: S608
    f" VALUES ({', '.join('?' * len(LAUNCH_COLUMNS))}) ON CONFLICT DO NOTHING"
)
_INSERT_DELIVERY = (
    "INSERT INTO delivery (id, source, key, webhook_id, weak_key, received_at, state, reason, body,"
    " digest) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10"
    " WHERE NOT EXISTS (SELECT 1 FROM tombstone WHERE id = ?1) ON CONFLICT (id) DO NOTHING"
)
# In the journal of changes; see the migration.
_NOTE = (
    "INSERT INTO change (kind, id) SELECT 'delivery', id FROM delivery WHERE seq > ? ORDER BY seq"
)


def replace_launch(connection: sqlite3.Connection, old: Launch, new: Launch) -> bool:
    changed = {name: getattr(new, name) for name in CHANGING}
    done = connection.execute(
        f"UPDATE launch SET {', '.join(f'{name} = :{name}' for name in CHANGING)}"  # noqa: S608
        " WHERE id = :id AND state = :old_state AND attempts = :old_attempts"
        " AND job_id IS :old_job_id",
        {
            **changed,
            "id": old.id,
            "old_state": old.state,
            "old_attempts": old.attempts,
            "old_job_id": old.job_id,
        },
    )
    return bool(done.rowcount)


def record_deliveries(connection: sqlite3.Connection, group: Sequence[Received]) -> list[Receipt]:
    """Store *group*, which came in this order, and return the receipts in the same order."""
    receipts: list[Receipt] = []
    last = _last(connection)
    # What is a copy by its body alone, only shows once all before it are stored.
    for is_weak, run in groupby(group, lambda received: received.key.is_weak):
        if is_weak:
            receipts += [_record_weak(connection, received) for received in run]
        else:
            receipts += _record_named(connection, list(run))
    connection.execute(_NOTE, (last,))
    return receipts


def _record_weak(connection: sqlite3.Connection, received: Received) -> Receipt:
    weak_key = received.key.value
    earlier = connection.execute(
        "SELECT id FROM delivery WHERE source = ? AND weak_key = ? AND received_at > ?",
        (received.source, weak_key, received.received_at - WEAK_WINDOW_MS),
    ).fetchone()
    if earlier:
        return Receipt(earlier["id"], duplicate=True)
    key = f"{weak_key}@{received.received_at}"
    identity = delivery_id(received.source, key)
    row = _row(identity, key, weak_key, received, DeliveryState.STORED)
    if connection.execute(_INSERT_DELIVERY, row).rowcount:
        failpoint("store.inserted")
        return Receipt(identity, duplicate=False)
    return _repeated(connection, identity, key, received)


def _record_named(connection: sqlite3.Connection, group: Sequence[Received]) -> list[Receipt]:
    """Store deliveries that have ids of their own, all new ones with one statement."""
    ids = [delivery_id(received.source, received.key.value) for received in group]
    last = _last(connection)
    done = connection.executemany(
        _INSERT_DELIVERY,
        [
            _row(identity, received.key.value, None, received, DeliveryState.STORED)
            for identity, received in zip(ids, group, strict=True)
        ],
    )
    if done.rowcount:
        failpoint("store.inserted")
    if done.rowcount == len(group):
        return [Receipt(identity, duplicate=False) for identity in ids]
    rows = connection.execute("SELECT id FROM delivery WHERE seq > ?", (last,))
    new = {row["id"] for row in rows}
    receipts: list[Receipt] = []
    for identity, received in zip(ids, group, strict=True):
        if identity in new:
            # The first of several that came together; the others are its copies.
            new.remove(identity)
            receipts.append(Receipt(identity, duplicate=False))
        else:
            receipts.append(_repeated(connection, identity, received.key.value, received))
    return receipts


def _last(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM delivery").fetchone()
    return int(last)


def _repeated(
    connection: sqlite3.Connection, identity: str, key: str, received: Received
) -> Receipt:
    """Answer a delivery that is known as *identity*, and keep it if its body is another one."""
    kept = _whole_row(connection, identity)
    if kept is not None and is_mended_by(kept, received.body):
        connection.execute(MEND.replace("$", "?"), (identity, received.body))
    # Of a delivery that was forgotten there is no body to compare with.
    elif kept is not None and body_in(kept) != received.body:
        other = f"{key}#{short_digest(received.body.hex())}"
        conflict = delivery_id(received.source, other)
        row = _row(conflict, other, None, received, DeliveryState.CONFLICT)
        connection.execute(_INSERT_DELIVERY, row)
    return Receipt(identity, duplicate=True)


def _row(
    identity: str, key: str, weak_key: str | None, received: Received, state: DeliveryState
) -> tuple[object, ...]:
    webhook_id, body = received.key.webhook_id, received.body
    return (
        identity,
        received.source,
        key,
        webhook_id,
        weak_key,
        received.received_at,
        state,
        CONFLICT_REASON if state == DeliveryState.CONFLICT else "",
        body,
        delivery_digest(identity, received.source, key, webhook_id, received.received_at, body),
    )


def with_body(connection: sqlite3.Connection, launch: Launch) -> tuple[Launch, bytes]:
    """Return *launch* with its delivery's body, and whether that is damaged."""
    row = _whole_row(connection, launch.delivery)
    if row is None:
        return launch, b""
    return replace(launch, is_damaged=launch.is_damaged or is_damaged(row)), body_in(row)


def _whole_row(connection: sqlite3.Connection, delivery_id: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = connection.execute(
        f"SELECT {WHOLE_DELIVERY} FROM delivery d WHERE d.id = ?",  # noqa: S608
        (delivery_id,),
    ).fetchone()
    return row
