"""Carry a call out once, however often it comes with the same Idempotency-Key."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable

import structlog

from jobhook.core.errors import KeyReused, StillRunning, StoreUnavailable
from jobhook.core.repeats import KEYS_MAX, Reply, Request, Standing
from jobhook.ports import AccessStore, Clock

log = structlog.get_logger()


class Idempotency:
    """Remembers what calls with a key were answered with, for a day."""

    def __init__(self, store: AccessStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def once(
        self,
        request: Request,
        work: Callable[[], Awaitable[Reply]],
        *,
        keeps: Callable[[Reply], bool],
    ) -> tuple[Reply, bool]:
        """
        Return what *work* gives, or gave when *request* came first, and whether it came before.

        A reply that *keeps* does not want, because nothing was done, is forgotten, so that the same
        call may come again. If *work* raises, or its process ends, nobody knows what was done:
        the key is taken until its lease has ended (`LEASE_MS`), and then *work* is done again. No
        answer may hold a secret.

        Raises:
            StillRunning: It came before, and has no answer yet.
            KeyReused: The key came with another call.
        """
        holder = secrets.token_hex(8)
        turn = await self._store.begin_request(request, self._clock(), holder, most=KEYS_MAX)
        if turn.reply is not None:
            return turn.reply, True
        if turn.standing == Standing.RUNNING:
            raise StillRunning("the call with this Idempotency-Key is not over: ask again later")
        if turn.standing == Standing.OTHER:
            raise KeyReused(
                "this Idempotency-Key came with another call before: draw a new one for each"
            )
        reply = await work()
        await self._keep(request, holder, reply, is_kept=keeps(reply))
        return reply, False

    async def _keep(self, request: Request, holder: str, reply: Reply, *, is_kept: bool) -> None:
        try:
            if is_kept:
                await self._store.answer_request(request, holder, reply)
            else:
                await self._store.forget_request(request, holder)
        except StoreUnavailable as exc:
            # It was done, and whoever asked must hear of it.
            log.warning("answer.not_kept", status=reply.status, reason=str(exc))
