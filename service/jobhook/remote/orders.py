"""What people ask for, carried out by a service elsewhere."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, fields

from jobhook.core.access import Role
from jobhook.core.errors import HubNotFound, NotLaunched
from jobhook.core.jsonable import iso, moment_of
from jobhook.core.operations import (
    NO_DELIVERY,
    NO_LAUNCH,
    NO_TOKEN,
    Deed,
    Order,
    Outcome,
    revoked,
)
from jobhook.core.records import EVERYTHING
from jobhook.core.views import TokenView
from jobhook.hub.calls import segment
from jobhook.remote.calls import RemoteCalls
from jobhook.remote.transport import ServiceTransport

_AT_ONCE = 8
# It is looked for what still runs until nothing is listed any more.
_STOP_SECONDS = 600.0
_OF_SCOPES = {Deed.PAUSE: "/pause", Deed.RESUME: "/resume", Deed.LOOK_FIRST: "/look-first"}


@dataclass(frozen=True, slots=True)
class StoppedJob:
    """A job that was to be cancelled; *error* says why it could not be."""

    job_id: str
    error: str | None


@dataclass(frozen=True, slots=True)
class StopReport:
    """
    What stopping everything did.

    Attributes:
        not_paused: Why launching goes on; None if it is paused.
        unread: Namespaces whose jobs may still run, because the Hub did not list them.
    """

    not_paused: str | None
    jobs: tuple[StoppedJob, ...]
    unread: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeToken(TokenView):
    """A token that was just made, with its value, which is told only now."""

    token: str = field(repr=False)


class RemoteOrders(RemoteCalls):
    """Has a service carry out orders; see `ports.Orders`. It notes them as of the token's owner."""

    def __init__(self, service: ServiceTransport) -> None:
        self.service = service

    async def carry_out(self, order: Order) -> tuple[Outcome, ...]:
        if order.deed in _OF_SCOPES:
            body = None if order.deed == Deed.LOOK_FIRST else _scope(order)
            return (await self._outcome(_OF_SCOPES[order.deed], order.scope, body, ""),)
        if order.deed == Deed.REVOKE_TOKEN:
            return tuple([await self._revoke(each) for each in order.ids])
        group, missing = (
            ("deliveries", NO_DELIVERY) if order.deed == Deed.REPLAY else ("launches", NO_LAUNCH)
        )
        # In their order, but for those whose job the Hub is asked to cancel.
        at_once = _AT_ONCE if order.deed == Deed.CANCEL else 1
        outcomes: list[Outcome] = []
        for start in range(0, len(order.ids), at_once):
            some = order.ids[start : start + at_once]
            asked = (
                self._outcome(f"/{group}/{segment(each)}/{order.deed}", each, None, missing)
                for each in some
            )
            outcomes += await asyncio.gather(*asked)
        return tuple(outcomes)

    async def create_token(
        self, name: str, role: Role, *, expires_at: int | None
    ) -> tuple[TokenView, str]:
        """Have a token made; return it and its value. *expires_at* is milliseconds since 1970."""
        until = {} if expires_at is None else {"expires_at": iso(moment_of(expires_at))}
        body = {"name": name, "role": str(role), **until}
        # What was answered to a key is kept, and no token's value may be: it is asked for once.
        answer = await self.service.change("POST", "/tokens", body, once=True)
        made = self._read(MadeToken, answer, changed=True)
        told = {each.name: getattr(made, each.name) for each in fields(TokenView)}
        return TokenView(**told), made.token

    async def _revoke(self, token_id: str) -> Outcome:
        try:
            token = await self._change(TokenView, "POST", f"/tokens/{segment(token_id)}/revoke")
        except NotLaunched as exc:
            return Outcome(token_id, done=False, told=str(exc))
        except HubNotFound:
            return Outcome(token_id, done=False, told=NO_TOKEN)
        return Outcome(token_id, done=True, told=revoked(token.name))

    async def stop_all(self) -> StopReport:
        """Pause everything, and cancel every job of the service's instance that the Hub lists."""
        answer = await self.service.change("POST", "/stop-all", seconds=_STOP_SECONDS)
        return self._read(StopReport, answer, changed=True)

    async def _outcome(
        self, path: str, about: str, body: dict[str, str] | None, missing: str
    ) -> Outcome:
        try:
            return await self._change(Outcome, "POST", path, body)
        except NotLaunched as exc:
            return Outcome(about, done=False, told=str(exc))
        except HubNotFound:
            return Outcome(about, done=False, told=missing)


def _scope(order: Order) -> dict[str, str]:
    reason = {"reason": order.reason} if order.reason else {}
    if order.scope == EVERYTHING:
        return reason
    kind, _, name = order.scope.partition(":")
    return {kind: name, **reason}
