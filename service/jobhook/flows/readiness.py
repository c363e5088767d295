"""Know whether deliveries can be kept, so that a platform sends them to whoever can."""

from __future__ import annotations

from jobhook.core.errors import StoreError
from jobhook.flows.worker import Worker
from jobhook.ports import Clock, Store

_PROBE = "probed_at"


class Readiness(Worker):
    """
    Writes something small to the store now and then.

    Attributes:
        is_well: Whether the last write got there; a full disk lets itself be read.
    """

    idle = 5.0
    longest_pause = idle

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__()
        self._store = store
        self._clock = clock
        self.is_well = True

    async def step(self) -> bool:
        try:
            await self._store.remember(_PROBE, self._clock())
        except StoreError:
            self.is_well = False
            raise
        self.is_well = True
        return False
