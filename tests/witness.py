"""What can be seen of a service from around it: by its Hub, on the wire, in tables and in /proc."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that the Hub got."""

    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def is_json(self) -> bool:
        return self.body.startswith(b"{")

    def said(self) -> Any:
        return json.loads(self.body) if self.is_json else {}


@dataclass
class EchoingHub:
    """
    Stands before a devhub and keeps what it is asked.

    A job that would run *echo-STATUS* is answered with that status and the whole request, but not
    before there are as many such requests as *echoes*: after some of these answers a service sends
    nothing more for a while.
    """

    app: ASGIApp
    echoes: int
    asked: list[Asked] = field(default_factory=list)
    answered: bytearray = field(default_factory=bytearray)
    _all_here: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = await _whole(receive)
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        target = f"{scope['method']} {scope['path']}?{scope['query_string'].decode()}"
        asked = Asked(target, headers, body)
        self.asked.append(asked)
        if status := _echoes(asked):
            await self._until_all_are_here()
            await _echo(send, int(status), asked)
            return
        rest = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def again() -> Message:
            return next(rest, None) or await receive()

        async def told(message: Message) -> None:
            self.answered += message.get("body", b"")
            await send(message)

        await self.app(scope, again, told)

    async def _until_all_are_here(self) -> None:
        if len({status for each in self.asked if (status := _echoes(each))}) == self.echoes:
            self._all_here.set()
        await self._all_here.wait()


def _echoes(asked: Asked) -> str | None:
    command = asked.said().get("command") or [""]
    return command[0].removeprefix("echo-") if command[0].startswith("echo-") else None


async def _echo(send: Send, status: int, asked: Asked) -> None:
    told = {"error": f"{asked.headers['authorization']} may not ask for {asked.body.decode()}"}
    headers = [(b"content-type", b"application/json"), (b"retry-after", b"600")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})


async def _whole(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


async def exchange(host: str, port: int, *requests: bytes) -> bytes:
    """Send each on a connection of its own, and return all that comes back, heads and bodies."""
    told = b""
    for request in requests:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(request)
        told += await asyncio.wait_for(reader.read(), 20)
        writer.close()
    return told


async def dumped(url: str) -> bytes:
    """Everything in the PostgreSQL database of *url*, as bytes that hold texts as they are."""
    server = await asyncpg.connect(url)
    try:
        told = bytearray()

        async def keep(data: bytes) -> None:
            told.extend(data)

        tables = await server.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in tables:
            await server.copy_from_table(table, output=keep, format="binary")
        return bytes(told)
    finally:
        await server.close()


def processes_below(parent: int) -> Iterator[int]:
    """The processes that *parent* started, and those that they started."""
    parents: dict[int, int] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208
        if stat := of_process(int(name), "stat"):
            parents[int(name)] = int(stat.rpartition(b")")[2].split()[1])
    found = [parent]
    for pid in found:
        found += [child for child, its in parents.items() if its == pid]
    yield from found[1:]


def of_process(pid: int, name: str) -> bytes:
    """A file of a process in /proc; nothing if it has ended."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
