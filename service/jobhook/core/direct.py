"""
What people and programs ask for themselves: a job now, the same once more, a schedule.

It is a launch like any other, and goes through the same states: kept before it is sent, sent once,
looked for where nobody knows. Its rule is one of those below, which no rule of the team can be
called; its delivery is the request, which nobody delivered. It is never queued: what may not go at
once ends. Values of secrets are in the memory of the process that was asked, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from jobhook.core.deliveries import delivery_id
from jobhook.core.errors import LimitReached, NotLaunched, Paused
from jobhook.core.guards import PAUSED
from jobhook.core.jobs import JobSpec
from jobhook.core.launches import (
    RUN,
    Launch,
    LaunchState,
    launch_id,
    spec_from_json,
    spec_to_json,
)
from jobhook.core.planning import (
    INSTANCE_LABEL,
    LAUNCH_LABEL,
    LAUNCH_VARIABLE,
    RULE_LABEL,
    RULE_VARIABLE,
)

# Where requests come from, in the place of a webhook's source.
SOURCE = "api"
# The id of the request: with it a job tells which launch it is, and its key is not told.
REQUEST_VARIABLE = "JOBHOOK_REQUEST"
# So often may the same request be tried anew; also how far is looked for what a job says it is.
GENERATIONS_MAX = 16


def request_id(key: str) -> str:
    """Return the id that a request has in place of a delivery's; *key* belongs to its caller."""
    return delivery_id(SOURCE, key)


def plan_run(
    spec: JobSpec, *, instance: str, request: str, generation: int, asked_by: str, now: int
) -> Launch:
    """
    Return the launch of a job that *asked_by* asked for; its secrets are names.

    The job is what was asked for, with labels and variables by which it is known. What is left to
    the Hub is said in the Hub's stead, so that the most that it costs is known.
    """
    identity = launch_id(instance, SOURCE, request, RUN, 0, generation)
    told = {LAUNCH_VARIABLE: identity, RULE_VARIABLE: RUN, REQUEST_VARIABLE: request}
    labels = {LAUNCH_LABEL: identity, INSTANCE_LABEL: instance, RULE_LABEL: RUN}
    return Launch(
        id=identity,
        delivery=request,
        rule=RUN,
        action=0,
        generation=generation,
        rule_hash="",
        event="",
        spec=replace(
            spec,
            timeout=spec.seconds,
            attempts=spec.attempts or 1,
            env={**spec.env, **told},
            secrets=dict.fromkeys(spec.secrets, ""),
            labels={**spec.labels, **labels},
        ),
        state=LaunchState.READY,
        # Nothing of ours set it off.
        root=request,
        asked_by=asked_by,
        created_at=now,
        updated_at=now,
    )


def with_secrets(launch: Launch, secrets: Mapping[str, str]) -> JobSpec:
    """Return the job of *launch* as it is sent."""
    return replace(launch.spec, secrets=secrets)


def is_same(kept: Launch, asked: Launch) -> bool:
    """Whether both are the same request, as far as it is kept."""
    return kept.rule == asked.rule and kept.spec == spec_from_json(spec_to_json(asked.spec))


def not_queued(launch: Launch) -> Launch:
    """Return *launch* as what may not go at once is kept: it ends, and nobody starts it later."""
    if launch.state not in {LaunchState.READY, LaunchState.HELD}:
        return launch
    return replace(launch, state=LaunchState.SKIPPED, due_at=0)


def refusal(launch: Launch) -> NotLaunched:
    """Return the error for whoever asked for *launch*, which was not sent."""
    if launch.reason.startswith(PAUSED):
        return Paused(launch.reason, launch_id=launch.id)
    kind = NotLaunched if launch.attempts else LimitReached
    return kind(launch.reason, launch_id=launch.id)


def orphaned_run(spec: JobSpec, *, instance: str, now: int) -> Launch | None:
    """
    Return the launch that a job with *spec* was started for, although no database knows it.

    As with those of rules, what the job says of itself must give the id that it carries.
    """
    identity = spec.labels.get(LAUNCH_LABEL) or spec.env.get(LAUNCH_VARIABLE)
    request = spec.env.get(REQUEST_VARIABLE, "")
    for generation in range(GENERATIONS_MAX):
        launch = plan_run(
            spec, instance=instance, request=request, generation=generation, asked_by="", now=now
        )
        if launch.id == identity:
            reason = "found on the Hub, and not in this database"
            return replace(launch, state=LaunchState.LAUNCHED, reason=reason)
    return None
