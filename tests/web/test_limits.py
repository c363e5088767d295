from __future__ import annotations

import asyncio
import resource
import sys
import time

import pytest

from doors import SECRET, Door, QuickProtocol
from jobhook.web.limits import HEADERS_MAX_BYTES, HEADERS_MAX_COUNT

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024


def request(*lines: bytes, path: bytes = b"/healthz") -> bytes:
    return b"\r\n".join([b"GET " + path + b" HTTP/1.1", b"Host: x", *lines, b"", b""])


async def test_a_plain_request_is_answered(door: Door) -> None:
    answer = await door.raw(request(b"Connection: close"))
    assert answer.startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(request(b"A: " + b"x" * HEADERS_MAX_BYTES), id="one long line"),
        pytest.param(b"GET / HTTP/1.1\r\nA: " + b"x" * (2 * MIB), id="a line that never ends"),
        pytest.param(request(path=b"/" + b"x" * HEADERS_MAX_BYTES), id="a long URL"),
        pytest.param(request(*[b"A%d: x" % n for n in range(HEADERS_MAX_COUNT)]), id="many lines"),
        pytest.param(
            request(*[b"A%d: %s" % (n, b"x" * 1000) for n in range(20)]), id="many middling lines"
        ),
    ],
)
async def test_a_header_block_over_the_bounds_is_431(door: Door, sent: bytes) -> None:
    try:
        answer = await door.raw(sent)
    except ConnectionResetError:
        # The sender was still writing when the connection was closed.
        return
    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_sixty_four_lines_are_not_too_many(door: Door) -> None:
    lines = [b"A%d: x" % n for n in range(HEADERS_MAX_COUNT - 2)]
    assert (await door.raw(request(*lines, b"Connection: close"))).startswith(b"HTTP/1.1 200 ")


async def test_headers_that_do_not_end_are_408(door: Door) -> None:
    answer = await door.raw(b"GET / HTTP/1.1\r\nHost: x\r\n")
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_trickle_of_headers_does_not_put_the_deadline_off(door: Door) -> None:
    reader, writer = await asyncio.open_connection(door.host, door.port)
    begun = time.monotonic()
    writer.write(b"GET / HTTP/1.1\r\n")

    async def trickle() -> None:
        while not writer.is_closing():
            writer.write(b"A: x\r\n")
            await asyncio.sleep(0.02)

    task = asyncio.create_task(trickle())
    answer = await asyncio.wait_for(reader.read(), 10)
    task.cancel()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - begun >= QuickProtocol.header_seconds


async def test_a_silent_connection_is_closed(door: Door) -> None:
    assert await door.raw(b"") == b""


async def test_the_next_request_of_a_connection_has_a_deadline_of_its_own(door: Door) -> None:
    reader, writer = await asyncio.open_connection(door.host, door.port)
    writer.write(request())
    first = await reader.readuntil(b'"}')
    writer.write(b"GET / HTTP/1.1\r\n")
    rest = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert first.startswith(b"HTTP/1.1 200 ")
    assert rest.startswith(b"HTTP/1.1 408 ")


async def test_requests_that_come_together_are_all_answered(door: Door) -> None:
    answer = await door.raw(request() * 5 + request(b"Connection: close"))
    assert answer.count(b"HTTP/1.1 200 OK") == 6


async def test_many_requests_on_one_connection_do_not_add_up(door: Door) -> None:
    padding = b"A: " + b"x" * 10_000
    reader, writer = await asyncio.open_connection(door.host, door.port)
    for _ in range(5):
        writer.write(request(padding))
        assert (await reader.readuntil(b'"}')).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_a_refused_upload_is_drained_so_that_its_answer_arrives(door: Door) -> None:
    body = b"x" * (20 * MIB)
    answer = await door.client.post("/webhooks/hub", content=body)
    assert answer.status_code == 401
    assert answer.headers["connection"] == "close"


async def test_a_refused_upload_that_stands_still_is_cut_off(door: Door) -> None:
    reader, writer = await asyncio.open_connection(door.host, door.port)
    writer.write(b"POST /webhooks/hub HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\nx")
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_a_body_that_nobody_waits_for_has_a_deadline_too(door: Door) -> None:
    answer = await door.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx")
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "secret", [pytest.param("", id="without a secret"), pytest.param(SECRET, id="with the secret")]
)
async def test_a_large_upload_costs_no_memory(door: Door, secret: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reader, writer = await asyncio.open_connection(door.host, door.port)
    length = b"Content-Length: %d\r\n" % (1024 * MIB)
    given = b"X-Webhook-Secret: %s\r\n" % secret.encode()
    writer.write(b"POST /webhooks/hub HTTP/1.1\r\nHost: x\r\n" + length + given + b"\r\n")
    piece = b"x" * MIB
    try:
        for _ in range(256):
            writer.write(piece)
            await writer.drain()
        answer = await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        answer = b""
    writer.close()
    unit = 1 if sys.platform == "darwin" else 1024
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit
    assert answer[:12] in {b"HTTP/1.1 401", b"HTTP/1.1 413", b""}
    assert grown < 16 * MIB


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
@pytest.mark.parametrize("head", [b"Content-Length: 2", b"Transfer-Encoding: chunked"])
async def test_a_request_to_change_the_protocol_is_refused_and_its_body_is_no_request(
    door: Door, protocol: bytes, head: bytes
) -> None:
    secret = b"X-Webhook-Secret: " + SECRET.encode() + b"\r\n"
    inner = b"POST /webhooks/hub HTTP/1.1\r\nHost: x\r\n" + secret + b"Content-Length: 0\r\n\r\n"
    upgrade = b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\n"
    answer = await door.raw(
        b"POST /webhooks/hub HTTP/1.1\r\nHost: x\r\n"
        + secret
        + upgrade
        + head
        + b"\r\n\r\n"
        + inner
    )
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert await door.store.deliveries(limit=0) == ()


async def test_a_transfer_that_is_encoded_is_not_taken_for_the_body(door: Door) -> None:
    sent = b"POST /webhooks/hub HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n"
    sent += b"X-Webhook-Secret: " + SECRET.encode() + b"\r\n\r\n2\r\nab\r\n0\r\n\r\n"
    assert (await door.raw(sent)).startswith(b"HTTP/1.1 415 ")
    assert await door.store.deliveries(limit=0) == ()


@pytest.mark.parametrize(
    "smuggled",
    [
        pytest.param(b"Content-Length: 5\r\nTransfer-Encoding: chunked", id="both lengths"),
        pytest.param(b"Content-Length: 5\r\nContent-Length: 6", id="two lengths"),
        pytest.param(b"Content-Length: -1", id="a negative length"),
        pytest.param(b"Transfer-Encoding: chunked, identity", id="chunked is not last"),
        pytest.param(b"A : x", id="a space before the colon"),
    ],
)
async def test_a_request_that_two_readers_could_read_differently_is_400(
    door: Door, smuggled: bytes
) -> None:
    sent = b"POST /webhooks/hub HTTP/1.1\r\nHost: x\r\n" + smuggled + b"\r\n\r\n0\r\n\r\n"
    answer = await door.raw(sent)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
