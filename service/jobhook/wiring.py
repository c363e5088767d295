"""Put the parts of a service together, and run it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

import structlog

from jobhook.adapters.clocks import now_ms
from jobhook.adapters.control import NoService, give_order, taking_orders
from jobhook.adapters.counts import Counts
from jobhook.adapters.folders import state_of
from jobhook.adapters.rulefiles import load_rules
from jobhook.adapters.signing import PayloadLinks
from jobhook.core.deliveries import AcceptedSecrets
from jobhook.core.errors import SettingsError, StoreError
from jobhook.core.operations import Order, Outcome
from jobhook.core.rules import RuleSet
from jobhook.door import Door, access_of
from jobhook.flows.access import Access
from jobhook.flows.identity import Identity
from jobhook.flows.intake import Intake
from jobhook.flows.leading import Leader
from jobhook.flows.operating import Operations
from jobhook.flows.ordering import Orders
from jobhook.flows.readiness import Readiness
from jobhook.flows.reloading import Reloader, warn_of
from jobhook.flows.rulebook import Rulebook
from jobhook.flows.worker import Worker
from jobhook.hub.client import AsyncHub
from jobhook.hub.transport import OnAnswer
from jobhook.metering import Metering
from jobhook.ports import Meter, Store
from jobhook.settings import Settings
from jobhook.stores import Bells, open_store
from jobhook.web.app import create_app
from jobhook.web.limits import BoundedProtocol, metered
from jobhook.web.receive import Receiver
from jobhook.web.serving import OpenProtocol, serving, url_of
from jobhook.workers import Behind, Direct, crew_of, reloader_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from jobhook.devhub import DevHub

# A launch that is on its way gets its whole deadline before the service ends.
GRACE_SECONDS = 35.0

log = structlog.get_logger()


class Role(StrEnum):
    """What a process does, where several share one PostgreSQL."""

    ALL = "all"
    RECEIVER = "receiver"  # takes deliveries in; needs no Hub token
    DISPATCHER = "dispatcher"  # decides and launches; one at a time does, the others stand by


@dataclass(frozen=True, slots=True)
class Service:
    """
    A running service, for whoever started it.

    Attributes:
        reload: Reads the rules at once, in the background.
        behind: What may be asked of it about the Hub, unless it has no token for that.
        metrics: Tells what is counted, and its type, given what `Accept` says.
    """

    url: str
    store: Store
    reload: Callable[[], None]
    behind: Behind | None
    metrics: Callable[[str], Awaitable[tuple[bytes, str]]]


@asynccontextmanager
async def running_service(
    settings: Settings, listener: socket.socket, *, role: Role = Role.ALL
) -> AsyncIterator[Service]:
    """
    Run the service on *listener* while the block runs, and drain it at the end.

    Raises:
        SettingsError: There is no webhook secret or no token, or the role needs PostgreSQL.
        RulesError: A rule file is wrong.
        StoreError: The database cannot be used.
    """
    if settings.database.path and role != Role.ALL:
        raise SettingsError(
            f"a database in a file has one process: --role {role} needs a postgresql:// database"
        )
    accepted = _accepted(settings) if role != Role.DISPATCHER else None
    if role != Role.RECEIVER:
        _check_token(settings)
    state = state_of(settings.rules)
    rulebook = Rulebook(load_rules(settings.rules))
    async with AsyncExitStack() as stack:
        bells, counts = Bells(), Counts()
        store = await stack.enter_async_context(open_store(settings.database, bells, meter=counts))
        intake = Intake(store, now_ms, bells.stored)
        readiness = Readiness(store, now_ms)
        links = await _links(settings, store)
        metering = Metering(
            store,
            counts,
            now_ms,
            process=_name_of(listener),
            is_ready=lambda: intake.is_open and readiness.is_well,
            rules=lambda: len(rulebook.rules.rules),
            limit_usd=settings.limits.usd_per_day,
        )
        door = Door(settings, store, rulebook, access_of(settings, store), metering)
        app = create_app(
            _receiver(settings, intake, accepted, counts),
            is_ready=lambda: intake.is_open and readiness.is_well,
            read_payload=partial(_payload, links, store),
            load_api=door.load,
        )
        await stack.enter_async_context(_serving(app, listener, readiness, counts))
        reloader = reloader_of(settings, rulebook, state, bells)
        _meter_all(counts, readiness, reloader)
        if role != Role.RECEIVER:
            dispatching = _dispatching(
                settings, rulebook, links, store, door.access, intake, bells, reloader, metering
            )
            door.behind = await stack.enter_async_context(dispatching)
        else:
            stack.callback(intake.drain)
        # First of all: whoever calls while the rest ends is told so.
        stack.callback(door.close)
        _announce(settings, rulebook.rules, url_of(listener), role)
        yield Service(url_of(listener), store, reloader.ask, door.behind, metering.exposition)


@asynccontextmanager
async def _serving(
    app: ASGIApp, listener: socket.socket, readiness: Readiness, meter: Meter
) -> AsyncIterator[None]:
    protocol = metered(BoundedProtocol, meter)
    async with serving(app, listener, grace=GRACE_SECONDS, protocol=protocol):
        task = asyncio.create_task(readiness.run(), name="readiness")
        try:
            yield
        finally:
            readiness.stop()
            await task


def _receiver(
    settings: Settings, intake: Intake, accepted: AcceptedSecrets | None, meter: Meter
) -> Receiver | None:
    if accepted is None:
        return None
    return Receiver(intake, accepted, secret_in_query=settings.query_secret, meter=meter)


def _name_of(listener: socket.socket) -> str:
    """Return the name of this process among those of the deployment: the same after a restart."""
    return f"{socket.gethostname()}:{listener.getsockname()[1]}"


def _meter_all(meter: Meter, *workers: Worker) -> None:
    for worker in workers:
        worker.meter = meter


async def _links(settings: Settings, store: Store) -> PayloadLinks:
    # Every process on this store must read what any of them signed.
    keys = settings.signing_keys or (await store.signing_key(secrets.token_urlsafe(32)),)
    return PayloadLinks(keys, public_url=settings.public_url)


async def _payload(links: PayloadLinks, store: Store, token: str) -> bytes | None:
    delivery = links.delivery(token, now_ms())
    return await store.body(delivery) if delivery else None


@asynccontextmanager
async def _dispatching(
    settings: Settings,
    rulebook: Rulebook,
    links: PayloadLinks,
    store: Store,
    access: Access,
    intake: Intake,
    bells: Bells,
    reloader: Reloader,
    metering: Metering,
) -> AsyncIterator[Behind]:
    """Run everything behind the doors, and take orders from this machine."""
    async with AsyncExitStack() as stack:
        meter = metering.counts
        hub = await stack.enter_async_context(_hub(settings, meter.asked_hub))
        identity = Identity(hub, settings.namespace)
        crew = crew_of(settings, rulebook, links, store, hub, identity, bells, meter)
        holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        leader = Leader(store, crew.workers, rulebook=rulebook, holder=holder)
        _meter_all(meter, identity, leader, *crew.workers)
        metering.quota = lambda: hub.quota
        metering.is_leading = lambda: leader.is_leading
        bells.on_rules = [*bells.on_rules, leader.wake]
        working = _working(settings, store, intake, identity, leader, crew.direct)
        await stack.enter_async_context(working)
        await stack.enter_async_context(_reloading(reloader))
        operations = Operations(
            store, hub, now_ms, instance=settings.instance, on_change=bells.changed
        )
        if settings.database.path:
            orders = Orders(operations, access, store, now_ms)
            await stack.enter_async_context(taking_orders(settings.database.path, orders.carry_out))
        yield Behind(hub, identity, operations, crew.direct)


async def carry_out(settings: Settings, order: Order) -> tuple[Outcome, ...]:
    """
    Carry out a person's *order*, through the running service of this machine if there is one.

    Raises:
        StoreError: The database cannot be used.
    """
    if settings.database.path:
        with contextlib.suppress(NoService):
            return await give_order(settings.database.path, order)
        if not settings.database.path.exists():
            # A new one in the wrong place would say "paused" while the real service goes on.
            raise StoreError(
                f"there is no database at {settings.database.path}: go where the service runs, "
                "or say where its database is with JOBHOOK_DATABASE"
            )
    bells = Bells()
    async with (
        open_store(settings.database, bells) as store,
        _hub(settings) as hub,
    ):
        operations = Operations(
            store, hub, now_ms, instance=settings.instance, on_change=bells.changed
        )
        orders = Orders(operations, access_of(settings, store), store, now_ms)
        return await orders.carry_out(order)


@asynccontextmanager
async def running_devhub(devhub: DevHub, listener: socket.socket) -> AsyncIterator[DevHub]:
    """Run *devhub* on *listener* while the block runs."""
    async with devhub, serving(devhub.app, listener, protocol=OpenProtocol):
        yield devhub


def for_devhub(settings: Settings, *, devhub_url: str, own_url: str, secret: str) -> Settings:
    """Return *settings* for a devhub beside the service; *secret* is for where none is set."""
    from jobhook.devhub import TOKEN

    return replace(
        settings,
        hf_endpoint=devhub_url,
        hf_token=TOKEN,
        hf_login=None,
        webhook_secrets=settings.webhook_secrets or (secret,),
        # The devhub is on this machine, wherever else the service could be reached.
        public_url=own_url,
    )


def _hub(settings: Settings, on_answer: OnAnswer | None = None) -> AsyncHub:
    return AsyncHub(
        settings.hf_endpoint,
        settings.current_token,
        deadline=settings.hub_deadline,
        retries=0,
        on_answer=on_answer,
    )


def _accepted(settings: Settings) -> AcceptedSecrets:
    if not settings.webhook_secrets:
        raise SettingsError(
            "no webhook secret is set, so anybody could start jobs: make one with "
            "`jobhook secret new` and put it into JOBHOOK_WEBHOOK_SECRETS"
        )
    return AcceptedSecrets(settings.webhook_secrets)


def _check_token(settings: Settings) -> None:
    if not settings.hf_token:
        raise SettingsError(
            "no Hub token is set: put one into HF_TOKEN, log in with `hf auth login`, "
            "or try everything without an account with `jobhook serve --devhub`"
        )


@asynccontextmanager
async def _reloading(reloader: Reloader) -> AsyncIterator[None]:
    task = asyncio.create_task(reloader.run(), name="reloader")
    try:
        yield
    finally:
        reloader.stop()
        await task


@asynccontextmanager
async def _working(
    settings: Settings,
    store: Store,
    intake: Intake,
    identity: Identity,
    leader: Leader,
    direct: Direct,
) -> AsyncIterator[None]:
    if settings.database.path:
        # This process alone writes to the store: whatever is being sent, its sender is dead.
        abandoned = await store.abandon_sending(now_ms(), older_than_ms=-1)
        if abandoned:
            log.warning("launch.unknown", count=abandoned)
    task = asyncio.create_task(_work(identity, leader), name="leader")
    # Should it ever end by itself, nothing more is acknowledged that nobody will look at.
    task.add_done_callback(lambda _: intake.drain())
    try:
        yield
    finally:
        intake.drain()
        for worker in (identity, leader):
            worker.stop()
        # One grace is for both.
        await asyncio.gather(task, direct.finish())
        log.info("service.drained")


async def _work(identity: Identity, leader: Leader) -> None:
    # Nothing is decided before it is known who `user:@me` is.
    await identity.run()
    if identity.me is not None:
        await leader.run()


def _announce(settings: Settings, rules: RuleSet, url: str, role: Role) -> None:
    warn_of(rules, settings.handed_secrets, before=RuleSet())
    log.info(
        "service.started",
        url=url,
        role=role,
        hub=settings.hf_endpoint,
        public_url=settings.public_url,
        rules=len(rules.rules),
        rules_version=rules.version,
        database=str(settings.database),
        # A Space's disk is gone when it restarts: then the Hub's retries and the derived launch
        # ids are all that keeps events and launches apart.
        durability="ephemeral" if settings.is_space else "durable",
    )
