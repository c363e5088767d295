"""The service's front door on a real socket, for tests that knock on it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import httpx2

import canaries
from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.flows.intake import Intake
from jobhook.web.limits import BoundedProtocol

SECRET = canaries.WEBHOOK
OLD_SECRET = canaries.ODD_WEBHOOK


@dataclass(frozen=True, slots=True)
class Door:
    """The service's front door, and what is behind it."""

    host: str
    port: int
    store: SqliteStore
    intake: Intake
    client: httpx2.AsyncClient

    async def raw(self, request: bytes) -> bytes:
        """Send bytes as they are and return all that comes back until the other side closes."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(request)
            await writer.drain()
            return await asyncio.wait_for(reader.read(), 20)
        finally:
            writer.close()


class QuickProtocol(BoundedProtocol):
    """The same bounds with deadlines that a test can wait for."""

    header_seconds = 0.5
    body_seconds = 0.5
    unread_seconds = 0.5
