"""Decide what a stored delivery leads to: every rule's verdict, and the launches that are owed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from jobhook.core.deliveries import Delivery, DeliveryState, Unreadable, read_delivery
from jobhook.core.events import Event, events_of
from jobhook.core.indexing import RuleIndex
from jobhook.core.launches import Launch
from jobhook.core.matching import Decision, decide
from jobhook.core.occasions import occasions_of
from jobhook.core.planning import Origin, plan_launches
from jobhook.core.records import StoredDelivery, Verdict
from jobhook.failpoints import failpoint
from jobhook.flows.identity import Identity
from jobhook.flows.rulebook import Rulebook
from jobhook.flows.worker import Worker
from jobhook.ports import Clock, Store

_AT_ONCE = 100
_TRIES_MAX = 3
# So many rules are all asked, so that each one's reason is there for whoever wonders about it.
_ALL_ASKED_MAX = 100

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Routed:
    """What one delivery leads to."""

    delivery: StoredDelivery
    events: tuple[Event, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    launches: tuple[Launch, ...] = ()


class Router(Worker):
    """Routes what is stored, oldest first, each delivery in one transaction."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        rulebook: Rulebook,
        identity: Identity,
        instance: str,
        on_launches: Callable[[], None],
    ) -> None:
        super().__init__()
        self._store = store
        self._clock = clock
        self._rulebook = rulebook
        self._identity = identity
        self._instance = instance
        self._on_launches = on_launches
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
        try:
            routed = _poison(stored, tries) or route(
                stored,
                body,
                self._rulebook.index,
                me=self._identity.me,
                instance=self._instance,
                now=self._clock(),
            )
        except Exception as exc:
            # One delivery must not stop all the others.
            log.exception("delivery.quarantined", delivery=stored.id)
            reason = f"jobhook failed on it: {type(exc).__name__}"
            routed = Routed(replace(stored, state=DeliveryState.QUARANTINED, reason=reason))
        kept = await self._store.route(
            routed.delivery,
            events=routed.events,
            verdicts=routed.verdicts,
            launches=routed.launches,
        )
        failpoint("routing.decided")
        if not kept:
            log.warning("delivery.overtaken", delivery=stored.id)
            return
        _tell(routed)
        if routed.launches:
            self._on_launches()


def _poison(stored: StoredDelivery, tries: int) -> Routed | None:
    if tries < _TRIES_MAX:
        return None
    log.error("delivery.quarantined", delivery=stored.id, tries=tries)
    reason = f"the process ended each of the {tries} times that it was looked at"
    return Routed(replace(stored, state=DeliveryState.QUARANTINED, reason=reason))


def route(
    stored: StoredDelivery,
    body: bytes,
    rules: RuleIndex,
    *,
    me: str | None,
    instance: str,
    now: int,
) -> Routed:
    """Decide what *body* leads to; *me* is the name of the token's user."""
    delivery = read_delivery(body)
    if isinstance(delivery, Unreadable):
        unparsed = replace(stored, state=DeliveryState.UNPARSED, reason=delivery.reason)
        return Routed(unparsed)
    events = events_of(delivery)
    occasions = occasions_of(delivery, me=me, now=now)
    asked = rules.rules
    if len(asked) > _ALL_ASKED_MAX:
        asked = rules.near(occasions)
    decisions = [decide(occasions, rule) for rule in asked]
    origin = Origin(
        instance=instance,
        source=stored.source,
        delivery=stored.id,
        key=stored.key,
        generation=stored.generation,
    )
    return Routed(
        delivery=_read(stored, delivery, events, decisions, rules=len(rules.rules)),
        events=events,
        verdicts=tuple(Verdict(d.rule.id, d.fired, d.reason) for d in decisions),
        launches=tuple(
            launch for decision in decisions for launch in plan_launches(decision, origin, now=now)
        ),
    )


def _read(
    stored: StoredDelivery,
    delivery: Delivery,
    events: tuple[Event, ...],
    decisions: Sequence[Decision],
    *,
    rules: int,
) -> StoredDelivery:
    fired = [decision.rule.id for decision in decisions if decision.fired]
    if not events:
        reason = f"the scope {delivery.event.scope!r} is not known"
    elif fired:
        reason = f"fired {', '.join(fired)}"
    else:
        reason = f"none of {rules:,} rules fired"
        if len(decisions) < rules:
            reason += f"; {len(decisions):,} of them are about this event and repo"
    return replace(
        stored,
        state=DeliveryState.MATCHED if fired else DeliveryState.IGNORED,
        reason=reason,
        scope=delivery.event.scope,
        action=delivery.event.action,
        repo_type=delivery.repo.type,
        repo_name=delivery.repo.name,
        events=tuple(dict.fromkeys(event.name for event in events)),
    )


def _tell(routed: Routed) -> None:
    bound = log.bind(delivery=routed.delivery.id)
    bound.info("delivery.routed", state=routed.delivery.state, reason=routed.delivery.reason)
    for launch in routed.launches:
        bound.info("launch.planned", rule=launch.rule, launch=launch.id)
