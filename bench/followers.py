"""Those who follow the feed of a service: many connections, read by one thread."""

from __future__ import annotations

import re
import select
import socket
import threading
import time
from types import TracebackType
from typing import Self

from bench.processes import ServerFailed
from bench.service import ADMIN_TOKEN

_ID = re.compile(rb"^id: 0\.(\d+)$", re.MULTILINE)
# An event is much shorter.
_TAIL = 4096


class Followers:
    """
    So many open feeds at *port*, all of them read as soon as something comes.

    Attributes:
        received: How many bytes came, on all of them.
    """

    def __init__(self, port: int, number: int) -> None:
        self.received = 0
        self._sockets = [_following(port) for _ in range(number)]
        self._tails = {each.fileno(): b"" for each in self._sockets}
        self._ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.wait_for(0, seconds=60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._ended = True
        self._thread.join()
        for each in self._sockets:
            each.close()

    def wait_for(self, place: int, *, seconds: float) -> None:
        """
        Wait until everybody was told of the change at *place*, or of a later one.

        Raises:
            ServerFailed: Somebody was not, in time.
        """
        end = time.monotonic() + seconds
        while not all(_last(tail) >= place for tail in list(self._tails.values())):
            if time.monotonic() > end:
                raise ServerFailed("not everybody who follows the feed was told of everything")
            time.sleep(0.02)

    def _read(self) -> None:
        with select.epoll() as poll:
            sockets = {each.fileno(): each for each in self._sockets}
            for number in sockets:
                poll.register(number, select.EPOLLIN)
            while not self._ended:
                for number, _ in poll.poll(0.1):
                    come = sockets[number].recv(1 << 16)
                    if not come:
                        poll.unregister(number)
                    self.received += len(come)
                    self._tails[number] = (self._tails[number] + come)[-_TAIL:]


def _following(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(
        f"GET /api/v1/feed HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {ADMIN_TOKEN}"
        "\r\n\r\n".encode()
    )
    return connection


def _last(tail: bytes) -> int:
    """Return the id of the last event in *tail*; -1 if there is none."""
    return max(map(int, _ID.findall(tail)), default=-1)
