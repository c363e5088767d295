"""
Forget deliveries that are old and over; their ids stay known, so that none is taken in twice.

What was noted in the audit log goes too when it is old, and so do the answers to calls with a key.
The journal of changes is cut as well: who was away for longer looks at the lists.
"""

from __future__ import annotations

import structlog

from jobhook.core.audits import AUDITS_KEPT_MS, AUDITS_MAX
from jobhook.core.repeats import KEPT_MS
from jobhook.flows.worker import Worker
from jobhook.ports import Clock, Store

_AT_ONCE = 500
CHANGES_KEPT = 100_000
_CHANGES_AT_ONCE = 10_000

log = structlog.get_logger()


class Pruner(Worker):
    """Looks once a minute for what has been kept long enough: *retention_ms*, `CHANGES_KEPT`."""

    idle = 60.0

    def __init__(self, store: Store, clock: Clock, *, retention_ms: int) -> None:
        super().__init__()
        self._store = store
        self._clock = clock
        self._retention_ms = retention_ms

    async def step(self) -> bool:
        before = self._clock() - self._retention_ms
        forgotten = await self._store.prune(received_before=before, limit=_AT_ONCE)
        if forgotten:
            log.info("deliveries.forgotten", count=forgotten)
        noted = await self._store.prune_access(
            audits_before=self._clock() - AUDITS_KEPT_MS,
            audits_most=AUDITS_MAX,
            requests_before=self._clock() - KEPT_MS,
            limit=_AT_ONCE,
        )
        # Little at a time: deliveries that come in meanwhile must not wait long.
        cut = await self._store.prune_changes(keep=CHANGES_KEPT, limit=_CHANGES_AT_ONCE)
        return forgotten == _AT_ONCE or noted >= _AT_ONCE or cut == _CHANGES_AT_ONCE
