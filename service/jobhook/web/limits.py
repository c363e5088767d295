"""
Bounds on what a connection may send, kept where bytes arrive: uvicorn's httptools protocol.

uvicorn has no limit on headers and no deadline for a request. Without them one client holds
hundreds of MiB, or a connection for ever (threats T08 and T09).
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HEADERS_MAX_BYTES = 16 * 1024
HEADERS_MAX_COUNT = 64
HEADER_SECONDS = 5.0
BODY_SECONDS = 10.0


class BoundedProtocol(HttpToolsProtocol):
    """
    One connection, bounded.

    A header block over 16 KiB or 64 lines gets 431, one that is not complete after 5 seconds 408.
    A body that nobody reads any more (its sender was refused) is drained for 10 seconds at most,
    so that the sender can read the answer; then the connection is closed.
    """

    header_seconds = HEADER_SECONDS
    body_seconds = BODY_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._header_bytes = 0
        self._refused = False
        self._in_body = False
        self._header_timer: asyncio.TimerHandle | None = None
        self._body_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._header_timer is None and not self._in_body:
            self._expect_headers()
        waiting = self._header_timer
        super().data_received(data)
        # A line that never ends reaches no callback of the parser: while the same header block is
        # waited for, count the raw bytes as well.
        if waiting is not None and self._header_timer is waiting:
            self._header_bytes += len(data)
            if self._header_bytes > HEADERS_MAX_BYTES:
                self._refuse(431, b"the header block is too large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._header_timer is None:
            self._expect_headers()

    def on_headers_complete(self) -> None:
        self._disarm()
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > HEADERS_MAX_BYTES or len(self.headers) > HEADERS_MAX_COUNT:
            self._refuse(431, b"the header block is too large")
        if self.parser.should_upgrade():
            # The parser takes what follows for another protocol: a body would be thrown away, or
            # read as the next request.
            self._refuse(400, b"nothing here can be upgraded to another protocol")
        if self._refused:
            return
        self._in_body = True
        self._body_timer = self.loop.call_later(self.body_seconds + 1, self.transport.close)
        super().on_headers_complete()
        self.cycle.transport = _LingeringTransport(self)  # type: ignore[assignment]

    def on_body(self, body: bytes) -> None:
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._disarm()
        self._in_body = False
        if self._refused:
            return
        super().on_message_complete()
        if self.cycle.response_complete and not self.cycle.keep_alive:
            self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        # It is refused, and said so to the sender.
        return

    def close_when_drained(self) -> None:
        """Close the connection once the rest of the request has come, or will not come any more."""
        if self._in_body and not self.transport.is_closing():
            self.flow.resume_reading()
        else:
            self.transport.close()

    def _expect_headers(self) -> None:
        self._header_bytes = 0
        self._header_timer = self.loop.call_later(self.header_seconds, self._give_up_on_headers)

    def _disarm(self) -> None:
        for timer in (self._header_timer, self._body_timer):
            if timer is not None:
                timer.cancel()
        self._header_timer = self._body_timer = None

    def _give_up_on_headers(self) -> None:
        if self._header_bytes:
            self._refuse(408, b"the request did not come in time")
        else:
            self.transport.close()

    def _refuse(self, status: int, message: bytes) -> None:
        self._disarm()
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        self.transport.write(
            STATUS_LINE[status]
            + b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
            + b"content-length: %d\r\n\r\n" % len(message)
            + message
        )
        self.transport.close()


class _LingeringTransport:
    """What a request writes its answer to; closing it waits for the rest of the request."""

    def __init__(self, protocol: BoundedProtocol) -> None:
        self._protocol = protocol
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing

    def close(self) -> None:
        self._protocol.close_when_drained()
