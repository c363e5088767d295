"""What following costs: hours of a service's life against a Hub that counts, in simulated time."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import cast

import pytest

from factories import make_job, make_launch
from fakes import HandClock, ScriptedHub
from jobhook.core.jobs import JobStage
from jobhook.core.launches import Launch, LaunchState
from jobhook.flows.identity import Identity
from jobhook.flows.prices import Prices
from jobhook.flows.reaping import Reaper
from jobhook.flows.resolving import Visibility
from jobhook.flows.tracking import Tracker
from jobhook.hub.models import JobInfo
from jobhook.ports import Store

pytestmark = pytest.mark.anyio

PAGE = 100
MINUTE = 60_000
HOUR = 60 * MINUTE


class CountingHub(ScriptedHub):
    """Lists the newest job first, a hundred on a page, and notes the time of every call."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__()
        self.clock = clock
        self.called: list[int] = []

    async def job_pages(
        self, *, namespace: str, labels: Mapping[str, str], stages: Sequence[JobStage] = ()
    ) -> AsyncGenerator[list[JobInfo], None]:
        jobs = [job for job in reversed(self.jobs.values()) if job.status.stage in stages]
        for begin in range(0, len(jobs) or 1, PAGE):
            self.called.append(self.clock.now)
            yield jobs[begin : begin + PAGE]

    async def inspect_job(self, job_id: str, *, namespace: str) -> JobInfo:
        self.called.append(self.clock.now)
        return await super().inspect_job(job_id, namespace=namespace)

    def end(self, *names: str) -> None:
        for name in names:
            self.jobs[name] = make_job(name, "COMPLETED")

    def worst(self, *, since: int = 0) -> int:
        """The most calls that any five minutes saw."""
        called = [at for at in self.called if at >= since]
        return max(sum(begin <= at < begin + 5 * MINUTE for at in called) for begin in called)


class MemoryStore:
    """As much of a store as following needs: simulated hours must not take real ones."""

    def __init__(self) -> None:
        self.kept: dict[str, Launch] = {}

    async def followed(self) -> tuple[Launch, ...]:
        return tuple(each for each in self.kept.values() if not each.state.is_final)

    async def namespaces(self, since: int) -> frozenset[str]:
        return frozenset(each.namespace for each in self.kept.values() if each.namespace)

    async def replace(self, old: Launch, new: Launch) -> None:
        assert self.kept[old.id] == old
        self.kept[old.id] = new

    async def launch(self, launch_id: str) -> Launch | None:
        return self.kept.get(launch_id)


class Service:
    """A tracker and a reaper that live through simulated time."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.set_by = 0
        self.next_step = self.clock.now
        self.hub = CountingHub(self.clock)
        self.memory = MemoryStore()
        store = cast(Store, self.memory)
        prices = Prices(self.hub, self.clock)
        self.reaper = Reaper(store, self.hub, self.clock, prices=prices, instance="test")
        self.tracker = Tracker(
            store,
            self.hub,
            lambda: self.clock.now + self.set_by,
            monotonic=self.clock,
            identity=Identity(self.hub, "acme"),
            instance="test",
            visibility=Visibility(),
            on_strays=self.reaper.judge,
        )

    def launch(self, *names: str, state: LaunchState = LaunchState.LAUNCHED) -> None:
        stage = "RUNNING" if state == LaunchState.RUNNING else "SCHEDULING"
        for name in names:
            labels = {"jobhook-instance": "test", "jobhook-launch": f"l-{name}"}
            self.hub.jobs[name] = make_job(name, stage, labels=labels)
            self.memory.kept[f"l-{name}"] = make_launch(
                id=f"l-{name}", job_id=name, state=state, updated_at=self.clock.now
            )
        self.tracker.wake()
        self.next_step = self.clock.now

    async def step(self) -> None:
        """Let the pause go by and the next step happen."""
        self.clock.now = self.next_step
        await self.tracker.step()
        await self.reaper.step()
        self.next_step = self.clock.now + math.ceil(self.tracker.idle * 1000)

    async def live(self, milliseconds: int, happens: Callable[[], object] = lambda: None) -> None:
        """Live for so long; what *happens* does so before every step."""
        until = self.clock.now + milliseconds
        while self.next_step < until:
            self.clock.now = self.next_step
            happens()
            await self.step()
        self.clock.now = until

    async def live_until_ended(self, name: str) -> float:
        """Live until the end of that job is known; return after how many seconds it is."""
        begun = self.clock.now
        while not self.memory.kept[f"l-{name}"].state.is_final:
            await self.step()
        return (self.clock.now - begun) / 1000


@pytest.fixture
def service() -> Service:
    return Service()


def thousand() -> list[str]:
    return [f"j{number:04}" for number in range(1000)]


async def test_a_thousand_running_jobs_cost_a_twentieth_of_the_free_quota(
    service: Service,
) -> None:
    service.launch(*thousand(), state=LaunchState.RUNNING)
    await service.live(6 * HOUR)
    assert service.hub.worst() <= 50


async def test_so_they_do_while_a_tenth_of_them_ends_each_hour_and_others_follow(
    service: Service,
) -> None:
    names = thousand()
    service.launch(*names, state=LaunchState.RUNNING)
    begun, ended = service.clock.now, 0

    def happens() -> None:
        nonlocal ended
        while ended < (service.clock.now - begun) / HOUR * 100:
            service.hub.end(names[ended])
            names.append(f"k{ended:04}")
            service.launch(names[-1])
            ended += 1

    await service.live(6 * HOUR, happens)
    assert service.hub.worst() <= 50
    open_jobs = {launch.job_id for launch in await service.memory.followed()}
    # What ended since the last look is not known yet.
    assert set(names[ended:]) <= open_jobs
    assert len(open_jobs) <= 1010


@pytest.mark.parametrize("later", [0, 150], ids=["alone", "behind others that ended"])
async def test_a_thousand_that_end_at_once_cost_no_more_and_are_known_in_minutes(
    service: Service, later: int
) -> None:
    names = thousand()
    service.launch(*names, state=LaunchState.RUNNING)
    await service.live(HOUR)
    for number in range(later):
        service.hub.jobs[f"x{number}"] = make_job(f"x{number}", "COMPLETED")
    service.hub.end(*names)
    await service.live(5 * MINUTE)
    assert await service.memory.followed() == ()
    await service.live(HOUR)
    assert service.hub.worst() <= 50


async def test_a_thousand_that_hide_behind_a_long_history_are_all_known_in_the_end(
    service: Service,
) -> None:
    names = thousand()
    service.launch(*names, state=LaunchState.RUNNING)
    await service.live(HOUR)
    for number in range(5000):
        service.hub.jobs[f"x{number}"] = make_job(f"x{number}", "COMPLETED")
    service.hub.end(*names)
    await service.live(6 * HOUR)
    assert await service.memory.followed() == ()
    assert service.hub.worst() <= 55


async def test_a_thousand_that_are_scattered_over_a_long_history_are_known_within_the_hour(
    service: Service,
) -> None:
    names = thousand()
    for number, name in enumerate(names):
        for other in range(7):
            service.hub.jobs[f"x{number}-{other}"] = make_job(f"x{number}-{other}", "COMPLETED")
        service.launch(name, state=LaunchState.RUNNING)
    service.hub.end(*names)
    await service.live(HOUR)
    assert await service.memory.followed() == ()
    assert service.hub.worst() <= 50


@pytest.mark.parametrize("seconds", [1, 5, 12, 15, 20])
async def test_the_end_of_a_short_job_is_known_soon_when_nothing_else_runs(
    service: Service, seconds: int
) -> None:
    await service.live(10 * MINUTE)
    service.launch("j1")
    await service.live(seconds * 1000)
    service.hub.end("j1")
    assert await service.live_until_ended("j1") <= 3


async def test_a_clock_that_is_set_an_hour_back_or_ahead_stops_nothing_and_costs_little(
    service: Service,
) -> None:
    service.launch("j1", state=LaunchState.RUNNING)
    for service.set_by in (0, -HOUR, HOUR):
        await service.live(30 * MINUTE)
    assert service.hub.worst() <= 100
    service.hub.end("j1")
    assert await service.live_until_ended("j1") <= 10


async def test_a_copy_is_found_within_five_minutes(service: Service) -> None:
    service.launch(*thousand(), state=LaunchState.RUNNING)
    await service.live(HOUR)
    labels = {"jobhook-instance": "test", "jobhook-launch": "l-j0001"}
    service.hub.jobs["x1"] = make_job("x1", "RUNNING", labels=labels)
    await service.live(5 * MINUTE)
    assert ("cancel", "acme", "x1") in service.hub.calls
