"""What a rule may say and its author most likely did not mean, and what a launch may cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jobhook.core.actions import Action
from jobhook.core.contradictions import contradictions
from jobhook.core.errors import did_you_mean
from jobhook.core.guards import Limits, cost_of
from jobhook.core.hardware import FLAVORS
from jobhook.core.rules import Rule, setting_of
from jobhook.core.wording import Mistake


@dataclass(frozen=True, slots=True)
class Surroundings:
    """
    What the rules will meet in the service.

    Attributes:
        usd_per_day: What one rule may spend.
        secrets: The names of those that the service has; None if that is not known.
    """

    usd_per_day: float = Limits().rule_usd_per_day
    secrets: frozenset[str] | None = None


USUAL = Surroundings()


def advice_on(rule: Rule, around: Surroundings = USUAL) -> Iterator[Mistake]:
    """Yield what is allowed but most likely not meant."""
    if not rule.watch:
        message = "the rule has no `watch`: no webhook is registered for it"
        yield Mistake(("id",), "no-watch", message)
    for keys, message in contradictions(rule):
        yield Mistake(keys, "dead-rule", message)
    for index, action in enumerate(rule.run):
        for key, code, message in _on_job(action, around):
            yield Mistake(("run", index, key), code, message)


def advice_on_cases(rule: Rule) -> Iterator[Mistake]:
    """Yield what its examples do not show."""
    if not any(case.fires for case in rule.cases):
        message = (
            "no case shows the rule firing: add one, as in `cases: [{name: a push, fires: true}]`"
        )
        yield Mistake(("cases",) if rule.cases else ("id",), "no-firing-case", message)


def most_usd(action: Action) -> float | None:
    """Return what one launch of *action* can cost, in US dollars; None if nobody here knows."""
    if not _knows_its_price(action):
        return None
    flavor = FLAVORS.get(action.flavor)
    return None if flavor is None else cost_of(flavor.usd_per_hour, action.timeout) / 1_000_000


def _knows_its_price(action: Action) -> bool:
    # What it does not say itself, a job that is repeated has from the one before.
    said = action.model_fields_set
    return action.source_job is None or {"flavor", "timeout"} <= said


def most_usd_of(rule: Rule) -> float | None:
    """Return what all that the rule launches at once can cost; None if nobody here knows."""
    costs = [most_usd(action) for action in rule.run]
    return sum(cost for cost in costs if cost is not None) if None not in costs else None


def _has_default_timeout(action: Action) -> bool:
    return bool(FLAVORS[action.flavor].accelerator) and "timeout" not in action.model_fields_set


def _on_job(action: Action, around: Surroundings) -> Iterator[tuple[str, str, str]]:
    cost = most_usd(action)
    if action.flavor not in FLAVORS:
        hint = did_you_mean(action.flavor, FLAVORS)
        message = f"flavor {action.flavor!r} is not known here{hint}"
        yield "flavor", "unknown-flavor", message
    elif cost is not None and _has_default_timeout(action):
        yield (
            "flavor",
            "gpu-without-timeout",
            f"a job on {FLAVORS[action.flavor].accelerator} has no `timeout`: it is stopped after "
            f"30m and costs up to ${cost:.2f}; say how long it may take, as in `timeout: 2h`",
        )
    if cost is not None and cost > around.usd_per_day:
        yield (
            "timeout" if "timeout" in action.model_fields_set else "flavor",
            "over-budget",
            f"one launch may cost ${cost:.2f}, and a rule may spend ${around.usd_per_day:.2f} a "
            f"day: "
            "it would wait until it expires; shorten it, or raise JOBHOOK_RULE_USD_PER_DAY",
        )
    for name in action.secrets:
        if around.secrets is not None and name not in around.secrets:
            message = f"the service has no {setting_of(name)}: every launch would be held"
            yield "secrets", "missing-secret", message
