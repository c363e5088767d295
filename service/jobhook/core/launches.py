"""
A launch: the one job that a delivery, a rule and an action owe each other, and its states.

The states and moves are those of the launch protocol: a launch is committed before a byte leaves,
and what may have been sent is `unknown`, never `ready` again on suspicion.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from jobhook.core.deliveries import short_digest
from jobhook.core.findings import ENRICHMENT, VERIFY
from jobhook.core.jobs import JobSpec, JobStage, Network, Volume

# How long an unknown launch may be left alone between two looks for its job.
LONGEST_LOOK_PAUSE_MS = 120_000
# So long after a database began, the job of a launch is looked for before it is sent: what an
# older one knew may be lost.
LOOK_FIRST_MS = 48 * 3_600_000
# How long a launch that is ready may be put off.
LONGEST_WAIT_MS = 3_600_000
# How the reason begins where nobody knows what the job would cost.
PRICE_UNKNOWN = "price: "
# How the reason begins where a person has cancelled it.
CANCELLED_BY = "cancelled by "
# How the reason begins where the job that it repeats could not be read: nobody knows what to run.
SOURCE_MISSING = "source: "
# How the reason begins while a loop is presumed and nobody has looked at what set the launch off.
LOOP_PRESUMED = "loop: "
# How the reason begins where a repo's name belongs to another repo than before.
IDENTITY = "identity: "
# Why a launch is held that is not in the database as it was written.
DAMAGED = "damaged: the database does not hold it, or its delivery, as it was written"


# The rule of a job that a person or program asked for; see `core.direct`. No rule of the team has
# a dot in its id.
RUN = "api.run"
# That of a schedule which somebody had made: what it starts is counted when it is seen.
SCHEDULE = "api.schedule"
_DIRECT = "."
_LISTS = ("command", "args", "expose", "expose_public")
_SELDOM = "namespace args volumes expose expose_public ssh resource_group_id network arch".split()


class LaunchState(StrEnum):
    """Where a launch stands; the reason stands beside it."""

    MATCHED = "matched"  # a rule fired; not yet allowed to be sent
    READY = "ready"  # may be sent
    SENDING = "sending"  # claimed; the request may be on its way
    UNKNOWN = "unknown"  # it may have been carried out: find out before anything else
    LAUNCHED = "launched"  # the Hub has the job
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    GONE = "gone"  # the job was deleted on the Hub
    HELD = "held"  # waits for a person, or for what the reason names
    SKIPPED = "skipped"  # decided not to launch
    SUPERSEDED = "superseded"  # a newer launch took its place
    EXPIRED = "expired"  # too old to be worth it
    REJECTED = "rejected"  # the Hub said no for good

    @property
    def is_final(self) -> bool:
        """Whether nothing but a person's word moves the launch on."""
        return not MOVES[self]


_S = LaunchState
_ENDS = frozenset({_S.COMPLETED, _S.FAILED, _S.CANCELLED, _S.GONE})
_NEVER_SENT = frozenset({_S.SKIPPED, _S.SUPERSEDED, _S.EXPIRED})

MOVES: Mapping[LaunchState, frozenset[LaunchState]] = {
    _S.MATCHED: frozenset({_S.READY, _S.HELD, _S.CANCELLED}) | _NEVER_SENT,
    # `launched` where its job turns up after all, later than any quarantine.
    _S.READY: frozenset({_S.SENDING, _S.HELD, _S.CANCELLED, _S.LAUNCHED}) | _NEVER_SENT,
    # Back to `ready` only after a refusal that is clear: nothing was done.
    _S.SENDING: frozenset({_S.LAUNCHED, _S.READY, _S.UNKNOWN, _S.HELD, _S.REJECTED}),
    _S.UNKNOWN: frozenset({_S.LAUNCHED, _S.READY, _S.HELD}),
    _S.LAUNCHED: frozenset({_S.RUNNING}) | _ENDS,
    # A platform that runs a job again has it wait again.
    _S.RUNNING: frozenset({_S.LAUNCHED}) | _ENDS,
    _S.HELD: frozenset({_S.READY, _S.EXPIRED, _S.CANCELLED, _S.SUPERSEDED, _S.LAUNCHED}),
    **dict.fromkeys(_ENDS | _NEVER_SENT | {_S.REJECTED}, frozenset()),
}

# Reached only when it is clear that no job was started.
_COSTS_NOTHING = frozenset({_S.READY, _S.HELD, _S.REJECTED}) | _NEVER_SENT

_STATE_OF_STAGE = {
    JobStage.SCHEDULING: _S.LAUNCHED,
    JobStage.RUNNING: _S.RUNNING,
    JobStage.COMPLETED: _S.COMPLETED,
    JobStage.ERROR: _S.FAILED,
    JobStage.CANCELED: _S.CANCELLED,
    JobStage.DELETED: _S.GONE,
}


def state_of_stage(stage: str) -> LaunchState | None:
    """Return the state of a launch whose job is in *stage*; None for a stage we do not know."""
    return _STATE_OF_STAGE.get(JobStage(stage)) if stage in JobStage.__members__ else None


def moved(
    launch: Launch,
    state: LaunchState,
    *,
    now: int,
    reason: str = "",
    due_at: int = 0,
) -> Launch:
    """Return *launch* in its next *state*; `ValueError` if the protocol does not know the move."""
    if state not in MOVES[launch.state]:
        raise ValueError(f"a launch cannot move from {launch.state} to {state}")
    new = replace(launch, state=state, reason=reason, due_at=due_at, updated_at=now, looks=0)
    if state == LaunchState.UNKNOWN:
        return replace(new, unknown_since=now, waited_ms=0)
    if state in _COSTS_NOTHING:
        return replace(new, claimed_at=0, micro_usd=0)
    return new


def next_step(launch: Launch) -> str | None:
    """Return what a person can do about a launch that will not go on by itself, in one line."""
    again = f"`jobhook launches retry {launch.id}` launches it once more"
    released = f"`jobhook launches release {launch.id}` lets it go"
    go, cancelled = f"{released} all the same", f"`jobhook launches cancel {launch.id}` gives it up"
    anew = (
        f"`jobhook launches cancel {launch.id}`, then `jobhook deliveries replay "
        f"{launch.delivery}` decides it anew"
    )
    if launch.is_direct:
        anew = f"{cancelled}; then ask for it anew"
    if not launch.can_be_sent_again:
        again, go = "ask for it anew", anew
    match launch.state:
        case LaunchState.HELD if launch.reason.startswith((DAMAGED, SOURCE_MISSING)):
            return anew
        case LaunchState.HELD if launch.reason.startswith((ENRICHMENT, VERIFY)):
            return f"{anew}; {go}"
        case LaunchState.HELD if launch.reason.startswith("ambiguous"):
            return f"look for its job on the Hub; if there is none, {go}"
        case LaunchState.HELD if launch.reason.startswith(LOOP_PRESUMED):
            return f"wait until it is found out who set it off, or {go}"
        case LaunchState.HELD if launch.reason.startswith("secret: "):
            return f"do what the reason says; then {released}"
        case LaunchState.HELD if launch.reason.startswith(IDENTITY):
            return f"make sure whose repo it is; {released}, and trusts the new id from then on"
        case LaunchState.HELD if launch.reason.startswith(PRICE_UNKNOWN):
            return f"{cancelled}; once the Hub names a price for {launch.spec.flavor}, {released}"
        case LaunchState.HELD:
            return f"{go}, {cancelled}"
        case LaunchState.UNKNOWN:
            return "none: its job is being looked for"
        case LaunchState.REJECTED:
            return f"mend what the reason says; then {again}"
        case LaunchState.EXPIRED | LaunchState.FAILED | LaunchState.GONE:
            return again
    return None


class Owed(Protocol):
    """What a delivery owes by one action of a rule, for the first time or once more."""

    @property
    def delivery(self) -> str:
        """The id of the delivery."""

    @property
    def rule(self) -> str:
        """The id of the rule."""

    @property
    def action(self) -> int:
        """Which job of the rule."""

    @property
    def generation(self) -> int:
        """How often it was asked for again."""


OwedT = TypeVar("OwedT", bound=Owed)


def latest(launches: Iterable[OwedT]) -> tuple[OwedT, ...]:
    """Return those of *launches* that were not asked for again, in the same order."""
    newest: dict[tuple[str, str, int], int] = {}
    kept = tuple(launches)
    for each in kept:
        debt = each.delivery, each.rule, each.action
        newest[debt] = max(each.generation, newest.get(debt, 0))
    return tuple(
        each for each in kept if each.generation == newest[each.delivery, each.rule, each.action]
    )


def launch_id(
    instance: str, source: str, delivery_key: str, rule_id: str, action: int, generation: int
) -> str:
    """
    Return the id of a launch, derived and never drawn.

    The same event gives the same id on every replica, after the loss of the database and on a
    replay; *generation* changes only when a person asks for the launch again.
    """
    parts = (instance, source, delivery_key, rule_id, str(action), str(generation))
    return "l" + short_digest(*parts)


def home_of(launch: Launch, own: str) -> str:
    """
    Return the namespace of *launch*: where it went, where its rule wants it, or our *own*.

    Whatever the settings and the token say now, it is looked for where jobs ran when it was sent.
    """
    return launch.namespace or launch.spec.namespace or own


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """
    One launch as it is stored.

    Attributes:
        id: See `launch_id`.
        delivery: Our id of the delivery that caused it.
        action: Which job of the rule's `run`, from 0.
        rule_hash: `Rule.fingerprint` of the rule as it was.
        event: The semantic event that set the rule off; of a schedule, when it is due.
        spec: The frozen job; its secrets have names only, and the payload is added when it is sent.
        unknown_since: The last moment at which a request for it may have left, while it is unknown.
        looks: Clean lists of jobs since then that did not hold it.
        waited_ms: How much of the quarantine is over, by looks and not by the clock alone.
        repo: Where it happened, as `type:owner/name`; of what people ask for, what it is about, as
            `job:<id>` or `schedule:<id>`, if it is about one.
        subject: The ref and the commit that it is for, as `ref@sha`, if it is for one.
        claimed_at: When it was claimed, while that counts towards the limits; else 0.
        micro_usd: What it reserves or did cost, in millionths of a US dollar.
        depth: Its place in a chain of launches that set one another off, from 1; 0 until claimed.
        root: The delivery at the beginning of that chain; empty until claimed.
        asked_by: The person who let it go in spite of a guard, or asked for it again.
        is_damaged: Whether it is not as it was written, so that nothing may be started from it.
        job_id: Its job, once there is one; of a schedule that was made, that one.
        created_at: Milliseconds since 1970, UTC; so is *updated_at*.
    """

    id: str
    delivery: str
    rule: str
    action: int
    generation: int
    rule_hash: str
    event: str
    spec: JobSpec
    state: LaunchState = LaunchState.MATCHED
    reason: str = ""
    namespace: str | None = None
    job_id: str | None = None
    job_url: str | None = None
    attempts: int = 0
    due_at: int = 0
    unknown_since: int = 0
    looks: int = 0
    waited_ms: int = 0
    repo: str = ""
    subject: str | None = None
    claimed_at: int = 0
    micro_usd: int = 0
    depth: int = 0
    root: str = ""
    asked_by: str = ""
    is_damaged: bool = False
    created_at: int
    updated_at: int

    @property
    def is_direct(self) -> bool:
        """Whether a person or program asked for it, and no rule did."""
        return _DIRECT in self.rule

    @property
    def can_be_sent_again(self) -> bool:
        """Whether it can go without whoever asked for it: nobody else has values of secrets."""
        return not self.is_direct or (self.rule == RUN and not self.spec.secrets)


def spec_to_json(spec: JobSpec) -> str:
    """Return *spec* for the database: names of secrets only, and nothing that it does not say."""
    kept = {
        "image": spec.image,
        "command": spec.command,
        "flavor": spec.flavor,
        "timeout": spec.timeout,
        "env": dict(spec.env),
        "secrets": list(spec.secrets),
        "labels": dict(spec.labels),
    }
    seldom = {name: getattr(spec, name) for name in _SELDOM}
    seldom["volumes"] = [asdict(volume) for volume in spec.volumes]
    seldom["network"] = asdict(spec.network) if spec.network else None
    seldom["attempts"] = spec.attempts if spec.attempts != 1 else None
    return json.dumps({**kept, **{name: value for name, value in seldom.items() if value}})


def spec_from_json(text: str) -> JobSpec:
    """Return what `spec_to_json` kept, also where an older version did."""
    kept = json.loads(text)
    read: dict[str, Any] = {name: tuple(kept[name]) for name in _LISTS if name in kept}
    if "volumes" in kept:
        read["volumes"] = tuple(Volume(**volume) for volume in kept["volumes"])
    if "network" in kept:
        network = kept["network"]
        read["network"] = Network(group=network["group"], aliases=tuple(network["aliases"]))
    return JobSpec(**{**kept, **read, "secrets": dict.fromkeys(kept["secrets"], "")})
