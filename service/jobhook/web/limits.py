"""
Bounds on what a connection may send, kept where bytes arrive: uvicorn's httptools protocol.

uvicorn has no limit on headers and no deadline for a request. Without them one client holds
hundreds of MiB, or a connection for ever (threats T08 and T09).
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from jobhook.ports import NO_METER, Meter
from jobhook.web.answers import AT_ONCE, Header, answer_at_once

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

HEADERS_MAX_BYTES = 16 * 1024
HEADERS_MAX_COUNT = 64
HEADER_SECONDS = 5.0
BODY_SECONDS = 10.0
UNREAD_SECONDS = 30.0
CONNECTIONS_MAX = 1000
# As the API has them, see `web/api/faults.py`.
_CODES = {400: b"malformed", 408: b"too_late", 431: b"headers_too_large", 503: b"unavailable"}
# Files that the database, the Hub's client and the logs need beside the connections.
_OTHER_FILES = 64
_NEVER = float("inf")
# The scope's extension that tells whether nothing of the body is still to come.
BODY_IS_HERE = "jobhook.body_is_here"


def connections_max() -> int:
    """Return how many connections may be open: 1,000, or what the process may have open files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return CONNECTIONS_MAX
    return max(1, min(CONNECTIONS_MAX, files - _OTHER_FILES))


class BoundedProtocol(HttpToolsProtocol):
    """
    One connection, bounded.

    A header block over 16 KiB or 64 lines gets 431; headers that are not complete after 5 seconds,
    or a body after 10, get 408. A body that nobody reads any more (its sender was refused) is
    drained for 10 seconds at most, so that the sender can read the answer; then the connection is
    closed. A connection is broken off when for 30 seconds nothing is read of what is left to be
    sent. One too many gets 503. Whatever is refused waits for its turn: what came before it on the
    connection is answered first. *meter* hears of what was refused.
    """

    meter: Meter = NO_METER
    header_seconds = HEADER_SECONDS
    body_seconds = BODY_SECONDS
    unread_seconds = UNREAD_SECONDS
    connections_max = connections_max()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._header_bytes = 0
        self._refused = False
        # What a refusal says once all that came before it is answered.
        self._last_word = b""
        self._in_headers = False
        self._in_body = False
        # When what is waited for must be here. A timer of its own for each header block and body
        # would cost as much as checking the secret.
        self._deadline = _NEVER
        # Of answers: how much was left to be sent when that was looked at last, and when less was.
        self._left, self._read_at = 0, _NEVER
        self._watch: asyncio.TimerHandle | None = None
        # The request that runs; those that follow on the same connection wait until it is answered.
        self._begun: RequestResponseCycle | None = None
        # The same for every request: one that held its own cycle would be garbage that only the
        # collector finds.
        self._extensions: dict[str, Any] = {
            BODY_IS_HERE: self._body_is_here,
            AT_ONCE: self._answer_at_once,
        }

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._lingering = _LingeringTransport(self)
        if len(self.connections) > self.connections_max:
            self._refuse(503, b"too many connections are open")
            return
        self._expect_headers()
        self._read_at = self.loop.time()
        self._watch = self.loop.call_at(self._deadline, self._look_at_deadline)

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        super().connection_lost(exc)
        # uvicorn tells only the last request of a connection, which waits behind the one that runs.
        if self._begun is not None and not self._begun.response_complete:
            self._begun.disconnected = True
            self._begun.message_event.set()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if not self._in_headers and not self._in_body:
            self._expect_headers()
        waiting = self._in_headers
        begun = self._deadline
        self._received = len(data)
        self._feed(data)
        # A line that never ends reaches no callback of the parser: while the same header block is
        # waited for, count the raw bytes as well.
        if waiting and self._in_headers and self._deadline == begun:
            self._header_bytes += len(data)
            if self._header_bytes > HEADERS_MAX_BYTES:
                self._refuse(431, b"the header block is too large")

    def _feed(self, data: bytes) -> None:
        # uvicorn's own would write a line into the log for each request that is none: a stranger
        # must not fill the disk.
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # It was refused when its headers were complete.
            return
        except httptools.HttpParserError:
            self._refuse(400, b"this is no HTTP request")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if not self._in_headers:
            self._expect_headers()

    def on_headers_complete(self) -> None:
        self._in_headers = False
        if self._is_too_large():
            self._refuse(431, b"the header block is too large")
        elif self.parser.should_upgrade():
            # The parser takes what follows for another protocol: a body would be thrown away, or
            # read as the next request.
            self._refuse(400, b"nothing here can be upgraded to another protocol")
        elif self.parser.get_http_version() != "1.1" and not self._is_plain_1_0():
            self._refuse(400, b"this version of HTTP is not spoken here")
        if self._refused:
            return
        super().on_headers_complete()
        # Not before: of a URL that cannot be read there is no request whose body could come.
        self._in_body = True
        self._deadline = self.loop.time() + self.body_seconds
        self.cycle.transport = self._lingering  # type: ignore[assignment]
        self.scope["extensions"] = self._extensions

    def on_body(self, body: bytes) -> None:
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        self._deadline = _NEVER
        if self._refused:
            return
        super().on_message_complete()
        if self.cycle.response_complete:
            if self.cycle.keep_alive:
                self._expect_nothing()
            else:
                self.transport.close()

    def on_response_complete(self) -> None:
        # What uvicorn's own does, but for its timer: made and cancelled for each request, it would
        # cost as much as the deadlines here.
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self._has_the_last_word():
            self._close_with_it()
        elif self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif not self._in_headers and not self._in_body:
            self._expect_nothing()

    def _unsupported_upgrade_warning(self) -> None:
        # It is refused, and said so to the sender.
        return

    def close_when_drained(self) -> None:
        """Close the connection once the rest of the request has come, or will not come any more."""
        if not self._body_is_here() and not self.transport.is_closing():
            self.flow.resume_reading()
        else:
            self.transport.close()

    def _is_too_large(self) -> bool:
        if len(self.headers) > HEADERS_MAX_COUNT:
            return True
        if self._header_bytes + self._received <= HEADERS_MAX_BYTES:
            # All that came is within the bounds, whatever of it are headers.
            return False
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        return size > HEADERS_MAX_BYTES

    def _is_plain_1_0(self) -> bool:
        # In 1.0 there are no chunks: whoever stands before us may see another end of the body.
        chunked = any(name == b"transfer-encoding" for name, _ in self.headers)
        return self.parser.get_http_version() == "1.0" and not chunked

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._begun = cycle
        super()._start_asgi_task(cycle, app)

    def _answer_at_once(
        self, status: int, body: bytes, headers: tuple[Header, ...]
    ) -> Awaitable[None]:
        return answer_at_once(cast(RequestResponseCycle, self._begun), status, body, headers)

    def _body_is_here(self) -> bool:
        # What comes in may be the body of a request that waits behind the one that runs.
        return not self._in_body or self.cycle is not self._begun

    def _expect_headers(self) -> None:
        self._in_headers = True
        self._header_bytes = 0
        self._deadline = self.loop.time() + self.header_seconds

    def _expect_nothing(self) -> None:
        self._deadline = self.loop.time() + self.timeout_keep_alive

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _look_at_deadline(self) -> None:
        now = self.loop.time()
        if not self._is_read(now):
            # Closing it would wait for the reader.
            self.transport.abort()
            return
        if now >= self._deadline and not (self._refused or self.transport.is_closing()):
            self._give_up()
        # Nothing that begins later can be due before the next look.
        soonest = now + min(
            self.header_seconds, self.body_seconds, self.unread_seconds, self.timeout_keep_alive
        )
        due = self._deadline if self._deadline > now else _NEVER
        self._watch = self.loop.call_at(min(due, soonest), self._look_at_deadline)

    def _is_read(self, now: float) -> bool:
        """Whether what is left of answers has become less within the time for that."""
        before, self._left = self._left, self.transport.get_write_buffer_size()
        if before == 0 or self._left < before:
            self._read_at = now
        return now - self._read_at < self.unread_seconds

    def _give_up(self) -> None:
        """Close the connection, and say why to whoever began with a request."""
        nothing_came = self._in_headers and not self._header_bytes
        if not nothing_came and (self._in_headers or not self.cycle.response_started):
            self._refuse(408, b"the request did not come in time")
        else:
            self.transport.close()

    def _refuse(self, status: int, message: bytes) -> None:
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        if self._in_body and self.cycle.response_started:
            # It has its answer; a second one would be taken for that to another request.
            self.transport.close()
            return
        self.meter.refused(status)
        body = b'{"error":{"code":"%s","message":"%s","details":null}}' % (_CODES[status], message)
        self._last_word = (
            STATUS_LINE[status]
            + b"content-type: application/json\r\nconnection: close\r\n"
            + b"content-length: %d\r\n\r\n" % len(body)
            + body
        )
        if self._has_the_last_word():
            self._close_with_it()

    def _has_the_last_word(self) -> bool:
        """Whether something is refused, and all that came before it on the connection answered."""
        if not self._last_word:
            return False
        runs = self._begun is not None and not self._begun.response_complete
        # What is refused in the middle of its body is among those that wait or run.
        return len(self.pipeline) + runs == self._in_body

    def _close_with_it(self) -> None:
        self.transport.write(self._last_word)
        self.transport.close()


def metered(protocol: type[BoundedProtocol], meter: Meter) -> type[BoundedProtocol]:
    """Return *protocol* that tells *meter*: the server makes its connections by itself."""
    return type(protocol.__name__, (protocol,), {"meter": meter})


class _LingeringTransport:
    """What a request writes its answer to; closing it waits for the rest of the request."""

    def __init__(self, protocol: BoundedProtocol) -> None:
        self._protocol = protocol
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing

    def close(self) -> None:
        self._protocol.close_when_drained()
