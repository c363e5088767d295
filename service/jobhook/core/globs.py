"""
Globs for names that strangers choose: linear in time, no regular expressions.

`*` and `?` stay within one part between slashes; `**` standing alone is any number of parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

_Equal = Callable[[str, str], bool]


def glob_problem(pattern: str) -> str | None:
    """Return what is wrong with *pattern*, or None."""
    if not pattern:
        return "a pattern may not be empty"
    if len(pattern) > 512:
        return "a pattern may have 512 characters at most"
    if pattern != pattern.strip() or pattern.startswith(("/", "!")) or pattern.endswith("/"):
        return "a pattern begins and ends with a name or a wildcard"
    if any("**" in part and part != "**" for part in pattern.split("/")):
        return "`**` must stand alone between slashes, as in `data/**/*.csv`"
    return None


def glob_matches(pattern: str, name: str) -> bool:
    """Whether *name* as a whole is of the shape *pattern*."""
    if not any(char in pattern for char in "*?"):
        return pattern == name
    return _wild(pattern.split("/"), name.split("/"), any_run="**", equal=_part_matches)


@dataclass(frozen=True, slots=True)
class GlobList:
    """Ordered globs, of which those that start with `!` exclude: the last match wins."""

    patterns: tuple[str, ...]

    def last_match(self, names: Iterable[str]) -> str | None:
        """Return the last pattern that matches one of *names*, or None."""
        known = tuple(names)
        for pattern in reversed(self.patterns):
            if any(glob_matches(pattern.removeprefix("!"), name) for name in known):
                return pattern
        return None

    def allows(self, names: Iterable[str]) -> bool:
        """Whether the last pattern that matches one of *names* is not an exclusion."""
        last = self.last_match(names)
        # Exclusions alone exclude from everything.
        if last is None:
            return all(pattern.startswith("!") for pattern in self.patterns)
        return not last.startswith("!")


def _part_matches(pattern: str, part: str) -> bool:
    return _wild(pattern, part, any_run="*", equal=lambda p, c: p in ("?", c))


def _wild(pattern: Sequence[str], items: Sequence[str], *, any_run: str, equal: _Equal) -> bool:
    # Going back to the last run only is enough, because a run swallows anything: O(n * m) at worst.
    at, seen, run, resume = 0, 0, -1, 0
    while seen < len(items):
        if at < len(pattern) and pattern[at] == any_run:
            run, resume = at, seen
            at += 1
        elif at < len(pattern) and equal(pattern[at], items[seen]):
            at, seen = at + 1, seen + 1
        elif run >= 0:
            resume += 1
            at, seen = run + 1, resume
        else:
            return False
    return all(left == any_run for left in pattern[at:])
