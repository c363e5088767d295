"""The API on a real socket, with a caller of every role."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx2

from factories import NOON
from jobhook.adapters.store_sqlite import SqliteStore, sqlite_store
from jobhook.core.access import Role
from jobhook.core.audits import AuditEntry
from jobhook.flows.access import Access, drawn_token
from jobhook.flows.feed import Feed
from jobhook.flows.idempotency import Idempotency
from jobhook.flows.records import Records
from jobhook.web.api.kernel import Api, Cors
from jobhook.web.api.operations import Operation
from jobhook.web.api.services import Services
from jobhook.web.api.streaming import Streams
from jobhook.web.app import create_app
from jobhook.web.limits import BoundedProtocol
from jobhook.web.serving import listen, serving


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiDoor:
    """The API, and clients that show a token of each role, or none."""

    host: str
    port: int
    store: SqliteStore
    access: Access
    streams: ShortStreams
    clients: dict[Role, httpx2.AsyncClient]
    stranger: httpx2.AsyncClient

    @property
    def viewer(self) -> httpx2.AsyncClient:
        return self.clients[Role.VIEWER]

    @property
    def operator(self) -> httpx2.AsyncClient:
        return self.clients[Role.OPERATOR]

    @property
    def admin(self) -> httpx2.AsyncClient:
        return self.clients[Role.ADMIN]

    async def revoke(self, role: Role) -> None:
        """Let the token of *role* open nothing any more."""
        (token,) = [each for each in await self.store.tokens() if each.name == role.value]
        await self.access.revoke(token.id)

    async def audits(self) -> tuple[AuditEntry, ...]:
        return await self.store.audits(limit=0)

    async def raw(self, request: bytes) -> bytes:
        """Send bytes as they are and return all that comes back until the other side closes."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(request)
            await writer.drain()
            return await asyncio.wait_for(reader.read(), 20)
        finally:
            writer.close()


class ShortStreams(Streams):
    """Streams whose heartbeat a test can wait for, two at most."""

    def __init__(self) -> None:
        self.ending = asyncio.Event()
        super().__init__(most=2, heartbeat=0.05, ending=self.ending)


async def _no_metrics(accept: str) -> tuple[bytes, str]:
    return b"# nothing\n", "text/plain"


@asynccontextmanager
async def opened_api(
    folder: Path, operations: Sequence[Operation], *, origins: Collection[str] = ()
) -> AsyncIterator[ApiDoor]:
    """Serve *operations*, with nothing behind them but a store."""
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(sqlite_store(folder / "api.db"))
        access = Access(store, lambda: NOON)
        records, streams = Records(store, lambda: NOON), ShortStreams()
        services = Services(
            clock=lambda: NOON,
            access=access,
            idempotency=Idempotency(store, lambda: NOON),
            store=store,
            records=records,
            feed=Feed(store, records.summaries, pause=partial(asyncio.sleep, 0.01)),
            rules=cast("Any", None),
            rules_offline=cast("Any", None),
            metrics=_no_metrics,
            find_hub_side=lambda: None,
        )
        api = Api(services, operations, public={}, cors=Cors(origins), streams=streams)
        app = create_app(None, is_ready=lambda: True, load_api=lambda: api)
        listener = stack.enter_context(listen("127.0.0.1", 0))
        await stack.enter_async_context(serving(app, listener, protocol=BoundedProtocol))
        host, port = listener.getsockname()
        clients = {}
        for role in Role:
            token, value = drawn_token(role.value, role, by="a test", now=NOON)
            await access.add(token)
            headers = {"authorization": f"Bearer {value}"}
            clients[role] = await stack.enter_async_context(_client(host, port, headers))
        stranger = await stack.enter_async_context(_client(host, port, {}))
        yield ApiDoor(
            host=host,
            port=port,
            store=store,
            access=access,
            streams=streams,
            clients=clients,
            stranger=stranger,
        )


def _client(host: str, port: int, headers: dict[str, str]) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=f"http://{host}:{port}", headers=headers, verify=False)
