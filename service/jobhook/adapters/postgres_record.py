"""Store deliveries in PostgreSQL: a group of them in one transaction, each once on all replicas."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from jobhook.adapters.postgres import Connection
from jobhook.adapters.rows import (
    CONFLICT_REASON,
    MEND,
    WHOLE_DELIVERY,
    delivery_digest,
    is_mended_by,
)
from jobhook.core.deliveries import DeliveryState, delivery_id, short_digest
from jobhook.core.records import WEAK_WINDOW_MS, Receipt, Received
from jobhook.failpoints import failpoint

# Locks that one group may hold: the server's table of them is small.
_WEAK_LOCKS = 64
# Before the first look at what is there: see `postgres_retention`.
RECORD_LOCK = "SELECT pg_advisory_xact_lock_shared(hashtextextended('jobhook.record', 0))"

# Numbered as they came, but written in the order of their ids: two replicas that store the same
# deliveries in another order would otherwise wait for each other for ever.
_INSERT = """
INSERT INTO delivery
    (seq, id, source, key, webhook_id, weak_key, received_at, state, reason, digest, body)
SELECT * FROM (
    SELECT nextval(pg_get_serial_sequence('delivery', 'seq')), given.*
    FROM ROWS FROM (
        json_to_recordset($1::json) AS (id text, source text, key text, webhook_id text,
            weak_key text, received_at bigint, state text, reason text, digest text),
        unnest($2::bytea[])
    ) AS given (id, source, key, webhook_id, weak_key, received_at, state, reason, digest, body)
    WHERE NOT EXISTS (SELECT 1 FROM tombstone t WHERE t.id = given.id)
    OFFSET 0
) AS numbered ORDER BY id
ON CONFLICT (id) DO NOTHING RETURNING id
"""
_EARLIER = """
SELECT DISTINCT ON (given.place) given.place, d.id
FROM unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY
    AS given (source, weak_key, after, place)
JOIN delivery d USING (source, weak_key)
WHERE d.received_at > given.after
"""


@dataclass(frozen=True, slots=True)
class _New:
    id: str
    key: str
    weak_key: str | None
    received: Received
    state: DeliveryState = DeliveryState.STORED

    @property
    def digest(self) -> str:
        came = self.received
        return delivery_digest(
            self.id, came.source, self.key, came.key.webhook_id, came.received_at, came.body
        )


async def record(connection: Connection, group: Sequence[Received]) -> list[Receipt]:
    """Store *group*, which came in this order, and return the receipts in the same order."""
    named = await _named(connection, group)
    first: dict[str, _New] = {}
    for new in named:
        first.setdefault(new.id, new)
    stored = await _insert(connection, list(first.values()))
    if stored:
        failpoint("store.inserted")
    fresh = {id(first[identity]) for identity in stored}
    copies = [new for new in named if id(new) not in fresh]
    await _keep_conflicts(connection, copies, {key: first[key].received.body for key in stored})
    return [Receipt(new.id, duplicate=id(new) not in fresh) for new in named]


async def _named(connection: Connection, group: Sequence[Received]) -> list[_New]:
    """Give every delivery its id: that of the first, if it is a copy that has no id of its own."""
    earlier = await _earlier(connection, [each for each in group if each.key.is_weak])
    named: list[_New] = []
    last: dict[tuple[str, str], _New] = {}
    for received in group:
        key = received.key.value
        if not received.key.is_weak:
            named.append(_New(delivery_id(received.source, key), key, None, received))
            continue
        place = received.source, key
        same = last.get(place)
        if known := earlier.get(id(received)):
            new = _New(known, key, key, received)
        elif same and same.received.received_at > received.received_at - WEAK_WINDOW_MS:
            new = _New(same.id, same.key, key, received)
        else:
            full = f"{key}@{received.received_at}"
            new = last[place] = _New(delivery_id(received.source, full), full, key, received)
        named.append(new)
    return named


async def _earlier(connection: Connection, weak: Sequence[Received]) -> Mapping[int, str]:
    """Return the ids of the deliveries that *weak* ones are copies of, by `id()` of the copy."""
    if not weak:
        return {}
    # No constraint can tell what is a copy within a window: one replica at a time looks and stores.
    locks = {zlib.crc32(f"{each.source} {each.key.value}".encode()) % _WEAK_LOCKS for each in weak}
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('jobhook.weak', n))"
        " FROM unnest($1::bigint[]) AS n",
        sorted(locks),
    )
    rows = await connection.fetch(
        _EARLIER,
        [each.source for each in weak],
        [each.key.value for each in weak],
        [each.received_at - WEAK_WINDOW_MS for each in weak],
    )
    return {id(weak[row["place"] - 1]): row["id"] for row in rows}


async def _insert(connection: Connection, news: Sequence[_New]) -> list[str]:
    # The driver takes longer over an array of texts than all of a delivery takes elsewhere.
    facts = orjson.dumps([_facts(new) for new in news]).decode()
    rows = await connection.fetch(_INSERT, facts, [new.received.body for new in news])
    return [row["id"] for row in rows]


def _facts(new: _New) -> dict[str, object]:
    """Return the columns of a delivery but for its body."""
    return {
        "id": new.id,
        "source": new.received.source,
        "key": new.key,
        "webhook_id": new.received.key.webhook_id,
        "weak_key": new.weak_key,
        "received_at": new.received.received_at,
        "state": new.state,
        "reason": CONFLICT_REASON if new.state == DeliveryState.CONFLICT else "",
        "digest": new.digest,
    }


async def _keep_conflicts(
    connection: Connection, copies: Sequence[_New], bodies: Mapping[str, bytes]
) -> None:
    """Keep those of *copies* whose body is not that of the first; *bodies* holds some of these."""
    asked = [new.id for new in copies if new.id not in bodies]
    digests = {identity: _digest(body) for identity, body in bodies.items()}
    if asked:
        rows = await connection.fetch(
            "SELECT id, sha256(body) AS digest FROM delivery WHERE id = ANY($1::text[])", asked
        )
        digests.update((row["id"], row["digest"]) for row in rows)
    others = [
        new for new in copies if digests.get(new.id) not in (None, _digest(new.received.body))
    ]
    mended = await _mend(connection, others)
    conflicts: dict[str, _New] = {}
    for new in others:
        if new.id not in mended:
            other = f"{new.key}#{short_digest(new.received.body.hex())}"
            identity = delivery_id(new.received.source, other)
            conflicts[identity] = _New(identity, other, None, new.received, DeliveryState.CONFLICT)
    if conflicts:
        await _insert(connection, list(conflicts.values()))


async def _mend(connection: Connection, others: Sequence[_New]) -> set[str]:
    """Give the damaged ones their bodies back from copies of them; return the ids of these."""
    if not others:
        return set()
    rows = await connection.fetch(
        f"SELECT {WHOLE_DELIVERY} FROM delivery d WHERE d.id = ANY($1::text[])",  # noqa: S608
        [new.id for new in others],
    )
    kept = {row["id"]: row for row in rows}
    mended = {
        new.id: new.received.body for new in others if is_mended_by(kept[new.id], new.received.body)
    }
    for identity, body in mended.items():
        await connection.execute(MEND, identity, body)
    return set(mended)


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()
