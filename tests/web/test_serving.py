from __future__ import annotations

import gc
import socket

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from jobhook.core.errors import UsageError
from jobhook.web.serving import OpenProtocol, listen, serving, url_of

pytestmark = pytest.mark.anyio


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


async def test_an_app_is_served_while_the_block_runs() -> None:
    with listen("127.0.0.1", 0) as listener:
        url = url_of(listener)
        async with serving(hello, listener), httpx2.AsyncClient() as client:
            assert (await client.get(url)).status_code == 204
    with pytest.raises(ConnectionRefusedError), socket.create_connection(_address(url)):
        pass


async def test_a_second_piece_of_an_answer_does_not_wait_until_the_first_is_acknowledged() -> None:
    options = []

    async def look(scope: Scope, receive: Receive, send: Send) -> None:
        connection = scope["extensions"]["jobhook.transport"]["transport"].get_extra_info("socket")
        options.append(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        await hello(scope, receive, send)

    with listen("127.0.0.1", 0) as listener:
        async with (
            serving(look, listener, protocol=OpenProtocol),
            httpx2.AsyncClient() as client,
        ):
            await client.get(url_of(listener))
    assert options
    assert options[0]


async def test_the_collector_is_patient_while_requests_come() -> None:
    before = gc.get_threshold()
    with listen("127.0.0.1", 0) as listener:
        async with serving(hello, listener):
            assert gc.get_threshold()[0] >= 10_000
    assert gc.get_threshold() == before


def _address(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("http://").rpartition(":")
    return host, int(port)


def test_a_taken_port_is_said_in_one_sentence() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{port}"):
            listen("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot listen on"):
        listen("192.0.2.1", 0)


@pytest.mark.parametrize(
    ("host", "start"),
    [
        pytest.param("127.0.0.1", "http://127.0.0.1:", id="as it is"),
        pytest.param("0.0.0.0", "http://127.0.0.1:", id="everywhere means here"),  # noqa: S104
        pytest.param("::1", "http://[::1]:", id="version 6"),
    ],
)
def test_the_url_is_one_that_can_be_asked(host: str, start: str) -> None:
    with listen(host, 0) as listener:
        assert url_of(listener).startswith(start)
