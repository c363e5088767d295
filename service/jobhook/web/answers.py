"""
Answer a request with one write.

ASGI tells the head of an answer and its body apart, and uvicorn sends each when it is told: a
second segment on the wire costs as much as taking the request in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

if TYPE_CHECKING:
    from starlette.types import Scope, Send

Header = tuple[bytes, bytes]
Answer = Callable[[int, bytes, tuple[Header, ...]], Awaitable[None]]

CLOSE: Header = (b"connection", b"close")
# The scope's extension that answers at once; only for requests whose answer has a body, and only
# with headers of ours, because nothing looks at them again.
AT_ONCE = "jobhook.answer_at_once"


def answerer(scope: Scope, send: Send) -> Answer:
    """Return what answers the request of *scope*: at once, if its connection can do that."""
    at_once: Answer | None = scope.get("extensions", {}).get(AT_ONCE)
    return at_once or partial(answer_in_two, send)


async def answer_at_once(
    cycle: RequestResponseCycle, status: int, body: bytes, headers: tuple[Header, ...]
) -> None:
    """Do for *cycle* what two calls of its `send` do."""
    if cycle.flow.write_paused and not cycle.disconnected:
        await cycle.flow.drain()
    if cycle.disconnected:
        return
    if CLOSE in headers:
        cycle.keep_alive = False
    elif not cycle.keep_alive:
        headers = (*headers, CLOSE)
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    lines = [b"%s: %s\r\n" % header for header in (*cycle.default_headers, *headers)]
    length = b"content-length: %d\r\n\r\n" % len(body)
    cycle.transport.write(b"".join((STATUS_LINE[status], *lines, length, body)))
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()


async def answer_in_two(send: Send, status: int, body: bytes, headers: tuple[Header, ...]) -> None:
    """Answer as ASGI has it."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
