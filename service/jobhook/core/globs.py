"""
Globs for names that strangers choose: linear in time.

`*` and `?` stay within one part between slashes; `**` standing alone is any number of parts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property

_WILDCARDS = re.compile(r"[*?]")


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
    return compile_glob(pattern)(name)


def compile_glob(pattern: str) -> Callable[[str], bool]:
    """Return what tells whether a name as a whole is of the shape *pattern*."""
    if not _WILDCARDS.search(pattern):
        return pattern.__eq__
    start, length = pattern[:-1], len(pattern) - 1
    if pattern.endswith("/*") and not _WILDCARDS.search(start):
        # All repos of an owner, all files of a folder: what most people write.
        return lambda name: name.startswith(start) and name.find("/", length) < 0
    match = re.compile(_expression(pattern)).fullmatch
    # With a slash after it, every part of a name ends alike.
    return lambda name: match(name + "/") is not None


def literal_start(pattern: str) -> str:
    """Return what every name of the shape *pattern* begins with; empty if that may be anything."""
    start = _WILDCARDS.split(pattern, maxsplit=1)[0]
    # `a/**` is `a` as well.
    return start.removesuffix("/") if pattern.startswith("**", len(start)) else start


def literal_end(pattern: str) -> str:
    """Return what every name of the shape *pattern* ends with; empty if that may be anything."""
    end = _WILDCARDS.split(pattern)[-1]
    return end.removeprefix("/") if pattern.endswith(f"**{end}") else end


@dataclass(frozen=True)
class GlobList:
    """Ordered globs, of which those that start with `!` exclude: the last match wins."""

    patterns: tuple[str, ...]

    @cached_property
    def _from_the_last(self) -> tuple[tuple[bool, Callable[[str], bool], str], ...]:
        return tuple(
            (not pattern.startswith("!"), compile_glob(pattern.removeprefix("!")), pattern)
            for pattern in reversed(self.patterns)
        )

    @cached_property
    def only_excludes(self) -> bool:
        """Whether whatever is not named is allowed."""
        return all(pattern.startswith("!") for pattern in self.patterns)

    def last_match(self, names: Collection[str]) -> str | None:
        """Return the last pattern that matches one of *names*, or None."""
        for _, matches, pattern in self._from_the_last:
            for name in names:
                if matches(name):
                    return pattern
        return None

    def allows(self, names: Collection[str]) -> bool:
        """Whether the last pattern that matches one of *names* is not an exclusion."""
        # Not by `last_match`: every rule nearby asks this of every delivery.
        for allowed, matches, _ in self._from_the_last:
            for name in names:
                if matches(name):
                    return allowed
        return self.only_excludes


def _expression(pattern: str) -> str:
    """
    Return *pattern* as a regular expression for a name with a slash after it.

    What stands between two runs (`**`) or two stars is looked for once, where it comes first, and
    no more: a run swallows anything, so a later place would do no better. The groups `(?>…)` keep
    the engine from trying them all the same, which is what would take for ever.
    """
    first, *others = (
        "".join(f"{_part(part)}/" for part in stretch) for stretch in _split(pattern.split("/"))
    )
    if not others:
        return first
    *between, last = others
    runs = "".join(f"(?>(?:[^/]*/)*?{stretch})" for stretch in between)
    return f"{first}{runs}(?:[^/]*/)*{last}"


def _split(parts: list[str]) -> list[list[str]]:
    stretches: list[list[str]] = [[]]
    for part in parts:
        if part == "**":
            stretches.append([])
        else:
            stretches[-1].append(part)
    return stretches


def _part(part: str) -> str:
    first, *others = (re.escape(piece).replace(r"\?", "[^/]") for piece in part.split("*"))
    if not others:
        return first
    *between, last = others
    pieces = "".join(f"(?>[^/]*?{piece})" for piece in between)
    return f"{first}{pieces}(?>[^/]*{last}(?=/))"
