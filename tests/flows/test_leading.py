from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.core.errors import StoreUnavailable
from jobhook.flows.leading import Leader
from jobhook.flows.worker import Worker

pytestmark = pytest.mark.anyio


class Shared(SqliteStore):
    """A store in which one holder has the lead until it steps down or is said to be dead."""

    def __init__(self, behind: SqliteStore) -> None:
        super().__init__(behind._reader, behind._writer)
        self.holder: str | None = None
        self.failing = False

    async def lead(self, holder: str, ttl_ms: int) -> bool:
        if self.failing:
            raise StoreUnavailable("gone")
        self.holder = self.holder or holder
        return self.holder == holder

    async def step_down(self, holder: str) -> None:
        if self.failing:
            raise StoreUnavailable("gone")
        if self.holder == holder:
            self.holder = None


class Busy(Worker):
    """A worker that says whether it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.running = 0
        self.runs = 0
        self.fails_at_the_end = False

    async def run(self) -> None:
        self.running += 1
        self.runs += 1
        try:
            await super().run()
            if self.fails_at_the_end:
                self.fails_at_the_end = False
                raise ZeroDivisionError
        finally:
            self.running -= 1

    async def step(self) -> bool:
        return False


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0)


@pytest.fixture
def shared(store: SqliteStore) -> Shared:
    return Shared(store)


async def test_one_of_two_works_and_the_other_one_when_it_is_gone(shared: Shared) -> None:
    workers = [Busy(), Busy()]
    one, two = (Leader(shared, [each], holder=f"h{n}") for n, each in enumerate(workers))
    running = asyncio.create_task(one.run())
    await until(lambda: workers[0].running == 1)
    await two.step()
    assert (one.is_leading, two.is_leading, workers[1].runs) == (True, False, 0)
    one.stop()
    await running
    assert (workers[0].running, one.is_leading, shared.holder) == (0, False, None)
    await two.step()
    await until(lambda: workers[1].running == 1)
    assert two.is_leading
    two.stop()
    await two.run()


async def test_who_loses_the_lead_rests_and_works_again_when_it_comes_back(shared: Shared) -> None:
    workers = [Busy(), Busy()]
    leader = Leader(shared, workers, holder="me")
    for runs in (1, 2, 3):
        shared.holder = "me"
        await leader.step()
        await until(lambda: all(worker.running for worker in workers))
        await leader.step()  # the lead is kept, and nothing is started twice
        shared.holder = "another"
        await leader.step()
        assert [(worker.running, worker.runs) for worker in workers] == [(0, runs)] * 2
        assert not leader.is_leading


async def test_a_failing_store_ends_neither_the_work_nor_the_service(shared: Shared) -> None:
    worker = Busy()
    leader = Leader(shared, [worker], holder="me")
    await leader.step()
    await until(lambda: worker.running == 1)
    shared.failing = True
    running = asyncio.create_task(leader.run())
    await until(lambda: leader._failures > 0)
    assert (worker.running, leader.is_leading) == (1, True)
    leader.stop()
    await running
    assert worker.running == 0


@pytest.mark.parametrize("keeps_the_lead", [True, False])
async def test_workers_that_ended_with_a_fault_are_told_of_and_started_again(
    shared: Shared, keeps_the_lead: bool
) -> None:
    worker = Busy()
    leader = Leader(shared, [worker], holder="me")
    worker.fails_at_the_end = True
    await leader.step()
    await until(lambda: worker.running == 1)
    worker.stop()
    if keeps_the_lead:
        await until(lambda: not leader.is_leading)
    else:
        shared.holder = "another"
    with capture_logs() as logs:
        await leader.step()
    assert "worker.broken" in [line["event"] for line in logs]
    shared.holder = "me"
    await leader.step()
    await until(lambda: worker.running == 1)
    leader.stop()
    await leader.run()
    assert (worker.running, worker.runs) == (0, 2)


async def test_whoever_never_led_steps_down_from_nothing(shared: Shared) -> None:
    shared.holder = "another"
    leader = Leader(shared, [Busy()], holder="me")
    leader.stop()
    await leader.run()
    assert shared.holder == "another"
