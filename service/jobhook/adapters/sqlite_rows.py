"""The rows of the SQLite store: how deliveries and launches are written and read."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from jobhook.core.deliveries import DeliveryState, delivery_id, short_digest
from jobhook.core.launches import Launch, LaunchState, spec_from_json, spec_to_json
from jobhook.core.records import WEAK_WINDOW_MS, Receipt, Received, StoredDelivery
from jobhook.failpoints import failpoint

DELIVERY_COLUMNS = (
    "d.id, d.source, d.key, d.webhook_id, d.received_at, d.state, d.reason, d.scope, d.action, "
    "d.repo_type, d.repo_name, d.events, d.generation"
)


def replace_launch(connection: sqlite3.Connection, old: Launch, new: Launch) -> bool:
    changed = {name: getattr(new, name) for name in _CHANGING}
    done = connection.execute(
        f"UPDATE launch SET {', '.join(f'{name} = :{name}' for name in _CHANGING)}"  # noqa: S608
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
    reason = "its Webhook-Id was used before, for another body" if state == "conflict" else ""
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


def delivery_of(row: sqlite3.Row) -> StoredDelivery:
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
        generation=row["generation"],
    )


_LAUNCH_COLUMNS = (
    "id delivery rule action generation rule_hash event spec state reason namespace job_id job_url "
    "attempts due_at unknown_since looks waited_ms repo subject claimed_at micro_usd depth root "
    "asked_by created_at updated_at"
).split()
_CHANGING = (
    "state reason namespace job_id job_url attempts due_at unknown_since looks waited_ms "
    "claimed_at micro_usd depth root asked_by updated_at"
).split()
INSERT_LAUNCH = (
    f"INSERT INTO launch ({', '.join(_LAUNCH_COLUMNS)})"  # noqa: S608
    f" VALUES ({', '.join('?' * len(_LAUNCH_COLUMNS))}) ON CONFLICT DO NOTHING"
)


def launch_row(launch: Launch) -> list[Any]:
    values = {name: getattr(launch, name) for name in _LAUNCH_COLUMNS}
    return list({**values, "spec": spec_to_json(launch.spec)}.values())


def launch_of(row: sqlite3.Row) -> Launch:
    values = {name: row[name] for name in _LAUNCH_COLUMNS}
    return Launch(
        **{**values, "spec": spec_from_json(row["spec"]), "state": LaunchState(row["state"])}
    )
