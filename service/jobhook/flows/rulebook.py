"""The rules in force, for everybody who decides by them."""

from __future__ import annotations

from dataclasses import dataclass

from jobhook.core.indexing import RuleIndex
from jobhook.core.rules import RuleSet


@dataclass(frozen=True, slots=True)
class Edition:
    """A set of rules, with what is made of it once so that it can be asked often."""

    rules: RuleSet
    index: RuleIndex
    version: str

    @classmethod
    def of(cls, rules: RuleSet) -> Edition:
        """Make the edition of *rules*; of thousands that takes a while."""
        return cls(rules, RuleIndex(rules.rules), rules.version)


class Rulebook:
    """
    Holds the rules in force, which may be others from one moment to the next.

    Whoever decides about something takes what it needs from here once, so that one set decides.
    """

    def __init__(self, rules: RuleSet) -> None:
        self._edition = Edition.of(rules)

    @property
    def rules(self) -> RuleSet:
        """The rules in force."""
        return self._edition.rules

    @property
    def index(self) -> RuleIndex:
        """The index over the rules in force."""
        return self._edition.index

    @property
    def version(self) -> str:
        """The hash of the rules in force."""
        return self._edition.version

    def replace(self, edition: Edition) -> None:
        """Put *edition* in force."""
        self._edition = edition
