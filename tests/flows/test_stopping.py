from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from factories import make_job
from fakes import ScriptedHub
from jobhook.core.errors import (
    HubBusy,
    HubError,
    HubForbidden,
    HubUnauthorized,
    ListTooLong,
    OutcomeUnknown,
)
from jobhook.core.jobs import JobStage
from jobhook.flows.stopping import stop_all_jobs, stop_everywhere
from jobhook.hub.models import JobInfo

pytestmark = pytest.mark.anyio

OURS = {"jobhook-instance": "jobhook"}


class Workshop(ScriptedHub):
    """A Hub whose jobs end when they are cancelled, and that fails as often as it is told to."""

    def __init__(self, *jobs: JobInfo) -> None:
        super().__init__()
        self.jobs = {job.id: job for job in jobs}
        self.refusals: dict[str, list[HubError]] = {}
        self.appear: list[JobInfo] = []

    async def cancel_job(self, job_id: str, *, namespace: str) -> JobInfo:
        self.calls.append(("cancel", namespace, job_id))
        if self.refusals.get(job_id):
            raise self.refusals[job_id].pop(0)
        return self.jobs.pop(job_id)

    async def list_jobs(
        self, *, namespace: str, labels: Mapping[str, str], stages: Sequence[JobStage] = ()
    ) -> list[JobInfo]:
        found = await super().list_jobs(namespace=namespace, labels=labels, stages=stages)
        if not found and self.appear:
            job = self.appear.pop()
            self.jobs[job.id] = job
        return found

    def cancelled(self) -> list[str]:
        return [call[2] for call in self.calls if call[0] == "cancel"]


async def stopped(hub: ScriptedHub) -> list[tuple[str, str | None]]:
    async def no_time_passes(_: float) -> None: ...

    stopping = stop_all_jobs(hub, namespace="acme", instance="jobhook", sleep=no_time_passes)
    return [each async for each in stopping]


async def test_every_job_of_ours_that_is_active_is_cancelled_and_no_other() -> None:
    hub = Workshop(
        make_job("j1", "RUNNING", labels=OURS),
        make_job("j2", "SCHEDULING", labels=OURS),
        make_job("j3", "COMPLETED", labels=OURS),
        make_job("j4", "RUNNING", labels={"jobhook-instance": "theirs"}),
        make_job("j5", "RUNNING"),
    )
    assert await stopped(hub) == [("j1", None), ("j2", None)]
    assert set(hub.jobs) == {"j3", "j4", "j5"}


async def test_five_hundred_jobs_are_cancelled_once_each() -> None:
    hub = Workshop(*(make_job(f"j{n}", "RUNNING", labels=OURS) for n in range(500)))
    assert len(await stopped(hub)) == 500
    assert len(hub.cancelled()) == len(set(hub.cancelled())) == 500
    assert len([call for call in hub.calls if call[0] == "list"]) == 3


async def test_a_job_that_appears_meanwhile_is_cancelled_too() -> None:
    hub = Workshop()
    hub.appear = [make_job("late", "RUNNING", labels=OURS)]
    assert await stopped(hub) == [("late", None)]


@pytest.mark.parametrize("failure", [HubBusy("down"), OutcomeUnknown("lost")], ids=repr)
async def test_what_may_pass_is_tried_again(failure: HubError) -> None:
    hub = Workshop(make_job("j1", "RUNNING", labels=OURS))
    hub.refusals["j1"] = [failure, failure]
    assert await stopped(hub) == [("j1", None)]


@pytest.mark.parametrize(
    ("failure", "tries"),
    [
        pytest.param(HubForbidden("not yours"), 1, id="a clear no"),
        pytest.param(HubBusy("not yours"), 3, id="down for long"),
    ],
)
async def test_what_cannot_be_cancelled_is_told_and_left(failure: HubError, tries: int) -> None:
    hub = Workshop(make_job("j1", "RUNNING", labels=OURS), make_job("j2", "RUNNING", labels=OURS))
    hub.refusals["j1"] = [failure] * 10
    assert sorted(await stopped(hub)) == [("j1", "not yours"), ("j2", None)]
    assert hub.cancelled().count("j1") == tries


async def test_a_list_that_fails_for_a_moment_is_asked_for_again() -> None:
    hub = Workshop(make_job("j1", "RUNNING", labels=OURS))
    hub.list_failures += [HubBusy("down")] * 2
    assert await stopped(hub) == [("j1", None)]


async def test_a_list_that_is_too_long_is_cancelled_so_far_and_not_said_to_be_all() -> None:
    hub = Workshop(*(make_job(f"j{n}", "RUNNING", labels=OURS) for n in range(3)))
    hub.cut = ListTooLong("the list goes on")
    with pytest.raises(ListTooLong):
        await stopped(hub)
    assert hub.cancelled() == ["j0", "j1", "j2"]


@pytest.mark.parametrize(
    ("failures", "asked"),
    [
        pytest.param([HubBusy("down")] * 9, 3, id="down for long"),
        pytest.param([HubUnauthorized("who?")], 1, id="a clear no"),
    ],
)
async def test_without_a_list_it_is_not_said_to_be_done(
    failures: list[HubError], asked: int
) -> None:
    hub = Workshop(make_job("j1", "RUNNING", labels=OURS))
    hub.list_failures += failures
    with pytest.raises(HubError):
        await stopped(hub)
    assert len(hub.calls) == asked


async def test_where_nothing_can_be_seen_is_told_and_the_next_place_is_looked_at() -> None:
    hub = Workshop(make_job("j1", "RUNNING", labels=OURS))
    hub.list_failures = [HubForbidden("not yours")]
    unread: list[tuple[str, str]] = []

    async def no_time_passes(_: float) -> None: ...

    stopping = stop_everywhere(
        hub,
        namespaces=("elsewhere", "acme"),
        instance="jobhook",
        on_unread=lambda namespace, failure: unread.append((namespace, str(failure))),
        sleep=no_time_passes,
    )
    assert [each async for each in stopping] == [("j1", None)]
    assert unread == [("elsewhere", "not yours")]
