"""Serve an ASGI app inside a running event loop, on a socket that is bound first."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from jobhook.core.errors import UsageError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

# A thousand requests that wait for one commit hold this many objects. With Python's own 700 the
# collector runs for each wave of requests, finds nothing, and takes a tenth of their time.
_COLLECT_AFTER = 20_000


class _EmbeddedServer(uvicorn.Server):
    """A uvicorn server that leaves the signals to whoever runs the process."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told_to_stop = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        # The tick keeps the date header right; uvicorn's own loop looks ten times a second
        # whether it is to stop.
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._told_to_stop.wait()

    def stop(self) -> None:
        self.should_exit = True
        self._told_to_stop.set()


class OpenProtocol(HttpToolsProtocol):
    """
    One connection that the app may break off.

    The app finds the connection's transport in the scope, as the extension `jobhook.transport`.
    """

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extension = {"jobhook.transport": {"transport": self.transport}}
        self.scope["extensions"] = extension  # type: ignore[typeddict-item]


def listen(host: str, port: int, *, options: str = "--host or --port") -> socket.socket:
    """
    Return a listening socket, so that its address is known before anything is served.

    *port* 0 takes a free one.

    Raises:
        UsageError: If the address is taken or is not of this machine; it names the *options*.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with contextlib.ExitStack() as stack:
            # asyncio sends small pieces at once only where the socket says that it speaks TCP.
            listener = stack.enter_context(socket.socket(family, kind, protocol))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(2048)
            stack.pop_all()
            return listener
    except OSError as exc:
        raise UsageError(
            f"cannot listen on {host}:{port} ({exc.strerror}): give another {options}"
        ) from exc


def url_of(listener: socket.socket) -> str:
    """Return the `http://` URL at which this machine reaches *listener*."""
    host, port = listener.getsockname()[:2]
    # The unspecified address is where we listen, not where anyone can be reached.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp,
    listener: socket.socket,
    *,
    grace: float = 1.0,
    protocol: type[asyncio.Protocol] | None = None,
) -> AsyncIterator[None]:
    """
    Serve *app* on *listener* while the block runs; *grace* seconds are left to open requests.

    The app's lifespan is not run: whoever made the app opens and closes what it needs.
    """
    options: dict[str, Any] = {"http": protocol} if protocol else {}
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=max(1, round(grace)),
        **options,
    )
    server = _EmbeddedServer(config)
    collected_after = gc.get_threshold()
    gc.set_threshold(_COLLECT_AFTER)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="serving")
    try:
        # uvicorn tells that it is ready by this flag only.
        while not server.started and not task.done():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        yield
    finally:
        server.stop()
        await task
        gc.set_threshold(*collected_after)
