"""Where callers of the API come in, and who they are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jobhook.adapters.clocks import now_ms
from jobhook.core.access import digest_of
from jobhook.flows.access import Access
from jobhook.flows.rulebook import Rulebook
from jobhook.metering import Metering
from jobhook.ports import Store
from jobhook.settings import Settings
from jobhook.workers import Behind

if TYPE_CHECKING:
    from starlette.types import ASGIApp


class Door:
    """
    Where callers of the API come in.

    What stands behind it is loaded when the first one does, because a service that nobody calls
    must start as fast, and stay as small, as if there were no API.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        rulebook: Rulebook,
        access: Access,
        metering: Metering,
    ) -> None:
        self.access = access
        self.behind: Behind | None = None
        self.ending = asyncio.Event()
        self._settings, self._store, self._rulebook = settings, store, rulebook
        self._metering = metering

    def load(self) -> ASGIApp:
        """Return what answers callers."""
        from jobhook.callers import Front

        return Front(
            settings=self._settings,
            store=self._store,
            rulebook=self._rulebook,
            access=self.access,
            metrics=self._metering.exposition,
            behind=lambda: self.behind,
            ending=self.ending,
        ).load()

    def close(self) -> None:
        """End what is open, and let nobody ask the Hub any more."""
        self.behind = None
        self.ending.set()


def access_of(settings: Settings, store: Store) -> Access:
    """Return what lets callers in; of all in one process, only one may be used."""
    digest = digest_of(settings.admin_token) if settings.admin_token else None
    return Access(store, now_ms, admin_digest=digest)
