"""`all`, `any` and `not` around other conditions; what cannot be told stays so where it matters."""

from __future__ import annotations

from collections.abc import Sequence

from jobhook.core.checks import Answer, Check
from jobhook.core.occasions import Occasion


class Both(Check):
    """Conditions that must all hold, the cheap ones first."""

    key = "all"

    def __init__(self, checks: Sequence[Check]) -> None:
        self.checks = tuple(checks)
        self.asks = frozenset().union(*(check.asks for check in checks))

    def holds(self, occasion: Occasion) -> bool | None:
        said: bool | None = True
        for check in self.checks:
            holds = check.holds(occasion)
            if holds is False:
                return False
            said = said and holds
        return said

    def seen(self, occasion: Occasion) -> str:
        return ""

    def wanted(self) -> str:
        return "all of these"

    def why_not(self, occasion: Occasion) -> str:
        return next(
            check.why_not(occasion) for check in self.checks if check.holds(occasion) is False
        )

    def answer(self, occasion: Occasion) -> Answer:
        parts = tuple(check.answer(occasion) for check in self.checks)
        return Answer(self.key, self.surely(occasion), self.seen(occasion), self.wanted(), parts)


class Either(Both):
    """Conditions of which one must hold."""

    key = "any"

    def holds(self, occasion: Occasion) -> bool | None:
        # All of them, because one that fails keeps the rule from firing wherever it stands.
        said = [check.holds(occasion) for check in self.checks]
        return True if True in said else None if None in said else False

    def wanted(self) -> str:
        return "one of these"

    def why_not(self, occasion: Occasion) -> str:
        reasons = "; ".join(check.why_not(occasion) for check in self.checks)
        return f"none of `any` holds: {reasons}"


class Neither(Check):
    """Conditions that must not all hold."""

    key = "not"

    def __init__(self, check: Check) -> None:
        self.check = check
        self.asks = check.asks

    def holds(self, occasion: Occasion) -> bool | None:
        holds = self.check.holds(occasion)
        return None if holds is None else not holds

    def seen(self, occasion: Occasion) -> str:
        return ""

    def wanted(self) -> str:
        return "not these together"

    def why_not(self, occasion: Occasion) -> str:
        return "all that the rule's `not` names is so"

    def answer(self, occasion: Occasion) -> Answer:
        inner = self.check.answer(occasion)
        parts = inner.parts if inner.condition == Both.key else (inner,)
        return Answer(self.key, self.surely(occasion), self.seen(occasion), self.wanted(), parts)
