"""How deliveries and launches lie in the columns of a table, whatever the database."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jobhook.core.deliveries import DeliveryState
from jobhook.core.errors import UsageError
from jobhook.core.guards import AHEAD_MS, DAY_MS
from jobhook.core.jobs import JobSpec
from jobhook.core.launches import Launch, LaunchState, spec_from_json, spec_to_json
from jobhook.core.records import Standing, StoredDelivery, Verdict

# Something with names for its columns.
Row = Any

DELIVERY_COLUMNS = (
    "d.id, d.source, d.key, d.webhook_id, d.received_at, d.state, d.reason, d.scope, d.action, "
    "d.repo_type, d.repo_name, d.events, d.generation, d.due_at, d.looks"
)
LAUNCH_COLUMNS = (
    "id delivery rule action generation rule_hash event spec state reason namespace job_id job_url "
    "attempts due_at unknown_since looks waited_ms repo subject claimed_at micro_usd depth root "
    "asked_by created_at updated_at digest"
).split()
# Those that change in the life of a launch.
CHANGING = (
    "state reason namespace job_id job_url attempts due_at unknown_since looks waited_ms "
    "claimed_at micro_usd depth root asked_by updated_at"
).split()
# The states in which a launch is not over, and those in which it is, for SQL.
OPEN_STATES = f"({', '.join(repr(str(state)) for state in LaunchState if not state.is_final)})"
FINAL_STATES = f"({', '.join(repr(str(state)) for state in LaunchState if state.is_final)})"
# Where launches were sent to; those of the second half do not count towards the limits any more.
NAMESPACES = (
    "SELECT namespace FROM launch WHERE claimed_at > {0} AND claimed_at > 0"
    " AND namespace IS NOT NULL UNION SELECT namespace FROM launch"
    " WHERE state IN ('ready', 'held') AND namespace IS NOT NULL"
)
# The launch that stands where another would be kept.
SAME_LAUNCH = (
    "SELECT * FROM launch WHERE id = $1"
    " OR (delivery = $2 AND rule = $3 AND action = $4 AND generation = $5)"
)
# How a launch stands, in as many rows as there are pauses, one at least.
STANDING = (
    "SELECT l.state, l.attempts, l.reason, p.scope FROM launch l LEFT JOIN pause p ON true"
    " WHERE l.id = {0}"
)
# The claim with which, as the oldest first stop counting, no more than $3 is left of those counted.
LEAVES_ROOM = (
    "SELECT min(claimed_at) AS claimed_at FROM (SELECT claimed_at,"
    " sum(micro_usd) OVER (ORDER BY claimed_at) AS freed, sum(micro_usd) OVER () AS used"
    " FROM launch WHERE claimed_at > $1 AND claimed_at > 0 AND claimed_at <= $2) AS claims"
    " WHERE used - freed <= CAST($3 AS BIGINT)"
)
# Forgets launches of no delivery, which people asked for, or whose delivery no database has.
PRUNE_LAUNCHES = (
    "DELETE FROM launch WHERE id IN (SELECT l.id FROM launch l WHERE l.created_at < $1"  # noqa: S608
    f" AND l.state IN {FINAL_STATES}"
    " AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.id = l.delivery)"
    " ORDER BY l.created_at LIMIT $2)"
)
# What never changes, which is what the digest is of.
_FIXED = [name for name in LAUNCH_COLUMNS if name not in (*CHANGING, "digest")]
_DIGEST_CHARACTERS = 16
_DELIVERY_STATES = frozenset(DeliveryState)
_LAUNCH_STATES = frozenset(LaunchState)
# In place of one that cannot be read.
_NO_SPEC = JobSpec(image="unreadable", command=("false",))
# What a row is read with to tell whether it is as it was written.
WHOLE_DELIVERY = f"{DELIVERY_COLUMNS}, d.tries, d.body, d.digest"
DAMAGED_REASON = (
    "damaged: the database does not hold it as it came; have the Hub send it again (its webhook's "
    "activity, Replay), or put a backup back"
)
# Gives a damaged delivery its body back; it is decided if it was put aside.
MEND = (
    "UPDATE delivery SET body = $2, tries = 0,"
    " state = CASE state WHEN 'quarantined' THEN 'stored' ELSE state END WHERE id = $1"
)
# The states in which a delivery is not decided.
UNDECIDED = "('stored', 'enriching')"
BACKLOG = (
    f"SELECT (SELECT count(*) FROM delivery WHERE state IN {UNDECIDED}),"  # noqa: S608
    f" (SELECT min(received_at) FROM delivery WHERE state IN {UNDECIDED}),"
    " (SELECT count(*) FROM delivery WHERE state = 'quarantined')"
)
CONFLICT_REASON = "its Webhook-Id was used before, for another body"


def delivery_of(row: Row) -> StoredDelivery:
    """Return a delivery, whatever became of its row; see `is_damaged`."""
    events, state = _names(row["events"]), row["state"]
    readable = events is not None and state in _DELIVERY_STATES
    return StoredDelivery(
        id=row["id"],
        source=row["source"],
        key=row["key"],
        webhook_id=row["webhook_id"],
        received_at=row["received_at"],
        state=DeliveryState(state) if readable else DeliveryState.QUARANTINED,
        reason=row["reason"] if readable else DAMAGED_REASON,
        scope=row["scope"],
        action=row["action"],
        repo_type=row["repo_type"],
        repo_name=row["repo_name"],
        events=events or (),
        generation=row["generation"],
        due_at=row["due_at"],
        looks=row["looks"],
    )


def decision_row(delivery: StoredDelivery) -> tuple[Any, ...]:
    """Return what a decision changes of a row, and then the id and generation that it is about."""
    return (
        delivery.state,
        delivery.reason,
        delivery.scope,
        delivery.action,
        delivery.repo_type,
        delivery.repo_name,
        json.dumps(delivery.events),
        delivery.due_at,
        delivery.id,
        delivery.generation,
    )


def whole_delivery_of(row: Row) -> StoredDelivery:
    """Return a delivery of which `WHOLE_DELIVERY` was read, and whether it is damaged."""
    return replace(delivery_of(row), is_damaged=is_damaged(row))


def body_in(row: Row) -> bytes:
    """Return the body of a row; damage can make SQLite take it for a text."""
    body = row["body"]
    return body if isinstance(body, bytes) else str(body).encode()


def is_damaged(row: Row) -> bool:
    """Return whether a row of `WHOLE_DELIVERY` is not as it was written."""
    digest: str = row["digest"]
    return digest != "" and digest != delivery_digest(
        row["id"], row["source"], row["key"], row["webhook_id"], row["received_at"], body_in(row)
    )


def is_mended_by(row: Row, body: bytes) -> bool:
    """Return whether a row of `WHOLE_DELIVERY` is damaged, and whole again with *body*."""
    digest: str = row["digest"]
    return is_damaged(row) and digest == delivery_digest(
        row["id"], row["source"], row["key"], row["webhook_id"], row["received_at"], body
    )


def delivery_digest(
    identity: str, source: str, key: str, webhook_id: str | None, received_at: int, body: bytes
) -> str:
    """Return what tells a delivery, as it came, from any other; 3 us for 2 KB."""
    head = f"{identity}\0{source}\0{key}\0{webhook_id}\0{received_at}\0"
    taken = hashlib.sha256(head.encode("utf-8", "replace"))
    taken.update(body)
    return taken.hexdigest()[:_DIGEST_CHARACTERS]


def storable(value: str) -> str:
    """Replace what no text of PostgreSQL can hold: the Hub's words may hold anything."""
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def launch_row(launch: Launch) -> list[Any]:
    """Return the values for `LAUNCH_COLUMNS`."""
    values = {name: getattr(launch, name, "") for name in LAUNCH_COLUMNS}
    values |= {"spec": spec_to_json(launch.spec)}
    return list({**values, "digest": _launch_digest(values)}.values())


def same_launch(launch: Launch) -> tuple[Any, ...]:
    """Return the values for `SAME_LAUNCH`."""
    return launch.id, launch.delivery, launch.rule, launch.action, launch.generation


def standing_of(rows: Sequence[Row]) -> Standing | None:
    """Return what the rows of `STANDING` say; None if there is no such launch."""
    if not rows:
        return None
    state, attempts, reason, _ = rows[0]
    return Standing(state, attempts, reason, frozenset(scope for *_, scope in rows if scope))


def leaves_room(now: int, micro_usd: int) -> tuple[int, int, int]:
    """Return the values for `LEAVES_ROOM`."""
    return now - DAY_MS, now + AHEAD_MS, micro_usd


def room_at(row: Row) -> int | None:
    """Return when there is room, by what `LEAVES_ROOM` has found."""
    claimed_at: int | None = row["claimed_at"]
    return None if claimed_at is None else claimed_at + DAY_MS


def launch_of(row: Row) -> Launch:
    """Return a launch, whatever became of its row; see `is_damaged`."""
    values = {name: row[name] for name in LAUNCH_COLUMNS}
    is_whole = values.pop("digest") in ("", _launch_digest(values))
    spec, state = _spec(row["spec"]), row["state"]
    is_state = state in _LAUNCH_STATES
    told = {
        "spec": spec or _NO_SPEC,
        # Nothing is done with what is held.
        "state": LaunchState(state) if is_state else LaunchState.HELD,
        "is_damaged": not (is_whole and spec and is_state),
    }
    return Launch(**{**values, **told})


def size_of(value: object) -> int:
    """Return how much a text says; damage can make SQLite take it for anything."""
    return len(value) if isinstance(value, str | bytes) else 0


def _spec(text: str) -> JobSpec | None:
    try:
        return spec_from_json(text)
    except (ValueError, TypeError, KeyError, AttributeError, UsageError):
        return None


def _launch_digest(values: Mapping[str, Any]) -> str:
    fixed = [values[name] for name in _FIXED]
    text = json.dumps([storable(each) if isinstance(each, str) else each for each in fixed])
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_CHARACTERS]


def _names(text: str) -> tuple[str, ...] | None:
    try:
        return tuple(json.loads(text))
    except (ValueError, TypeError):
        return None


def said_by(verdicts: Iterable[Verdict]) -> str:
    """Return *verdicts* as they are kept."""
    return json.dumps([[verdict.rule, verdict.fired, verdict.reason] for verdict in verdicts])


def verdicts_of(said: str) -> tuple[Verdict, ...]:
    return tuple(Verdict(*each) for each in json.loads(said))
