"""
Count in plain numbers what a process does.

They are made into Prometheus' text when somebody asks for it (`metrics.py`): counting costs half a
microsecond, and nothing is loaded for it.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from jobhook.core.deliveries import DeliveryState
from jobhook.core.figures import NO_REASON, reason_class
from jobhook.core.launches import Launch
from jobhook.ports.meter import Answered

FAST_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
SLOW_SECONDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)


class Spread:
    """How values spread over ranges that end with *bounds*, and their sum."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Take one more *value* in."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    def buckets(self) -> Iterator[tuple[float, int]]:
        """Yield each bound, the last one infinite, with how many values are not over it."""
        count = 0
        for bound, here in zip((*self._bounds, float("inf")), tuple(self._counts), strict=True):
            count += here
            yield bound, count


class Counts:
    """
    A meter that counts.

    Commits may be told of by a thread of their own; everything else by one thread.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.moment = clock
        self.begun = 0
        self.ended = 0
        self.held_bytes = 0
        self.answers: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.intake = Spread(FAST_SECONDS)
        self.decisions: Counter[str] = Counter()
        self.matching = Spread(FAST_SECONDS)
        # By state and reason.
        self.launches: Counter[tuple[str, str]] = Counter()
        # By method, endpoint and status.
        self.hub_calls: Counter[tuple[str, str, str]] = Counter()
        self.hub: dict[str, Spread] = {}
        self.commits = Spread(FAST_SECONDS)
        self.groups = Spread(SIZES)
        self.failed_commits = 0
        # By worker and kind.
        self.failures: Counter[tuple[str, str]] = Counter()

    def received(self) -> float:
        self.begun += 1
        return self.moment()

    def answered(self, outcome: Answered, since: float) -> None:
        self.ended += 1
        self.answers[outcome] += 1
        self.intake.add(self.moment() - since)

    def refused(self, status: int) -> None:
        self.refusals[str(status)] += 1

    def holding(self, size: int) -> None:
        self.held_bytes += size

    def matched(self, since: float) -> None:
        self.matching.add(self.moment() - since)

    def decided(self, state: DeliveryState) -> None:
        self.decisions[state] += 1

    def moved(self, launch: Launch) -> None:
        self.launches[launch.state, reason_class(launch.reason)] += 1

    def moved_many(self, state: str, count: int) -> None:
        if count:
            self.launches[state, NO_REASON] += count

    def committed(self, size: int, since: float) -> None:
        self.commits.add(self.moment() - since)
        self.groups.add(size)

    def not_committed(self) -> None:
        self.failed_commits += 1

    def asked_hub(self, method: str, endpoint: str, status: str, seconds: float) -> None:
        self.hub_calls[method, endpoint, status] += 1
        if endpoint not in self.hub:
            self.hub[endpoint] = Spread(SLOW_SECONDS)
        self.hub[endpoint].add(seconds)

    def failed(self, worker: str, *, broken: bool) -> None:
        self.failures[worker, "broken" if broken else "failed"] += 1
