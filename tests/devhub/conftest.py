"""A devhub on a loopback port, the official client for it, and a receiver of its deliveries."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import anyio.to_thread
import httpx2
import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

# Read when huggingface_hub is imported: nothing here may reach for the network.
os.environ.update(
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_UPDATE_CHECK="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    HF_HUB_DISABLE_XET="1",
    HF_HUB_DISABLE_IMPLICIT_TOKEN="1",
)

from huggingface_hub import HfApi

from jobhook.devhub import OTHER_TOKEN, TOKEN, DevHub, Limits
from jobhook.devhub.wire import now
from jobhook.web.serving import OpenProtocol, listen, serving, url_of

P = ParamSpec("P")
T = TypeVar("T")

DEADLINE = 15.0
FAST = Limits(
    kill_grace=0.3,
    log_bytes=20_000,
    log_line_bytes=1000,
    keep_alive=0.05,
    metrics_pause=0.02,
    metrics_linger=0.1,
    schedule_pause=0.01,
    schedules=4,
    retry_delays=(0.0, 0.0),
    delivery_timeout=2.0,
    failures_to_suspend=2,
    page_items=2,
    tree_page_items=3,
    jobs_at_once=4,
    body_bytes=200_000,
    commit_bytes=1_000_000,
)


@pytest.fixture
def fast() -> Limits:
    """Small limits, as the devhubs of tests have them."""
    return FAST


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@dataclass(frozen=True, kw_only=True)
class Running:
    """A devhub that is served, with clients of its users."""

    url: str
    hub: DevHub
    api: HfApi
    eve: HfApi
    http: httpx2.AsyncClient

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a blocking *function* of the official client."""
        return await anyio.to_thread.run_sync(lambda: function(*args, **kwargs))

    async def run(self, *command: str, **body: Any) -> dict[str, Any]:
        """Launch a job as `dev`."""
        spec = {
            "dockerImage": "python:3.12",
            "command": list(command),
            "arguments": [],
            "environment": {},
            "flavor": "cpu-basic",
            **body,
        }
        answer = await self.http.post("/api/jobs/dev", json=spec)
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()
        return job

    async def job(self, job_id: str) -> dict[str, Any]:
        """Return a job of `dev`."""
        job: dict[str, Any] = (await self.http.get(f"/api/jobs/dev/{job_id}")).json()
        return job

    async def log(self, job_id: str, query: str = "") -> list[str]:
        """Return all lines of a job's log, when it is complete."""
        url = f"/api/jobs/dev/{job_id}/logs{query}"
        async with asyncio.timeout(DEADLINE), self.http.stream("GET", url) as answer:
            return [
                orjson.loads(line.removeprefix("data: "))["data"]
                async for line in answer.aiter_lines()
                if line.startswith("data: ")
            ]

    async def ledger(self) -> list[dict[str, Any]]:
        """Return every job that there ever was, oldest first."""
        jobs: list[dict[str, Any]] = (await self.http.get("/_devhub/ledger")).json()
        return jobs

    async def ended(self, job_id: str) -> dict[str, Any]:
        """Return a job once it is over."""
        await self.log(job_id)
        return await self.job(job_id)


@dataclass(kw_only=True)
class Door:
    """A port that is served all the time; to stop a server takes longer than most tests."""

    url: str
    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


@contextlib.asynccontextmanager
async def door() -> AsyncIterator[Door]:
    listener = listen("127.0.0.1", 0)
    door = Door(url=url_of(listener), app=Response(status_code=503))
    async with serving(door, listener, protocol=OpenProtocol):
        yield door


@pytest.fixture(scope="session")
async def hub_door() -> AsyncIterator[Door]:
    async with door() as opened:
        yield opened


@pytest.fixture(scope="session")
async def receiver_door() -> AsyncIterator[Door]:
    async with door() as opened:
        yield opened


@contextlib.asynccontextmanager
async def running(
    door: Door,
    data: Path | None = None,
    users: Path | None = None,
    limits: Limits = FAST,
    faults: Sequence[str] = (),
    seed: int | None = None,
    clock: Callable[[], datetime] = now,
) -> AsyncIterator[Running]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        DevHub(
            door.url,
            data=data,
            users=users,
            limits=limits,
            faults=faults,
            seed=seed,
            clock=clock,
        ) as hub,
        httpx2.AsyncClient(base_url=door.url, headers=headers, timeout=DEADLINE) as http,
    ):
        door.app = hub.app
        yield Running(
            url=door.url,
            hub=hub,
            api=HfApi(endpoint=door.url, token=TOKEN),
            eve=HfApi(endpoint=door.url, token=OTHER_TOKEN),
            http=http,
        )


@pytest.fixture
def devhub_with(
    hub_door: Door,
) -> Callable[..., contextlib.AbstractAsyncContextManager[Running]]:
    """Serve a devhub that is not as usual."""
    return partial(running, hub_door)


@pytest.fixture
async def devhub(hub_door: Door) -> AsyncIterator[Running]:
    async with running(hub_door) as devhub:
        yield devhub


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[Running]:
    """A devhub for tests that do not mind what others left in it."""
    async with door() as opened, running(opened) as devhub:
        yield devhub


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What came to a receiver."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        """Return the payload."""
        body: dict[str, Any] = orjson.loads(self.raw)
        return body

    @property
    def event(self) -> tuple[str, str]:
        """Return scope and action."""
        return self.body["event"]["scope"], self.body["event"]["action"]


@dataclass(kw_only=True)
class Receiver:
    """Somebody who gets deliveries; *answers* are given first, then 202."""

    url: str
    answers: list[int] = field(default_factory=list)
    got: list[Delivery] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self, request: Request) -> Response:
        raw = await request.body()
        headers = dict(request.headers)
        self.got.append(Delivery(path=request.url.path, headers=headers, raw=raw))
        self._news.set()
        status = self.answers.pop(0) if self.answers else 202
        headers = {"Location": f"{self.url}/elsewhere"} if status == 307 else {}
        return Response(status_code=status, headers=headers)

    async def first(self, count: int) -> list[Delivery]:
        """Return the first *count* deliveries, once they have come."""
        async with asyncio.timeout(DEADLINE):
            while len(self.got) < count:
                self._news.clear()
                await self._news.wait()
        return self.got[:count]


@pytest.fixture
async def receiver(receiver_door: Door) -> Receiver:
    receiver = Receiver(url=receiver_door.url)
    receiver_door.app = Starlette(
        routes=[Route("/{path:path}", receiver.receive, methods=["POST"])]
    )
    return receiver


@pytest.fixture
def until() -> Callable[[Callable[[], Any]], Any]:
    """Wait for a condition that nothing announces, and return what it found."""

    async def wait(condition: Callable[[], Any]) -> Any:
        async with asyncio.timeout(DEADLINE):
            while True:
                found = condition()
                found = await found if asyncio.iscoroutine(found) else found
                if found:
                    return found
                await asyncio.sleep(0.01)

    return wait


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HF_ENDPOINT", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
