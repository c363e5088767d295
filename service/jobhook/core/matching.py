"""Decide which rules a delivery sets off, and say why, rule by rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobhook.core.checks import Answer, Unanswerable
from jobhook.core.events import Event
from jobhook.core.occasions import Occasion
from jobhook.core.rules import Rule


@dataclass(frozen=True, slots=True)
class Decision:
    """
    Whether a rule fires on a delivery, and the reason in one line.

    Attributes:
        event: What sets the rule off, if it fires.
    """

    rule: Rule
    reason: str
    event: Event | None = None

    @property
    def fired(self) -> bool:
        """Whether the rule fires; *event* is what set it off."""
        return self.event is not None


def decide(occasions: Sequence[Occasion], rule: Rule) -> Decision:
    """
    Decide whether what happened sets off *rule*.

    A rule fires once for a delivery, on the first of its events that fits.
    """
    furthest, reason = -1, ""
    for occasion in occasions:
        try:
            held = _held(rule, occasion)
        except Unanswerable as exc:
            return Decision(rule, str(exc))
        if held == len(rule.asked):
            return Decision(rule, _happened(occasion.event), occasion.event)
        if held > furthest:
            # What came nearest to firing says most.
            furthest, reason = held, rule.asked[held].why_not(occasion)
    return Decision(rule, reason)


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
        key=lambda occasion: sum(check.surely(occasion) for check in rule.asked),
    )
    answers = tuple(check.answer(nearest) for check in rule.asked)
    return Explanation(decide(occasions, rule), nearest.event.name, answers)


def _held(rule: Rule, occasion: Occasion) -> int:
    """Return how many conditions hold before the first that does not."""
    # A loop, because this is done for every rule nearby.
    for number, check in enumerate(rule.asked):
        if not check.holds(occasion):
            return number
    return len(rule.asked)


def _happened(event: Event) -> str:
    where = f" {event.ref}" if event.ref else ""
    return f"{event.name}{where} on {event.repo.type} {event.repo.name}"
