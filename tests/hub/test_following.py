"""Reading logs and metrics: every line once, however often the connection breaks."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canned import CannedServer, answer
from jobhook.core.errors import HubBusy, HubForbidden, UsageError
from jobhook.hub import following, job_streams, sse
from jobhook.hub.client import AsyncHub
from jobhook.hub.following import Position, is_quiet_enough
from jobhook.hub.transport import Opened

pytestmark = pytest.mark.anyio

OWNER = {"id": "1", "name": "acme", "type": "org"}


@pytest.fixture
async def hub(server: CannedServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AsyncHub]:
    monkeypatch.setattr(following, "_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(job_streams, "_BACKLOG_SECONDS", 0.2)
    async with AsyncHub(server.url, "hf_x", deadline=5, retries=0) as opened:
        yield opened


def job(stage: str) -> bytes:
    return answer(200, {"id": "j1", "owner": OWNER, "status": {"stage": stage, "message": None}})


def frames(*lines: str, second: int = 0) -> bytes:
    """Lines of a log, each a second after the one before it."""
    told = [
        {"data": line, "timestamp": f"2026-11-23T10:00:{second + at:02}Z"}
        for at, line in enumerate(lines)
    ]
    return b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in told)


def stream(body: bytes, **headers: str) -> bytes:
    """A stream that the Hub ends by itself."""
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    size = f"content-length: {len(body)}\r\n"
    return f"HTTP/1.1 200 OK\r\n{''.join(lines)}{size}\r\n".encode() + body


def broken(body: bytes) -> bytes:
    """A stream that breaks after *body*."""
    return b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n" + body


async def followed(hub: AsyncHub, **given: Any) -> list[str]:
    told = hub.fetch_job_logs(job_id="j1", namespace="acme", follow=True, **given)
    return [line async for line in told]


async def there(hub: AsyncHub, **given: Any) -> list[str]:
    return [line async for line in hub.fetch_job_logs(job_id="j1", namespace="acme", **given)]


async def test_a_break_after_the_job_has_ended_loses_no_line(
    hub: AsyncHub, server: CannedServer
) -> None:
    server.answers = [
        *(broken(frames("a", "b")), None),
        stream(frames("a", "b", "c")),
        job("COMPLETED"),
    ]
    assert await followed(hub) == ["a", "b", "c"]


async def test_a_log_cut_to_its_tail_is_read_on_where_it_broke(
    hub: AsyncHub, server: CannedServer
) -> None:
    server.answers = [
        *(broken(frames("c", "d", second=2)), None),
        stream(frames("a", "b", "c", "d", "e")),
        job("COMPLETED"),
    ]
    assert await followed(hub, tail=2) == ["c", "d", "e"]
    # What is replayed must begin where it always does.
    assert [asked.target.partition("?")[2] for asked in server.asked] == ["tail=2", "", ""]


async def test_a_replay_that_lost_its_beginning_gives_what_is_new(
    hub: AsyncHub, server: CannedServer
) -> None:
    server.answers = [
        *(broken(frames("a", "b", "c")), None),
        stream(frames("b", "c", "d", second=1)),
        job("COMPLETED"),
    ]
    assert await followed(hub) == ["a", "b", "c", "d"]


async def test_a_stream_that_ends_while_the_job_runs_is_opened_again(
    hub: AsyncHub, server: CannedServer
) -> None:
    server.answers = [
        stream(frames("a")),
        job("RUNNING"),
        stream(frames("a", "b")),
        job("COMPLETED"),
    ]
    assert await followed(hub) == ["a", "b"]


async def test_a_stream_that_never_ends_is_left_when_the_job_has_ended() -> None:
    asked = 0

    @contextlib.asynccontextmanager
    async def opened(_is_first: bool) -> AsyncIterator[Opened]:
        yield Opened({}, _chunks(itertools.repeat(b": keep-alive\n\n")))

    async def is_over() -> bool:
        nonlocal asked
        asked += 1
        return asked > 2

    log = following.follow(opened, is_over, Position(is_cut=False), sleep=_at_once, monotonic=int)
    assert [batch async for batch in log] == []


async def test_what_was_written_while_the_job_could_not_be_asked_after_is_read() -> None:
    replays = iter([[an_event("one", 1)], [an_event("one", 1), an_event("last", 2)]])
    clock = iter([0.0, 20.0])

    @contextlib.asynccontextmanager
    async def opened(_is_at_the_start: bool) -> AsyncIterator[Opened]:
        frame = b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in next(replays))
        yield Opened({}, _chunks(iter([frame])))

    async def is_over() -> bool:
        return True

    log = following.follow(
        opened,
        is_over,
        Position(is_cut=False),
        sleep=_at_once,
        monotonic=lambda: next(clock, 0.0),
    )
    assert [event["data"] async for batch in log for event in batch] == ["one", "last"]


async def test_a_silent_job_whose_connection_is_cut_again_and_again_is_not_given_up(
    hub: AsyncHub, server: CannedServer
) -> None:
    cut = [broken(b": keep-alive\n\n"), None]
    server.answers = [*cut * 8, stream(frames("a")), job("COMPLETED")]
    assert await followed(hub) == ["a"]


async def test_a_hub_that_does_not_begin_is_no_empty_log(
    hub: AsyncHub, server: CannedServer
) -> None:
    server.hang = True
    server.answers = [b""]
    with pytest.raises(HubBusy):
        await there(hub)


async def test_a_refusal_of_any_length_is_an_error_of_the_hub(
    hub: AsyncHub, server: CannedServer
) -> None:
    server.answers = [answer(404, "x" * 6_000_000)] * 6
    with pytest.raises(HubBusy, match="over 5,242,880 bytes"):
        await there(hub)


async def test_a_line_that_comes_in_pieces_is_no_silence() -> None:
    line = b'data: {"data":"a long one"}\n\n'

    @contextlib.asynccontextmanager
    async def opened(_is_at_the_start: bool) -> AsyncIterator[Opened]:
        yield Opened({}, _chunks(iter([line[at : at + 3] for at in range(0, len(line), 3)])))

    async def is_over() -> bool:
        return True

    log = following.follow(opened, is_over, Position(is_cut=False), sleep=_at_once, monotonic=int)
    assert [event["data"] async for batch in log for event in batch] == ["a long one"]


async def test_the_lines_that_are_there_end_at_what_came_later(
    hub: AsyncHub, server: CannedServer
) -> None:
    server.hang = True
    date = "Mon, 23 Nov 2026 10:00:01 GMT"
    server.answers = [broken(frames("a", "b", "c", "d", "e")).replace(
        b"\r\n\r\n", f"\r\nDate: {date}\r\n\r\n".encode(), 1
    )]  # fmt: skip
    assert await there(hub) == ["a", "b", "c"]


async def test_the_lines_that_are_there_end_when_nothing_more_comes(
    hub: AsyncHub, server: CannedServer
) -> None:
    server.hang = True
    server.answers = [broken(frames("a", "b"))]
    assert await there(hub) == ["a", "b"]


async def test_the_lines_of_a_job_that_has_ended_are_all_there(
    hub: AsyncHub, server: CannedServer
) -> None:
    server.answers = [*(broken(frames("a")), None), stream(frames("a", "b"))]
    assert await there(hub) == ["a", "b"]


async def test_lines_that_keep_breaking_off_are_given_up(
    hub: AsyncHub, server: CannedServer
) -> None:
    with pytest.raises(HubBusy):
        await there(hub)
    assert len(server.asked) == 6


async def test_a_line_may_hold_what_other_protocols_end_lines_with(
    hub: AsyncHub, server: CannedServer
) -> None:
    odd = "a\u2028b\x85c\x0bd"
    body = b'data: {"data":"%s"}\n\n' % odd.replace("\x0b", "\\u000b").encode()
    server.answers = [stream(body), job("COMPLETED")]
    assert await followed(hub) == [odd]


@pytest.mark.parametrize("tail", [-1, True, "5", 1.5])
async def test_a_tail_that_is_no_number_is_refused_before_anything_is_sent(
    hub: AsyncHub, server: CannedServer, tail: Any
) -> None:
    with pytest.raises(UsageError, match="no number of lines"):
        hub.fetch_job_logs(job_id="j1", tail=tail)
    assert server.asked == []


async def test_a_stream_can_be_left(hub: AsyncHub, server: CannedServer) -> None:
    server.hang = True
    server.answers = [broken(frames("a", "b"))]
    told = hub.fetch_job_logs(job_id="j1", namespace="acme", follow=True)
    assert await anext(told) == "a"
    await told.aclose()


def sample(value: int) -> bytes:
    return b'event: metric\ndata: {"cpu_usage_pct":%d}\n\n' % value


async def metrics(hub: AsyncHub, *, follow: bool) -> list[int]:
    told = hub.fetch_job_metrics(job_id="j1", namespace="acme", follow=follow)
    return [each["cpu_usage_pct"] async for each in told]


async def test_the_metrics_of_now_are_one_sample(hub: AsyncHub, server: CannedServer) -> None:
    server.answers = [broken(sample(1) + sample(2))]
    assert await metrics(hub, follow=False) == [1]


async def test_metrics_are_followed_until_the_job_has_ended(
    hub: AsyncHub, server: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_streams, "_METRICS_SECONDS", 0.1)
    monkeypatch.setattr(hub.transport, "sleep", _at_once)
    server.answers = [
        *(broken(sample(1)), None),
        job("RUNNING"),
        stream(sample(2)),
        job("COMPLETED"),
    ]
    assert await metrics(hub, follow=True) == [1, 2]


@pytest.mark.parametrize("status", [406, 500])
async def test_a_job_that_has_ended_has_no_metrics(
    hub: AsyncHub, server: CannedServer, status: int
) -> None:
    server.answers = [answer(status, {"error": "it has ended"}), job("COMPLETED")]
    assert await metrics(hub, follow=False) == []


async def test_metrics_that_are_silent_are_not_waited_for_when_the_job_has_ended(
    hub: AsyncHub, server: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_streams, "_METRICS_SECONDS", 0.05)
    server.hang = True
    server.answers = [broken(b""), job("CANCELED")]
    assert await metrics(hub, follow=True) == []


async def test_metrics_that_are_refused_say_so(hub: AsyncHub, server: CannedServer) -> None:
    server.answers = [answer(403, {"error": "not yours"})]
    with pytest.raises(HubForbidden, match="not yours"):
        await metrics(hub, follow=True)


async def test_metrics_that_keep_breaking_are_given_up(
    hub: AsyncHub, server: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub.transport, "sleep", _at_once)
    server.answers = [*[broken(b""), None, job("RUNNING")] * 6]
    with pytest.raises(HubBusy):
        await metrics(hub, follow=True)


async def _at_once(_seconds: float) -> None: ...


async def _chunks(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@given(
    texts=st.lists(st.text(max_size=20), max_size=8),
    places=st.lists(st.floats(0, 1), max_size=6).map(sorted),
)
async def test_events_are_the_same_however_they_are_cut(
    texts: list[str], places: list[float]
) -> None:
    body = b"".join(b"data: %s\n\n" % json.dumps({"data": text}).encode() for text in texts)
    cuts = [int(place * len(body)) for place in places]
    ends = zip([0, *cuts], [*cuts, len(body)], strict=True)
    batches = sse.events(_chunks(body[begin:end] for begin, end in ends))
    assert [event["data"] async for batch in batches for event in batch] == texts


async def test_a_line_without_an_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "LINE_MAX_BYTES", 1_000)
    with pytest.raises(HubBusy, match="a line of over"):
        _ = [batch async for batch in sse.events(_chunks(b"data: {x" for _ in range(1_000)))]


async def test_a_last_line_without_an_end_counts() -> None:
    batches = sse.events(_chunks(iter([b'data: {"a":1}\n', b'data: {"a"', b":2}"])))
    assert [event["a"] async for batch in batches for event in batch] == [1, 2]


def an_event(text: str, second: int) -> dict[str, Any]:
    moment = f"2026-11-23T10:{second // 60:02}:{second % 60:02}Z"
    return {"data": text, "timestamp": moment}


@given(
    texts=st.lists(st.sampled_from("ab"), max_size=30),
    breaks=st.lists(st.integers(0, 30), max_size=4),
    tail=st.none() | st.integers(0, 30),
    steps=st.lists(st.integers(0, 2), min_size=30, max_size=30),
)
def test_whatever_breaks_each_line_is_read_once(
    texts: list[str], breaks: list[int], tail: int | None, steps: list[int]
) -> None:
    seconds = [sum(steps[: at + 1]) for at in range(len(texts))]
    # No line is like another: in a cut log, those of one moment could not be told apart.
    lines = [
        an_event(f"{text}{at}", second)
        for at, (text, second) in enumerate(zip(texts, seconds, strict=True))
    ]
    position = Position(is_cut=tail is not None)
    seen: list[dict[str, Any]] = []
    first = lines if tail is None else lines[max(len(lines) - tail, 0) :]
    for each in [*breaks, len(lines)]:
        replay = first if position.is_at_the_start else lines
        position.begin()
        seen += position.beyond(replay[:each])
    assert seen == first


START = {"data": "===== Job started at 2026-11-23 10:00:00 =====", "timestamp": None}


def replayed(position: Position, *events: dict[str, Any]) -> list[str]:
    position.begin()
    return [event["data"] for event in position.beyond([START, *events])]


def test_lines_of_one_moment_are_read_on_after_a_tail_broke() -> None:
    position = Position(is_cut=True)
    lines = [an_event(f"l{at}", 7) for at in range(6)]
    assert replayed(position, *lines[2:4]) == ["l2", "l3"]
    assert replayed(position, *lines) == ["l4", "l5"]


def test_a_tail_that_broke_before_its_first_line_is_asked_for_again() -> None:
    position = Position(is_cut=True)
    assert replayed(position) == []
    assert position.is_at_the_start


def test_a_clock_that_was_set_back_gives_no_line_twice() -> None:
    position = Position(is_cut=False)
    lines = [an_event("early", 3_000), *(an_event(f"l{at}", 1) for at in range(250))]
    assert len(replayed(position, *lines)) == 251
    assert replayed(position, *lines) == []


@pytest.mark.parametrize(
    "date",
    ["nonsense", "Mon, 23 Nov 2026 10:00:01 -0000", "Fri, 31 Dec 9999 23:59:59 GMT", "x 99999999"],
)
async def test_a_date_that_tells_nothing_ends_nothing(
    hub: AsyncHub, server: CannedServer, date: str
) -> None:
    server.answers = [stream(frames("a"), Date=date)]
    assert await there(hub) == ["a"]


@pytest.mark.parametrize(
    ("count", "asks"),
    [(0, False), (1, False), (2, True), (3, False), (4, True), (5, False), (64, True)],
)
def test_a_silent_job_is_asked_after_at_growing_distances(count: int, asks: bool) -> None:
    assert is_quiet_enough(count) == asks
