from __future__ import annotations

import asyncio
import json
import re
import resource
import socket
import struct
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from doors import SECRET, Door, QuickProtocol
from jobhook import failpoints
from jobhook.web.answers import answer_in_two
from jobhook.web.api.faults import Fault
from jobhook.web.limits import HEADERS_MAX_BYTES, HEADERS_MAX_COUNT, connections_max
from jobhook.web.serving import listen, serving

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
DELIVERY = b"\r\n".join(
    [
        b"POST /webhooks/hub HTTP/1.1",
        b"X-Webhook-Secret: " + SECRET.encode(),
        b"Content-Length: 2",
        b"",
        b"{}",
    ]
)


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
    loop = asyncio.get_running_loop()

    async def trickle(sender: socket.socket) -> None:
        await loop.sock_sendall(sender, b"GET / HTTP/1.1\r\n")
        while True:
            await loop.sock_sendall(sender, b"A: x\r\n")
            await asyncio.sleep(0.02)

    # Not a stream: what is sent to a connection that was closed would cost it the answer.
    with socket.create_connection((door.host, door.port)) as sender:
        sender.setblocking(False)
        begun = time.monotonic()
        task = asyncio.create_task(trickle(sender))
        answer = await asyncio.wait_for(loop.sock_recv(sender, 1024), 10)
        lasted = time.monotonic() - begun
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert lasted >= QuickProtocol.header_seconds


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


def post(*lines: bytes, body: bytes = b"{}", version: bytes = b"HTTP/1.1") -> bytes:
    """A delivery with the secret, and right after it another one that may be smuggled in it."""
    first = [b"POST /webhooks/hub " + version, b"Host: x", GIVEN, b"Webhook-Id: first", *lines]
    return b"\r\n".join([*first, b"", body]) + SECOND


GIVEN = b"X-Webhook-Secret: " + SECRET.encode()
SECOND = (
    b"POST /webhooks/hub HTTP/1.1\r\nHost: x\r\n"
    + GIVEN
    + b"\r\nWebhook-Id: smuggled\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
)
TWO, CHUNKED = b"Content-Length: 2", b"Transfer-Encoding: chunked"
CHUNKS, NO_CHUNKS = b"2\r\n{}\r\n0\r\n\r\n", b"0\r\n\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(post(b"Content-Length: 5", CHUNKED, body=NO_CHUNKS), id="length, chunked"),
        pytest.param(post(CHUNKED, b"Content-Length: 5", body=NO_CHUNKS), id="chunked, length"),
        pytest.param(post(TWO, TWO), id="the same length twice"),
        pytest.param(post(TWO, b"Content-Length: 3"), id="two lengths"),
        pytest.param(post(b"Content-Length: 2, 2"), id="a list of lengths"),
        pytest.param(post(b"Content-Length: 2 2"), id="a length with a space"),
        pytest.param(post(b"Content-Length: +2"), id="a length with a plus"),
        pytest.param(post(b"Content-Length: -1"), id="a negative length"),
        pytest.param(post(b"Content-Length: 0x2"), id="a hexadecimal length"),
        pytest.param(post(b"Content-Length:"), id="an empty length"),
        pytest.param(post(b"Content-Length: " + b"9" * 24), id="a length over 64 bits"),
        pytest.param(post(b"A: b", b" c: d", TWO), id="a folded line"),
        pytest.param(
            post(b"Transfer-Encoding:", b" chunked", body=NO_CHUNKS), id="a folded encoding"
        ),
        pytest.param(post(b" A: b", TWO), id="a line that begins with a space"),
        pytest.param(post(b"A: b\n" + TWO), id="a bare line feed"),
        pytest.param(post(TWO).replace(b"\r\n", b"\n"), id="bare line feeds only"),
        pytest.param(post(b"A: b\r" + TWO), id="a bare carriage return"),
        pytest.param(post(b"A: b\rc", TWO), id="a carriage return in a value"),
        pytest.param(post(b"A: b\0c", TWO), id="a NUL in a value"),
        pytest.param(post(b"A\0: b", TWO), id="a NUL in a name"),
        pytest.param(post(b": b", TWO), id="an empty name"),
        pytest.param(post(b"Content-Length : 2"), id="a space before the colon"),
        pytest.param(
            post(b"Transfer-Encoding\t: chunked", body=CHUNKS), id="a tab before the colon"
        ),
        pytest.param(post(CHUNKED, body=CHUNKS.replace(b"2", b"-2")), id="a negative chunk"),
        pytest.param(post(CHUNKED, body=CHUNKS.replace(b"2", b"0x2")), id="a chunk of 0x2"),
        pytest.param(post(CHUNKED, body=CHUNKS.replace(b"2", b"+2")), id="a chunk of +2"),
        pytest.param(post(CHUNKED, body=CHUNKS.replace(b"2", b"")), id="a chunk of no size"),
        pytest.param(post(CHUNKED, body=CHUNKS.replace(b"2", b" 2")), id="a space before a size"),
        pytest.param(post(CHUNKED, body=CHUNKS.replace(b"2", b"2 ")), id="a space after a size"),
        pytest.param(
            post(CHUNKED, body=CHUNKS.replace(b"2", b"f" * 17 + b"2")), id="a size over 64 bits"
        ),
        pytest.param(post(CHUNKED, body=CHUNKS.replace(b"2\r\n", b"2\n")), id="a size, bare LF"),
        pytest.param(post(CHUNKED, body=CHUNKS.replace(b"}\r\n", b"}\n")), id="a chunk, bare LF"),
        pytest.param(post(CHUNKED, body=CHUNKS.replace(b"}\r\n", b"}")), id="a chunk with no end"),
        pytest.param(post(CHUNKED, body=CHUNKS.replace(b"}", b"}xx")), id="a chunk over its size"),
        pytest.param(
            post(CHUNKED, body=CHUNKS.replace(b"2\r\n", b"2;a\n")), id="an extension, bare LF"
        ),
        pytest.param(
            post(CHUNKED, body=b"2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n"),
            id="a length after the body",
        ),
        pytest.param(post(CHUNKED, CHUNKED, body=NO_CHUNKS), id="chunked, in two lines"),
        pytest.param(post(b"Transfer-Encoding: xchunked", body=NO_CHUNKS), id="xchunked"),
        pytest.param(post(b"Transfer-Encoding: \x0bchunked", body=NO_CHUNKS), id="a vertical tab"),
        pytest.param(post(b'Transfer-Encoding: "chunked"', body=NO_CHUNKS), id="quoted"),
        pytest.param(post(b"Transfer-Encoding: chunked;q=1", body=NO_CHUNKS), id="a parameter"),
        pytest.param(post(b"Transfer-Encoding: identity", body=NO_CHUNKS), id="identity"),
        pytest.param(post(b"Transfer-Encoding:", body=NO_CHUNKS), id="an empty encoding"),
        pytest.param(
            post(b"Transfer-Encoding: chunked, identity", body=NO_CHUNKS), id="chunked is not last"
        ),
        pytest.param(post(CHUNKED, body=NO_CHUNKS, version=b"HTTP/1.0"), id="chunks in 1.0"),
        pytest.param(post(TWO, version=b"HTTP/2.0"), id="HTTP/2.0"),
        pytest.param(post(TWO, version=b"HTTP/0.9"), id="HTTP/0.9"),
        pytest.param(b"POST /webhooks/hub\r\n\r\n" + SECOND, id="no version"),
    ],
)
async def test_a_request_that_two_readers_could_read_differently_is_400(
    door: Door, sent: bytes
) -> None:
    answer = await door.raw(sent)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert await door.store.deliveries(limit=0) == ()


@pytest.mark.parametrize(
    ("sent", "answers"),
    [
        pytest.param(post(TWO), [b"202", b"202"], id="by length"),
        pytest.param(post(CHUNKED, body=CHUNKS), [b"202", b"202"], id="by chunks"),
        pytest.param(post(TWO, version=b"HTTP/1.0"), [b"202"], id="1.0, which then closes"),
        pytest.param(post(TWO).replace(GIVEN, b"A: b", 1), [b"401", b"202"], id="the first wrong"),
        pytest.param(
            post(CHUNKED, body=CHUNKS).replace(GIVEN, b"A: b", 1), [b"401"], id="wrong, in chunks"
        ),
        pytest.param(
            post(b"Transfer-Encoding: gzip, chunked", body=CHUNKS), [b"415"], id="encoded"
        ),
    ],
)
async def test_two_requests_that_are_told_apart_get_an_answer_each(
    door: Door, sent: bytes, answers: list[bytes]
) -> None:
    answer = await door.raw(sent)
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == answers


async def test_a_connection_too_many_is_503(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QuickProtocol, "connections_max", 2)
    open_ones = []
    for _ in range(2):
        reader, writer = await asyncio.open_connection(door.host, door.port)
        writer.write(request())
        await reader.readuntil(b'"}')
        open_ones.append(writer)
    assert (await door.raw(b"")).startswith(b"HTTP/1.1 503 ")
    open_ones.pop().close()
    async with asyncio.timeout(5):
        while not (await door.raw(request(b"Connection: close"))).startswith(b"HTTP/1.1 200 "):
            pass
    open_ones.pop().close()


@pytest.mark.parametrize(
    ("files", "connections"),
    [
        pytest.param(20_000, 1000, id="many"),
        pytest.param(256, 192, id="few"),
        pytest.param(10, 1, id="hardly any"),
        pytest.param(resource.RLIM_INFINITY, 1000, id="without end"),
    ],
)
def test_connections_leave_files_to_the_rest(
    monkeypatch: pytest.MonkeyPatch, files: int, connections: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    assert connections_max() == connections


async def begin(door: Door, sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(door.host, door.port)
    writer.write(sent)
    return reader, writer


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(b"POST /webhooks/hub HTTP/1.1\r\nHost: x\r\n", id="headers"),
        pytest.param(
            b"POST /webhooks/hub HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
            + GIVEN
            + b"\r\n\r\n{",
            id="bodies",
        ),
    ],
)
async def test_five_hundred_slow_senders_are_cut_off_and_do_not_hold_up_the_others(
    door: Door, begun: bytes
) -> None:
    slow = [await begin(door, begun) for _ in range(500)]
    headers = {"X-Webhook-Secret": SECRET}
    answers = [
        await door.client.post("/webhooks/hub", content=b"%d" % n, headers=headers)
        for n in range(20)
    ]
    assert {answer.status_code for answer in answers} == {202}
    ends = await asyncio.gather(*(reader.read() for reader, _ in slow), return_exceptions=True)
    # On a machine that is slow itself some are closed before a byte of theirs has come.
    assert {end[:12] if isinstance(end, bytes) else type(end) for end in ends} <= {
        b"HTTP/1.1 408",
        b"",
        ConnectionResetError,
    }
    for _, writer in slow:
        writer.close()
    assert len(await door.store.deliveries(limit=0)) == 20


# On uvloop, which the service runs on: it fails where something is written to what is closed.
@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})])
async def test_an_answer_is_kept_back_if_its_connection_is_gone_with_a_request_behind_it(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert go_on.wait(20)

    failpoints.arm("store.inserted", wait)
    with socket.create_connection((door.host, door.port)) as sender:
        sender.sendall(DELIVERY + request())
        assert await asyncio.to_thread(begun.wait, 20)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # Answered after the connection was seen to be gone.
    assert (await door.client.get("/healthz")).status_code == 200
    go_on.set()
    answer = await door.client.post("/webhooks/hub", headers={"X-Webhook-Secret": SECRET})
    assert answer.status_code == 202
    assert caplog.records == []


@pytest.mark.parametrize("sent", [b"\0\0\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n"])
async def test_what_is_no_request_is_refused_and_fills_no_log(
    door: Door, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    assert (await door.raw(sent)).startswith(b"HTTP/1.1 400 ")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        pytest.param(b"\0\0\r\n\r\n", 400, id="no request"),
        pytest.param(b"GET http://[ HTTP/1.1\r\n\r\n", 400, id="no URL"),
        pytest.param(
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400, id="no chunk"
        ),
        pytest.param(request(b"A: " + b"x" * HEADERS_MAX_BYTES), 431, id="too large"),
    ],
)
async def test_what_is_refused_waits_until_what_came_before_it_is_answered(
    door: Door, rest: bytes, status: int
) -> None:
    answer = await door.raw(DELIVERY + request() + rest)
    assert [int(code) for code in re.findall(rb"HTTP/1.1 (\d+) ", answer)] == [202, 200, status]


async def test_what_has_its_answer_is_not_refused_once_more(door: Door) -> None:
    reader, writer = await asyncio.open_connection(door.host, door.port)
    writer.write(b"POST /webhooks/hub HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    answer = await reader.readuntil(b"}}")
    writer.write(b"no chunk\r\n")
    assert await asyncio.wait_for(reader.read(), 20) == b""
    writer.close()
    assert answer.startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    ("first", "says"),
    [
        pytest.param(b"POST /webhooks/hub HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 0, id="here"),
        pytest.param(request(b"Connection: close"), 1, id="that is the last"),
    ],
)
async def test_a_body_on_its_way_is_of_no_request_before_it(
    door: Door, first: bytes, says: int
) -> None:
    last = DELIVERY.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
    begun, rest = last[:-1], last[-1:]
    reader, writer = await asyncio.open_connection(door.host, door.port)
    writer.write(first + begun)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.count(b"connection: close") == says
    writer.write(rest)
    told = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert told.count(b"HTTP/1.1 ") == 1 - says


@pytest.mark.parametrize(
    ("size", "sent"),
    [
        pytest.param(MIB, request(), id="more is to come"),
        pytest.param(MIB, request() * 5, id="more is asked for"),
        pytest.param(60_000, request(), id="all is said, and the connection rests"),
        pytest.param(60_000, request(b"Connection: close"), id="all is said, and it is closed"),
    ],
)
@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})])
async def test_a_connection_whose_answer_nobody_reads_is_broken_off(
    caplog: pytest.LogCaptureFixture, size: int, sent: bytes
) -> None:
    begun, gone = asyncio.Event(), asyncio.Event()

    class Watched(QuickProtocol):
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            gone.set()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await answer_in_two(send, 200, b"x" * size, ())

    with listen("127.0.0.1", 0) as listener, socket.socket() as sender:
        # No more than this is out of our hands.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        async with serving(app, listener, protocol=Watched):
            sender.connect(listener.getsockname())
            sender.sendall(sent)
            await asyncio.wait_for(begun.wait(), 10)
            await asyncio.wait_for(gone.wait(), 10)
    assert caplog.records == []


async def test_a_slow_reader_gets_the_whole_answer() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer_in_two(send, 200, b"x" * MIB, ())

    loop, read = asyncio.get_running_loop(), b""
    with listen("127.0.0.1", 0) as listener, socket.socket() as sender:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        async with serving(app, listener, protocol=QuickProtocol):
            sender.connect(listener.getsockname())
            sender.setblocking(False)
            sender.sendall(request(b"Connection: close"))
            begun = time.monotonic()
            while time.monotonic() - begun < 2 * QuickProtocol.unread_seconds:
                read += await loop.sock_recv(sender, 5_000)
                await asyncio.sleep(0.01)
            while piece := await loop.sock_recv(sender, MIB):
                read += piece
    assert read.endswith(b"x" * MIB)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"nonsense\r\n\r\n", 400, id="no request"),
        pytest.param(b"GET / HTTP/1.1\r\na: " + b"b" * HEADERS_MAX_BYTES, 431, id="long headers"),
        pytest.param(b"GET / HTTP/1.1\r\n", 408, id="half a request"),
    ],
)
async def test_what_is_refused_before_it_is_a_request_has_the_shape_of_all_errors(
    door: Door, sent: bytes, status: int
) -> None:
    head, _, body = (await door.raw(sent)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    told = json.loads(body)["error"]
    assert Fault[told["code"].upper()].status == status
