"""
How often the Hub is looked at: quickly while something is young, and for a small part of the quota.

Every look is paid for by the pause after it, so that what follows the jobs costs the same whether
there are ten of them or a thousand. Only while few jobs run, and a look is cheap, is it made sooner
than that, from calls that were saved up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

QUICK = 2.0
# Copies of jobs are promised to be found within five minutes.
LONGEST = 240.0
# With the last look, which may fall into the same five minutes, it stays below 5 % in every window.
_SHARE = 0.035
_SAVED_SHARE = 0.05
_CHEAP_CALLS = 3
# A job's end is noticed late by this part of the time for which nothing had changed.
_LATE = 1 / 8
_LEFT_TO_OTHERS = 0.2
_PLENTY = 0.5
_PAGE_JOBS = 100
_SPARE_PAGES = 2
_PAGES_MAX = 50
SINGLES = 5


@dataclass(frozen=True, slots=True)
class Quota:
    """
    What the Hub last said of the calls that our token may make.

    Attributes:
        limit: Calls in a window; that of a free account until the Hub says another.
        window: The length of a window in seconds.
        left: Calls left in this window, or None if that is not known.
        resets_in: Seconds until the next window, where *left* is known.
    """

    limit: int = 1000
    window: float = 300.0
    left: int | None = None
    resets_in: float = 0.0

    def aged(self, seconds: float) -> Quota:
        """Return what is known *seconds* later, when nothing was heard meanwhile."""
        if self.left is None or self.resets_in <= seconds:
            return replace(self, left=None, resets_in=0.0)
        return replace(self, resets_in=self.resets_in - seconds)

    @property
    def rate(self) -> float:
        """Calls a second that looking may cost in the long run."""
        return _SHARE * self.limit / self.window

    @property
    def is_plenty(self) -> bool:
        """Whether so many calls are known to be left that nobody needs to be sparing."""
        return self.left is not None and self.left >= self.limit * _PLENTY

    @property
    def shortage(self) -> float:
        """Seconds to wait because launches, and finding unknown ones, need what is left."""
        if self.left is None or self.left >= self.limit * _LEFT_TO_OTHERS:
            return 0.0
        # The Hub tells whole seconds.
        return self.resets_in + 1


@dataclass(frozen=True, slots=True)
class Purse:
    """
    Calls that were saved up for quick looks; below zero while a look is not paid off.

    Attributes:
        counted_at: When that was so, in seconds of a clock that nobody sets.
    """

    saved: float = math.inf
    counted_at: float = 0.0

    def spend(self, calls: int, *, now: float, quota: Quota) -> Purse:
        """Return the purse after a look that took so many calls and ended *now*."""
        earned = max(0.0, now - self.counted_at) * quota.rate
        return Purse(min(self.saved + earned, _SAVED_SHARE * quota.limit) - calls, now)


def pause_after(calls: int, purse: Purse, quota: Quota, *, unchanged: float) -> float:
    """
    Return seconds to pause after a look that took *calls*, which *purse* has paid.

    *unchanged* is for how many seconds nothing had changed: the youngest change counts.
    """
    paid_off = calls / quota.rate
    soon = max(unchanged * _LATE, -purse.saved / quota.rate)
    pause = paid_off if calls > _CHEAP_CALLS else min(paid_off, soon)
    return min(max(pause, QUICK), LONGEST)


def unchanged_for(now_ms: int, changes_ms: Iterable[int]) -> float:
    """Return seconds since the last of *changes_ms*; a clock that was set back makes it none."""
    return max(0.0, (now_ms - max(changes_ms, default=0)) / 1000)


def pages_worth(missing: int) -> int:
    """Return how many pages of ended jobs to read for so many; 0 if asking singly costs less."""
    if missing <= SINGLES:
        return 0
    return min(math.ceil(missing / _PAGE_JOBS) + _SPARE_PAGES, _PAGES_MAX)
