from __future__ import annotations

import json
import time

import pytest

from canned import CannedServer, answer
from jobhook.core.errors import (
    HubBusy,
    HubError,
    HubForbidden,
    HubNotFound,
    HubRefused,
    HubUnauthorized,
    ListTooLong,
    OutcomeUnknown,
    UsageError,
)
from jobhook.core.pacing import Quota
from jobhook.hub.transport import ANSWER_MAX_BYTES, HubTransport, StreamQuiet

pytestmark = pytest.mark.anyio

HTML = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>"
CUT_OFF = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"


def hub(server: CannedServer, deadline: float = 5.0) -> HubTransport:
    return HubTransport(server.url, "hf_secret", deadline=deadline, retries=0)


async def ask(transport: HubTransport, method: str) -> None:
    if method == "GET":
        await transport.get("/api/x")
    else:
        await transport.change(method, "/api/x", json_body={"a": 1})


async def read_stream(transport: HubTransport, quiet: float) -> bytes:
    async with transport.stream("/api/x", quiet=quiet) as opened:
        return b"".join([chunk async for chunk in opened.chunks])


async def failure(server: CannedServer, method: str, deadline: float = 5.0) -> HubError:
    """Ask with *method* and return what went wrong."""
    async with hub(server, deadline) as transport:
        with pytest.raises(HubError) as caught:
            await ask(transport, method)
    return caught.value


async def test_a_request_carries_the_token_and_compact_json(server: CannedServer) -> None:
    server.answers = [answer(200, {"ok": True})]
    async with hub(server) as transport:
        told = await transport.change("POST", "/api/x", json_body={"a": "ü"})
    (asked,) = server.asked
    assert told.body == {"ok": True}
    assert (asked.method, asked.target, asked.body) == ("POST", "/api/x", '{"a":"ü"}'.encode())
    assert asked.headers["authorization"] == "Bearer hf_secret"
    assert asked.headers["content-type"] == "application/json"


async def test_a_token_that_is_replaced_is_used_from_then_on(server: CannedServer) -> None:
    server.answers = [answer(401, {}), answer(200, {})]
    tokens = iter(["hf_old", "hf_new"])
    async with HubTransport(server.url, lambda: next(tokens)) as transport:
        with pytest.raises(HubUnauthorized):
            await ask(transport, "GET")
        await ask(transport, "GET")
    assert [asked.headers["authorization"] for asked in server.asked] == [
        "Bearer hf_old",
        "Bearer hf_new",
    ]


async def test_without_a_token_none_is_sent(server: CannedServer) -> None:
    server.answers = [answer(200)]
    async with HubTransport(server.url, None) as transport:
        assert (await transport.get("/api/x", [("label", "a=b"), ("label", "c=d")])).body is None
    (asked,) = server.asked
    assert "authorization" not in asked.headers
    assert asked.target == "/api/x?label=a%3Db&label=c%3Dd"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        pytest.param(400, HubRefused, id="bad request"),
        pytest.param(401, HubUnauthorized, id="token"),
        pytest.param(402, HubRefused, id="no credit"),
        pytest.param(403, HubForbidden, id="rights"),
        pytest.param(404, HubNotFound, id="nothing there"),
        pytest.param(409, HubRefused, id="conflict"),
        pytest.param(422, HubRefused, id="unprocessable"),
        pytest.param(429, HubBusy, id="too many"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_clear_no_is_clear_for_everything(
    server: CannedServer, method: str, status: int, kind: type[HubError]
) -> None:
    server.answers = [answer(status, {"error": "no, because"}, x_request_id="r1", x_error_code="E")]
    exc = await failure(server, method)
    assert type(exc) is kind
    assert str(exc) == f"the Hub answered {status}: no, because"
    assert (exc.status, exc.request_id, exc.code) == (status, "r1", "E")


@pytest.mark.parametrize(
    "told",
    [
        *(
            pytest.param(answer(status, {"error": "x"}), id=str(status))
            for status in (408, 500, 502, 503, 504)
        ),
        pytest.param(answer(307, None, location="http://127.0.0.1:1/"), id="a redirect"),
        pytest.param(HTML, id="a page"),
        pytest.param(CUT_OFF, id="cut off"),
        pytest.param(b"HTTP/1.1 banana\r\n\r\n", id="no HTTP"),
        pytest.param(b"", id="nothing"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n" + b"[" * 200_000, id="too deep"
        ),
    ],
)
async def test_what_may_have_been_done_is_unknown_for_changes_and_busy_for_reads(
    server: CannedServer, told: bytes
) -> None:
    for method, kind in (("POST", OutcomeUnknown), ("DELETE", OutcomeUnknown), ("GET", HubBusy)):
        server.answers = [told, None] if told else []
        assert type(await failure(server, method)) is kind


async def test_a_hub_that_cannot_be_reached_did_nothing() -> None:
    async with CannedServer() as server:
        pass
    for method in ("GET", "POST"):
        exc = await failure(server, method)
        assert type(exc) is HubBusy
        assert f"cannot reach the Hub at {server.url}" in str(exc)


async def test_the_deadline_is_for_the_whole_call(server: CannedServer) -> None:
    server.hang = True
    begun = time.monotonic()
    assert type(await failure(server, "POST", deadline=0.2)) is OutcomeUnknown
    assert type(await failure(server, "GET", deadline=0.2)) is HubBusy
    assert time.monotonic() - begun < 5


async def test_an_answer_over_the_cap_is_given_up(server: CannedServer) -> None:
    size = ANSWER_MAX_BYTES + 1
    server.answers = [b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + b" " * size]
    exc = await failure(server, "POST")
    assert type(exc) is OutcomeUnknown
    assert "over 5,242,880 bytes" in str(exc)


async def test_what_only_reads_outlives_a_connection_that_was_closed_while_it_rested(
    server: CannedServer,
) -> None:
    server.answers = [answer(200), b"", answer(200, {"a": 1})]
    async with hub(server) as transport:
        await transport.get("/api/x")
        # The server takes the second request and hangs up.
        server.answers[1:1] = [None]
        assert (await transport.get("/api/x")).body == {"a": 1}


async def test_changes_share_a_connection_that_was_in_use_a_moment_ago(
    server: CannedServer,
) -> None:
    server.answers = [answer(200, {})] * 3
    async with hub(server) as transport:
        for _ in range(3):
            await transport.change("POST", "/api/x")
    assert server.connections == 1


async def test_a_change_is_not_sent_twice_when_its_connection_was_closed(
    server: CannedServer,
) -> None:
    server.answers = [answer(200, {}), answer(200, {})]
    async with hub(server) as transport:
        await transport.get("/api/x")
        server.answers = [None, answer(200, {})]
        with pytest.raises(OutcomeUnknown):
            await transport.change("POST", "/api/x")
    assert [asked.method for asked in server.asked] == ["GET", "POST"]


async def test_a_change_has_a_connection_of_its_own_if_it_must(server: CannedServer) -> None:
    server.answers = [answer(200) for _ in range(5)]
    async with hub(server) as transport:
        for _ in range(3):
            await transport.change("POST", "/api/x", own_connection=True)
        assert server.connections == 3
        await transport.get("/api/x")
        await transport.get("/api/x")
        assert server.connections == 3


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({"retry_after": "7"}, 7.0, id="seconds"),
        pytest.param({"ratelimit": '"api";r=0;t=55'}, 55.0, id="the Hub's own header"),
        pytest.param({"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None, id="a date"),
        pytest.param({"retry_after": "-5"}, None, id="nonsense"),
        pytest.param({}, None, id="nothing"),
    ],
)
async def test_how_long_to_wait_is_what_the_hub_says(
    server: CannedServer, headers: dict[str, str], seconds: float | None
) -> None:
    server.answers = [answer(429, {"error": "slow down"}, **headers)]
    exc = await failure(server, "POST")
    assert isinstance(exc, HubBusy)
    assert exc.retry_after == seconds


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        pytest.param(answer(400, {"error": ["a", "b"]}), "a, b", id="a list"),
        pytest.param(answer(400, {"error": {"code": "c", "message": "m"}}), "m", id="an object"),
        pytest.param(
            answer(400, {"error": "x"}, x_error_message="better"), "better", id="a header"
        ),
        pytest.param(answer(400, ["odd"]), '["odd"]', id="JSON of another shape"),
        pytest.param(answer(400), "Told", id="no body"),
        pytest.param(answer(400, {"error": "two\nlines"}), "two lines", id="two lines"),
        pytest.param(answer(400, {"error": "\ud800\x1b[31m"}), "\ufffd\ufffd[31m", id="controls"),
        pytest.param(answer(400, {"error": [5]}), '{"error": [5]}', id="a list of no texts"),
        pytest.param(
            b"HTTP/1.1 400 Bad\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>",
            "Bad",
            id="a page",
        ),
        pytest.param(
            b"HTTP/1.1 400 Bad\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\nwhy!",
            "why!",
            id="plain text",
        ),
    ],
)
async def test_the_sentence_of_the_hub_is_passed_on(
    server: CannedServer, told: bytes, sentence: str
) -> None:
    server.answers = [told]
    assert str(await failure(server, "POST")) == f"the Hub answered 400: {sentence}"


async def test_pages_are_followed_to_the_end(server: CannedServer) -> None:
    second = f'<{server.url}/api/x?cursor=2>; rel="next"'
    server.answers = [answer(200, [1], link=second), answer(200, [2])]
    async with hub(server) as transport:
        pages = [page async for page in transport.pages("/api/x", [("stage", "RUNNING")])]
    assert pages == [[1], [2]]
    assert [asked.target for asked in server.asked] == ["/api/x?stage=RUNNING", "/api/x?cursor=2"]


@pytest.mark.parametrize(
    "link",
    [
        '</api/x?cursor=2>; rel="next"',
        '<{url}/api/x?cursor=2>; title="b"; rel="next"',
        "<{url}/api/x?cursor=2>; REL=Next",
        '<{url}/api/x?cursor=2>; rel="last next"',
        '<{url}/api/x?cursor=0>; rel="prev", <{url}/api/x?cursor=2>; rel="next"',
        "<" * 60_000 + '{url}/api/x?cursor=2>; rel="next"',
    ],
    ids=["relative", "not the first", "capitals", "two", "the second", "thousands"],
)
async def test_the_next_page_is_found_however_it_is_written(
    server: CannedServer, link: str
) -> None:
    written = link.replace("{url}", server.url)
    server.answers = [answer(200, [1], link=written), answer(200, [2])]
    async with hub(server) as transport:
        pages = [page async for page in transport.pages("/api/x")]
    assert (pages, server.asked[1].target) == ([[1], [2]], "/api/x?cursor=2")


@pytest.mark.parametrize("link", ["//evil.test/x", "http://[::1", "{url}.evil.test/x", "ftp:x"])
async def test_no_page_elsewhere_is_asked_for(server: CannedServer, link: str) -> None:
    written = f'<{link.replace("{url}", server.url)}>; rel="next"'
    server.answers = [answer(200, [1], link=written)]
    async with hub(server) as transport:
        with pytest.raises(HubRefused, match="another host"):
            _ = [page async for page in transport.pages("/api/x")]
    assert len(server.asked) == 1


async def test_a_list_that_does_not_end_is_read_so_far_and_no_further(
    server: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobhook.hub.transport.PAGES_MAX", 3)
    again = f'<{server.url}/api/x>; rel="next"'
    server.answers = [answer(200, [number], link=again) for number in range(9)]
    pages: list[object] = []

    async def read(transport: HubTransport) -> None:
        async for page in transport.pages("/api/x"):
            pages.append(page)  # noqa: PERF401

    async with hub(server) as transport:
        with pytest.raises(ListTooLong, match="goes on after 3 pages"):
            await read(transport)
    assert pages == [[0], [1], [2]]
    assert len(server.asked) == 3


async def test_a_next_page_that_no_request_can_name_is_the_hubs_fault(
    server: CannedServer,
) -> None:
    server.answers = [answer(200, [1], link='</api/x?cursor=a b>; rel="next"')]
    async with hub(server) as transport:
        with pytest.raises(HubRefused, match="no address"):
            _ = [page async for page in transport.pages("/api/x")]


async def test_the_token_is_not_carried_to_another_host(server: CannedServer) -> None:
    async with CannedServer() as evil:
        evil.answers = [answer(200, [])]
        server.answers = [answer(200, [1], link=f'<{evil.url}/api/x>; rel="next"')]
        async with hub(server) as transport:
            with pytest.raises(HubRefused, match="another host"):
                _ = [page async for page in transport.pages("/api/x")]
        assert evil.asked == []


async def test_a_redirect_takes_nothing_anywhere(server: CannedServer) -> None:
    async with CannedServer() as evil:
        evil.answers = [answer(200, [])]
        server.answers = [answer(302, None, location=f"{evil.url}/")]
        await failure(server, "GET")
        assert evil.asked == []


async def test_a_stream_gives_its_bytes(server: CannedServer) -> None:
    server.answers = [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\na\nb\n"]
    async with (
        hub(server) as transport,
        transport.stream("/api/x", [("tail", "1")], quiet=5) as opened,
    ):
        assert b"".join([chunk async for chunk in opened.chunks]) == b"a\nb\n"
    assert server.asked[0].target == "/api/x?tail=1"


async def test_a_stream_that_is_refused_says_why(server: CannedServer) -> None:
    server.answers = [answer(404, {"error": "no such job"})]
    async with hub(server) as transport:
        with pytest.raises(HubNotFound, match="no such job"):
            await read_stream(transport, quiet=5)


async def test_a_silent_stream_is_given_up(server: CannedServer) -> None:
    server.hang = True
    server.answers = [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\na\n"]
    async with hub(server) as transport:
        with pytest.raises(StreamQuiet, match=r"for 0\.1 seconds"):
            await read_stream(transport, quiet=0.1)


@pytest.mark.parametrize("endpoint", ["", "hub.test", "ftp://hub.test", "http://"])
async def test_an_endpoint_that_is_no_url_is_refused(endpoint: str) -> None:
    with pytest.raises(UsageError, match="no http"):
        HubTransport(endpoint, None)


async def test_the_token_is_in_no_error(server: CannedServer) -> None:
    for told in (answer(400, {"error": "x"}), CUT_OFF, HTML):
        server.answers = [told, None]
        exc = await failure(server, "POST")
        assert "hf_secret" not in repr(exc) + json.dumps(str(exc.__cause__))


class Seconds:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_what_every_answer_says_of_the_quota_is_known_and_ages(server: CannedServer) -> None:
    seconds = Seconds()
    server.answers = [
        answer(
            200,
            [],
            RateLimit='"api";r=420;t=55',
            RateLimit_Policy='"fixed window";"api";q=2500;w=300',
        ),
        answer(404, {"error": "no"}, RateLimit='"api";r=419;t=50'),
        answer(200, [], RateLimit='"api";r=418;t=40'),
    ]
    async with HubTransport(server.url, None, monotonic=seconds) as transport:
        assert transport.quota == Quota()
        await transport.get("/api/x")
        assert transport.quota == Quota(2500, 300, left=420, resets_in=55)
        seconds.now += 5
        assert transport.quota == Quota(2500, 300, left=420, resets_in=50)
        with pytest.raises(HubNotFound):
            await transport.change("POST", "/api/x")
        assert transport.quota == Quota(2500, 300, left=419, resets_in=50)
        async with transport.stream("/api/x", quiet=5):
            assert transport.quota == Quota(2500, 300, left=418, resets_in=40)
        seconds.now += 41
        assert transport.quota == Quota(2500, 300)
