"""
What people and programs ask for themselves: a job now, the same once more, a schedule.

It is a launch like any other, and goes through the same states: kept before it is sent, sent once,
looked for where nobody knows. Its rule is one of those below, which no rule of the team can be
called; its delivery is the request, which nobody delivered. It is never queued: what may not go at
once ends. Values of secrets are in the memory of the process that was asked, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain

from jobhook.core.deliveries import delivery_id
from jobhook.core.errors import LimitReached, NotLaunched, Paused, UsageError
from jobhook.core.guards import BUDGET, PAUSED
from jobhook.core.jobs import JobSpec
from jobhook.core.launches import (
    PRICE_UNKNOWN,
    RUN,
    SCHEDULE,
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
    without_payload,
)

# Where requests come from, in the place of a webhook's source.
SOURCE = "api"
RERUN = "api.rerun"
TRIGGER = "api.trigger"
# The rule of what a schedule of ours starts on the Hub by itself.
SCHEDULED = "api.scheduled"
# Where its runs come from: each is a request that the schedule makes.
_RUNS_SOURCE = "schedule"
# What a job may say, as much as a rule file.
SPEC_MAX = 256 * 1024
_TEXT_COSTS, _VOLUME_COSTS = 4, 200
_INITIATORS = {RERUN: "duplicated-job", TRIGGER: "scheduled-job"}
# The id of the request: with it a job tells which launch it is, and its key is not told.
REQUEST_VARIABLE = "JOBHOOK_REQUEST"
# So often may the same request be tried anew; also how far is looked for what a job says it is.
GENERATIONS_MAX = 16
# What limits are called in `LimitReached`, and how the reasons begin that tell of them.
USD_PER_DAY = "usd_per_day"
OF_SCHEDULE = "schedule"
NO_PRICE = "price"
_LIMITS = {BUDGET: USD_PER_DAY, PRICE_UNKNOWN: NO_PRICE}


def request_id(key: str) -> str:
    """Return the id that a request has in place of a delivery's; *key* belongs to its caller."""
    return delivery_id(SOURCE, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """
    What somebody asks for.

    Attributes:
        id: See `request_id`.
        spec: The job, with the values of its secrets if they are told.
        about: What is to be done once more, as `job:<id>` or `schedule:<id>`.
        when: When it is due, if it is a schedule.
        is_unheard_of: Whether its key was drawn just now, so that nobody can have asked before.
    """

    rule: str
    id: str
    instance: str
    spec: JobSpec
    about: str = ""
    when: str = ""
    asked_by: str
    is_unheard_of: bool = False


def planned(asked: Request, *, generation: int, now: int) -> Launch:
    """
    Return the launch of what was asked for; its secrets are names.

    What is left to the Hub is said in the Hub's stead, so that the most that it costs is known.
    """
    identity = launch_id(asked.instance, SOURCE, asked.id, asked.rule, 0, generation)
    return Launch(
        id=identity,
        delivery=asked.id,
        rule=asked.rule,
        action=0,
        generation=generation,
        rule_hash="",
        event=asked.when,
        spec=_kept(asked, identity),
        state=LaunchState.READY,
        repo=asked.about,
        # Nothing of ours set it off.
        root=asked.id,
        asked_by=asked.asked_by,
        created_at=now,
        updated_at=now,
    )


def check_size(spec: JobSpec) -> None:
    """Raise `UsageError` if *spec* says more than is kept of a job."""
    # All of it is read again with each list that its launch is in.
    texts = chain(
        spec.command, spec.args, spec.env, spec.env.values(), spec.labels, spec.labels.values()
    )
    size = sum(len(text) + _TEXT_COSTS for text in texts) + len(spec.volumes) * _VOLUME_COSTS
    if size > SPEC_MAX:
        raise UsageError(
            f"a job may say about {SPEC_MAX:,} characters, with its command, environment, labels "
            "and volumes: put what is longer into a repo or a bucket"
        )


def _kept(asked: Request, identity: str) -> JobSpec:
    """Return the job with what it is found by, where the Hub takes that from us."""
    spec, told, labels = asked.spec, {}, {}
    if asked.rule in {RUN, SCHEDULE}:
        told = {LAUNCH_VARIABLE: identity, RULE_VARIABLE: asked.rule, REQUEST_VARIABLE: asked.id}
        labels = {LAUNCH_LABEL: identity, INSTANCE_LABEL: asked.instance, RULE_LABEL: asked.rule}
    return replace(
        spec,
        timeout=spec.seconds,
        attempts=spec.attempts or 1,
        env={**spec.env, **told},
        labels={**spec.labels, **labels},
        secrets=dict.fromkeys(spec.secrets, ""),
    )


def initiator_of(launch: Launch) -> tuple[str, str] | None:
    """
    Return what the Hub says has set off the job of *launch*, type and id.

    None where the job carries the id of its launch: what is done once more carries nothing of ours.
    """
    kind = _INITIATORS.get(launch.rule)
    return (kind, launch.repo.partition(":")[2]) if kind else None


def with_secrets(launch: Launch, secrets: Mapping[str, str]) -> JobSpec:
    """Return the job of *launch* as it is sent."""
    spec = launch.spec
    return spec if spec.secrets == secrets else replace(spec, secrets=secrets)


def is_same(kept: Launch, asked: Launch) -> bool:
    """Whether both are the same request, as far as it is kept."""
    if (kept.rule, kept.repo, kept.event) != (asked.rule, asked.repo, asked.event):
        return False
    if initiator_of(kept):
        # What it is by now is not what was asked for.
        return kept.spec.namespace == asked.spec.namespace
    return kept.spec == spec_from_json(spec_to_json(asked.spec))


def not_queued(launch: Launch) -> Launch:
    """Return *launch* as what may not go at once is kept: it ends, and nobody starts it later."""
    if launch.state not in {LaunchState.READY, LaunchState.HELD}:
        return launch
    return replace(launch, state=LaunchState.SKIPPED, due_at=0)


def made(launch: Launch) -> Launch:
    """Return *launch*, which is over once there is what was asked for if that is a schedule."""
    if launch.rule == SCHEDULE and launch.state == LaunchState.LAUNCHED:
        return replace(launch, state=LaunchState.COMPLETED)
    return launch


def run_of(
    schedule_id: str, job_id: str, spec: JobSpec, *, instance: str, asked_by: str, now: int
) -> Launch:
    """Return the launch of a job that a schedule of ours has started; *asked_by* had that made."""
    request = delivery_id(_RUNS_SOURCE, job_id)
    return Launch(
        id=launch_id(instance, _RUNS_SOURCE, request, SCHEDULED, 0, 0),
        delivery=request,
        rule=SCHEDULED,
        action=0,
        generation=0,
        rule_hash="",
        event="",
        spec=replace(spec, env=without_payload(spec.env)),
        state=LaunchState.LAUNCHED,
        reason="started by its schedule",
        repo=f"schedule:{schedule_id}",
        depth=1,
        root=request,
        asked_by=asked_by,
        job_id=job_id,
        created_at=now,
        updated_at=now,
    )


def refusal(launch: Launch) -> NotLaunched:
    """Return the error for whoever asked for *launch*, which was not sent."""
    if launch.reason.startswith(PAUSED):
        scope = launch.reason.removeprefix(PAUSED)
        return Paused(launch.reason, scope=scope, launch_id=launch.id)
    if launch.attempts:
        return NotLaunched(launch.reason, launch_id=launch.id)
    # Besides these, only what a schedule can cost keeps something from being claimed.
    told = (limit for begins, limit in _LIMITS.items() if launch.reason.startswith(begins))
    limit = next(told, OF_SCHEDULE)
    return LimitReached(launch.reason, limit=limit, launch_id=launch.id)


def orphaned_run(spec: JobSpec, *, instance: str, now: int) -> Launch | None:
    """
    Return the launch that a job with *spec* was started for, although no database knows it.

    As with those of rules, what the job says of itself must give the id that it carries.
    """
    identity = spec.labels.get(LAUNCH_LABEL) or spec.env.get(LAUNCH_VARIABLE)
    request = spec.env.get(REQUEST_VARIABLE, "")
    asked = Request(rule=RUN, id=request, instance=instance, spec=spec, asked_by="")
    for generation in range(GENERATIONS_MAX):
        launch = planned(asked, generation=generation, now=now)
        if launch.id == identity:
            reason = "found on the Hub, and not in this database"
            return replace(launch, state=LaunchState.LAUNCHED, reason=reason)
    return None
