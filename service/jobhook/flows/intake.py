"""Take a delivery in: on disk first, acknowledged then, looked at later."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from jobhook.core.deliveries import delivery_key
from jobhook.core.errors import StoreUnavailable
from jobhook.core.records import Receipt, Received
from jobhook.ports import Clock, Store

SOURCE = "hub"

log = structlog.get_logger()


class Intake:
    """The door through which every authentic delivery comes."""

    def __init__(self, store: Store, clock: Clock, on_stored: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._on_stored = on_stored
        self._draining = False
        # Binding once: a look at the configuration for each line costs as much as the line.
        self._log = log.bind()

    @property
    def is_open(self) -> bool:
        """Whether deliveries are taken in."""
        return not self._draining

    def drain(self) -> None:
        """Take nothing more in: the service is about to stop."""
        self._draining = True

    async def accept(self, webhook_id: bytes | None, body: bytes) -> Receipt:
        """
        Store a delivery; when this returns it is on disk, or was before.

        Raises:
            StoreUnavailable: Nothing was stored; the Hub will send it again.
        """
        if self._draining:
            raise StoreUnavailable("the service is stopping")
        received = Received(
            source=SOURCE,
            key=delivery_key(webhook_id, body),
            body=body,
            received_at=self._clock(),
        )
        receipt = await self._store.record(received)
        self._log.info(
            "delivery.repeated" if receipt.duplicate else "delivery.stored",
            delivery=receipt.delivery,
            webhook_id=received.key.webhook_id,
            bytes=len(body),
        )
        if not receipt.duplicate:
            self._on_stored()
        return receipt
