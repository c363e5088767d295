from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import pytest

from factories import NOON, make_job, make_launch
from fakes import ScriptedHub
from jobhook.core.errors import HubBusy
from jobhook.flows.finding import Finder, Found, found_among
from jobhook.hub.models import JobInfo, JobInitiator

pytestmark = pytest.mark.anyio

FIRST, SECOND = make_launch(id="l1"), make_launch(id="l2")


class WaitingHub(ScriptedHub):
    """Gives no list away before it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = asyncio.Semaphore(0)

    async def job_pages(self, **asked: Any) -> AsyncGenerator[list[JobInfo], None]:
        jobs = await self.list_jobs(**asked)
        await self.answers.acquire()
        yield jobs
        yield []


async def begun(*looks: Any) -> list[asyncio.Task[Found | None]]:
    """So many looks, each of which waits for the Hub or for its turn."""
    tasks = [asyncio.create_task(look) for look in looks]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


def test_jobs_without_a_date_are_ordered_by_their_ids() -> None:
    labels = {"jobhook-launch": "l1"}
    found = found_among([make_job("b", labels=labels), make_job("a", labels=labels)], FIRST)
    assert found is not None
    assert (found.job.id, [job.id for job in found.extra]) == ("a", ["b"])


@pytest.mark.parametrize(
    ("kind", "found"),
    [("user", True), ("org", True), ("duplicated-job", False), ("scheduled-job", False)],
)
def test_what_the_hub_was_told_to_do_once_more_is_not_the_job_that_we_asked_for(
    kind: str, found: bool
) -> None:
    initiator = JobInitiator(type=kind, id="x")
    job = make_job("a", labels={"jobhook-launch": "l1"}, initiator=initiator)
    assert bool(found_among([job], FIRST)) == found


@pytest.mark.parametrize(("wholly", "found"), [(False, False), (True, True)])
async def test_a_list_is_read_on_behind_what_is_older_only_if_all_of_it_counts(
    wholly: bool, found: bool
) -> None:
    early, late = (datetime.fromtimestamp(NOON / 1000 + s, UTC) for s in (-600, 1))
    initiator = JobInitiator(type="duplicated-job", id="j0")

    class Pages(ScriptedHub):
        async def job_pages(self, **_: Any) -> AsyncGenerator[list[JobInfo], None]:
            yield [make_job("new", created_at=late)]
            yield [make_job("old", created_at=early)]
            yield [make_job("j1", created_at=late, initiator=initiator)]

    launch = make_launch(rule="api.rerun", repo="job:j0", claimed_at=NOON)
    job = await Finder(Pages()).repeated(launch, "acme", besides=(), wholly=wholly)
    assert (job is not None) == found


async def test_those_who_ask_while_a_list_is_on_its_way_share_the_next_one() -> None:
    hub = WaitingHub()
    finder = Finder(hub)
    looks = await begun(*(finder.anywhere(FIRST, "acme") for _ in range(5)))
    for _ in range(2):
        hub.answers.release()
    assert await asyncio.gather(*looks) == [None] * 5
    assert len(hub.calls) == 2


async def test_a_list_that_began_before_somebody_asked_is_no_answer() -> None:
    hub = WaitingHub()
    finder = Finder(hub)
    looks = await begun(finder.anywhere(FIRST, "acme"))
    hub.jobs["j2"] = make_job("j2", labels={"jobhook-launch": "l2"})
    looks += await begun(finder.anywhere(SECOND, "acme"))
    for _ in range(2):
        hub.answers.release()
    first, second = await asyncio.gather(*looks)
    assert first is None
    assert second == Found(hub.jobs["j2"], ())


async def test_a_failure_is_the_answer_for_everybody_who_shares_the_list() -> None:
    hub = WaitingHub()
    finder = Finder(hub)
    looks = await begun(*(finder.anywhere(each, "acme") for each in (FIRST, FIRST, SECOND)))
    hub.list_failures.append(HubBusy("down"))
    for _ in range(2):
        hub.answers.release()
    first, *others = await asyncio.gather(*looks, return_exceptions=True)
    assert first is None
    assert [str(other) for other in others] == ["down", "down"]


async def test_a_list_that_was_broken_off_is_no_answer_for_those_who_shared_it() -> None:
    hub = WaitingHub()
    finder = Finder(hub)
    looks = await begun(*(finder.anywhere(FIRST, "acme") for _ in range(3)))
    hub.answers.release()
    assert await looks[0] is None
    await begun()
    looks[1].cancel()
    with pytest.raises(HubBusy, match="broken off"):
        await looks[2]


async def test_namespaces_do_not_wait_for_one_another() -> None:
    hub = WaitingHub()
    finder = Finder(hub)
    looks = await begun(finder.anywhere(FIRST, "acme"), finder.anywhere(FIRST, "other"))
    assert hub.calls == [("list", "acme"), ("list", "other")]
    for _ in range(2):
        hub.answers.release()
    assert await asyncio.gather(*looks) == [None, None]
