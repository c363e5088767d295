"""A server on a real socket that says exactly what it is told to say, right or wrong."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came in."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def answer(status: int, body: Any = None, **headers: str) -> bytes:
    """The bytes of a JSON answer."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Told", "content-type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines += [f"content-length: {len(content)}", "", ""]
    return "\r\n".join(lines).encode() + content


def raw(content: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """The bytes of an answer that is no JSON."""
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(content)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + content


class CannedServer:
    """
    Answers requests in turn with `answers`; when there is none left, it closes the connection.

    After a None it closes it as well. With `hang` it stays silent instead.
    """

    def __init__(self) -> None:
        self.answers: list[bytes | None] = []
        self.asked: list[Asked] = []
        self.connections = 0
        # Set, for whatever thread, when a connection has ended.
        self.ended = threading.Event()
        self.hang = False

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while (asked := await _request(reader)) is not None:
                self.asked.append(asked)
                told = self.answers.pop(0) if self.answers else None
                if told is None:
                    break
                writer.write(told)
                await writer.drain()
                if self.answers[:1] == [None]:
                    self.answers.pop(0)
                    break
            while self.hang and await reader.read(1):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self.ended.set()


async def _request(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method, target, headers, body)
