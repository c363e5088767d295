"""
The load: so many connections, each with one request on its way (a closed loop).

It is an epoll loop without asyncio, which costs some 10 microseconds a request: less than any of
the servers. A connection that the server closes is opened again.
"""

from __future__ import annotations

import select
import socket
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

_DRAIN_SECONDS = 30.0


@dataclass(slots=True)
class Load:
    """
    What came of a load.

    Attributes:
        broken: Connections that were closed before the answer had come.
        waits: Seconds from a request to its answer.
    """

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    waits: list[float] = field(default_factory=list)

    @property
    def answers(self) -> int:
        return self.statuses.total()

    @property
    def per_second(self) -> float:
        return self.answers / self.seconds

    def milliseconds(self, percent: int) -> float:
        """Return the wait that so many percent of the requests did not exceed."""
        return statistics.quantiles(self.waits, n=100)[percent - 1] * 1000


class _Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.buffer = b""
        self.sent_at = 0.0

    def send(self, request: bytes) -> None:
        self.buffer = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)


def drive(
    port: int,
    next_request: Callable[[], bytes],
    *,
    connections: int,
    seconds: float = float("inf"),
    count: float = float("inf"),
) -> Load:
    """Send requests until *seconds* are over or *count* were sent, and wait for the answers."""
    return _Driver(port, next_request, count).run(connections, seconds)


class _Driver:
    def __init__(self, port: int, next_request: Callable[[], bytes], count: float) -> None:
        self._port = port
        self._next_request = next_request
        self._left = count
        self._poll = select.epoll()
        self._waiting: dict[int, _Connection] = {}
        self._load = Load()

    def run(self, connections: int, seconds: float) -> Load:
        begun = time.perf_counter()
        for _ in range(connections):
            self._go_on(None)
        while self._waiting:
            now = time.perf_counter() - begun
            if now > seconds:
                self._left = 0
            if now > seconds + _DRAIN_SECONDS:
                self._load.broken += len(self._waiting)
                break
            for number, _ in self._poll.poll(0.1):
                self._read(self._waiting[number])
        self._load.seconds = time.perf_counter() - begun
        self._poll.close()
        return self._load

    def _go_on(self, connection: _Connection | None) -> None:
        if self._left <= 0:
            if connection:
                self._forget(connection)
            return
        self._left -= 1
        if connection is None:
            connection = _Connection(self._port)
            self._waiting[connection.socket.fileno()] = connection
            self._poll.register(connection.socket, select.EPOLLIN)
        connection.send(self._next_request())

    def _forget(self, connection: _Connection) -> None:
        self._poll.unregister(connection.socket)
        del self._waiting[connection.socket.fileno()]
        connection.socket.close()

    def _read(self, connection: _Connection) -> None:
        try:
            data = connection.socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self._load.broken += 1
            self._forget(connection)
            self._go_on(None)
            return
        connection.buffer += data
        answer = _complete(connection.buffer)
        if answer is None:
            return
        status, closes = answer
        self._load.statuses[status] += 1
        self._load.waits.append(time.perf_counter() - connection.sent_at)
        if closes:
            self._forget(connection)
            self._go_on(None)
        else:
            self._go_on(connection)


def _complete(answer: bytes) -> tuple[int, bool] | None:
    """Return the status, and whether the connection closes, once the whole answer has come."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = answer[:end].lower()
    at = head.find(b"content-length: ")
    length = int(head[at + 16 :].split(b"\r", 1)[0]) if at >= 0 else 0
    if len(answer) < end + 4 + length:
        return None
    return int(head[9:12]), b"connection: close" in head
