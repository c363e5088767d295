"""
Orders to a running service on its own machine: a Unix socket beside the database.

One order a connection, one line of JSON each way. Whoever may open the database may connect; nobody
else can, because the socket has the mode of the database (0600).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import astuple
from pathlib import Path

import structlog

from jobhook.core.errors import JobHookError, StoreError
from jobhook.core.operations import Order, Outcome, order_from_json, order_to_json

LINE_MAX_BYTES = 1024 * 1024
_LINE_SECONDS = 5.0
# The Hub may be asked meanwhile, which takes its time.
_ANSWER_SECONDS = 120.0
_ADDRESS_MAX_BYTES = 100

CarryOut = Callable[[Order], Awaitable[tuple[Outcome, ...]]]

log = structlog.get_logger()


class NoService(StoreError):
    """No service that uses this database is running here."""


def socket_path(database: Path) -> Path:
    """Return where the service that has *database* open listens for orders."""
    return database.with_name(f"{database.name}.sock")


@contextlib.asynccontextmanager
async def taking_orders(database: Path, carry_out: CarryOut) -> AsyncIterator[None]:
    """
    Take orders while the block runs; the caller has the lock of *database*.

    Raises:
        StoreError: The socket cannot be made.
    """
    path = socket_path(database)
    open_orders: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(_LINE_SECONDS):
                line = await _line(reader)
            async with asyncio.timeout(_ANSWER_SECONDS):
                answer = await _answer(line, carry_out)
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer), name="order")
        open_orders.add(task)
        task.add_done_callback(open_orders.discard)

    server = await asyncio.start_unix_server(begin, sock=_bound(path), limit=LINE_MAX_BYTES)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        server.close()
        # Whoever comes after us may close what an order needs.
        await asyncio.gather(*open_orders)


def _bound(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        with _short(path) as address:
            before = os.umask(0o177)
            try:
                listener.bind(address)
            finally:
                os.umask(before)
    except OSError as exc:
        listener.close()
        raise StoreError(f"orders cannot be taken on {path}: {exc.strerror or exc}") from exc
    return listener


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readline()
    except ValueError:  # over the limit
        return b""


async def give_order(database: Path, order: Order) -> tuple[Outcome, ...]:
    """
    Give *order* to the service that has *database* open, and return what came of it.

    Raises:
        NoService: There is none.
        StoreError: It could not carry the order out, or did not answer.
    """
    reader, writer = await _connected(socket_path(database))
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            writer.write(order_to_json(order) + b"\n")
            line = await _line(reader)
    except (OSError, TimeoutError) as exc:
        raise StoreError("the service did not answer: look at what came of it") from exc
    finally:
        writer.close()
    if not line.endswith(b"\n"):
        raise StoreError("the service stopped meanwhile: look at what came of it")
    answer = json.loads(line)
    if "error" in answer:
        raise StoreError(answer["error"])
    return tuple(Outcome(*told) for told in answer["outcomes"])


async def is_service_running(database: Path) -> bool:
    """Return whether a service on this machine has *database* open and takes orders."""
    try:
        _, writer = await _connected(socket_path(database))
    except StoreError:
        return False
    writer.close()
    return True


async def _connected(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        with _short(path) as address:
            return await asyncio.open_unix_connection(address, limit=LINE_MAX_BYTES)
    except (FileNotFoundError, ConnectionRefusedError) as exc:
        raise NoService(f"no service is running on {path}") from exc
    except OSError as exc:
        raise StoreError(f"the service on {path} cannot be reached: {exc.strerror}") from exc


async def _answer(line: bytes, carry_out: CarryOut) -> dict[str, object]:
    try:
        outcomes = await carry_out(order_from_json(line))
    except JobHookError as exc:
        return {"error": str(exc)}
    except Exception as exc:
        log.exception("order.broken")
        return {"error": f"jobhook failed on it: {type(exc).__name__}"}
    return {"outcomes": [astuple(outcome) for outcome in outcomes]}


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """Give a name for *path* that fits into the address of a socket."""
    if len(os.fsencode(path)) <= _ADDRESS_MAX_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
