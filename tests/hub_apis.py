"""The API's part about the Hub, served beside a devhub and a whole service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx2

from jobhook.adapters.clocks import now_ms
from jobhook.core.access import Role
from jobhook.flows.access import Access, drawn_token
from jobhook.flows.idempotency import Idempotency
from jobhook.hub.client import AsyncHub
from jobhook.ports import Store
from jobhook.web.api import hardware, job_streams, jobs, schedules, webhooks
from jobhook.web.api.kernel import Api, Cors
from jobhook.web.api.operations import PREFIX, Operation
from jobhook.web.api.services import Services
from jobhook.web.api.streaming import Streams
from jobhook.web.limits import BoundedProtocol
from jobhook.web.serving import listen, serving, url_of
from town import Town, running_town

HUB_OPERATIONS: tuple[Operation, ...] = (
    *jobs.OPERATIONS,
    *job_streams.OPERATIONS,
    *hardware.OPERATIONS,
    *schedules.OPERATIONS,
    *webhooks.OPERATIONS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubApi:
    """The API, and what is behind it."""

    town: Town
    store: Store
    hub: AsyncHub
    streams: Streams
    client: httpx2.AsyncClient
    tokens: dict[Role, str]

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: Role = Role.ADMIN,
        **headers: str,
    ) -> httpx2.Response:
        """Call as somebody of *role*; of the names of headers, `_` stands for `-`."""
        return await self.client.request(
            method,
            PREFIX + path,
            content=None if body is None else json.dumps(body).encode(),
            headers=self.headers(role)
            | ({} if body is None else {"content-type": "application/json"})
            | {name.replace("_", "-"): value for name, value in headers.items()},
        )

    async def done(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: Role = Role.ADMIN,
        **headers: str,
    ) -> Any:
        """Return what a call is answered that must go well."""
        answer = await self.ask(method, path, body, role=role, **headers)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    @asynccontextmanager
    async def stream(self, path: str, **headers: str) -> AsyncIterator[AsyncIterator[Sse]]:
        """Open a stream, and give its events."""
        told = self.headers(Role.VIEWER) | {k.replace("_", "-"): v for k, v in headers.items()}
        async with self.client.stream("GET", PREFIX + path, headers=told) as answer:
            assert answer.status_code == 200, await answer.aread()
            yield _events(answer.aiter_lines())

    async def streamed(self, path: str, **headers: str) -> list[Sse]:
        """Return all events of a stream that ends."""
        async with self.stream(path, **headers) as events:
            return [each async for each in events]

    def is_kept(self, text: str) -> bool:
        """Whether a byte of the database says *text*."""
        files = (each for each in self.town.folder.glob("town.db*") if each.is_file())
        return any(text.encode() in each.read_bytes() for each in files)

    def headers(self, role: Role) -> dict[str, str]:
        return {"authorization": f"Bearer {self.tokens[role]}"}


@dataclass(frozen=True, slots=True)
class Sse:
    """One event as it came."""

    data: Any
    id: str | None = None
    kind: str = "message"


async def _events(lines: AsyncIterator[str]) -> AsyncIterator[Sse]:
    fields: dict[str, str] = {}
    async for line in lines:
        name, _, value = line.partition(": ")
        if name:
            fields[name] = value
        elif fields:
            yield Sse(json.loads(fields["data"]), fields.get("id"), fields.get("event", "message"))
        if not line:
            fields = {}


@asynccontextmanager
async def opened_hub_api(
    folder: Path, *, operations: Iterable[Operation] = HUB_OPERATIONS, **environ: str
) -> AsyncIterator[HubApi]:
    async with running_town(folder) as town:
        # Without a rule no webhook is registered, and none of the service is ready.
        town.rule("any", "watch: [user:dev]\non: [commit.pushed]\nrun: {image: i, command: [c]}\n")
        async with town.service(**environ) as service, town.hub() as hub:
            assert service.behind is not None
            direct = service.behind.direct
            access, tokens = Access(service.store, now_ms), {}
            for role in Role:
                token, tokens[role] = drawn_token(role.value, role, by="a test", now=now_ms())
                await access.add(token)
            services = SimpleNamespace(
                clock=now_ms,
                access=access,
                idempotency=Idempotency(service.store, now_ms),
                store=service.store,
                hub=hub,
                runs=direct.runs,
                schedules=direct.schedules,
                namespace=None,
                spare_hub=lambda: None,
            )
            streams = Streams(heartbeat=0.05, ending=asyncio.Event())
            api = Api(
                cast("Services", services), operations, public={}, cors=Cors(()), streams=streams
            )
            with listen("127.0.0.1", 0) as listener:
                async with (
                    serving(api, listener, protocol=BoundedProtocol),
                    httpx2.AsyncClient(base_url=url_of(listener), timeout=20) as client,
                ):
                    yield HubApi(
                        town=town,
                        store=service.store,
                        hub=hub,
                        streams=streams,
                        client=client,
                        tokens=tokens,
                    )
