"""The faults that are set on a devhub, and when each of them strikes."""

from __future__ import annotations

import random
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from jobhook.core.errors import UsageError

from .fault_specs import parse_fault

if TYPE_CHECKING:
    from .faults import Asked, Fault

Kind = TypeVar("Kind", bound="Fault")


@dataclass(slots=True, kw_only=True)
class _Rule:
    """A fault that is set, and how it has fared."""

    number: int
    fault: Fault
    chance: random.Random
    met: int = field(default=0, init=False)
    struck: int = field(default=0, init=False)

    def strikes(self) -> bool:
        """Decide about one request that the fault meets."""
        self.met += 1
        if self.met <= self.fault.skip:
            return False
        if self.fault.count is not None and self.struck >= self.fault.count:
            return False
        if self.fault.rate is not None and self.chance.random() >= self.fault.rate:
            return False
        self.struck += 1
        return True

    def to_wire(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "fault": self.fault.spec,
            "met": self.met,
            "struck": self.struck,
        }


class Chaos:
    """
    Every fault that is set, in the order in which they are tried.

    Each has a chance of its own, made from the seed and its number: which of the requests that it
    meets it strikes is the same in every run with that seed, whatever else is asked meanwhile.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rules: list[_Rule] = []
        self._made = 0
        self.seed = secrets.randbelow(2**32)

    def add(self, *specs: str, seed: int | None = None) -> None:
        """
        Set the faults that *specs* describe as well, all or none; with a *seed*, instead.

        Raises:
            UsageError: If one of them cannot be, or there are too many.
        """
        faults = [parse_fault(spec) for spec in specs]
        if len(faults) + (0 if seed is not None else len(self._rules)) > self._limit:
            raise UsageError(f"there would be over {self._limit} faults: take some away first")
        if seed is not None:
            self.clear()
            self.seed = seed
        for fault in faults:
            self._made += 1
            # Repeatable, and nothing that anybody must not guess.
            chance = random.Random(f"{self.seed}:{self._made}")  # noqa: S311
            self._rules.append(_Rule(number=self._made, fault=fault, chance=chance))

    def clear(self) -> None:
        """Set no fault any more; the next one is drawn as the first was."""
        self._rules.clear()
        self._made = 0

    def strike(self, kind: type[Kind], asked: Asked) -> Kind | None:
        """Return the first fault of this *kind* that strikes the request, if one does."""
        for rule in self._rules:
            fault = rule.fault
            if isinstance(fault, kind) and fault.meets(asked) and rule.strikes():
                return fault
        return None

    def __len__(self) -> int:
        return len(self._rules)

    def has(self, kind: type[Fault]) -> bool:
        """Whether any fault of this *kind* is set."""
        return any(isinstance(rule.fault, kind) for rule in self._rules)

    def to_wire(self) -> dict[str, Any]:
        """Return what is set, and how often each fault met a request and struck it."""
        return {"seed": self.seed, "faults": [rule.to_wire() for rule in self._rules]}
