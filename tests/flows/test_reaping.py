from __future__ import annotations

from typing import Any

import pytest

from factories import make_job, make_launch, make_received
from fakes import ScriptedHub
from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.core.errors import HubBusy
from jobhook.core.launches import LaunchState
from jobhook.flows.reaping import Reaper

pytestmark = pytest.mark.anyio


@pytest.fixture
def reaper(store: SqliteStore, hub: ScriptedHub) -> Reaper:
    return Reaper(store, hub, instance="test")


async def launched(store: SqliteStore, **given: Any) -> None:
    receipt = await store.record(make_received())
    delivery = await store.delivery(receipt.delivery)
    assert delivery is not None
    launch = make_launch(delivery=delivery.id, **{"state": LaunchState.COMPLETED} | given)
    await store.route(delivery, events=(), verdicts=(), launches=[launch])


def job(job_id: str, launch: str = "l1", instance: str = "test", stage: str = "RUNNING") -> Any:
    labels = {"jobhook-launch": launch, "jobhook-instance": instance}
    return make_job(job_id, stage, labels=labels)


async def reap(reaper: Reaper, hub: ScriptedHub, *jobs: Any) -> list[str]:
    """Return the jobs that are cancelled when these are on the Hub."""
    hub.jobs = {each.id: each for each in jobs}
    reaper.judge("acme", [each for each in jobs if not each.is_over])
    await reaper.step()
    return [call[2] for call in hub.calls if call[0] == "cancel"]


async def test_a_copy_is_cancelled_even_after_the_job_that_counts_has_ended(
    reaper: Reaper, store: SqliteStore, hub: ScriptedHub
) -> None:
    await launched(store, job_id="j1")
    assert await reap(reaper, hub, job("j1", stage="COMPLETED"), job("j2")) == ["j2"]


async def test_of_two_that_run_the_later_one_is_the_copy_whichever_was_known(
    reaper: Reaper, store: SqliteStore, hub: ScriptedHub
) -> None:
    await launched(store, job_id="j2", state=LaunchState.RUNNING)
    assert set(await reap(reaper, hub, job("j1"), job("j2"))) == {"j2"}
    launch = await store.launch("l1")
    assert launch is not None
    assert (launch.job_id, launch.state) == ("j1", LaunchState.RUNNING)


async def test_a_copy_without_its_label_is_known_by_its_environment(
    reaper: Reaper, store: SqliteStore, hub: ScriptedHub
) -> None:
    await launched(store, job_id="j1")
    copy = make_job(
        "j2",
        "RUNNING",
        labels={"jobhook-instance": "test"},
        environment={"JOBHOOK_LAUNCH_ID": "l1"},
    )
    assert await reap(reaper, hub, copy) == ["j2"]


@pytest.mark.parametrize(
    ("given", "running"),
    [
        pytest.param({"job_id": "j1"}, job("j1"), id="the job that counts"),
        pytest.param({"job_id": "j1"}, job("j2", stage="ERROR"), id="a copy that has ended"),
        pytest.param({"job_id": "j1"}, job("j2", launch="else"), id="a launch nobody knows"),
        pytest.param({"job_id": "j1"}, job("j2", instance="other"), id="of another service"),
        pytest.param({"job_id": "j1"}, make_job("j2", "RUNNING"), id="of a person"),
        pytest.param(
            {"state": LaunchState.UNKNOWN}, job("j2"), id="what is being looked for by others"
        ),
    ],
)
async def test_everything_else_is_left_alone(
    reaper: Reaper, store: SqliteStore, hub: ScriptedHub, given: dict[str, Any], running: Any
) -> None:
    await launched(store, **given)
    assert await reap(reaper, hub, running) == []


class CannotCancelFirst(ScriptedHub):
    """Refuses to cancel the first time it is asked."""

    async def cancel_job(self, job_id: str, *, namespace: str) -> Any:
        job = await super().cancel_job(job_id, namespace=namespace)
        self._maybe_fail()
        return job


async def test_one_that_cannot_be_cancelled_saves_no_other_and_is_tried_again(
    store: SqliteStore,
) -> None:
    hub = CannotCancelFirst()
    hub.failures = [HubBusy("away")]
    await launched(store, job_id="j1")
    reaper = Reaper(store, hub, instance="test")
    with pytest.raises(HubBusy):
        await reap(reaper, hub, job("j2"), job("j3"))
    hub.calls.clear()
    await reaper.step()
    assert hub.calls == [("cancel", "acme", "j2")]
    await reaper.step()
    assert len(hub.calls) == 1


async def test_a_newer_list_takes_the_place_of_what_could_not_be_cancelled(
    store: SqliteStore,
) -> None:
    hub = CannotCancelFirst()
    hub.failures = [HubBusy("away")]
    await launched(store, job_id="j1")
    reaper = Reaper(store, hub, instance="test")
    with pytest.raises(HubBusy):
        await reap(reaper, hub, job("j2"))
    hub.calls.clear()
    reaper.judge("acme", [])
    await reaper.step()
    assert hub.calls == []
