"""What the client of a struck request gets to read, and how its connection ends."""

from __future__ import annotations

import asyncio
import socket
import struct
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from .faults import AnswerKind
from .limits import KIB, MIB
from .wire import Refusal, refused

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from .faults import RequestFault

_HUGE = 6 * MIB
_PAUSE_MS = 1000
# As it comes from a proxy in front of the Hub, and from one that swallowed the answer.
_HTML = "<!doctype html><html><body><h1>{status} {phrase}</h1></body></html>"
_TEXT = '{"type":"job","id":'


class Connection:
    """The connection that a request came on."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        extension = scope.get("extensions", {}).get("jobhook.transport")
        if extension is None:
            raise RuntimeError("devhub is not served so that it could break off a connection")
        self.transport: asyncio.Transport = extension["transport"]
        self._receive = receive

    async def drop(self, *, reset: bool = False) -> None:
        """End the connection at once, as a crash of the other side would."""
        if reset:
            peer: socket.socket = self.transport.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()
        await self._gone()

    async def close(self) -> None:
        """End the connection once what was written has left."""
        self.transport.close()
        await self._gone()

    async def _gone(self) -> None:
        # The server takes an answer that is not complete for our mistake while the client is there.
        while (await self._receive())["type"] != "http.disconnect":
            pass


def told(fault: RequestFault, real: Response) -> Response:
    """Return what is answered in the place of *real*, if the client lives to read it."""
    answer = real
    if fault.redirect is not None:
        answer = Response(status_code=fault.status or 307, headers={"Location": fault.redirect})
    elif fault.status is not None:
        answer = _failed(fault.status)
    status = answer.status_code
    if fault.answer is AnswerKind.HTML:
        answer = HTMLResponse(_HTML.format(status=status, phrase=_phrase(status)), status)
    elif fault.answer is AnswerKind.TEXT:
        answer = PlainTextResponse(_TEXT, status, media_type="application/json")
    elif fault.answer is AnswerKind.EMPTY:
        answer = Response(status_code=status, media_type="application/json")
    elif fault.answer is AnswerKind.NO_ID:
        answer = Response(_without_id(answer.body), status, media_type="application/json")
    for name, value in (("Retry-After", fault.retry_after), ("RateLimit", fault.ratelimit)):
        if value is not None:
            answer.headers[name] = value
    return answer


def _failed(status: int) -> Response:
    if status in (204, 304):
        return Response(status_code=status)
    return refused(Refusal(status, f"{_phrase(status)} (a fault that was asked for)"))


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus.__members__.values() else "Unknown"


def _without_id(body: bytes | memoryview) -> bytes:
    """Return the JSON in *body* without the `id` of the object, or of each in the list."""
    try:
        value: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return bytes(body)
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            item.pop("id", None)
    return orjson.dumps(value)


async def give(
    fault: RequestFault, answer: Response, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer, in the way in which the fault says."""
    if fault.drops:
        await Connection(scope, receive).drop(reset=fault.answer is AnswerKind.RESET)
    elif fault.answer is AnswerKind.TRUNCATED:
        connection = Connection(scope, receive)
        size = len(answer.body) // 2 if fault.bytes is None else fault.bytes
        await _start(answer, send)
        await _part(answer.body[: min(size, len(answer.body) - 1)], send)
        await connection.close()
    elif fault.answer is AnswerKind.SLOW:
        await _trickle(answer, fault, Connection(scope, receive), send)
    elif fault.answer is AnswerKind.HUGE:
        await _swell(answer, _HUGE if fault.bytes is None else fault.bytes, scope, receive, send)
    else:
        await answer(scope, receive, send)
    if fault.hangup is not None:
        transport = Connection(scope, receive).transport
        asyncio.get_running_loop().call_later(fault.hangup / 1000, transport.close)


async def _trickle(
    answer: Response, fault: RequestFault, connection: Connection, send: Send
) -> None:
    pause = (_PAUSE_MS if fault.pause is None else fault.pause) / 1000
    await _start(answer, send)
    for byte in bytes(answer.body):
        if connection.transport.is_closing():
            return
        await _part(bytes([byte]), send)
        await asyncio.sleep(pause)
    await _part(b"", send, more=False)


async def _swell(answer: Response, size: int, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with *size* bytes at least: the JSON, and blanks, which JSON allows behind it."""
    transport = Connection(scope, receive).transport
    del answer.headers["content-length"]
    await _start(answer, send)
    await _part(answer.body, send)
    left = size - len(answer.body)
    while left > 0 and not transport.is_closing():
        await _part(b" " * min(left, 64 * KIB), send)
        left -= 64 * KIB
    await _part(b"", send, more=False)


async def _start(answer: Response, send: Send) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": answer.status_code,
            "headers": answer.raw_headers,
        }
    )


async def _part(body: bytes | memoryview, send: Send, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": bytes(body), "more_body": more})
