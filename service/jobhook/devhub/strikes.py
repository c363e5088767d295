"""Requests that a fault strikes: whether, when and how often they are carried out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match

from .damage import Connection, give, told
from .faults import Asked, RequestFault
from .wire import Refusal, read_body, refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import Route
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .chaos import Chaos
    from .limits import Limits

ADMIN_PATH = "/_devhub/"


class LateRequests:
    """Requests that are carried out when nobody waits for them any more."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, app: ASGIApp, scope: Scope, body: bytes, delay: float) -> None:
        """Let *app* have the request in *delay* seconds; a `Refusal` if too many are waiting."""
        if len(self._tasks) >= self._limit:
            raise Refusal(503, f"over {self._limit} requests are waiting to be carried out late")
        task = asyncio.create_task(self._later(app, scope, body, delay), name="late request")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Forget those that still wait."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _later(self, app: ASGIApp, scope: Scope, body: bytes, delay: float) -> None:
        await asyncio.sleep(delay)
        await _carried_out(app, scope, body)


class Strikes:
    """A middleware before the routes, which lets the faults of *chaos* strike."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        chaos: Chaos,
        routes: Sequence[Route],
        late: LateRequests,
        limits: Limits,
    ) -> None:
        self._app = app
        self._chaos = chaos
        self._routes = routes
        self._late = late
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self._fault(scope)
        if fault is None:
            await self._app(scope, receive, send)
            return
        try:
            if fault.cut is not None:
                await _read_some(receive, fault.cut)
                await Connection(scope, receive).drop()
                return
            body = await read_body(Request(scope, receive), self._limits.commit_bytes)
            answer = await self._answer(fault, scope, body)
        except Refusal as exc:
            await refused(exc)(scope, receive, send)
        except ClientDisconnect:
            return
        else:
            await give(fault, answer, scope, receive, send)

    def _fault(self, scope: Scope) -> RequestFault | None:
        """Return what strikes this request; whoever sets faults can always take them away."""
        if scope["type"] != "http" or not self._chaos.has(RequestFault):
            return None
        if scope["path"].startswith(ADMIN_PATH):
            return None
        full = (route.name for route in self._routes if route.matches(scope)[0] is Match.FULL)
        asked = Asked(method=scope["method"], path=scope["path"], route=next(full, ""))
        return self._chaos.strike(RequestFault, asked)

    async def _answer(self, fault: RequestFault, scope: Scope, body: bytes) -> Response:
        """Carry the request out as often as the fault says, and return what is to be told."""
        await asyncio.sleep(fault.delay / 1000)
        if fault.late is not None:
            self._late.add(self._app, scope, body, fault.late / 1000)
        answer = Response()
        for _ in range(fault.times):
            answer = await _carried_out(self._app, scope, body)
        await asyncio.sleep(fault.hold / 1000)
        return told(fault, answer)


async def _read_some(receive: Receive, count: int) -> None:
    """Read until *count* bytes of the body have come, or all of it."""
    message: Message = {"type": "http.request", "more_body": True}
    while count >= 0 and message["type"] == "http.request" and message["more_body"]:
        message = await receive()
        count -= len(message.get("body", b""))


async def _carried_out(app: ASGIApp, scope: Scope, body: bytes) -> Response:
    """Return what *app* answers; its client stays to the end."""
    rest: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    answer = Response()
    content = bytearray()

    async def receive() -> Message:
        if not rest:
            await asyncio.Event().wait()
        return rest.pop()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status_code = message["status"]
            answer.raw_headers = list(message["headers"])
        else:
            content.extend(message.get("body", b""))

    await app(dict(scope), receive, send)
    answer.body = bytes(content)
    answer.headers["content-length"] = str(len(content))
    return answer
