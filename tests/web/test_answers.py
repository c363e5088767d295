"""How answers are written, seen from where they are written to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from doors import SECRET
from jobhook.core.deliveries import AcceptedSecrets
from jobhook.web.answers import CLOSE, answerer
from jobhook.web.app import create_app
from jobhook.web.limits import BoundedProtocol
from jobhook.web.receive import Receiver

pytestmark = pytest.mark.anyio

POST = b"POST /webhooks/hub HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"


class Line:
    """The transport of a connection, as far as answering needs one."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def get_extra_info(self, _: str) -> None:
        return None

    def get_write_buffer_size(self) -> int:
        return 0

    def resume_reading(self) -> None:
        return

    pause_reading = resume_reading


def connected(app: Any) -> tuple[BoundedProtocol, Line]:
    config = uvicorn.Config(app, lifespan="off", ws="none", log_config=None)
    config.load()
    state = ServerState()
    state.default_headers = [(b"date", b"today")]
    protocol, line = BoundedProtocol(config, state, {}), Line()
    protocol.connection_made(line)  # type: ignore[arg-type]
    return protocol, line


def receiver() -> Any:
    # Nobody here knows the secret, so that nothing gets as far as the intake.
    refusing = Receiver(None, AcceptedSecrets([SECRET]))  # type: ignore[arg-type]
    return create_app(refusing, is_ready=lambda: True)


async def settled(protocol: BoundedProtocol) -> None:
    await asyncio.gather(*protocol.tasks)


async def test_head_and_body_of_an_answer_are_one_write() -> None:
    protocol, line = connected(receiver())
    protocol.data_received(POST)
    await settled(protocol)
    (answer,) = line.written
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 401 Unauthorized",
        b"date: today",
        b"content-type: application/json",
        b"content-length: %d" % len(body),
    ]
    assert not line.is_closed
    protocol.connection_lost(None)


async def test_an_answer_that_ends_the_connection_says_so_once() -> None:
    for request in (
        POST.replace(b"HTTP/1.1", b"HTTP/1.0"),
        POST.replace(b"Host", b"Connection: close\r\nHost"),
        POST.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked").removesuffix(b"{}"),
    ):
        protocol, line = connected(receiver())
        protocol.data_received(request)
        await settled(protocol)
        assert line.written[0].count(b"\r\nconnection: close\r\n") == 1
        protocol.connection_lost(None)
        assert line.is_closed


async def test_who_does_not_read_answers_gets_no_more_of_them() -> None:
    protocol, line = connected(receiver())
    protocol.pause_writing()
    protocol.data_received(POST)
    await asyncio.sleep(0)
    assert line.written == []
    protocol.resume_writing()
    await settled(protocol)
    assert len(line.written) == 1
    protocol.connection_lost(None)


async def test_nothing_is_written_to_a_sender_that_is_gone() -> None:
    protocol, line = connected(receiver())
    protocol.data_received(POST)
    protocol.connection_lost(ConnectionResetError())
    await settled(protocol)
    assert line.written == []


async def test_each_of_several_requests_gets_its_own_answer() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0)
        await answerer(scope, send)(202, scope["path"].encode(), ())

    protocol, line = connected(app)
    protocol.data_received(POST + POST.replace(b"/webhooks/hub", b"/second"))
    while len(line.written) < 2:
        await settled(protocol)
    assert [answer.rpartition(b"\n")[2] for answer in line.written] == [
        b"/webhooks/hub",
        b"/second",
    ]
    protocol.connection_lost(None)


async def test_a_connection_that_rests_too_long_is_closed() -> None:
    protocol, line = connected(receiver())
    protocol.timeout_keep_alive = 0
    protocol.data_received(POST)
    await settled(protocol)
    protocol._look_at_deadline()
    assert line.is_closed
    protocol.connection_lost(None)


async def test_where_nobody_answers_at_once_it_is_done_as_asgi_has_it() -> None:
    told: list[Any] = []

    async def send(message: Any) -> None:
        told.append(message)

    await answerer({}, send)(401, b"no", (CLOSE,))
    assert told == [
        {
            "type": "http.response.start",
            "status": 401,
            "headers": [CLOSE, (b"content-length", b"2")],
        },
        {"type": "http.response.body", "body": b"no"},
    ]


async def test_an_answer_that_came_before_the_body_lets_the_connection_rest_after_it() -> None:
    protocol, line = connected(receiver())
    protocol.timeout_keep_alive = 0
    protocol.data_received(b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n")
    await settled(protocol)
    assert line.written
    protocol._look_at_deadline()
    assert not line.is_closed
    protocol.data_received(b"{}")
    protocol._look_at_deadline()
    assert line.is_closed
    protocol.connection_lost(None)
