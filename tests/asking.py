"""What stands behind a request of a person: a service's parts, made when they are needed."""

from __future__ import annotations

import itertools
from typing import Any

from factories import LEASE_MS, PLENTY
from fakes import Bell, HandClock, ScriptedHub
from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.core.guards import Limits
from jobhook.core.operations import Deed, Order
from jobhook.flows.direct import DirectRuns
from jobhook.flows.dispatch import Dispatcher
from jobhook.flows.identity import Identity
from jobhook.flows.operating import Operations
from jobhook.flows.prices import Prices
from jobhook.flows.requests import Requests
from jobhook.flows.resolving import Resolver, Visibility


def make_requests(
    store: SqliteStore,
    hub: ScriptedHub,
    clock: HandClock,
    bell: Bell,
    *,
    limits: Limits = PLENTY,
    namespace: str | None = "acme",
    **given: Any,
) -> Requests:
    keys = map(str, itertools.count())
    return Requests(
        store,
        hub,
        clock,
        monotonic=clock,
        identity=Identity(hub, namespace),
        instance="test",
        prices=Prices(hub, clock),
        limits=limits,
        visibility=Visibility(),
        lease_ms=LEASE_MS,
        draw=lambda: next(keys),
        on_launched=bell,
        **given,
    )


def make_runs(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell, **given: Any
) -> DirectRuns:
    return DirectRuns(make_requests(store, hub, clock, bell, **given))


async def dispatched(store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell) -> None:
    dispatcher = Dispatcher(
        store,
        hub,
        clock,
        monotonic=clock,
        identity=Identity(hub, "acme"),
        secrets={"HF_TOKEN": "of the service"},
        visibility=Visibility(),
        prices=Prices(hub, clock),
        limits=PLENTY,
        max_age_ms=10**12,
        lease_ms=LEASE_MS,
        on_launched=bell,
    )
    await dispatcher.step()
    await dispatcher.finish()


async def order(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock, deed: Deed, *ids: str
) -> tuple[bool, str]:
    operations = Operations(store, hub, clock, instance="test", on_change=Bell())
    (outcome,) = await operations.carry_out(Order(deed=deed, by="bob", ids=ids))
    return outcome.done, outcome.told


async def resolved(store: SqliteStore, hub: ScriptedHub, clock: HandClock, *, hours: int) -> None:
    resolver = Resolver(
        store,
        hub,
        clock,
        identity=Identity(hub, "acme"),
        prices=Prices(hub, clock),
        visibility=Visibility(),
        lease_ms=LEASE_MS,
    )
    for _ in range(hours * 60):
        await resolver.step()
        clock.now += 60_000
