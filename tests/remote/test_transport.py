from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable

import pytest

from canned import CannedServer, answer, raw
from elsewhere import TOKEN, Slept
from jobhook.core.errors import (
    HubBusy,
    HubNotFound,
    HubRefused,
    JobHookError,
    NotSignedIn,
    OutcomeUnknown,
    StillRunning,
)
from jobhook.remote import transport
from jobhook.remote.transport import ServiceTransport

pytestmark = pytest.mark.anyio

STILL = {"error": {"code": "still_running", "message": "not over", "details": {"launch": "l1"}}}
NOT_THERE = {"error": {"code": "not_found", "message": "there is no such job", "details": None}}
PAGE = raw(b"<html><b>Welcome</b>", "200 OK", "content-type: text/html")

Ask = Callable[[ServiceTransport], Awaitable[object]]


async def read(service: ServiceTransport) -> bytes:
    return await service.get("/jobs")


async def change(service: ServiceTransport) -> bytes:
    return await service.change("POST", "/jobs", {"image": "python:3.12"})


async def stream(service: ServiceTransport) -> list[bytes]:
    async with service.stream("/feed", quiet=5) as chunks:
        return [chunk async for chunk in chunks]


async def test_a_call_carries_the_token_and_a_change_a_key(
    server: CannedServer, service: ServiceTransport
) -> None:
    server.answers = [answer(200, [1]), answer(201, {})]
    assert await service.get("/jobs", [("label", "a=b c")]) == b"[1]"
    await change(service)
    got, posted = server.asked
    assert (got.method, got.target) == ("GET", "/api/v1/jobs?label=a%3Db+c")
    assert got.headers["authorization"] == posted.headers["authorization"] == f"Bearer {TOKEN}"
    assert "idempotency-key" not in got.headers
    assert len(posted.headers["idempotency-key"]) == 32
    assert posted.body == b'{"image":"python:3.12"}'


async def test_a_service_may_be_below_a_path(server: CannedServer) -> None:
    server.answers = [answer(200, [])]
    async with ServiceTransport(f"{server.url}/ops/", TOKEN) as service:
        await read(service)
    assert server.asked[0].target == "/ops/api/v1/jobs"


async def test_what_was_lost_is_asked_for_again_with_the_same_key(
    server: CannedServer, service: ServiceTransport, slept: Slept
) -> None:
    server.answers = [None, raw(b"", "503 Starting"), answer(409, STILL), answer(201, {"a": 1})]
    assert await change(service) == b'{"a": 1}'
    keys = {asked.headers["idempotency-key"] for asked in server.asked}
    assert (len(server.asked), len(keys), len(slept.seconds)) == (4, 1, 3)


async def test_another_call_has_another_key(
    server: CannedServer, service: ServiceTransport
) -> None:
    server.answers = [answer(201, {}), answer(201, {})]
    await change(service)
    await change(service)
    assert len({asked.headers["idempotency-key"] for asked in server.asked}) == 2


async def test_whoever_meets_somebody_elses_call_is_told_so_at_once(
    server: CannedServer, service: ServiceTransport, slept: Slept
) -> None:
    server.answers = [answer(409, STILL)]
    with pytest.raises(StillRunning, match="not over") as caught:
        await change(service)
    assert (caught.value.launch_id, slept.seconds) == ("l1", [])


async def test_what_is_lost_for_good_may_have_been_done(
    server: CannedServer, service: ServiceTransport
) -> None:
    with pytest.raises(OutcomeUnknown, match="gave no answer that could be used"):
        await change(service)
    assert len(server.asked) == 5


async def test_what_never_left_was_not_done(slept: Slept) -> None:
    async with ServiceTransport("http://127.0.0.1:1", TOKEN, sleep=slept) as service:
        with pytest.raises(HubBusy, match=r"cannot reach the service at http://127.0.0.1:1"):
            await change(service)


async def test_what_a_lost_call_deleted_is_gone(
    server: CannedServer, service: ServiceTransport
) -> None:
    server.answers = [None, answer(404, NOT_THERE)]
    assert await service.change("DELETE", "/schedules/1") == b""
    server.answers = [answer(404, NOT_THERE)]
    with pytest.raises(HubNotFound):
        await service.change("DELETE", "/schedules/1")


async def test_a_silent_service_is_given_up(server: CannedServer, slept: Slept) -> None:
    server.hang = True
    async with ServiceTransport(server.url, TOKEN, deadline=0.05, sleep=slept) as service:
        with pytest.raises(HubBusy, match="gave no answer"):
            await read(service)


@pytest.mark.parametrize(
    ("told", "kind", "sentence"),
    [
        pytest.param(
            answer(302, None, location="https://elsewhere.test/login"),
            HubRefused,
            "the token is not sent",
            id="a redirect",
        ),
        pytest.param(answer(401, {}), HubRefused, "no answer of jobhook's", id="a proxy's 401"),
        pytest.param(raw(b"<html>", "404 No"), HubRefused, "no answer of jobhook's", id="no JSON"),
        pytest.param(raw(b"[" * 9999, "400 No"), HubRefused, "see JOBHOOK_URL", id="deep"),
        pytest.param(
            answer(401, {"error": {"code": "unauthorized", "message": f"{TOKEN}"}}),
            NotSignedIn,
            "see JOBHOOK_TOKEN",
            id="no such token",
        ),
        pytest.param(
            answer(400, {"error": {"code": 1, "message": []}}), HubRefused, "answered 400", id="odd"
        ),
    ],
)
@pytest.mark.parametrize("ask", [read, change, stream])
async def test_an_answer_that_is_none_is_one_sentence_without_the_token(
    server: CannedServer,
    service: ServiceTransport,
    ask: Ask,
    told: bytes,
    kind: type[JobHookError],
    sentence: str,
) -> None:
    server.answers = [told]
    with pytest.raises(kind, match=sentence) as caught:
        await ask(service)
    assert len(server.asked) == 1
    assert "\n" not in str(caught.value)
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("ask", "kind"), [(read, HubBusy), (change, OutcomeUnknown), (stream, HubBusy)]
)
async def test_an_answer_without_end_is_read_up_to_a_limit(
    server: CannedServer,
    service: ServiceTransport,
    monkeypatch: pytest.MonkeyPatch,
    ask: Ask,
    kind: type[JobHookError],
) -> None:
    monkeypatch.setattr(transport, "ANSWER_MAX_BYTES", 1000)
    server.answers = [raw(b"x" * 2000, "400 No")] * 5
    with pytest.raises(kind, match="over 1,000 bytes"):
        await ask(service)


@pytest.mark.parametrize(
    "told", [b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{", b"nonsense\r\n\r\n"]
)
async def test_an_answer_that_is_cut_or_no_http_is_none(
    server: CannedServer, service: ServiceTransport, told: bytes
) -> None:
    server.answers = [told, None] * 5
    with pytest.raises(HubBusy, match="gave no answer that could be used"):
        await read(service)


async def test_a_page_of_somebody_elses_is_no_stream(
    server: CannedServer, service: ServiceTransport
) -> None:
    server.answers = [PAGE]
    with pytest.raises(HubRefused, match="no answer of jobhook's"):
        await stream(service)


async def test_a_stream_that_does_not_open_may_later(
    server: CannedServer, service: ServiceTransport
) -> None:
    server.answers = [raw(b"", "502 Bad")]
    with pytest.raises(HubBusy, match="a proxy answered 502"):
        await stream(service)


async def test_no_proxy_sees_the_token_on_its_way_to_this_machine(
    server: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    server.answers = [answer(200, [])]
    async with ServiceTransport(server.url, TOKEN) as service:
        assert await read(service) == b"[]"
