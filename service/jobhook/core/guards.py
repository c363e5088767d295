"""
What keeps a loop or a flood from costing money, decided and counted when a launch is claimed.

A launch reserves the most it can cost, the price of its flavor for its whole timeout. What it
cost in truth takes the place of that when its job has ended.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from jobhook.core.events import OPENED
from jobhook.core.jobs import JobSpec
from jobhook.core.launches import (
    DAMAGED,
    LOOP_PRESUMED,
    PRICE_UNKNOWN,
    SCHEDULE,
    Launch,
    LaunchState,
    moved,
)
from jobhook.core.records import EVERYTHING

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
# Until when a launch that is over a limit is left alone.
_ASK_AGAIN_MS = 60_000
# What was claimed further ahead than this was claimed while the clock was wrong.
AHEAD_MS = HOUR_MS
# The name under which the store keeps since when it has seen such claims.
CLAIMS_AHEAD = "claims_ahead_since"
_FOREVER = 2**62
# How the reason begins where a person or a setting lets nothing go.
PAUSED = "paused: "
# How it begins where the dollars of a day are used up.
BUDGET = "budget: "
# The setting that does.
PAUSING_SETTING = "JOBHOOK_PAUSE"
# What comes so soon after a launch has ended is presumed to come from it.
CHILD_WINDOW_MS = 10 * 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much may be launched; the dollars are US dollars in any 24 hours."""

    rule_repo_per_hour: int = 6
    rule_repo_per_day: int = 30
    rule_usd_per_day: float = 5.0
    usd_per_day: float = 20.0
    chain_depth: int = 3
    root_fanout: int = 25


@dataclass(frozen=True, slots=True)
class Link:
    """
    A place in a chain of launches that set one another off.

    Attributes:
        depth: From 1, which is a launch that nothing of ours set off.
        root: The delivery at the beginning.
    """

    depth: int
    root: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """
    What was launched already, in the windows that end now.

    Attributes:
        rule_repo_hour: Launches of the same rule for the same repo within an hour.
        rule_repo_day: The same within a day.
        rule_micro_usd: What the rule reserved or cost within a day, in millionths of a dollar.
        micro_usd: What all rules did.
        same_commit: The launch that has a job for the same rule, action, repo, ref and commit.
        on_its_way: One of which nobody can tell yet whether it will have.
        link: Where the launch stands in its chain; see `link_after`.
        of_root: Launches of the same chain, of all rules.
        paused: What a person has paused that the launch belongs to, if anything.
    """

    rule_repo_hour: int = 0
    rule_repo_day: int = 0
    rule_micro_usd: int = 0
    micro_usd: int = 0
    same_commit: str | None = None
    on_its_way: str | None = None
    link: Link
    of_root: int = 0
    paused: str | None = None


@dataclass(frozen=True, slots=True)
class Go:
    """The launch may be sent to *namespace*, and this is reserved for it."""

    micro_usd: int
    link: Link
    namespace: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """A limit is used up for now; time will free it."""

    reason: str
    due_at: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Only a person can let it go."""

    reason: str


@dataclass(frozen=True, slots=True)
class Skip:
    """It is not needed any more."""

    reason: str


Permission = Go | Wait | Hold | Skip


@dataclass(frozen=True, slots=True)
class Guard:
    """
    Says of each launch whether it may be sent, with the limits and the prices of the moment.

    Attributes:
        namespace: Where it is sent to, unless its rule says where; that is kept with the claim, to
            be looked into later.
        paused: What keeps everything back that no pause of a person does.
    """

    limits: Limits
    usd_per_hour: Mapping[str, float]
    now: int
    namespace: str | None = None
    paused: str | None = None

    def permit(self, launch: Launch, spent: Spent) -> Permission:
        """Decide on *launch*, given what was *spent* before it."""
        if launch.is_damaged:
            return Hold(DAMAGED)
        paused = self.paused or spent.paused
        if paused:
            return Wait(paused_reason(paused), self.now + _ASK_AGAIN_MS)
        if spent.same_commit:
            return Skip(f"launch {spent.same_commit} was sent for {_same(launch)}")
        if spent.on_its_way:
            # Should that one be refused, this one is all that is left of its event.
            told = f"commit: launch {spent.on_its_way} is on its way for {_same(launch)}"
            return Wait(told, self.now + _ASK_AGAIN_MS)
        price = self.usd_per_hour.get(launch.spec.flavor)
        if price is None:
            # Nothing can be reserved, whoever asked for it.
            return Hold(f"{PRICE_UNKNOWN}{no_price_for(launch.spec.flavor)}")
        # What a person asked for was looked at by that person.
        reason = None if launch.asked_by else self._run_away(spent)
        if reason:
            return Hold(reason)
        cost = _reserved(launch, price)
        # Rates and a rule's dollars are against what runs away by itself. What people ask for, one
        # by one and under their names, may use up the dollars of all, and no more.
        rates = None if launch.is_direct else self._rates(spent)
        reason = rates or self._dollars(spent, cost, of_rule=not launch.is_direct)
        if reason:
            return Wait(reason, self.now + _ASK_AGAIN_MS)
        return Go(cost, spent.link, launch.spec.namespace or self.namespace)

    def room_beside(self, launch: Launch) -> int:
        """
        Return how much of a day's dollars may be used when *launch* goes, in millionths of one.

        Less than nothing if it never can; its flavor must have a price.
        """
        price = self.usd_per_hour[launch.spec.flavor]
        return int(self.limits.usd_per_day * 1_000_000) - _reserved(launch, price)

    def _run_away(self, spent: Spent) -> str | None:
        if spent.link.depth > self.limits.chain_depth:
            return (
                f"{LOOP_PRESUMED}launches of this rule seem to set one another off on this repo, "
                f"{self.limits.chain_depth} in a row since delivery {spent.link.root}"
            )
        if spent.of_root >= self.limits.root_fanout:
            return f"fan-out: delivery {spent.link.root} led to {spent.of_root} launches already"
        return None

    def _rates(self, spent: Spent) -> str | None:
        limits = self.limits
        if spent.rule_repo_hour >= limits.rule_repo_per_hour:
            return f"rate: {limits.rule_repo_per_hour} an hour for this rule and repo are used up"
        if spent.rule_repo_day >= limits.rule_repo_per_day:
            return f"rate: {limits.rule_repo_per_day} a day for this rule and repo are used up"
        return None

    def _dollars(self, spent: Spent, cost: int, *, of_rule: bool) -> str | None:
        budgets = [("all launches", spent.micro_usd, self.limits.usd_per_day)]
        if of_rule:
            budgets.insert(0, ("this rule", spent.rule_micro_usd, self.limits.rule_usd_per_day))
        for whose, used, limit in budgets:
            if used + cost > limit * 1_000_000:
                return (
                    f"{BUDGET}${cost / 1e6:.2f} at most, ${used / 1e6:.2f} of the ${limit:.2f} "
                    f"a day for {whose} are used"
                )
        return None


def _reserved(launch: Launch, price: float) -> int:
    # What a schedule starts is counted when it is started.
    return 0 if launch.rule == SCHEDULE else most_of(price, launch.spec)


def _same(launch: Launch) -> str:
    opened = (launch.subject or "").endswith(f"@{OPENED}")
    return "the opening of the same pull request" if opened else "the same commit"


def judged(launch: Launch, permission: Permission, now: int) -> Launch:
    """Return a `ready` launch as *permission* leaves it."""
    match permission:
        case Go(micro_usd, link, namespace):
            return replace(
                moved(launch, LaunchState.SENDING, now=now),
                attempts=launch.attempts + 1,
                claimed_at=now,
                micro_usd=micro_usd,
                namespace=namespace,
                depth=link.depth,
                root=link.root,
            )
        case Wait(reason, due_at):
            return replace(launch, reason=reason, due_at=due_at, updated_at=now)
        case Hold(reason):
            return moved(launch, LaunchState.HELD, now=now, reason=reason)
    return moved(launch, LaunchState.SKIPPED, now=now, reason=permission.reason)


def paused_by(launch: Launch, paused: Collection[str]) -> str | None:
    """Return which of the *paused* scopes keeps *launch* back, if any does."""
    scopes = (EVERYTHING, f"rule:{launch.rule}", f"repo:{launch.repo}")
    return next((scope for scope in scopes if scope in paused), None)


def counted_until(now: int, ahead_since: int) -> int:
    """
    Return up to which date claims count, where some were seen *ahead_since* that lie ahead.

    When these were made nobody knows. They count for a day from when they were first seen; if they
    never did, a clock that is wrong for a moment would let everything be spent once more.
    """
    return now + AHEAD_MS if now - ahead_since >= DAY_MS else _FOREVER


def no_price_for(flavor: str) -> str:
    """Return why nothing can go while its *flavor* has no price."""
    return f"the Hub names no price for {flavor}"


def paused_reason(scope: str) -> str:
    """Return why a launch waits whose *scope* is paused."""
    return f"{PAUSED}{scope}"


def shown_reason(launch: Launch, paused: Collection[str], *, by_setting: bool) -> str:
    """Return why *launch* is where it is; while all is *paused* nothing is claimed that says so."""
    if launch.state != LaunchState.READY:
        return launch.reason
    scope = PAUSING_SETTING if by_setting else paused_by(launch, paused)
    return paused_reason(scope) if scope else launch.reason


def link_after(parent: Link | None, launch: Launch) -> Link:
    """
    Return where *launch* stands, if *parent* is what presumably set it off.

    A push names nobody that it comes from. So what happens to a repo while a launch of the same
    rule for the same repo runs, or soon after (`CHILD_WINDOW_MS`), counts as its doing. A launch
    that was found to begin a chain (`core.causes`) does, also when it is claimed once more.
    """
    if launch.root == launch.delivery and launch.depth <= 1:
        return Link(1, launch.root)
    return Link(parent.depth + 1, parent.root) if parent else Link(1, launch.delivery)


def spent_beside(launch: Launch, micro_usd: int, paused: Collection[str]) -> Spent:
    """
    Return what counts for a *launch* that people ask for, beside *micro_usd* of all launches.

    The rest is against what runs away by itself, and costs a look at all that they ever asked for.
    """
    return Spent(
        micro_usd=micro_usd, link=link_after(None, launch), paused=paused_by(launch, paused)
    )


def most_of(usd_per_hour: float, spec: JobSpec) -> int:
    """Return the most that a job with *spec* can cost: each attempt may take all of its time."""
    return cost_of(usd_per_hour, spec.seconds) * (spec.attempts or 1)


def cost_of(usd_per_hour: float, seconds: float) -> int:
    """Return what so many *seconds* cost, in millionths of a dollar; minutes are billed whole."""
    return round(usd_per_hour / 60 * math.ceil(seconds / 60) * 1_000_000)
