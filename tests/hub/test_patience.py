"""What is repeated, how often and for how long; and what is never repeated."""

from __future__ import annotations

from typing import Any

import pytest

from canned import CannedServer, answer
from jobhook.core.errors import HubBusy, HubNotFound, HubRefused, OutcomeUnknown, UsageError
from jobhook.hub.patience import pause_before
from jobhook.hub.transport import HubTransport

pytestmark = pytest.mark.anyio


class Watch:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def watch() -> Watch:
    return Watch()


def hub(server: CannedServer, watch: Watch, *, deadline: float = 30.0) -> HubTransport:
    return HubTransport(server.url, "hf_x", deadline=deadline, monotonic=watch, sleep=watch.sleep)


@pytest.mark.parametrize(
    "failed",
    [
        pytest.param(answer(500), id="500"),
        pytest.param(answer(503), id="503"),
        pytest.param(answer(408), id="408"),
        pytest.param(answer(429), id="429"),
        pytest.param(None, id="closed"),
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", id="cut-off"),
    ],
)
async def test_what_only_reads_is_asked_again(
    server: CannedServer, watch: Watch, failed: bytes | None
) -> None:
    server.answers = [failed, None, answer(200, [1])]
    async with hub(server, watch) as transport:
        assert (await transport.get("/api/x")).body == [1]
    assert len(watch.slept) >= 1


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_clear_no_is_not_asked_again(
    server: CannedServer, watch: Watch, method: str
) -> None:
    server.answers = [answer(403, {"error": "no"}), answer(200, [])]
    async with hub(server, watch) as transport:
        with pytest.raises(HubRefused):
            await transport.change(method, "/api/x", harmless=True)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("failed", "error"),
    [
        pytest.param(answer(500), OutcomeUnknown, id="500"),
        pytest.param(answer(429, Retry_After="0"), HubBusy, id="429"),
        pytest.param(None, OutcomeUnknown, id="closed"),
    ],
)
async def test_what_makes_something_is_sent_once_whatever_becomes_of_it(
    server: CannedServer, watch: Watch, failed: bytes | None, error: type[Exception]
) -> None:
    server.answers = [failed, answer(200, {})]
    async with hub(server, watch) as transport:
        with pytest.raises(error):
            await transport.change("POST", "/api/jobs/acme", json_body={})
    assert len(server.asked) == 1


async def test_what_is_harmless_to_repeat_is_repeated(server: CannedServer, watch: Watch) -> None:
    server.answers = [answer(502), answer(200, {"ok": 1})]
    async with hub(server, watch) as transport:
        told = await transport.change("POST", "/api/x/cancel", harmless=True)
    assert told.body == {"ok": 1}


async def test_after_four_repetitions_it_is_given_up(server: CannedServer, watch: Watch) -> None:
    server.answers = [answer(503)] * 9
    async with hub(server, watch) as transport:
        with pytest.raises(HubBusy, match="503"):
            await transport.get("/api/x")
    assert len(server.asked) == 5


async def test_the_hub_is_left_alone_for_as_long_as_it_asks(
    server: CannedServer, watch: Watch
) -> None:
    server.answers = [answer(429, RateLimit='"api";r=0;t=7'), answer(200, [])]
    async with hub(server, watch) as transport:
        await transport.get("/api/x")
    assert 7 <= watch.slept[0] < 8


async def test_what_would_outlast_the_deadline_is_not_waited_for(
    server: CannedServer, watch: Watch
) -> None:
    server.answers = [answer(429, Retry_After="60"), answer(200, [])]
    async with hub(server, watch) as transport:
        with pytest.raises(HubBusy) as busy:
            await transport.get("/api/x")
    assert busy.value.retry_after == 60
    assert watch.slept == []


async def test_a_redirect_is_not_asked_again(server: CannedServer, watch: Watch) -> None:
    server.answers = [answer(307, location="/api/y"), answer(200, [])]
    async with hub(server, watch) as transport:
        with pytest.raises(HubBusy, match="307"):
            await transport.get("/api/x")
    assert len(server.asked) == 1


async def test_what_is_gone_after_a_delete_without_an_answer_is_deleted(
    server: CannedServer, watch: Watch
) -> None:
    server.answers = [None, answer(404, {"error": "no such thing"})]
    async with hub(server, watch) as transport:
        await transport.delete("/api/x")
    assert [asked.method for asked in server.asked] == ["DELETE", "DELETE"]


async def test_what_was_never_there_cannot_be_deleted(server: CannedServer, watch: Watch) -> None:
    server.answers = [answer(429, Retry_After="1"), answer(404, {"error": "no such thing"})]
    async with hub(server, watch) as transport:
        with pytest.raises(HubNotFound):
            await transport.delete("/api/x")


async def test_a_call_may_have_another_token_or_none(
    server: CannedServer, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_saved")
    server.answers = [answer(200, [])] * 4
    async with hub(server, watch) as transport:
        for token in (None, True, "hf_other", False):
            await transport.get("/api/x", token=token)
    assert [asked.headers.get("authorization") for asked in server.asked] == [
        "Bearer hf_x",
        "Bearer hf_saved",
        "Bearer hf_other",
        None,
    ]


SECRET = "hf_hush"


@pytest.mark.parametrize(
    "token", [f"{SECRET}\n", f"{SECRET} ", f"{SECRET}\r\nevil: 1", "hf_ü", b"hf_hush", 5]
)
async def test_what_no_header_can_hold_is_no_token_and_is_not_told(
    server: CannedServer, token: Any
) -> None:
    async with HubTransport(server.url, lambda: token) as transport:
        for call in (transport.get("/api/x"), transport.get("/api/x", token=token)):
            with pytest.raises(UsageError, match="is no token") as refused:
                await call
            assert SECRET not in str(refused.value)
    with pytest.raises(UsageError, match="is no token"):
        HubTransport(server.url, token)
    assert server.asked == []


async def test_a_saved_login_that_is_wanted_must_be_there(
    server: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN_PATH", "/nowhere")
    async with HubTransport(server.url, "hf_x") as transport:
        with pytest.raises(UsageError, match="there is no token"):
            await transport.get("/api/x", token=True)
    assert server.asked == []


@pytest.mark.parametrize(
    "given",
    [{"retries": -1}, {"retries": None}, {"retries": 1.5}, {"deadline": 0}, {"deadline": "x"},
     {"deadline": 10**400}, {"deadline": None}, {"endpoint": 5}, {"endpoint": "http://a:b@hub"}],
    ids=str,
)  # fmt: skip
def test_what_no_hub_can_be_asked_with_is_a_sentence(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as refused:
        HubTransport(**{"endpoint": "http://hub.test", "token": "hf_x", **given})
    assert "a:b" not in str(refused.value)


def test_pauses_grow_and_are_spread() -> None:
    for turn, most in enumerate((0.5, 1.0, 2.0, 4.0, 8.0, 8.0)):
        pauses = {pause_before(turn, HubBusy("x")) for _ in range(20)}
        assert len(pauses) > 1
        assert most / 2 <= min(pauses) <= max(pauses) <= most
