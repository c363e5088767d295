"""What the receiver tells the meter, and the text that is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from doors import QuickProtocol
from factories import NOON
from fakes import Bell
from jobhook.adapters.counts import Counts
from jobhook.core.deliveries import BODY_MAX_BYTES, AcceptedSecrets
from jobhook.core.errors import StoreUnavailable
from jobhook.core.records import Receipt, Received
from jobhook.flows.intake import Intake
from jobhook.web.app import create_app
from jobhook.web.limits import metered
from jobhook.web.receive import Receiver
from jobhook.web.serving import listen, serving

pytestmark = pytest.mark.anyio
SECRET = "0123456789abcdef"


class ScriptedStore:
    """Answers a delivery as it is told to."""

    def __init__(self, said: Receipt | Exception) -> None:
        self.said = said
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def record(self, received: Received) -> Receipt:
        await self.may_answer.wait()
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


def receiver(store: Any, counts: Counts) -> Receiver:
    intake = Intake(store, lambda: NOON, Bell())
    return Receiver(intake, AcceptedSecrets([SECRET]), meter=counts)


async def call(app: Receiver, *, method: str = "POST", **headers: str) -> None:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://here") as client:
        given = {"x-webhook-secret": SECRET} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        size = int(given.pop("size", "2"))
        await client.request(method, "/", headers=given, content=b"x" * size)


NEW, AGAIN = Receipt("d1", duplicate=False), Receipt("d1", duplicate=True)


@pytest.mark.parametrize(
    ("said", "request_", "outcome"),
    [
        (NEW, {}, "stored"),
        (AGAIN, {}, "repeated"),
        (StoreUnavailable("full"), {}, "not_stored"),
        (ValueError("a fault of ours"), {}, "broken"),
        (NEW, {"x_webhook_secret": "wrong"}, "unauthorized"),
        (NEW, {"content_encoding": "gzip"}, "encoding_refused"),
        (NEW, {"size": str(BODY_MAX_BYTES + 1)}, "too_large"),
        (NEW, {"method": "GET"}, "method_not_allowed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_each_request_has_one_outcome_and_leaves_nothing_behind(
    said: Receipt | Exception, request_: dict[str, str], outcome: str
) -> None:
    counts = Counts()
    await call(receiver(ScriptedStore(said), counts), **request_)
    assert counts.answers == {outcome: 1}
    assert (counts.begun, counts.ended, counts.held_bytes) == (1, 1, 0)


@pytest.fixture
async def waiting() -> AsyncIterator[tuple[Counts, asyncio.Task[None], ScriptedStore]]:
    """A delivery of 300 bytes that the store has not answered."""
    store, counts = ScriptedStore(NEW), Counts()
    store.may_answer.clear()
    task = asyncio.create_task(call(receiver(store, counts), size="300"))
    async with asyncio.timeout(10):
        while counts.held_bytes < 300:  # noqa: ASYNC110
            await asyncio.sleep(0)
        yield counts, task, store


async def test_what_is_not_stored_yet_is_in_flight(
    waiting: tuple[Counts, asyncio.Task[None], ScriptedStore],
) -> None:
    counts, task, store = waiting
    assert (counts.begun - counts.ended, counts.held_bytes) == (1, 300)
    store.may_answer.set()
    await task
    assert (counts.begun - counts.ended, counts.held_bytes) == (0, 0)


async def test_a_request_that_is_given_up_is_cut_off(
    waiting: tuple[Counts, asyncio.Task[None], ScriptedStore],
) -> None:
    counts, task, _ = waiting
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert counts.answers == {"cut_off": 1}
    assert counts.held_bytes == 0


async def test_a_sender_that_hangs_up_in_its_body_is_cut_off() -> None:
    counts = Counts()
    messages = iter(
        [
            {"type": "http.request", "body": b"12345", "more_body": True},
            {"type": "http.disconnect"},
        ]
    )

    async def receive() -> Any:
        return next(messages)

    async def send(_: Any) -> None:
        raise AssertionError("nobody is there to be answered")

    scope: Any = {
        "type": "http",
        "method": "POST",
        "query_string": b"",
        "headers": [(b"x-webhook-secret", SECRET.encode())],
    }
    await receiver(ScriptedStore(NEW), counts)(scope, receive, send)
    assert (counts.answers, counts.held_bytes) == ({"cut_off": 1}, 0)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n", "408"),
        (b"GET / HTTP/1.1\r\n" + b"A: x\r\n" * 100 + b"\r\n", "431"),
        (b"GET / HTTP/0.9\r\n\r\n", "400"),
    ],
)
async def test_a_connection_that_is_refused_is_counted(sent: bytes, status: str) -> None:
    counts = Counts()
    app = create_app(None, is_ready=lambda: True)
    with listen("127.0.0.1", 0) as listener:
        async with serving(app, listener, protocol=metered(QuickProtocol, counts)):
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            writer.write(sent)
            async with asyncio.timeout(10):
                assert f" {status} ".encode() in await reader.read()
            writer.close()
    assert counts.refusals == {status: 1}
