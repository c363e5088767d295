"""Carry out what people ask for: release, retry, cancel, replay, pause, resume, look first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace

import structlog

from jobhook.core.deliveries import Delivery, DeliveryState, read_delivery
from jobhook.core.direct import SOURCE as API_SOURCE
from jobhook.core.errors import HubError, LaunchMoved
from jobhook.core.filters import LaunchFilter
from jobhook.core.guards import no_price_for
from jobhook.core.launches import (
    CANCELLED_BY,
    IDENTITY,
    LOOK_FIRST_MS,
    SOURCE_MISSING,
    Launch,
    LaunchState,
    latest,
    moved,
)
from jobhook.core.operations import NO_DELIVERY, NO_LAUNCH, Deed, Order, Outcome
from jobhook.core.planning import KEY_VARIABLE, Origin, planned_again
from jobhook.core.records import EVERYTHING, Pause
from jobhook.flows.intake import SOURCE
from jobhook.flows.prices import Prices
from jobhook.ports import Clock, Hub, Store

_STARTS_JOBS = {Deed.RELEASE, Deed.RETRY}
_OF_SCOPES = {Deed.PAUSE, Deed.RESUME, Deed.LOOK_FIRST}
_CANCELS_AT_ONCE = 8
_ONLY_THEN = "what it needs was known when it was asked for, and is not kept: ask for it anew"
# Keeps that something was ordered, and what came of it.
Note = Callable[[Order, Outcome], Awaitable[None]]

log = structlog.get_logger()


class Operations:
    """What an operator may do; every order is logged with who gave it."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        clock: Clock,
        *,
        instance: str,
        on_change: Callable[[], None],
    ) -> None:
        self._store = store
        self._hub = hub
        self._clock = clock
        self._instance = instance
        self._on_change = on_change
        self._prices = Prices(hub, clock)

    async def carry_out(self, order: Order, *, note: Note | None = None) -> tuple[Outcome, ...]:
        """
        Do what *order* says, id by id, and return what came of each; *note* hears of each at once.

        Raises:
            StoreUnavailable: The database cannot be used; what was done before stands.
        """
        if order.deed in _OF_SCOPES:
            return (await self._told(order, order.scope, {}, note),)
        prices = await self._usd_per_hour() if order.deed in _STARTS_JOBS else {}
        # Cancelling asks the Hub, which may be slow; whoever gave the order waits for all of it.
        at_once = _CANCELS_AT_ONCE if order.deed == Deed.CANCEL else 1
        outcomes: list[Outcome] = []
        for start in range(0, len(order.ids), at_once):
            some = order.ids[start : start + at_once]
            outcomes += await asyncio.gather(
                *(self._told(order, each, prices, note) for each in some)
            )
        return tuple(outcomes)

    async def _usd_per_hour(self) -> Mapping[str, float]:
        """Return the prices, asked for once an order; none if the Hub does not tell them now."""
        try:
            return await self._prices.usd_per_hour()
        except HubError:
            return {}

    async def _told(
        self, order: Order, about: str, prices: Mapping[str, float], note: Note | None
    ) -> Outcome:
        outcome = await self._carry_out_one(order, about, prices)
        # Said and heard at once: the next one may fail.
        log.info("order.carried_out", deed=order.deed, by=order.by, **asdict(outcome))
        self._on_change()
        if note:
            await note(order, outcome)
        return outcome

    async def _carry_out_one(
        self, order: Order, about: str, prices: Mapping[str, float]
    ) -> Outcome:
        match order.deed:
            case Deed.PAUSE:
                return await self._pause(order)
            case Deed.RESUME:
                return await self._resume(order)
            case Deed.LOOK_FIRST:
                return await self._look_first(order)
            case Deed.REPLAY:
                return await self._replay(about)
        return await self._with_launch(about, order, prices)

    async def _pause(self, order: Order) -> Outcome:
        pause = Pause(scope=order.scope, since=self._clock(), by=order.by, reason=order.reason)
        await self._store.pause(pause)
        what = "nothing" if order.scope == EVERYTHING else "nothing of it"
        told = f"paused: {what} is launched until {pause.ended_by}"
        return Outcome(order.scope, done=True, told=told)

    async def _resume(self, order: Order) -> Outcome:
        if await self._store.resume(self._clock(), order.scope):
            return Outcome(order.scope, done=True, told="goes on, within the limits")
        return Outcome(order.scope, done=False, told="was not paused")

    async def _look_first(self, order: Order) -> Outcome:
        await self._store.begin_anew(self._clock())
        hours = LOOK_FIRST_MS // 3_600_000
        told = f"for {hours} hours each launch is looked for on the Hub before it is sent"
        return Outcome(order.scope, done=True, told=told)

    async def _replay(self, delivery_id: str) -> Outcome:
        if await self._store.replay(delivery_id):
            return Outcome(delivery_id, done=True, told="is decided again")
        return Outcome(delivery_id, done=False, told=await self._why_not(delivery_id))

    async def _why_not(self, delivery_id: str) -> str:
        delivery = await self._store.delivery(delivery_id)
        if delivery is None:
            return NO_DELIVERY
        launches = await self._store.launches(LaunchFilter(delivery=delivery_id), limit=0)
        waiting = next((launch for launch in launches if not launch.state.is_final), None)
        if waiting:
            return f"its launch {waiting.id} is {waiting.state}: cancel it first, or let it end"
        if delivery.state == DeliveryState.CONFLICT:
            return "it is a conflict: only the first delivery with its Webhook-Id is decided"
        return "it waits to be decided anyway"

    async def _with_launch(
        self, launch_id: str, order: Order, prices: Mapping[str, float]
    ) -> Outcome:
        launch = await self._store.launch(launch_id)
        if launch is None:
            return Outcome(launch_id, done=False, told=NO_LAUNCH)
        if prices and launch.spec.flavor not in prices:
            return _not(
                launch, f"{no_price_for(launch.spec.flavor)}, and without one nothing is launched"
            )
        try:
            if order.deed == Deed.RELEASE:
                return await self._release(launch, order.by)
            if order.deed == Deed.RETRY:
                return await self._retry(launch, order.by)
            return await self._cancel(launch, order.by)
        except LaunchMoved:
            # A worker or another order was faster.
            told = f"it has just changed: see `jobhook launches show {launch_id}`, and try again"
            return Outcome(launch_id, done=False, told=told)

    async def _release(self, launch: Launch, by: str) -> Outcome:
        if launch.state != LaunchState.HELD:
            return _not(launch, "only what is held can be released")
        if launch.reason.startswith(SOURCE_MISSING):
            return _not(launch, "nobody knows what it runs: replay its delivery")
        if not launch.can_be_sent_again:
            return _not(launch, _ONLY_THEN)
        if launch.reason.startswith(IDENTITY):
            await self._trust(launch)
        ready = moved(launch, LaunchState.READY, now=self._clock(), reason=f"released by {by}")
        await self._store.replace(launch, replace(ready, asked_by=by))
        return Outcome(launch.id, done=True, told="released")

    async def _trust(self, launch: Launch) -> None:
        delivery = read_delivery(await self._store.body(launch.delivery) or b"")
        if isinstance(delivery, Delivery):
            await self._store.trust(launch.repo, delivery.repo.id)

    async def _retry(self, launch: Launch, by: str) -> Outcome:
        if not launch.state.is_final:
            return _not(launch, "only what is over can be launched again")
        if not launch.can_be_sent_again:
            return _not(launch, _ONLY_THEN)
        if launch.is_damaged:
            return _not(launch, "the database does not hold it as it was: replay its delivery")
        of_delivery = await self._store.launches(LaunchFilter(delivery=launch.delivery), limit=0)
        same = [
            each for each in of_delivery if (each.rule, each.action) == (launch.rule, launch.action)
        ]
        # Whoever asks again for what was asked for again would pay a second time for one failure.
        if launch not in latest(same):
            return _not(launch, f"it was launched again already, as {latest(same)[0].id}")
        origin = await self._origin(launch, launch.generation + 1)
        again = planned_again(launch, origin, asked_by=by, now=self._clock())
        if not await self._store.add(again):
            raise LaunchMoved(f"launch {launch.id} was just launched again")
        return Outcome(launch.id, done=True, told=f"launched again as {again.id}")

    async def _origin(self, launch: Launch, generation: int) -> Origin:
        if launch.is_direct:
            return Origin(
                instance=self._instance,
                source=API_SOURCE,
                delivery=launch.delivery,
                key=launch.delivery,
                generation=generation,
            )
        delivery = await self._store.delivery(launch.delivery)
        return Origin(
            instance=self._instance,
            source=delivery.source if delivery else SOURCE,
            delivery=launch.delivery,
            key=delivery.key if delivery else launch.spec.env.get(KEY_VARIABLE, ""),
            generation=generation,
        )

    async def _cancel(self, launch: Launch, by: str) -> Outcome:
        reason = f"{CANCELLED_BY}{by}"
        if launch.state == LaunchState.SENDING:
            # Its sender looks at it once more, right before the first byte leaves.
            await self._store.replace(launch, replace(launch, reason=reason))
            return _not(launch, "it is not sent if it has not been sent yet; look again")
        if launch.state == LaunchState.UNKNOWN:
            return _not(launch, "wait until it is known whether it has a job")
        if launch.state.is_final:
            return _not(launch, "there is nothing left to cancel")
        if launch.job_id:
            told = replace(launch, reason=reason)
            await self._store.replace(launch, told)
            return await self._cancel_job(told, launch.job_id)
        await self._store.replace(
            launch, moved(launch, LaunchState.CANCELLED, now=self._clock(), reason=reason)
        )
        return Outcome(launch.id, done=True, told="cancelled before it was sent")

    async def _cancel_job(self, launch: Launch, job_id: str) -> Outcome:
        try:
            await self._hub.cancel_job(job_id, namespace=launch.namespace or "")
        except HubError as exc:
            return Outcome(launch.id, done=False, told=str(exc))
        return Outcome(launch.id, done=True, told=f"its job {job_id} is being cancelled")


def _not(launch: Launch, why: str) -> Outcome:
    return Outcome(launch.id, done=False, told=f"it is {launch.state}: {why}")
