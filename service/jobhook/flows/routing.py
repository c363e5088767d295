"""Take up what was stored: decide it at once, or let the Hub be asked first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import structlog

from jobhook.core.deliveries import DeliveryState
from jobhook.core.records import StoredDelivery
from jobhook.failpoints import failpoint
from jobhook.flows.deciding import Decider, Routed
from jobhook.flows.worker import Worker
from jobhook.ports import Store

_AT_ONCE = 100
_TRIES_MAX = 3

log = structlog.get_logger()


class Router(Worker):
    """Routes what is stored, oldest first, each delivery in one transaction."""

    def __init__(self, store: Store, decider: Decider, *, on_open: Callable[[], None]) -> None:
        super().__init__()
        self._store = store
        self._decider = decider
        self._on_open = on_open
        # Tries that this process has outlived: the store failed, not the delivery.
        self._outlived: Counter[str] = Counter()

    async def step(self) -> bool:
        begun = await self._store.begin_routing(_AT_ONCE)
        self._outlived.update(stored.id for stored, _, _ in begun)
        for stored, body, tries in begun:
            await self._route(stored, body, tries - self._outlived[stored.id] + 1)
            del self._outlived[stored.id]
        return bool(begun)

    async def _route(self, stored: StoredDelivery, body: bytes, tries: int) -> None:
        failpoint("routing.begun")
        routed = _poison(stored, tries) or self._decider.decide(stored, body)
        kept = await self._decider.keep(routed)
        failpoint("routing.decided")
        if kept and routed.open:
            self._on_open()


def _poison(stored: StoredDelivery, tries: int) -> Routed | None:
    if tries < _TRIES_MAX:
        return None
    log.error("delivery.quarantined", delivery=stored.id, tries=tries)
    reason = f"the process ended each of the {tries} times that it was looked at"
    return Routed(replace(stored, state=DeliveryState.QUARANTINED, reason=reason))
