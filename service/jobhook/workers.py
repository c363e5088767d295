"""Make what works behind the doors of a service, and tell each whom it wakes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import structlog

from jobhook.adapters.clocks import monotonic_ms, now_ms
from jobhook.adapters.folders import state_of
from jobhook.adapters.rulefiles import load_rules
from jobhook.adapters.signing import PayloadLinks
from jobhook.core.errors import SettingsError
from jobhook.core.guards import PAUSING_SETTING
from jobhook.flows.acquitting import Acquitter
from jobhook.flows.deciding import Decider
from jobhook.flows.direct import DirectRuns
from jobhook.flows.dispatch import Dispatcher
from jobhook.flows.enriching import Enricher
from jobhook.flows.identity import Identity
from jobhook.flows.lookups import Lookups
from jobhook.flows.operating import Operations
from jobhook.flows.prices import Prices
from jobhook.flows.pruning import Pruner
from jobhook.flows.reaping import Reaper
from jobhook.flows.registration import Registrar
from jobhook.flows.reloading import Reloader
from jobhook.flows.requests import Requests
from jobhook.flows.resolving import LEASE_DEADLINES, Resolver, Visibility
from jobhook.flows.routing import Router
from jobhook.flows.rulebook import Rulebook
from jobhook.flows.schedules import Schedules
from jobhook.flows.tracking import Tracker
from jobhook.flows.worker import Worker
from jobhook.hub.client import AsyncHub
from jobhook.ports import NO_METER, Hub, Meter, Store
from jobhook.settings import Settings
from jobhook.stores import Bells

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all workers of a service have in common."""

    settings: Settings
    rulebook: Rulebook
    links: PayloadLinks
    store: Store
    hub: Hub
    identity: Identity
    prices: Prices
    visibility: Visibility
    meter: Meter

    @property
    def lease_ms(self) -> int:
        """How long a claimed launch is left to its sender."""
        return self.settings.hub_deadline * 1000 * LEASE_DEADLINES


class Direct:
    """
    What people and programs may have a service start, past its rules.

    Attributes:
        finish: Takes nothing more, and waits for what is on its way.
    """

    def __init__(self, requests: Requests) -> None:
        self.runs = DirectRuns(requests)
        self.schedules = Schedules(requests)
        self.finish = requests.finish


@dataclass(frozen=True, slots=True)
class Behind:
    """What a process has that talks to the Hub, for whoever is at the door."""

    hub: AsyncHub
    identity: Identity
    operations: Operations
    direct: Direct


@dataclass(frozen=True, slots=True)
class Crew:
    """Who works behind the doors: by themselves, and when people ask."""

    workers: tuple[Worker, ...]
    direct: Direct


def crew_of(
    settings: Settings,
    rulebook: Rulebook,
    links: PayloadLinks,
    store: Store,
    hub: Hub,
    identity: Identity,
    bells: Bells,
    meter: Meter = NO_METER,
) -> Crew:
    """
    Return everything that works behind the doors; *bells* wakes whom it concerns.

    Raises:
        SettingsError: The webhook is to be registered, and nobody said where or with what secret.
    """
    shared = Shared(
        settings=settings,
        rulebook=rulebook,
        links=links,
        store=store,
        hub=hub,
        identity=identity,
        prices=Prices(hub, now_ms),
        visibility=Visibility(settings.quarantine * 1000),
        meter=meter,
    )
    resolver = _resolver(shared)
    reaper = Reaper(store, hub, now_ms, prices=shared.prices, instance=settings.instance)
    tracker = _tracker(shared, reaper)
    dispatcher = _dispatcher(shared, tracker)
    decider = _decider(shared, dispatcher)
    enricher = Enricher(
        store, now_ms, decider=decider, lookups=Lookups(hub, lambda: identity.namespace)
    )
    router = Router(store, decider, on_open=enricher.wake)
    acquitter = Acquitter(store, hub, now_ms, identity=identity, on_acquitted=dispatcher.wake)
    pruner = Pruner(store, now_ms, retention_ms=settings.retention * 1000)
    bells.on_stored = [router.wake]
    bells.on_changed = [router.wake, dispatcher.wake, resolver.wake]
    workers = [router, enricher, tracker, resolver, reaper, acquitter, pruner]
    if settings.pause:
        log.warning("service.paused", set=PAUSING_SETTING)
    else:
        workers.append(dispatcher)
    registrars = tuple(_registrars(shared))
    bells.on_rules = [registrar.wake for registrar in registrars]
    return Crew((*workers, *registrars), Direct(_requests(shared, tracker)))


def reloader_of(settings: Settings, rulebook: Rulebook, state: int, bells: Bells) -> Reloader:
    """Return what keeps *rulebook* as its folder is, which was in *state* when it was read."""
    return Reloader(
        rulebook,
        monotonic_ms,
        look=partial(state_of, settings.rules),
        load=partial(load_rules, settings.rules),
        state=state,
        watches=settings.reload,
        job_secrets=settings.handed_secrets,
        on_replaced=bells.rules_replaced,
    )


def _resolver(shared: Shared) -> Resolver:
    return Resolver(
        shared.store,
        shared.hub,
        now_ms,
        identity=shared.identity,
        prices=shared.prices,
        visibility=shared.visibility,
        lease_ms=shared.lease_ms,
    )


def _tracker(shared: Shared, reaper: Reaper) -> Tracker:
    return Tracker(
        shared.store,
        shared.hub,
        now_ms,
        monotonic=monotonic_ms,
        identity=shared.identity,
        instance=shared.settings.instance,
        visibility=shared.visibility,
        on_strays=reaper.judge,
        namespaces=lambda: shared.rulebook.rules.namespaces,
    )


def _dispatcher(shared: Shared, tracker: Tracker) -> Dispatcher:
    return Dispatcher(
        shared.store,
        shared.hub,
        now_ms,
        monotonic=monotonic_ms,
        identity=shared.identity,
        secrets=shared.settings.handed_secrets,
        payload_url=shared.links.url,
        visibility=shared.visibility,
        prices=shared.prices,
        limits=shared.settings.limits,
        max_age_ms=shared.settings.launch_max_age * 1000,
        lease_ms=shared.lease_ms,
        on_launched=tracker.wake,
    )


def _requests(shared: Shared, tracker: Tracker) -> Requests:
    return Requests(
        shared.store,
        shared.hub,
        now_ms,
        monotonic=monotonic_ms,
        identity=shared.identity,
        instance=shared.settings.instance,
        prices=shared.prices,
        limits=shared.settings.limits,
        visibility=shared.visibility,
        lease_ms=shared.lease_ms,
        draw=partial(secrets.token_hex, 16),
        paused=PAUSING_SETTING if shared.settings.pause else None,
        on_launched=tracker.wake,
    )


def _decider(shared: Shared, dispatcher: Dispatcher) -> Decider:
    return Decider(
        shared.store,
        now_ms,
        rulebook=shared.rulebook,
        identity=shared.identity,
        instance=shared.settings.instance,
        on_launches=dispatcher.wake,
        meter=shared.meter,
    )


def _registrars(shared: Shared) -> Iterator[Registrar]:
    settings = shared.settings
    if settings.register is False or not (settings.register or settings.public_url):
        return
    if not settings.public_url:
        raise SettingsError(
            "JOBHOOK_REGISTER needs JOBHOOK_PUBLIC_URL: where does the Hub reach us?"
        )
    if not settings.webhook_secrets:
        if settings.register:
            raise SettingsError(
                "JOBHOOK_REGISTER needs JOBHOOK_WEBHOOK_SECRETS, because the webhook is registered "
                "with the first: set it here as on the receivers"
            )
        # It takes nothing in, and needs none; whoever has the secret registers the webhook.
        log.warning("webhook.not_registered", set="JOBHOOK_WEBHOOK_SECRETS")
        return
    yield Registrar(
        shared.hub,
        rulebook=shared.rulebook,
        identity=shared.identity,
        public_url=settings.public_url,
        secret=settings.webhook_secrets[0],
    )
