"""Put the parts together: the only place that chooses adapters."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import structlog

from jobhook.adapters.rulefiles import load_rules
from jobhook.adapters.store_sqlite import SqliteStore, sqlite_store
from jobhook.core.deliveries import AcceptedSecrets
from jobhook.core.errors import SettingsError
from jobhook.core.rules import RuleSet
from jobhook.devhub import TOKEN as DEV_TOKEN
from jobhook.devhub import DevHub
from jobhook.flows.dispatch import Dispatcher
from jobhook.flows.identity import Identity
from jobhook.flows.intake import Intake
from jobhook.flows.prices import Prices
from jobhook.flows.reaping import Reaper
from jobhook.flows.registration import Registrar
from jobhook.flows.resolving import Resolver, Visibility
from jobhook.flows.routing import Router
from jobhook.flows.tracking import Tracker
from jobhook.flows.worker import Worker
from jobhook.hub import AsyncHub
from jobhook.settings import Settings
from jobhook.web.app import create_app
from jobhook.web.limits import BoundedProtocol
from jobhook.web.receive import Receiver
from jobhook.web.serving import serving, url_of

# A launch that is on its way gets its whole deadline before the service ends.
_GRACE_SECONDS = 35.0

log = structlog.get_logger()


def now_ms() -> int:
    """Return milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    """Return milliseconds by a clock that nobody can set."""
    return time.monotonic_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Service:
    """A running service, for whoever started it."""

    url: str
    store: SqliteStore
    hub: AsyncHub
    identity: Identity
    registrar: Registrar | None


@asynccontextmanager
async def running_service(settings: Settings, listener: socket.socket) -> AsyncIterator[Service]:
    """
    Run the service on *listener* while the block runs, and drain it at the end.

    Raises:
        SettingsError: There is no webhook secret or no token.
        RulesError: A rule file is wrong.
        StoreError: The database cannot be used.
    """
    accepted = _accepted(settings)
    if not settings.hf_token:
        raise SettingsError(
            "no Hub token is set: put one into HF_TOKEN, log in with `hf auth login`, "
            "or try everything without an account with `jobhook serve --devhub`"
        )
    rules = load_rules(settings.rules)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(sqlite_store(settings.database))
        hub = await stack.enter_async_context(AsyncHub(settings.hf_endpoint, settings.hf_token))
        identity = Identity(hub, settings.namespace)
        registrar = _registrar(settings, hub, rules, identity)
        router, *others = _workers(settings, store, hub, rules, identity)
        intake = Intake(store, now_ms, router.wake)
        receiver = Receiver(intake, accepted, secret_in_query=settings.query_secret)
        app = create_app(receiver, is_ready=lambda: intake.is_open)
        await stack.enter_async_context(
            serving(app, listener, grace=_GRACE_SECONDS, protocol=BoundedProtocol)
        )
        workers = [router, *others, *([registrar] if registrar else [])]
        await stack.enter_async_context(_working(store, intake, identity, workers))
        _announce(settings, rules, url_of(listener))
        yield Service(url_of(listener), store, hub, identity, registrar)


@asynccontextmanager
async def running_devhub(devhub: DevHub, listener: socket.socket) -> AsyncIterator[DevHub]:
    """Run *devhub* on *listener* while the block runs."""
    async with devhub, serving(devhub.app, listener):
        yield devhub


def for_devhub(settings: Settings, *, devhub_url: str, own_url: str, secret: str) -> Settings:
    """Return *settings* for a devhub beside the service; *secret* is for where none is set."""
    return replace(
        settings,
        hf_endpoint=devhub_url,
        hf_token=DEV_TOKEN,
        webhook_secrets=settings.webhook_secrets or (secret,),
        # The devhub is on this machine, wherever else the service could be reached.
        public_url=own_url,
    )


def _accepted(settings: Settings) -> AcceptedSecrets:
    if not settings.webhook_secrets:
        raise SettingsError(
            "no webhook secret is set, so anybody could start jobs: make one with "
            "`jobhook secret new` and put it into JOBHOOK_WEBHOOK_SECRETS"
        )
    return AcceptedSecrets(settings.webhook_secrets)


def _registrar(
    settings: Settings, hub: AsyncHub, rules: RuleSet, identity: Identity
) -> Registrar | None:
    if settings.register is False or not (settings.register or settings.public_url):
        return None
    if not settings.public_url:
        raise SettingsError(
            "JOBHOOK_REGISTER needs JOBHOOK_PUBLIC_URL: where does the Hub reach us?"
        )
    return Registrar(
        hub,
        rules=rules.rules,
        identity=identity,
        public_url=settings.public_url,
        secret=settings.webhook_secrets[0],
    )


def _workers(
    settings: Settings, store: SqliteStore, hub: AsyncHub, rules: RuleSet, identity: Identity
) -> tuple[Worker, ...]:
    visibility, prices = Visibility(settings.quarantine * 1000), Prices(hub, now_ms)
    resolver = Resolver(
        store,
        hub,
        now_ms,
        identity=identity,
        prices=prices,
        visibility=visibility,
    )
    tracker = Tracker(
        store,
        hub,
        now_ms,
        identity=identity,
        instance=settings.instance,
        visibility=visibility,
    )
    dispatcher = Dispatcher(
        store,
        hub,
        now_ms,
        monotonic=monotonic_ms,
        identity=identity,
        secrets=settings.job_secrets,
        visibility=visibility,
        prices=prices,
        limits=settings.limits,
        max_age_ms=settings.launch_max_age * 1000,
        on_launched=tracker.wake,
    )
    router = Router(
        store,
        now_ms,
        rules=rules.rules,
        identity=identity,
        instance=settings.instance,
        on_launches=dispatcher.wake,
    )
    reaper = Reaper(store, hub, identity=identity, instance=settings.instance)
    if settings.pause:
        log.warning("service.paused", set="JOBHOOK_PAUSE")
        return router, tracker, resolver, reaper
    return router, dispatcher, tracker, resolver, reaper


@asynccontextmanager
async def _working(
    store: SqliteStore, intake: Intake, identity: Identity, workers: Sequence[Worker]
) -> AsyncIterator[None]:
    # This process alone writes to the store: whatever is being sent, its sender is dead.
    abandoned = await store.abandon_sending(now_ms(), older_than_ms=-1)
    if abandoned:
        log.warning("launch.unknown", count=abandoned)
    task = asyncio.create_task(_work(identity, workers), name="workers")
    # Should they ever end by themselves, nothing more is acknowledged that nobody will look at.
    task.add_done_callback(lambda _: intake.drain())
    try:
        yield
    finally:
        intake.drain()
        for worker in (identity, *workers):
            worker.stop()
        await task
        log.info("service.drained")


async def _work(identity: Identity, workers: Sequence[Worker]) -> None:
    # Nothing is decided before it is known who `user:@me` is.
    await identity.run()
    if identity.me is not None:
        async with asyncio.TaskGroup() as group:
            for worker in workers:
                group.create_task(worker.run(), name=type(worker).__name__)


def _announce(settings: Settings, rules: RuleSet, url: str) -> None:
    for warning in rules.warnings:
        log.warning("rule.warned", problem=str(warning))
    for name in sorted(rules.secret_names.difference(settings.job_secrets)):
        log.warning("rule.lacks_secret", secret=name, set=f"JOBHOOK_SECRET_{name}")
    log.info(
        "service.started",
        url=url,
        hub=settings.hf_endpoint,
        public_url=settings.public_url,
        rules=len(rules.rules),
        database=str(settings.database),
        # A Space's disk is gone when it restarts: then the Hub's retries and the derived launch
        # ids are all that keeps events and launches apart.
        durability="ephemeral" if settings.is_space else "durable",
    )
