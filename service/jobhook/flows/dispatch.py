"""Claim the launches that are due, as many as may go, and let them be sent."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from functools import partial

import structlog

from jobhook.core.errors import HubBusy, HubForbidden, HubUnauthorized
from jobhook.core.guards import Guard, Limits
from jobhook.core.launches import LONGEST_WAIT_MS, Launch
from jobhook.core.planning import job_of
from jobhook.failpoints import failpoint
from jobhook.flows.answers import AUTH
from jobhook.flows.identity import Identity
from jobhook.flows.prices import Prices
from jobhook.flows.resolving import Visibility
from jobhook.flows.sending import Answer, Lease, Sender, Start
from jobhook.flows.worker import Worker
from jobhook.ports import Clock, Hub, Store

_AT_ONCE = 16
_TOO_MANY_REQUESTS = 429
_PROBE_SECONDS = 60.0

log = structlog.get_logger()


class Dispatcher(Worker):
    """Claims what is ready, and has each sent once."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        clock: Clock,
        *,
        monotonic: Clock,
        identity: Identity,
        secrets: Mapping[str, str],
        payload_url: Callable[[Launch, int], str | None] = lambda launch, now: None,
        visibility: Visibility,
        prices: Prices,
        limits: Limits,
        max_age_ms: int,
        lease_ms: int,
        on_launched: Callable[[], None],
    ) -> None:
        super().__init__()
        self._store = store
        self._hub = hub
        self._clock = clock
        self._monotonic = monotonic
        self._identity = identity
        self._secrets = secrets
        self._payload_url = payload_url
        self._prices = prices
        self._limits = limits
        self._on_launched = on_launched
        self._max_age_ms = max_age_ms
        self._sender = Sender(
            store,
            hub,
            clock,
            monotonic=monotonic,
            identity=identity,
            visibility=visibility,
            lease_ms=lease_ms,
            on_answer=self._mind,
        )
        self._on_their_way: set[asyncio.Task[None]] = set()
        self._closed_until = -math.inf
        self._probing = False
        # What a process before this one held may go by now.
        self._release_due = True

    async def run(self) -> None:
        await super().run()
        await self.finish()

    async def step(self) -> bool:
        if self._monotonic() < self._closed_until:
            return False
        lease = self._sender.lease()
        now = lease.wall
        if self._release_due:
            await self._store.release(now, reason_prefix=AUTH)
            self._release_due = False
        await self._store.expire(now, created_before=now - self._max_age_ms)
        # While it is not known whether the Hub lets us again, one launch finds out.
        room = (1 if self._probing else _AT_ONCE) - len(self._on_their_way)
        prices = await self._prices.usd_per_hour()
        guard = Guard(self._limits, prices, now, self._identity.namespace)
        claimed = await self._store.claim(now, room, guard) if room > 0 else ()
        if claimed:
            failpoint("dispatch.claimed")
        for launch, body in claimed:
            task = asyncio.create_task(self._send(launch, body, lease), name=f"send {launch.id}")
            self._on_their_way.add(task)
            task.add_done_callback(self._sent)
        return False

    async def finish(self) -> None:
        """Wait for everything that is on its way."""
        await asyncio.gather(*self._on_their_way)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._on_their_way.discard(task)
        # There is room for one more.
        self.wake()

    async def _send(self, launch: Launch, body: bytes, lease: Lease) -> None:
        sent = await self._sender.send(launch, partial(self._prepared, launch, body), lease)
        if sent.launch.job_id:
            self._on_launched()

    def _prepared(self, launch: Launch, body: bytes) -> Start:
        url = self._payload_url(launch, self._clock())
        spec = job_of(launch, body, self._secrets, url=url)
        return lambda home: self._hub.start_job(home, spec)

    def _mind(self, answer: Answer | None) -> None:
        """Let the other launches wait as well when the answer is about all of them."""
        if isinstance(answer, HubUnauthorized | HubForbidden):
            pause = _PROBE_SECONDS
            self._release_due = True
        elif isinstance(answer, HubBusy) and answer.status == _TOO_MANY_REQUESTS:
            pause = answer.retry_after or _PROBE_SECONDS
        else:
            # A job was started: the Hub lets us.
            self._probing = self._probing and answer is not None
            return
        # By a clock that nobody sets: one that was wrong would keep everything back for as long.
        self._closed_until = self._monotonic() + min(int(pause * 1000), LONGEST_WAIT_MS)
        self._probing = True
        log.warning("dispatch.closed", seconds=pause, error=str(answer))
