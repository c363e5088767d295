from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from factories import make_rule
from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.core.errors import StoreUnavailable
from jobhook.core.rules import RuleSet
from jobhook.flows.leading import Leader
from jobhook.flows.rulebook import Edition, Rulebook
from jobhook.flows.worker import Worker

pytestmark = pytest.mark.anyio

RULES = Rulebook(RuleSet())


class Shared(SqliteStore):
    """A store in which one holder has the lead until it steps down or is said to be dead."""

    def __init__(self, behind: SqliteStore) -> None:
        super().__init__(behind._reader, behind._writer)
        self.holder: str | None = None
        self.failing = False
        self.in_force: str | None = None
        self.told: list[tuple[str, str | None]] = []

    async def lead(
        self, holder: str, ttl_ms: int, *, version: str, replaces: str | None = None
    ) -> bool:
        if self.failing:
            raise StoreUnavailable("gone")
        self.told.append((version, replaces))
        if self.in_force not in (None, version):
            return False
        self.holder = self.holder or holder
        return self.holder == holder

    async def rules_version(self) -> str | None:
        return self.in_force

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
    one, two = (
        Leader(shared, [each], rulebook=RULES, holder=f"h{n}") for n, each in enumerate(workers)
    )
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
    leader = Leader(shared, workers, rulebook=RULES, holder="me")
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
    leader = Leader(shared, [worker], rulebook=RULES, holder="me")
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
    leader = Leader(shared, [worker], rulebook=RULES, holder="me")
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
    leader = Leader(shared, [Busy()], rulebook=RULES, holder="me")
    leader.stop()
    await leader.run()
    assert shared.holder == "another"


def outdated(logs: Sequence[Any]) -> list[str]:
    return [line["in_force"] for line in logs if line["event"] == "rules.outdated"]


async def test_who_lacks_the_rules_in_force_rests_gives_the_lead_up_and_says_so_once(
    shared: Shared,
) -> None:
    worker = Busy()
    leader = Leader(shared, [worker], rulebook=RULES, holder="me")
    await leader.step()
    await until(lambda: worker.running == 1)
    with capture_logs() as logs:
        for shared.in_force in ("v2", "v2", "v3", RULES.version, "v3"):
            await leader.step()
            leads = shared.in_force == RULES.version
            assert (leader.is_leading, shared.holder) == (leads, "me" if leads else None)
    assert outdated(logs) == ["v2", "v3", "v3"]
    leader.stop()
    await leader.run()


async def test_who_only_waits_for_its_turn_is_not_told_that_its_rules_are_old(
    shared: Shared,
) -> None:
    shared.holder = "another"
    leader = Leader(shared, [Busy()], rulebook=RULES, holder="me")
    with capture_logs() as logs:
        for shared.in_force in (None, RULES.version):
            await leader.step()
    assert outdated(logs) == []


async def test_the_store_hears_which_rules_were_replaced(shared: Shared) -> None:
    rulebook = Rulebook(RuleSet())
    leader = Leader(shared, [Busy()], rulebook=rulebook, holder="me")
    first = rulebook.version
    await leader.step()
    rulebook.replace(Edition.of(RuleSet((make_rule(),))))
    shared.failing = True
    with pytest.raises(StoreUnavailable):
        await leader.step()
    shared.failing = False
    await leader.step()
    await leader.step()
    second = rulebook.version
    assert shared.told == [(first, None), (second, first), (second, second)]
    leader.stop()
    await leader.run()
