"""Decide which rules a delivery sets off, and say why, rule by rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobhook.core.checks import Answer, Check, Unanswerable
from jobhook.core.events import Event
from jobhook.core.findings import ENRICHMENT, VERIFY, Kind, Lookup
from jobhook.core.looking import ClaimCheck
from jobhook.core.occasions import Occasion
from jobhook.core.rules import Rule


# Not frozen: each rule nearby makes one of every delivery.
@dataclass(slots=True)
class Decision:
    """
    Whether a rule fires on a delivery, and the reason in one line.

    Attributes:
        occasion: What sets the rule off, if it fires, or may.
        open: What the Hub has to be asked before it can be told whether the rule fires.
        held: Why nobody can tell, if what it depends on cannot be had: its jobs wait for a person.
        is_failure: Whether it does not fire because an expression of it fails.
    """

    rule: Rule
    reason: str
    occasion: Occasion | None = None
    open: frozenset[Lookup] = frozenset()
    held: str = ""
    is_failure: bool = False

    @property
    def event(self) -> Event | None:
        """What set the rule off, if it fires."""
        return self.occasion.event if self.occasion and not self.open else None

    @property
    def fired(self) -> bool:
        """Whether the rule fires, if only to have its jobs held."""
        return self.occasion is not None and not self.open


def decide(occasions: Sequence[Occasion], rule: Rule) -> Decision:
    """
    Decide whether what happened sets off *rule*.

    A rule fires once for a delivery, on the first of its events that fits.
    """
    furthest, nearest = -1, occasions[0]
    held: Decision | None = None
    asked = rule.asked
    for occasion in occasions:
        unknown: list[Check] = []
        number = 0
        try:
            # In a loop, and here, because this is done for every rule nearby.
            for check in asked:
                if not (holds := check.holds(occasion)):
                    if holds is not None:
                        break
                    unknown.append(check)
                number += 1
        except Unanswerable as exc:
            return Decision(rule, str(exc), is_failure=True)
        if number < len(asked):
            if number > furthest:
                # What came nearest to firing says most.
                furthest, nearest = number, occasion
        elif not unknown:
            fired = Decision(rule, occasion.happened, occasion)
            return _once_its_jobs_are_known(fired, occasion) if rule.sources else fired
        else:
            undecided = _undecided(rule, occasion, unknown)
            if undecided.open:
                return undecided
            held = held or undecided
    return held or Decision(rule, asked[furthest].why_not(nearest))


def _once_its_jobs_are_known(fired: Decision, occasion: Occasion) -> Decision:
    if still_open := occasion.findings.open(fired.rule.sources.values()):
        reason = f"waits until the Hub tells {Kind.JOB}"
        return Decision(fired.rule, reason, occasion, still_open)
    return fired


def _undecided(rule: Rule, occasion: Occasion, unknown: Sequence[Check]) -> Decision:
    still_open = occasion.hub.open(unknown[0].asks.union(*[other.asks for other in unknown[1:]]))
    if rule.sources:
        still_open |= occasion.findings.open(rule.sources.values())
    if still_open:
        kinds = ", ".join(dict.fromkeys(lookup.kind for lookup in sorted(still_open)))
        return Decision(rule, f"waits until the Hub tells {kinds}", occasion, still_open)
    first = unknown[0]
    failure = occasion.hub.failure(first.asks)
    why = failure.why if failure else first.seen(occasion)
    kind = VERIFY if first.key == ClaimCheck.key else ENRICHMENT
    reason = f"{kind}`{first.key}` cannot be told, because {why}"
    return Decision(rule, f"{occasion.happened}; held for {reason}", occasion, held=reason)


@dataclass(frozen=True, slots=True)
class Explanation:
    """
    A decision with every condition.

    Attributes:
        event: The name of the event that came nearest, or set the rule off.
        answers: What each condition said of it, in the order in which they are asked.
    """

    decision: Decision
    event: str
    answers: tuple[Answer, ...]


def explain(occasions: Sequence[Occasion], rule: Rule) -> Explanation:
    """Decide as `decide` does, and tell what each condition said, not only the first that fails."""
    nearest = max(
        occasions,
        key=lambda occasion: sum(check.surely(occasion) is not False for check in rule.asked),
    )
    answers = tuple(check.answer(nearest) for check in rule.asked)
    return Explanation(decide(occasions, rule), nearest.event.name, answers)
