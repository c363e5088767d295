"""Waiting for jobs: one or many, with as few calls as will do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from canned import CannedServer, answer
from jobhook.core.errors import HubBusy, HubNotFound, UsageError, WaitTimeout
from jobhook.hub.client import AsyncHub

pytestmark = pytest.mark.anyio


class Watch:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
async def hub(server: CannedServer) -> AsyncIterator[AsyncHub]:
    async with AsyncHub(server.url, "hf_x", deadline=5, retries=0) as opened:
        watch = Watch()
        opened.transport.monotonic, opened.transport.sleep = watch, watch.sleep
        yield opened


def job(job_id: str, stage: str) -> dict[str, Any]:
    owner = {"id": "1", "name": "acme", "type": "org"}
    return {"id": job_id, "owner": owner, "status": {"stage": stage, "message": None}}


async def test_a_job_is_waited_for_until_it_has_ended(hub: AsyncHub, server: CannedServer) -> None:
    stages = ("SCHEDULING", "RUNNING", "ERROR")
    server.answers = [answer(200, job("j1", stage)) for stage in stages]
    assert (await hub.wait_for_job("j1", namespace="acme")).status.stage == "ERROR"


async def test_a_stage_that_is_named_ends_the_wait(hub: AsyncHub, server: CannedServer) -> None:
    server.answers = [answer(200, job("j1", stage)) for stage in ("SCHEDULING", "RUNNING")]
    found = await hub.wait_for_job("j1", stages=["RUNNING"], namespace="acme")
    assert found.status.stage == "RUNNING"


async def test_several_jobs_take_one_call_a_look_and_one_each_at_their_end(
    hub: AsyncHub, server: CannedServer
) -> None:
    active = [job("j1", "RUNNING"), job("other", "RUNNING"), job("j2", "RUNNING")]
    server.answers = [
        answer(200, [*active, job("j3", "SCHEDULING")]),
        answer(200, active[:1]),
        answer(200, job("j2", "COMPLETED")),
        answer(200, job("j3", "CANCELED")),
        answer(200, job("j1", "COMPLETED")),
    ]
    found = await hub.wait_for_job(["j3", "j1", "j2", "j1"], namespace="acme")
    assert [(each.id, each.status.stage) for each in found] == [
        ("j3", "CANCELED"),
        ("j1", "COMPLETED"),
        ("j2", "COMPLETED"),
        ("j1", "COMPLETED"),
    ]
    assert [asked.target.partition("?")[0] for asked in server.asked] == [
        "/api/jobs/acme",
        "/api/jobs/acme",
        "/api/jobs/acme/j2",
        "/api/jobs/acme/j3",
        "/api/jobs/acme/j1",
    ]


async def test_a_list_of_more_pages_than_jobs_is_read_no_further(
    hub: AsyncHub, server: CannedServer
) -> None:
    more = f'<{server.url}/api/jobs/acme?cursor=x>; rel="next"'
    server.answers = [
        answer(200, [job("other", "RUNNING")], link=more),
        answer(200, job("j1", "COMPLETED")),
        answer(200, job("j2", "COMPLETED")),
    ]
    await hub.wait_for_job(["j1", "j2"], namespace="acme")
    assert len(server.asked) == 3


async def test_a_wait_ends_when_its_time_is_over(hub: AsyncHub, server: CannedServer) -> None:
    server.answers = [answer(200, job("j1", "RUNNING"))] * 9
    with pytest.raises(TimeoutError, match=r"job j1 is still RUNNING after 2\.5 seconds") as late:
        await hub.wait_for_job("j1", timeout=2.5, namespace="acme")
    assert isinstance(late.value, WaitTimeout)
    assert len(server.asked) == 4


async def test_an_outage_of_the_hub_ends_no_wait(hub: AsyncHub, server: CannedServer) -> None:
    server.answers = [*[answer(503)] * 5, answer(200, job("j1", "COMPLETED"))]
    assert (await hub.wait_for_job("j1", namespace="acme")).is_over


async def test_a_hub_that_stays_away_is_given_up(hub: AsyncHub, server: CannedServer) -> None:
    server.answers = [answer(503)] * 9
    with pytest.raises(HubBusy):
        await hub.wait_for_job("j1", namespace="acme")
    assert len(server.asked) == 6


async def test_a_job_that_was_never_seen_is_told_of_as_such(
    hub: AsyncHub, server: CannedServer
) -> None:
    server.answers = [answer(503)] * 9
    with pytest.raises(WaitTimeout, match="is still not seen after 2 seconds"):
        await hub.wait_for_job("j1", timeout=2, namespace="acme")


async def test_no_job_is_not_waited_for(hub: AsyncHub, server: CannedServer) -> None:
    server.answers = [answer(200, []), answer(404, {"error": "no such job"})]
    with pytest.raises(HubNotFound):
        await hub.wait_for_job(["j1", "j2"], namespace="acme")


async def test_nothing_to_wait_for_is_there_at_once(hub: AsyncHub, server: CannedServer) -> None:
    assert await hub.wait_for_job([], namespace="acme") == []
    assert server.asked == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({"timeout": -1}, "timeout cannot be negative", id="timeout"),
        pytest.param({"timeout": float("nan")}, "timeout cannot be negative", id="no-number"),
        pytest.param({"poll_interval": 0}, "poll_interval must be more than 0", id="interval"),
        pytest.param({"job_id": ["j1", "a b"]}, "'a b' is no id of a job", id="id"),
    ],
)
async def test_what_cannot_be_waited_for_is_refused_before_anything_is_sent(
    hub: AsyncHub, server: CannedServer, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        await hub.wait_for_job(**{"job_id": "j1", **given})
    assert server.asked == []
