"""Decide what a delivery leads to, and keep it: every rule's verdict, and the launches owed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from jobhook.core.deliveries import Delivery, DeliveryState, RepoField, Unreadable, read_delivery
from jobhook.core.events import Event, events_of
from jobhook.core.findings import NOTHING_FOUND, Findings, Lookup
from jobhook.core.indexing import RuleIndex
from jobhook.core.launches import Launch
from jobhook.core.matching import Decision, decide
from jobhook.core.occasions import occasions_of
from jobhook.core.planning import Origin, identified, plan_launches
from jobhook.core.records import StoredDelivery, Verdict
from jobhook.flows.identity import Identity
from jobhook.flows.rulebook import Rulebook
from jobhook.ports import NO_METER, Clock, Meter, Store

# So many rules are all asked, so that each one's reason is there for whoever wonders about it.
_ALL_ASKED_MAX = 100

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Routed:
    """
    What one delivery leads to.

    Attributes:
        repo: Where it happened, if it could be read.
        open: What the Hub has to be asked before all of it is decided.
        pinned: The rules that name this very repo by its id.
        failed: The rules of which an expression failed.
    """

    delivery: StoredDelivery
    events: tuple[Event, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    launches: tuple[Launch, ...] = ()
    repo: RepoField | None = None
    open: frozenset[Lookup] = frozenset()
    pinned: frozenset[str] = frozenset()
    failed: tuple[Verdict, ...] = ()


class Decider:
    """Decides by the rules in force, and keeps what they say, each delivery in one transaction."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        rulebook: Rulebook,
        identity: Identity,
        instance: str,
        on_launches: Callable[[], None],
        meter: Meter = NO_METER,
    ) -> None:
        self._store = store
        self._meter = meter
        self._clock = clock
        self._rulebook = rulebook
        self._identity = identity
        self._instance = instance
        self._on_launches = on_launches
        # How often an expression of each rule failed, in this process.
        self._failures: Counter[str] = Counter()

    def decide(
        self, stored: StoredDelivery, body: bytes, findings: Findings = NOTHING_FOUND
    ) -> Routed:
        """Return what *body* leads to as far as *findings* tell; what fails is put aside."""
        began = self._meter.moment()
        try:
            return route(
                stored,
                body,
                self._rulebook.index,
                me=self._identity.me,
                instance=self._instance,
                now=self._clock(),
                findings=findings,
            )
        except Exception as exc:
            # One delivery must not stop all the others.
            log.exception("delivery.quarantined", delivery=stored.id)
            reason = f"jobhook failed on it: {type(exc).__name__}"
            return Routed(replace(stored, state=DeliveryState.QUARANTINED, reason=reason))
        finally:
            self._meter.matched(began)

    async def keep(self, routed: Routed) -> bool:
        """Keep what was decided; return False if somebody else was faster."""
        launches = routed.launches
        if launches and routed.repo and routed.repo.id:
            known = await self._known_id(routed.repo)
            launches = tuple(
                launch
                if launch.rule in routed.pinned
                else identified(launch, routed.repo.id, known)
                for launch in launches
            )
        kept = await self._store.route(
            routed.delivery,
            events=routed.events,
            verdicts=routed.verdicts,
            launches=launches,
        )
        if not kept:
            log.warning("delivery.overtaken", delivery=routed.delivery.id)
            return False
        self._meter.decided(routed.delivery.state)
        _tell(routed.delivery, launches)
        self._count(routed)
        if launches:
            self._on_launches()
        return True

    async def _known_id(self, repo: RepoField) -> str:
        known = await self._store.trusted_id(repo.whole_name)
        return known or await self._store.get_to_know(repo.whole_name, repo.id)

    def _count(self, routed: Routed) -> None:
        for verdict in routed.failed:
            self._failures[verdict.rule] += 1
            log.warning(
                "rule.failed",
                rule=verdict.rule,
                delivery=routed.delivery.id,
                reason=verdict.reason,
                failures=self._failures[verdict.rule],
            )


def route(
    stored: StoredDelivery,
    body: bytes,
    rules: RuleIndex,
    *,
    me: str | None,
    instance: str,
    now: int,
    findings: Findings = NOTHING_FOUND,
) -> Routed:
    """Decide what *body* leads to; *me* is the name of the token's user."""
    delivery = read_delivery(body)
    if isinstance(delivery, Unreadable):
        unparsed = replace(stored, state=DeliveryState.UNPARSED, reason=delivery.reason)
        return Routed(unparsed)
    events = events_of(delivery)
    occasions = occasions_of(delivery, me=me, now=now, findings=findings)
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
        verdicts=tuple(map(_verdict, decisions)),
        launches=tuple(
            launch for decision in decisions for launch in plan_launches(decision, origin, now=now)
        ),
        repo=delivery.repo,
        open=frozenset().union(*(decision.open for decision in decisions)),
        failed=tuple(_verdict(decision) for decision in decisions if decision.is_failure),
        pinned=frozenset(d.rule.id for d in decisions if d.rule.is_pinned_to(delivery.repo.id)),
    )


def standing(routed: Routed, earlier: Sequence[Verdict]) -> Routed:
    """
    Return *routed* with what *earlier* verdicts on the same delivery have led to.

    What a rule has launched stands, whatever the rules say by now: its verdict stands beside it.
    """
    fired = {verdict.rule: verdict for verdict in earlier if verdict.fired}
    if not fired:
        return routed
    verdicts = [fired.pop(verdict.rule, verdict) for verdict in routed.verdicts]
    verdicts += fired.values()
    delivery = routed.delivery
    if delivery.state == DeliveryState.IGNORED:
        told = ", ".join(verdict.rule for verdict in verdicts if verdict.fired)
        delivery = replace(delivery, state=DeliveryState.MATCHED, reason=f"fired {told}")
    return replace(routed, delivery=delivery, verdicts=tuple(verdicts))


def _verdict(decision: Decision) -> Verdict:
    return Verdict(decision.rule.id, decision.fired, decision.reason)


def _read(
    stored: StoredDelivery,
    delivery: Delivery,
    events: tuple[Event, ...],
    decisions: Sequence[Decision],
    *,
    rules: int,
) -> StoredDelivery:
    state, reason = _outcome(decisions, rules=rules)
    if not events:
        reason = f"the scope {delivery.event.scope!r} is not known"
    return replace(
        stored,
        state=state,
        reason=reason,
        scope=delivery.event.scope,
        action=delivery.event.action,
        repo_type=delivery.repo.type,
        repo_name=delivery.repo.name,
        events=tuple(dict.fromkeys(event.name for event in events)),
    )


def _outcome(decisions: Sequence[Decision], *, rules: int) -> tuple[DeliveryState, str]:
    fired = [decision.rule.id for decision in decisions if decision.fired]
    waiting = [decision for decision in decisions if decision.open]
    reason = f"fired {', '.join(fired)}" if fired else ""
    if waiting:
        ids = ", ".join(decision.rule.id for decision in waiting)
        return DeliveryState.ENRICHING, "; ".join(
            filter(None, (reason, f"{ids} {waiting[0].reason}"))
        )
    if fired:
        return DeliveryState.MATCHED, reason
    reason = f"none of {rules:,} rules fired"
    if len(decisions) < rules:
        reason += f"; {len(decisions):,} of them are about this event and repo"
    return DeliveryState.IGNORED, reason


def _tell(delivery: StoredDelivery, launches: Sequence[Launch]) -> None:
    bound = log.bind(delivery=delivery.id)
    bound.info("delivery.routed", state=delivery.state, reason=delivery.reason)
    for launch in launches:
        bound.info("launch.planned", rule=launch.rule, launch=launch.id)
