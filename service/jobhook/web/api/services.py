"""What the operations work with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from jobhook.core.errors import HubBusy, SettingsError
from jobhook.flows.access import Access
from jobhook.flows.direct import DirectRuns
from jobhook.flows.feed import Feed
from jobhook.flows.idempotency import Idempotency
from jobhook.flows.operating import Operations
from jobhook.flows.records import Records
from jobhook.flows.schedules import Schedules
from jobhook.hub.client import AsyncHub
from jobhook.ports import AccessStore, Clock
from jobhook.ports.records import RulesReader


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSide:
    """
    What a process has that talks to the Hub.

    Attributes:
        runs, schedules: What starts jobs, and makes schedules, through the ledger.
        stop_all: Cancels every job of this service; yields each with why it could not be, or None,
            and calls its argument with each namespace whose jobs the Hub does not list.
        namespace: Where jobs run when nobody says where; None is that of the token's user.
    """

    hub: AsyncHub
    runs: DirectRuns
    schedules: Schedules
    operations: Operations
    stop_all: Callable[[Callable[[str], None]], AsyncIterator[tuple[str, str | None]]]
    namespace: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """
    What a service has, for whoever calls its API.

    Attributes:
        find_hub_side: Returns what talks to the Hub: None in a process that only takes deliveries
            in, before it has begun, and when it has ended.
        rules, rules_offline: The rules, with and without the Hub where they depend on it.
        metrics: Tells what is counted, and its type, given what `Accept` says.
    """

    clock: Clock
    access: Access
    idempotency: Idempotency
    store: AccessStore
    records: Records
    feed: Feed
    rules: RulesReader
    rules_offline: RulesReader
    metrics: Callable[[str], Awaitable[tuple[bytes, str]]]
    find_hub_side: Callable[[], HubSide | None]

    @property
    def hub(self) -> AsyncHub:
        """The Hub; raises `SettingsError` if this process does not talk to it."""
        return self.hub_side.hub

    @property
    def runs(self) -> DirectRuns:
        """What starts jobs through the ledger; raises `SettingsError` as *hub* does."""
        return self.hub_side.runs

    @property
    def schedules(self) -> Schedules:
        """What makes schedules through the ledger; raises `SettingsError` as *hub* does."""
        return self.hub_side.schedules

    @property
    def namespace(self) -> str | None:
        """Where jobs run when nobody says where; None is that of the token's user."""
        return self.hub_side.namespace

    @property
    def hub_side(self) -> HubSide:
        """All that talks to the Hub; raises `SettingsError` if this process does not."""
        found = self.find_hub_side()
        if found is None:
            raise SettingsError(
                "this process does not talk to the Hub: it only takes deliveries in, or is stopping"
            )
        return found

    def spare_hub(self) -> None:
        """Raise `HubBusy` while launches need what is left of the calls that the Hub allows."""
        found = self.find_hub_side()
        if found and (seconds := found.hub.quota.shortage):
            raise HubBusy(
                "what is left of the calls that the Hub allows is kept for launches",
                retry_after=seconds,
            )
