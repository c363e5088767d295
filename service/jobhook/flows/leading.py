"""
Let one process of several do the work behind the receiver, and another one when it is gone.

Only a process that has the rules in force leads, so that two sets do not take turns at deciding.

The lead only spares the others' effort. What keeps a launch from being sent twice is its own lease
and fence, which hold as well while an old leader does not know yet that it is one no more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from jobhook.core.errors import StoreError
from jobhook.flows.rulebook import Rulebook
from jobhook.flows.worker import Worker
from jobhook.ports import Store

_TTL_SECONDS = 10.0

log = structlog.get_logger()


class Leader(Worker):
    """Runs *workers* while the store gives it the lead, by the rules in *rulebook*."""

    idle = _TTL_SECONDS / 3
    longest_pause = idle

    def __init__(
        self, store: Store, workers: Sequence[Worker], *, rulebook: Rulebook, holder: str
    ) -> None:
        super().__init__()
        self._store = store
        self._workers = workers
        self._rulebook = rulebook
        self._holder = holder
        # The version that the store knows us by.
        self._told: str | None = None
        # The version that was in force when we looked last.
        self._in_force: str | None = None
        self._working: asyncio.Task[None] | None = None

    @property
    def is_leading(self) -> bool:
        """Whether the workers of this process work."""
        return self._working is not None and not self._working.done()

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            await self._rest_workers()
            with contextlib.suppress(StoreError):  # it ends by itself as well
                await self._store.step_down(self._holder)

    async def step(self) -> bool:
        leads = await self._ask_to_lead()
        if not (leads and self.is_leading):  # or what worked has ended by itself
            led = self._working is not None
            await self._rest_workers()
            if led and not leads:
                # Whoever has newer rules need not wait until our time is over.
                await self._store.step_down(self._holder)
        if leads and self._working is None:
            log.info("lead.taken", holder=self._holder)
            for worker in self._workers:
                worker.reset()
            self._working = asyncio.create_task(self._work(), name="workers")
        return False

    async def _ask_to_lead(self) -> bool:
        version = self._rulebook.version
        leads = await self._store.lead(
            self._holder, int(_TTL_SECONDS * 1000), version=version, replaces=self._told
        )
        self._told = version
        in_force = (not leads and await self._store.rules_version()) or version
        if in_force not in (version, self._in_force):
            log.warning("rules.outdated", rules_version=version, in_force=in_force)
        self._in_force = in_force
        return leads

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            for worker in self._workers:
                group.create_task(worker.run(), name=type(worker).__name__)

    async def _rest_workers(self) -> None:
        if self._working is None:
            return
        for worker in self._workers:
            worker.stop()
        try:
            await self._working
        except Exception:
            # A fault of ours; whoever leads next, we perhaps, begins anew.
            log.exception("worker.broken", worker=type(self).__name__)
        self._working = None
        log.info("lead.given_up", holder=self._holder)
