"""The rows of the SQLite store: how deliveries and launches are written."""

from __future__ import annotations

import sqlite3

from jobhook.adapters.rows import CHANGING, CONFLICT_REASON, LAUNCH_COLUMNS
from jobhook.core.deliveries import DeliveryState, delivery_id, short_digest
from jobhook.core.launches import Launch
from jobhook.core.records import WEAK_WINDOW_MS, Receipt, Received
from jobhook.failpoints import failpoint

INSERT_LAUNCH = (
    f"INSERT INTO launch ({', '.join(LAUNCH_COLUMNS)})"  # noqa: S608
    f" VALUES ({', '.join('?' * len(LAUNCH_COLUMNS))}) ON CONFLICT DO NOTHING"
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


def record_delivery(connection: sqlite3.Connection, received: Received) -> Receipt:
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
    # Of a delivery that was forgotten there is no body to compare with.
    if body_of(connection, identity) not in (None, received.body):
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
    reason = CONFLICT_REASON if state == "conflict" else ""
    done = connection.execute(
        "INSERT INTO delivery (id, source, key, webhook_id, weak_key, received_at, state, reason,"
        " body) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9"
        " WHERE NOT EXISTS (SELECT 1 FROM tombstone WHERE id = ?1) ON CONFLICT (id) DO NOTHING",
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


def body_of(connection: sqlite3.Connection, delivery_id: str) -> bytes | None:
    row = connection.execute("SELECT body FROM delivery WHERE id = ?", (delivery_id,)).fetchone()
    return row["body"] if row else None
