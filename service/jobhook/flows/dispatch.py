"""Send the launches that are due, each once, and tell a clear no from an unknown outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from jobhook.core.errors import (
    HubBusy,
    HubForbidden,
    HubRefused,
    HubUnauthorized,
    LaunchMoved,
    MissingSecret,
    OutcomeUnknown,
    UsageError,
)
from jobhook.core.launches import Launch, LaunchState, job_of, moved
from jobhook.flows.identity import Identity
from jobhook.flows.worker import Worker
from jobhook.hub.models import JobInfo
from jobhook.ports import Clock, Hub, Store

_AT_ONCE = 16
_FIRST_BACKOFF_MS = 1_000
_LONGEST_BACKOFF_MS = 5 * 60 * 1_000
_PAYMENT_REQUIRED = 402

log = structlog.get_logger()


class Dispatcher(Worker):
    """Claims what is ready, sends it, and keeps what came of it."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        clock: Clock,
        *,
        identity: Identity,
        secrets: Mapping[str, str],
        on_launched: Callable[[], None],
    ) -> None:
        super().__init__()
        self._store = store
        self._hub = hub
        self._clock = clock
        self._identity = identity
        self._secrets = secrets
        self._on_launched = on_launched

    async def step(self) -> bool:
        claimed = await self._store.claim(self._clock(), _AT_ONCE)
        await asyncio.gather(*(self._send(launch, body) for launch, body in claimed))
        return len(claimed) == _AT_ONCE

    async def _send(self, launch: Launch, body: bytes) -> None:
        bound = log.bind(delivery=launch.delivery, rule=launch.rule, launch=launch.id)
        outcome, job = await self._outcome(launch, body)
        try:
            await self._store.replace(launch, outcome)
        except LaunchMoved:
            bound.warning("launch.overtaken", state=outcome.state, job=outcome.job_id)
            return
        bound.info("launch.moved", state=outcome.state, reason=outcome.reason, job=outcome.job_id)
        if job:
            self._on_launched()

    async def _outcome(self, launch: Launch, body: bytes) -> tuple[Launch, JobInfo | None]:
        now = self._clock()
        try:
            spec = job_of(launch.spec, body, self._secrets)
        except MissingSecret as exc:
            return moved(launch, LaunchState.HELD, now=now, reason=f"secret: {exc}"), None
        except UsageError as exc:
            return moved(launch, LaunchState.REJECTED, now=now, reason=str(exc)), None
        try:
            job = await self._hub.start_job(self._identity.namespace, spec)
        except (HubBusy, HubRefused, OutcomeUnknown) as exc:
            return _after(exc, launch, now=self._clock()), None
        launched = moved(launch, LaunchState.LAUNCHED, now=self._clock())
        return replace(
            launched, namespace=self._identity.namespace, job_id=job.id, job_url=job.url
        ), job


def _after(exc: HubBusy | HubRefused | OutcomeUnknown, launch: Launch, *, now: int) -> Launch:
    match exc:
        case OutcomeUnknown():
            return moved(launch, LaunchState.UNKNOWN, now=now, reason=str(exc))
        case HubBusy():
            due_at = now + _backoff(launch.attempts, exc.retry_after)
            return moved(launch, LaunchState.READY, now=now, reason=str(exc), due_at=due_at)
        case HubUnauthorized() | HubForbidden():
            return moved(launch, LaunchState.HELD, now=now, reason=f"auth: {exc}")
        case HubRefused(status=status) if status == _PAYMENT_REQUIRED:
            return moved(launch, LaunchState.HELD, now=now, reason=f"budget-upstream: {exc}")
    return moved(launch, LaunchState.REJECTED, now=now, reason=str(exc))


def _backoff(attempts: int, retry_after: float | None) -> int:
    if retry_after is not None:
        return int(retry_after * 1000)
    return int(min(_FIRST_BACKOFF_MS * 2.0 ** (attempts - 1), _LONGEST_BACKOFF_MS))
