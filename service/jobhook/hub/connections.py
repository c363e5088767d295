"""
HTTP/1.1 to one origin: connections that are used once, or that rest between requests.

The protocol is that of `httpcore2`, which `httpx2` stands on. Its pool, its backend for several
event loops and the client above them take more time than the request itself (`bench/results.md`,
"run_job"), and do nothing for requests that all go to one origin.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore2

from jobhook.core.errors import UsageError

_READ_BYTES = 64 * 1024
_RESTING_MAX = 50
RESTING_SECONDS = 5.0
_AT_ONCE_MAX = 100
_PORTS = {"http": 80, "https": 443}

# Raised before a byte of a request left.
NOT_SENT = (httpcore2.ConnectError, httpcore2.ConnectTimeout, httpcore2.ProxyError)
# What the way to the Hub may fail with, once it is there.
BROKEN = (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException)
_CLOSED = (httpcore2.RemoteProtocolError, httpcore2.ReadError, httpcore2.WriteError)
Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Response:
    """What came first of an answer (its headers with names in small letters), and what follows."""

    status: int
    reason: str
    headers: Headers
    chunks: AsyncIterator[bytes]

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300


class Connections:
    """
    The connections to one origin; through the proxy that the environment names for it, if any and
    if they are to be *proxied*.

    A hundred requests are made at once, streams not counted; *connect* seconds are waited for a
    connection.
    """

    def __init__(self, origin: SplitResult, *, connect: float, proxied: bool = True) -> None:
        self._host = origin.hostname or ""
        self._port = origin.port or _PORTS[origin.scheme]
        self._named = origin.netloc.rpartition("@")[2]
        self._origin = httpcore2.Origin(origin.scheme.encode(), self._host.encode(), self._port)
        self._connect_seconds = connect
        self._tls = httpcore2.default_ssl_context() if origin.scheme == "https" else None
        self._proxy = self._proxied(origin.scheme) if proxied else None
        self._loop: asyncio.AbstractEventLoop | None = None
        # Since when, the newest last.
        self._resting: list[tuple[float, httpcore2.AsyncHTTP11Connection]] = []
        self._places = asyncio.Semaphore(_AT_ONCE_MAX)

    def _settle(self) -> None:
        """Begin anew if the event loop is another: what belongs to one works in no other."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._resting = loop, []
            self._places = asyncio.Semaphore(_AT_ONCE_MAX)

    async def aclose(self) -> None:
        """Close the connections that rest."""
        self._settle()
        while self._resting:
            await self._resting.pop()[1].aclose()
        if self._proxy:
            await self._proxy.aclose()

    @contextlib.asynccontextmanager
    async def ask(
        self,
        method: str,
        target: str,
        headers: Headers,
        content: bytes | None,
        *,
        rested: float,
        leaving: Callable[[], None],
    ) -> AsyncIterator[Response]:
        """
        Send a request and give what is answered.

        It may meet a connection that rested for up to *rested* seconds, of which the Hub may be
        just closing one (F11): what only reads is then sent once more, anything else is not.
        *leaving* is called before the first byte leaves.
        """
        request = self._request(method, target, headers, content, quiet=None)
        self._settle()
        async with self._places:
            if self._proxy:
                leaving()
                async with self._once(request) as response:
                    yield response
                return
            connection, answered = await self._answered(request, rested, leaving)
            try:
                yield _response(answered)
                await answered.aclose()
            except BaseException:
                await connection.aclose()
                raise
            await self._let_rest(connection)

    @contextlib.asynccontextmanager
    async def stream(
        self, target: str, headers: Headers, *, quiet: float
    ) -> AsyncIterator[Response]:
        """Open a stream; *quiet* is how many seconds it may be silent (`httpcore2.ReadTimeout`)."""
        async with self._once(self._request("GET", target, headers, None, quiet=quiet)) as response:
            yield response

    @contextlib.asynccontextmanager
    async def _once(self, request: httpcore2.Request) -> AsyncIterator[Response]:
        connection = self._proxy or await self._connect()
        try:
            answered = await connection.handle_async_request(request)
            try:
                yield _response(answered)
            finally:
                await answered.aclose()
        finally:
            if connection is not self._proxy:
                await connection.aclose()

    async def _answered(
        self, request: httpcore2.Request, rested: float, leaving: Callable[[], None]
    ) -> tuple[httpcore2.AsyncHTTP11Connection, httpcore2.Response]:
        known = await self._rested(rested)
        connection = known or await self._connect()
        leaving()
        try:
            return connection, await connection.handle_async_request(request)
        except BaseException as exc:
            await connection.aclose()
            if known is None or request.method != b"GET" or not isinstance(exc, _CLOSED):
                raise
        return await self._answered(request, 0, leaving)

    async def _rested(self, seconds: float) -> httpcore2.AsyncHTTP11Connection | None:
        """Return the connection that rests for the shortest time, if that is not over *seconds*."""
        while self._resting:
            since, connection = self._resting[-1]
            if time.monotonic() - since >= seconds:
                return None
            self._resting.pop()
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return None

    async def _let_rest(self, connection: httpcore2.AsyncHTTP11Connection) -> None:
        # What comes after an answer would pass for the next one.
        has_more = bool(connection._h11_state.trailing_data[0]) or connection.has_expired()
        if not connection.is_idle() or has_more:
            await connection.aclose()
            return
        now = time.monotonic()
        self._resting.append((now, connection))
        while len(self._resting) > _RESTING_MAX or now - self._resting[0][0] > RESTING_SECONDS:
            await self._resting.pop(0)[1].aclose()

    async def _connect(self) -> httpcore2.AsyncHTTP11Connection:
        try:
            async with asyncio.timeout(self._connect_seconds):
                reader, writer = await asyncio.open_connection(
                    self._host, self._port, ssl=self._tls
                )
        except TimeoutError as exc:
            raise httpcore2.ConnectTimeout(f"no connection in {self._connect_seconds:g} s") from exc
        except (OSError, UnicodeError) as exc:
            raise httpcore2.ConnectError(str(exc)) from exc
        return httpcore2.AsyncHTTP11Connection(
            origin=self._origin,
            stream=_Stream(reader, writer),
            keepalive_expiry=RESTING_SECONDS,
        )

    def _request(
        self,
        method: str,
        target: str,
        headers: Headers,
        content: bytes | None,
        *,
        quiet: float | None,
    ) -> httpcore2.Request:
        sent = {"host": self._named, "accept": "*/*", **headers}
        if content is not None or method != "GET":
            sent["content-length"] = str(len(content or b""))
        timeouts = {"connect": self._connect_seconds, "read": quiet}
        return httpcore2.Request(
            method,
            httpcore2.URL(
                scheme=self._origin.scheme,
                host=self._origin.host,
                port=self._port,
                target=target.encode(),
            ),
            headers=list(sent.items()),
            content=content or b"",
            extensions={"timeout": timeouts},
        )

    def _proxied(self, scheme: str) -> httpcore2.AsyncHTTPProxy | None:
        named = getproxies()
        proxy = named.get(scheme) or named.get("all")
        if not proxy or proxy_bypass(self._named):
            return None
        try:
            parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
            default = _PORTS[parts.scheme]
            url = f"{parts.scheme}://{parts.hostname}:{parts.port or default}"
        except (ValueError, KeyError) as exc:
            raise UsageError(f"{scheme}_proxy names no http(s) proxy") from exc
        known = parts.username is not None
        return httpcore2.AsyncHTTPProxy(
            url,
            proxy_auth=(unquote(parts.username or ""), unquote(parts.password or ""))
            if known
            else None,
            ssl_context=self._tls,
            max_connections=None,
            max_keepalive_connections=0,
        )


class _Stream(httpcore2.AsyncNetworkStream):
    """A connection of asyncio, as httpcore2 wants it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            async with asyncio.timeout(timeout) as patience:
                return await self._reader.read(max_bytes)
        except OSError as exc:
            # The system has a TimeoutError of its own, for a peer that is gone.
            if patience.expired():
                raise httpcore2.ReadTimeout(f"nothing came for {timeout} s") from exc
            raise httpcore2.ReadError(str(exc)) from exc

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            self._writer.write(buffer)
            await self._writer.drain()
        except OSError as exc:
            raise httpcore2.WriteError(str(exc)) from exc

    async def aclose(self) -> None:
        self._writer.close()

    def get_extra_info(self, info: str) -> Any:
        # What rests has nothing to read, but its end or what nobody asked for.
        return self._reader.at_eof() or bool(self._reader._buffer)  # type: ignore[attr-defined]


def _response(answered: httpcore2.Response) -> Response:
    reason = answered.extensions.get("reason_phrase", b"")
    return Response(
        status=answered.status,
        reason=reason.decode("ascii", "replace"),
        headers=_headers(answered.headers),
        chunks=answered.aiter_stream(),
    )


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("ascii").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers
