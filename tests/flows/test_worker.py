from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from jobhook.core.errors import HubBusy, StoreUnavailable
from jobhook.flows import worker as worker_module
from jobhook.flows.worker import Worker

pytestmark = pytest.mark.anyio


class Counter(Worker):
    """Counts its steps, and does what the script says in each."""

    def __init__(self, *script: object) -> None:
        super().__init__()
        self.script = list(script)
        self.steps = 0
        self.stepped = asyncio.Event()

    async def step(self) -> bool:
        self.steps += 1
        self.stepped.set()
        told = self.script.pop(0) if self.script else False
        if isinstance(told, Exception):
            raise told
        if told == "stop":
            self.stop()
        return bool(told)


async def test_it_goes_on_at_once_while_there_is_more() -> None:
    worker = Counter(True, True, "stop")
    worker.idle = 1000
    await worker.run()
    assert worker.steps == 3


async def test_it_rests_until_it_is_woken() -> None:
    worker = Counter(False, "stop")
    worker.idle = 1000
    task = asyncio.create_task(worker.run())
    await worker.stepped.wait()
    assert worker.steps == 1
    worker.wake()
    await task
    assert worker.steps == 2


async def test_it_looks_again_by_itself() -> None:
    worker = Counter(False, False, "stop")
    worker.idle = 0.001
    await worker.run()
    assert worker.steps == 3


async def test_being_stopped_while_it_rests_ends_it() -> None:
    worker = Counter(False)
    worker.idle = 1000
    task = asyncio.create_task(worker.run())
    await worker.stepped.wait()
    worker.stop()
    await task
    assert worker.steps == 1


@pytest.mark.parametrize(
    ("failure", "event"),
    [
        pytest.param(StoreUnavailable("full"), "worker.failed", id="the store"),
        pytest.param(HubBusy("down"), "worker.failed", id="the Hub"),
        pytest.param(ZeroDivisionError(), "worker.broken", id="a fault of ours"),
    ],
)
async def test_a_failure_is_told_and_tried_again(
    failure: Exception, event: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Worker, "longest_pause", 0.001)
    worker = Counter(failure, failure, "stop")
    with capture_logs() as logs:
        await worker.run()
    assert worker.steps == 3
    assert [line["event"] for line in logs] == [event, event]


async def test_being_stopped_ends_the_pause_after_a_failure_at_once() -> None:
    worker = Counter(*[HubBusy("down")] * 3)
    worker._failures = 6
    task = asyncio.create_task(worker.run())
    await worker.stepped.wait()
    worker.stop()
    async with asyncio.timeout(5):
        await task
    assert worker.steps == 1


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 1), (2, 2), (5, 16), (7, 60), (1025, 60), (10**9, 60)]
)
def test_the_pause_grows_and_stays_bounded_however_long_it_lasts(
    failures: int, seconds: float
) -> None:
    assert worker_module.backoff(failures, 60.0) == seconds


async def test_being_woken_does_not_shorten_the_pause_after_a_failure() -> None:
    worker = Counter(HubBusy("down"))
    task = asyncio.create_task(worker.run())
    await worker.stepped.wait()
    for _ in range(100):
        worker.wake()
        await asyncio.sleep(0)
    assert worker.steps == 1
    task.cancel()


@pytest.mark.parametrize(
    ("failure", "pause"),
    [
        pytest.param(HubBusy("down"), 1, id="untold"),
        pytest.param(HubBusy("too many", retry_after=55), 55, id="as the Hub asks"),
        pytest.param(HubBusy("too many", retry_after=10**6), 300, id="but not for days"),
        pytest.param(StoreUnavailable("full"), 1, id="the store asks nothing"),
        pytest.param(ZeroDivisionError(), 1, id="nor does a fault of ours"),
    ],
)
async def test_it_waits_as_long_as_the_hub_asks(failure: Exception, pause: float) -> None:
    worker = Counter(HubBusy("before", retry_after=7), True, failure)
    for _ in range(3):
        await worker._guarded_step()
    assert worker._pause_after_failures() == pause
