"""How deliveries and launches lie in the columns of a table, whatever the database."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from jobhook.core.deliveries import DeliveryState
from jobhook.core.launches import Launch, LaunchState, spec_from_json, spec_to_json
from jobhook.core.records import StoredDelivery, Verdict

# Something with names for its columns.
Row = Any

DELIVERY_COLUMNS = (
    "d.id, d.source, d.key, d.webhook_id, d.received_at, d.state, d.reason, d.scope, d.action, "
    "d.repo_type, d.repo_name, d.events, d.generation"
)
LAUNCH_COLUMNS = (
    "id delivery rule action generation rule_hash event spec state reason namespace job_id job_url "
    "attempts due_at unknown_since looks waited_ms repo subject claimed_at micro_usd depth root "
    "asked_by created_at updated_at"
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
CONFLICT_REASON = "its Webhook-Id was used before, for another body"


def delivery_of(row: Row) -> StoredDelivery:
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


def launch_row(launch: Launch) -> list[Any]:
    """Return the values for `LAUNCH_COLUMNS`."""
    values = {name: getattr(launch, name) for name in LAUNCH_COLUMNS}
    return list({**values, "spec": spec_to_json(launch.spec)}.values())


def launch_of(row: Row) -> Launch:
    values = {name: row[name] for name in LAUNCH_COLUMNS}
    return Launch(
        **{**values, "spec": spec_from_json(row["spec"]), "state": LaunchState(row["state"])}
    )


def said_by(verdicts: Iterable[Verdict]) -> str:
    """Return *verdicts* as they are kept."""
    return json.dumps([[verdict.rule, verdict.fired, verdict.reason] for verdict in verdicts])


def verdicts_of(said: str) -> tuple[Verdict, ...]:
    return tuple(Verdict(*each) for each in json.loads(said))
