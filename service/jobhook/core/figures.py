"""How things stand in the store, as numbers: what waits, since when, and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass

# Of each state so many are looked at, the oldest first, so that looking costs the same with any
# number of them. A row of a launch is long, and each one's reason has to be read.
DELIVERIES_MAX, LAUNCHES_MAX = 10_000, 1_000
# What stands before the colon of a launch's reason, where that is one of ours. Anything else may
# hold what a stranger wrote.
REASONS = frozenset(
    "ambiguous auth budget budget-upstream commit damaged enrichment fan-out identity loop paused "
    "price rate secret source verify".split()
)
NO_REASON, OTHER_REASON = "none", "other"
# So much of a reason is enough to tell which it is.
REASON_CHARACTERS = 1 + max(map(len, REASONS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """
    Deliveries or launches that wait in one state for one reason.

    Attributes:
        reason: One of `REASONS`, `NO_REASON` or `OTHER_REASON`.
        count: How many, up to `DELIVERIES_MAX` or `LAUNCHES_MAX` of a state.
        since: When the first came, was sent or became unknown, in milliseconds since 1970.
    """

    state: str
    reason: str = NO_REASON
    count: int
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """
    How things stand.

    Attributes:
        deliveries: Those that are not decided, or were put aside.
        launches: Those that are not over.
        spent: Millionths of a US dollar that the launches of the last 24 hours have cost that
            are over.
        committed: The same, reserved for those that are not.
        pauses: How much is paused by a person.
    """

    deliveries: tuple[Group, ...] = ()
    launches: tuple[Group, ...] = ()
    spent: int = 0
    committed: int = 0
    pauses: int = 0


def reason_class(reason: str) -> str:
    """Return which of few kinds *reason* is; its first `REASON_CHARACTERS` are enough."""
    if not reason:
        return NO_REASON
    kind = reason.replace(",", ":").partition(":")[0]
    return kind if kind in REASONS else OTHER_REASON
