from __future__ import annotations

from typing import Any

import pytest

from canned import CannedServer, answer, raw
from elsewhere import Slept
from jobhook.core.errors import (
    HubBusy,
    HubNotFound,
    HubRefused,
    StoreUnavailable,
    UsageError,
    WaitTimeout,
)
from jobhook.hub.models import JobInfo, JobOwner, JobStatus
from jobhook.remote import events as sse
from jobhook.remote import streams
from jobhook.remote.hub import RemoteHub
from jobhook.remote.streams import LogLine
from jobhook.web.api.answering import dumped
from jobhook.web.api.operations import Event
from jobhook.web.api.streaming import written

pytestmark = pytest.mark.anyio

ID, OTHER = "6a" * 12, "7b" * 12
END = written(Event({}, kind="end"))
HEARTBEAT = b": still here\n\n"


def job(stage: str, job_id: str = ID) -> bytes:
    owner = JobOwner(id="1", name="dev")
    told = JobInfo(id=job_id, status=JobStatus(stage=stage), owner=owner, endpoint="https://h.test")
    return raw(dumped(told))


def line(number: int, *, is_counted: bool = True) -> bytes:
    return written(Event(LogLine(f"line {number}"), id=str(number) if is_counted else None))


def stream(*events: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    return head + b"".join(events)


async def lines(hub: RemoteHub, **given: Any) -> list[str]:
    return [each async for each in hub.fetch_job_logs(ID, **given)]


async def test_a_log_is_read_to_its_end(server: CannedServer, hub: RemoteHub) -> None:
    server.answers = [stream(HEARTBEAT, line(1), line(2), END)]
    assert await lines(hub, follow=True, tail=5, namespace="acme") == ["line 1", "line 2"]
    asked = server.asked[0]
    assert asked.target == f"/api/v1/jobs/{ID}/logs?follow=true&namespace=acme&tail=5"
    assert asked.headers["accept"] == "text/event-stream"


async def test_after_a_break_it_goes_on_behind_the_last_line(
    server: CannedServer, hub: RemoteHub
) -> None:
    server.answers = [
        stream(line(1), line(2), b"id: 3\ndata: {"),
        None,
        raw(b"", "503 Starting"),
        stream(line(3), END),
    ]
    assert await lines(hub) == ["line 1", "line 2", "line 3"]
    after = [asked.headers.get("last-event-id") for asked in server.asked]
    assert after == [None, "2", "2"]


async def test_an_id_that_no_header_holds_is_none(server: CannedServer, hub: RemoteHub) -> None:
    odd = 'id: \xfc\x01\ndata: {"line": "a"}\n\n'.encode()
    server.answers = [stream(line(1), odd), None, stream(END)]
    assert await lines(hub) == ["line 1", "a"]
    assert server.asked[1].headers["last-event-id"] == "1"


async def test_lines_without_numbers_are_told_once_or_not_at_all(
    server: CannedServer, hub: RemoteHub
) -> None:
    server.answers = [stream(line(8, is_counted=False)), None]
    with pytest.raises(HubBusy, match="broke off"):
        await lines(hub, tail=1)
    assert len(server.asked) == 1


async def test_a_stream_that_breaks_again_and_again_is_given_up(
    server: CannedServer, hub: RemoteHub, slept: Slept
) -> None:
    server.answers = [stream(), None] * 6
    with pytest.raises(HubBusy, match="broke off"):
        await lines(hub)
    assert (len(server.asked), slept.seconds) == (6, [1.0, 2.0, 4.0, 8.0, 16.0])


@pytest.mark.parametrize(
    ("code", "kind"),
    [("not_found", HubNotFound), ("hub_busy", HubBusy)],
)
async def test_what_goes_wrong_in_a_stream_is_raised_once(
    server: CannedServer, hub: RemoteHub, code: str, kind: type[Exception]
) -> None:
    told = {"error": {"code": code, "message": "gone", "details": None}}
    server.answers = [stream(line(1), written(Event(told, kind="error")))]
    with pytest.raises(kind, match="gone"):
        await lines(hub)
    assert len(server.asked) == 1


async def test_an_error_that_cannot_be_read_ends_it_too(
    server: CannedServer, hub: RemoteHub
) -> None:
    server.answers = [stream(b"event: error\ndata: [1]\n\n")]
    with pytest.raises(HubBusy, match="cannot be read"):
        await lines(hub)


async def test_a_line_of_somebody_elses_is_none(server: CannedServer, hub: RemoteHub) -> None:
    server.answers = [stream(b'data: {"text": 1}\n\n')]
    with pytest.raises(HubRefused, match="something that is no LogLine"):
        await lines(hub)


async def test_an_event_without_end_is_read_up_to_a_limit(
    server: CannedServer, hub: RemoteHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "LINE_MAX_BYTES", 100)
    server.answers = [stream(b"data: " + b"x" * 1000), None] * 6
    with pytest.raises(HubBusy, match="over 100 bytes"):
        await lines(hub)


async def test_a_silent_stream_is_opened_anew(
    server: CannedServer, hub: RemoteHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_QUIET_SECONDS", 0.05)
    server.hang = True
    server.answers = [stream(line(1))]
    told = hub.fetch_job_logs(ID)
    assert await anext(told) == "line 1"
    with pytest.raises(HubBusy):
        await anext(told)


async def test_metrics_go_on_after_a_break_and_are_news_by_the_second(
    server: CannedServer, hub: RemoteHub
) -> None:
    sample = written(Event({"cpu_usage_pct": 1.5, "gpus": {}}))
    server.answers = [stream(sample), None, stream(sample, END)]
    told = [each async for each in hub.fetch_job_metrics(ID, follow=True)]
    assert told == [{"cpu_usage_pct": 1.5, "gpus": {}}] * 2


async def test_a_wait_asks_again_until_all_have_ended(server: CannedServer, hub: RemoteHub) -> None:
    server.answers = [job("RUNNING"), job("COMPLETED"), job("ERROR", OTHER)]
    ended = await hub.wait_for_job([ID, OTHER, ID])
    assert [each.id for each in ended] == [ID, OTHER, ID]
    first, *_ = server.asked
    assert first.target == f"/api/v1/jobs/{ID}/wait?timeout=60"
    assert len(server.asked) == 3


async def test_a_wait_outlives_a_service_that_starts_anew(
    server: CannedServer, hub: RemoteHub, slept: Slept
) -> None:
    starting = {"error": {"code": "unavailable", "message": "it ends", "details": None}}
    server.answers = [answer(503, starting), job("COMPLETED")]
    assert (await hub.wait_for_job(ID)).is_over
    server.answers = [answer(503, starting)] * 6
    with pytest.raises(StoreUnavailable, match="it ends"):
        await hub.wait_for_job(ID)
    assert slept.seconds == [1.0, 1.0, 2.0, 4.0, 8.0, 16.0]


async def test_a_log_outlives_a_service_that_starts_anew(
    server: CannedServer, hub: RemoteHub
) -> None:
    starting = {"error": {"code": "unavailable", "message": "it ends", "details": None}}
    server.answers = [stream(line(1)), None, answer(503, starting), stream(line(2), END)]
    assert await lines(hub) == ["line 1", "line 2"]


async def test_a_wait_for_stages_names_them(server: CannedServer, hub: RemoteHub) -> None:
    server.answers = [job("RUNNING")]
    job_now = await hub.wait_for_job(ID, stages=["running"], timeout=600, namespace="acme")
    assert job_now.status.stage == "RUNNING"
    assert server.asked[0].target.endswith("wait?timeout=60&namespace=acme&stages=RUNNING")


async def test_a_wait_is_over_when_its_time_is(server: CannedServer, hub: RemoteHub) -> None:
    server.answers = [job("RUNNING")]
    with pytest.raises(WaitTimeout, match=f"job {ID} is still RUNNING after 0 seconds"):
        await hub.wait_for_job(ID, timeout=0)
    assert server.asked[0].target.endswith("wait?timeout=0")


@pytest.mark.parametrize("given", [{"tail": -1}, {"tail": True}, {"follow": "no"}])
async def test_what_no_log_has_is_not_asked_for(hub: RemoteHub, given: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        hub.fetch_job_logs(ID, **given)


async def test_what_the_service_refuses_is_not_asked_for_again(
    server: CannedServer, hub: RemoteHub
) -> None:
    refused = {"error": {"code": "forbidden", "message": "a viewer may not", "details": None}}
    server.answers = [answer(403, refused)]
    with pytest.raises(Exception, match="a viewer may not"):
        await lines(hub)
    assert len(server.asked) == 1
