"""
Which rules a delivery may set off, found without looking at the others.

A rule is filed under each of its events, and there by the longest text that a repo must have at a
known place for the rule to fire. What is found may still not fire: `matching` decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from jobhook.core.globs import literal_end, literal_start
from jobhook.core.occasions import Occasion, pinned
from jobhook.core.rules import Rule
from jobhook.core.watches import TOKEN_USER, Watch

_Numbers = defaultdict[str, list[int]]


class RuleIndex:
    """Rules, and those of them that a delivery concerns."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self._shelves: defaultdict[str, _Shelf] = defaultdict(_Shelf)
        for number, rule in enumerate(self.rules):
            for name in rule.on:
                self._shelves[name].file(number, rule)

    def near(self, occasions: Sequence[Occasion]) -> tuple[Rule, ...]:
        """
        Return the rules on what happened whose repos may be the one where it did, in their order.

        No other rule fires.
        """
        first = occasions[0]
        whole, by_id = first.repo_names
        name = first.delivery.repo.name
        owner, _, short = name.partition("/")
        texts = (whole, name, short, whole[::-1], by_id)
        names = first.names
        if len(occasions) > 1:
            names = names.union(*[other.names for other in occasions])
        found: list[int] = []
        for happened in names:
            if shelf := self._shelves.get(happened):
                shelf.find(owner, texts, found)
                if owner == first.me:
                    found += shelf.mine
        return tuple(map(self.rules.__getitem__, sorted(set(found))))


class _Shelf:
    """The rules on one event, each by what its repos have in common."""

    def __init__(self) -> None:
        self._whole: _Numbers = defaultdict(list)
        self._owners: defaultdict[str, _Starts] = defaultdict(_Starts)
        self._anybody = _Starts()
        self.mine: list[int] = []

    def file(self, number: int, rule: Rule) -> None:
        """File the rule with this *number*; its exclusions do not matter here."""
        for pattern in _wanted(rule):
            owner = pattern.partition(":")[2].partition("/")[0]
            if pattern == TOKEN_USER:
                self.mine.append(number)
            elif literal_start(pattern) == pattern:
                self._whole[pattern].append(number)
            elif literal_start(owner) == owner:
                self._owners[owner].file(number, pattern)
            else:
                self._anybody.file(number, pattern)

    def find(self, owner: str, texts: Sequence[str], found: list[int]) -> None:
        """Add the numbers of the rules that may be about the repo of *owner* with these *texts*."""
        whole = self._whole
        if numbers := whole.get(texts[0]):
            found += numbers
        if numbers := whole.get(texts[-1]):
            found += numbers
        if starts := self._owners.get(owner):
            starts.find(texts, found)
        self._anybody.find(texts, found)


class _Starts:
    """Rules by how their repos begin, or end."""

    def __init__(self) -> None:
        # By a place among the texts and the length of what that begins with.
        self._starts: dict[tuple[int, int], tuple[int, int, _Numbers]] = {}

    def file(self, number: int, pattern: str) -> None:
        """File the rule with this *number* under what tells most of its *pattern*."""
        place, start = _most_telling(pattern)
        key = place, len(start)
        *_, numbers = self._starts.setdefault(key, (*key, defaultdict(list)))
        numbers[start].append(number)

    def find(self, texts: Sequence[str], found: list[int]) -> None:
        """Add the numbers of the rules that may be about the repo with these *texts*."""
        for place, length, by_start in self._starts.values():
            if numbers := by_start.get(texts[place][:length]):
                found += numbers


def _most_telling(pattern: str) -> tuple[int, str]:
    """Return the place among the texts of which *pattern* says most, and how that begins."""
    kind, _, name = pattern.partition(":")
    short = name.partition("/")[2]
    one_owner = "**" not in name and "/" not in short
    starts = (
        literal_start(pattern),
        literal_start(name),
        literal_start(short) if one_owner else "",
        literal_end(pattern)[::-1],
    )
    # Most repos are of one of three types, so that a type tells next to nothing.
    telling = [len(start) for start in starts]
    telling[0] -= len(kind) + 1
    place = max(range(len(starts)), key=telling.__getitem__)
    return place, starts[place]


def _wanted(rule: Rule) -> list[str]:
    """Return globs of all the repos that *rule* may fire on; or `TOKEN_USER` for whose they are."""
    repos = [pinned(pattern) for pattern in rule.repos or () if not pattern.startswith("!")]
    return repos or [_glob_of(watch) for watch in rule.watch] or ["*:**"]


def _glob_of(watch: Watch) -> str:
    if watch.name == TOKEN_USER:
        return TOKEN_USER
    return f"*:{watch.name}/**" if watch.is_owner else str(watch)
