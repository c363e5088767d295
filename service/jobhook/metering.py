"""What a whole service says of itself at `/metrics`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from jobhook.adapters.counts import Counts
from jobhook.core.errors import StoreError
from jobhook.core.figures import Figures
from jobhook.core.pacing import Quota
from jobhook.ports import Clock, Reads

# Whoever scrapes more often is told the same again.
KEPT_MS = 5_000


class Metering:
    """
    Counts what a process does, and tells it with how things stand in the store.

    Attributes:
        counts: The meter of this process.
        is_leading: Whether it decides and launches.
        quota: What the Hub last said of its quota.
    """

    def __init__(
        self,
        reads: Reads,
        counts: Counts,
        clock: Clock,
        *,
        process: str,
        is_ready: Callable[[], bool],
        rules: Callable[[], int],
        limit_usd: float,
    ) -> None:
        self.counts = counts
        self.is_leading: Callable[[], bool] = lambda: False
        self.quota: Callable[[], Quota] = Quota
        self._reads = reads
        self._clock = clock
        self._process = process
        self._is_ready = is_ready
        self._rules = rules
        self._limit_usd = limit_usd
        self._figures: Figures | None = None
        self._read_at = -KEPT_MS
        self._reading = asyncio.Lock()

    async def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """Return Prometheus' text, or OpenMetrics' if *accept* asks for it, with its type."""
        # Loaded when it is first asked for: a start must not take longer for it.
        from jobhook.adapters.metrics import Snapshot, exposition

        figures = await self._standing()
        snapshot = Snapshot(
            counts=self.counts,
            process=self._process,
            figures=figures,
            now=self._clock(),
            is_ready=self._is_ready(),
            is_leading=self.is_leading(),
            rules=self._rules(),
            quota=self.quota(),
            limit_usd=self._limit_usd,
        )
        return exposition(snapshot, accept)

    async def _standing(self) -> Figures | None:
        """Return what the store says, or said a moment ago; None if it cannot be read."""
        async with self._reading:
            now = self._clock()
            # A clock that was set back must not keep them for longer.
            if not 0 <= now - self._read_at < KEPT_MS:
                try:
                    self._figures = await self._reads.figures(now)
                except StoreError:
                    self._figures = None
                self._read_at = now
            return self._figures
