from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest

from factories import NOON, make_direct, make_job, make_launch, make_received, make_spec
from fakes import HandClock, ScriptedHub
from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.core.deliveries import delivery_id
from jobhook.core.errors import HubBusy
from jobhook.core.launches import Launch, LaunchState, launch_id
from jobhook.flows.prices import Prices
from jobhook.flows.reaping import Reaper
from jobhook.hub.models import JobInfo, JobInitiator

pytestmark = pytest.mark.anyio


@pytest.fixture
def reaper(store: SqliteStore, hub: ScriptedHub) -> Reaper:
    return make_reaper(store, hub)


def make_reaper(store: SqliteStore, hub: ScriptedHub) -> Reaper:
    clock = HandClock()
    return Reaper(store, hub, clock, prices=Prices(hub, clock), instance="test")


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


async def test_of_two_that_run_the_older_one_counts_whatever_their_ids(
    reaper: Reaper, store: SqliteStore, hub: ScriptedHub
) -> None:
    early, late = (datetime(2027, 1, 15, 8, minute, tzinfo=UTC) for minute in (0, 1))
    await launched(store, job_id="j2", state=LaunchState.RUNNING)
    labels = {"jobhook-launch": "l1", "jobhook-instance": "test"}
    jobs = [
        make_job("j1", "RUNNING", labels=labels, created_at=late),
        make_job("j2", "RUNNING", labels=labels, created_at=early),
    ]
    assert await reap(reaper, hub, *jobs[:1], jobs[1]) == ["j1"]


async def test_a_copy_that_was_cancelled_since_it_was_listed_takes_nobodys_place(
    reaper: Reaper, store: SqliteStore, hub: ScriptedHub
) -> None:
    await launched(store, job_id="j2", state=LaunchState.RUNNING)
    hub.jobs = {"j1": job("j1", stage="CANCELED"), "j2": job("j2")}
    reaper.judge("acme", [job("j1")])
    await reaper.step()
    assert ("cancel", "acme", "j2") not in hub.calls
    launch = await store.launch("l1")
    assert launch is not None
    assert launch.job_id == "j2"


class Town(ScriptedHub):
    """Knows every job in its own namespace only."""

    homes: Mapping[str, str] = MappingProxyType({"j1": "earlier", "j2": "acme"})

    async def inspect_job(self, job_id: str, *, namespace: str) -> JobInfo:
        assert self.homes[job_id] == namespace
        return await super().inspect_job(job_id, namespace=namespace)

    async def cancel_job(self, job_id: str, *, namespace: str) -> JobInfo:
        assert self.homes[job_id] == namespace
        return await super().cancel_job(job_id, namespace=namespace)


@pytest.mark.parametrize(
    ("known", "where", "copy", "listed_in"),
    [
        pytest.param("j1", "earlier", "j2", "acme", id="the later one was found"),
        pytest.param("j2", "acme", "j1", "earlier", id="the one that counts was found"),
    ],
)
async def test_of_two_in_two_namespaces_the_later_one_is_cancelled_where_it_runs(
    store: SqliteStore, known: str, where: str, copy: str, listed_in: str
) -> None:
    hub = Town()
    hub.jobs = {each: job(each) for each in ("j1", "j2")}
    await launched(store, job_id=known, namespace=where, state=LaunchState.RUNNING)
    reaper = make_reaper(store, hub)
    reaper.judge(listed_in, [hub.jobs[copy]])
    await reaper.step()
    assert [call for call in hub.calls if call[0] == "cancel"] == [("cancel", "acme", "j2")]
    launch = await store.launch("l1")
    assert launch is not None
    assert (launch.job_id, launch.namespace) == ("j1", "earlier")


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
        pytest.param({"state": LaunchState.SENDING}, job("j2"), id="what is being sent"),
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
    reaper = make_reaper(store, hub)
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
    reaper = make_reaper(store, hub)
    with pytest.raises(HubBusy):
        await reap(reaper, hub, job("j2"))
    hub.calls.clear()
    reaper.judge("acme", [])
    await reaper.step()
    assert hub.calls == []


# -- jobs without a launch --

KEY = "w1"
ORPHAN = launch_id("test", "hub", KEY, "retrain", 1, 2)
ENV = {
    "JOBHOOK_LAUNCH_ID": ORPHAN,
    "JOBHOOK_RULE": "retrain",
    "JOBHOOK_EVENT": "commit.pushed",
    "WEBHOOK_ID": KEY,
    "WEBHOOK_REPO_TYPE": "dataset",
    "WEBHOOK_REPO_ID": "acme/corpus",
    "WEBHOOK_PAYLOAD": "{}",
}


def orphan(job_id: str = "j1", **given: Any) -> JobInfo:
    default: dict[str, Any] = {
        "labels": {
            "jobhook-launch": ORPHAN,
            "jobhook-instance": "test",
            "jobhook-depth": "2",
            "jobhook-root": "d0",
        },
        "environment": ENV,
        "docker_image": "python:3.12",
        "command": ("true",),
        "flavor": "a100-large",
        "timeout": 3600,
        "created_at": datetime.fromtimestamp(NOON / 1000 - 60, UTC),
    }
    return make_job(job_id, "RUNNING", **default | given)


async def test_a_job_that_no_database_knows_is_adopted_followed_and_paid_for(
    reaper: Reaper, store: SqliteStore, hub: ScriptedHub
) -> None:
    assert await reap(reaper, hub, orphan()) == []
    (launch,) = await store.followed()
    assert (launch.id, launch.delivery) == (ORPHAN, delivery_id("hub", KEY))
    assert (launch.job_id, launch.namespace, launch.state) == ("j1", "acme", LaunchState.LAUNCHED)
    assert (launch.rule, launch.action, launch.generation) == ("retrain", 1, 2)
    assert (launch.claimed_at, launch.micro_usd) == (NOON - 60_000, 2_500_000)
    assert (launch.repo, launch.depth, launch.root) == ("dataset:acme/corpus", 2, "d0")
    assert "WEBHOOK_PAYLOAD" not in launch.spec.env
    # Whoever launches it once more means the same place.
    assert launch.spec.namespace == "acme"


async def test_an_orphan_is_adopted_once_and_its_copy_cancelled(
    reaper: Reaper, store: SqliteStore, hub: ScriptedHub
) -> None:
    assert await reap(reaper, hub, orphan("j1"), orphan("j2")) == ["j2"]
    assert [launch.job_id for launch in await store.followed()] == ["j1"]


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"environment": {**ENV, "WEBHOOK_ID": "w2"}}, id="contradicts itself"),
        pytest.param({"environment": {}}, id="says nothing of itself"),
        pytest.param({"docker_image": None}, id="is no job of ours"),
        pytest.param({"labels": {"jobhook-instance": "test"}, "environment": {}}, id="no id"),
    ],
)
async def test_a_job_that_cannot_be_placed_is_left_alone(
    reaper: Reaper, store: SqliteStore, hub: ScriptedHub, given: dict[str, Any]
) -> None:
    assert await reap(reaper, hub, orphan(**given)) == []
    assert await store.launches(limit=0) == ()


async def test_an_orphan_on_a_space_without_times_or_a_price_is_adopted_all_the_same(
    reaper: Reaper, store: SqliteStore, hub: ScriptedHub
) -> None:
    bare: dict[str, Any] = {"docker_image": None, "space_id": "acme/app", "flavor": "new"}
    await reap(reaper, hub, orphan(**bare, timeout=None, created_at=None))
    (launch,) = await store.followed()
    assert (launch.claimed_at, launch.micro_usd) == (NOON, 0)
    assert (launch.spec.image, launch.spec.timeout) == ("hf.co/spaces/acme/app", 1800)


@pytest.mark.parametrize("state", [LaunchState.READY, LaunchState.HELD])
async def test_a_job_that_turns_up_later_than_any_quarantine_is_adopted(
    reaper: Reaper, store: SqliteStore, hub: ScriptedHub, state: LaunchState
) -> None:
    await launched(store, state=state)
    assert await reap(reaper, hub, job("j1")) == []
    (launch,) = await store.followed()
    assert (launch.id, launch.job_id, launch.namespace) == ("l1", "j1", "acme")


async def test_a_job_that_turns_up_late_counts_towards_the_limits(
    reaper: Reaper, store: SqliteStore, hub: ScriptedHub
) -> None:
    await launched(store, state=LaunchState.HELD, spec=make_spec(flavor="a100-large", timeout=3600))
    began = datetime.fromtimestamp(NOON / 1000 - 60, UTC)
    labels = {"jobhook-launch": "l1", "jobhook-instance": "test"}
    await reap(reaper, hub, make_job("j1", "RUNNING", labels=labels, created_at=began))
    (launch,) = await store.followed()
    assert (launch.claimed_at, launch.micro_usd) == (NOON - 60_000, 2_500_000)


@pytest.mark.parametrize("state", [LaunchState.EXPIRED, LaunchState.REJECTED])
async def test_a_job_of_a_launch_that_was_given_up_is_cancelled(
    reaper: Reaper, store: SqliteStore, hub: ScriptedHub, state: LaunchState
) -> None:
    await launched(store, state=state)
    assert await reap(reaper, hub, job("j1")) == ["j1"]


# -- what people asked for --


def as_known(launch: Launch, job_id: str = "j1", **given: Any) -> JobInfo:
    """A job as the Hub tells of it that was started for *launch*."""
    return make_job(
        job_id,
        "RUNNING",
        docker_image=launch.spec.image,
        command=list(launch.spec.command),
        flavor=launch.spec.flavor,
        timeout=launch.spec.timeout,
        environment=dict(launch.spec.env),
        secrets=list(launch.spec.secrets),
        labels=dict(launch.spec.labels),
        **given,
    )


async def test_a_job_of_a_person_that_no_database_knows_is_adopted(
    reaper: Reaper, store: SqliteStore, hub: ScriptedHub
) -> None:
    launch = make_direct(secrets={"TOKEN": "x"}, generation=2, attempts=3)
    job = as_known(launch, retry=2)
    assert await reap(reaper, hub, job) == []
    kept = await store.launch(launch.id)
    assert kept is not None
    assert (kept.state, kept.delivery, kept.rule, kept.generation, kept.job_id) == (
        LaunchState.LAUNCHED,
        launch.delivery,
        "api.run",
        2,
        "j1",
    )
    assert kept.micro_usd == 3 * 5000
    assert kept.spec == replace(launch.spec, namespace="acme")


async def test_a_job_that_only_says_that_a_person_asked_for_it_is_left_alone(
    reaper: Reaper, store: SqliteStore, hub: ScriptedHub
) -> None:
    launch = make_direct()
    foreign = replace(launch, spec=replace(launch.spec, env={"JOBHOOK_RULE": "api.run"}))
    assert await reap(reaper, hub, as_known(foreign)) == []
    assert await store.launches(limit=0) == ()


async def test_a_job_of_a_person_that_turns_up_after_it_was_given_up_is_cancelled(
    reaper: Reaper, store: SqliteStore, hub: ScriptedHub
) -> None:
    launch = make_direct()
    await store.add(replace(launch, state=LaunchState.SKIPPED))
    assert await reap(reaper, hub, as_known(launch)) == ["j1"]


@pytest.mark.parametrize("kind", ["duplicated-job", "scheduled-job", "webhook"])
@pytest.mark.parametrize("known", [True, False], ids=["of a known one", "of an unknown one"])
async def test_what_somebody_had_the_hub_do_once_more_is_no_copy(
    reaper: Reaper, store: SqliteStore, hub: ScriptedHub, kind: str, known: bool
) -> None:
    launch = make_direct()
    if known:
        await store.add(replace(launch, state=LaunchState.RUNNING, job_id="j1"))
    # The Hub has copied labels and environment.
    again = as_known(launch, "j2", initiator=JobInitiator(type=kind, id="j1"))
    assert await reap(reaper, hub, as_known(launch), again) == []
    ((kept,),) = [await store.launches(limit=0)]
    assert kept.job_id == "j1"


def of_schedule(job_id: str = "j1", launch: str = "made", **given: Any) -> JobInfo:
    """A job that a schedule of ours has started."""
    labels = {
        "jobhook-launch": launch,
        "jobhook-instance": "test",
        "jobhook-rule": "api.schedule",
    }
    told: dict[str, Any] = {
        "docker_image": "python:3.12",
        "command": ["true"],
        "flavor": "cpu-basic",
        "timeout": 3600,
        "labels": labels,
        "initiator": JobInitiator(type="scheduled-job", id="s1"),
        "created_at": datetime.fromtimestamp(NOON / 1000, UTC),
    }
    return make_job(job_id, "RUNNING", **told | given)


async def test_what_a_schedule_of_ours_starts_is_entered_once_and_its_dollars_count(
    reaper: Reaper, store: SqliteStore, hub: ScriptedHub
) -> None:
    await store.add(make_launch(id="made", rule="api.schedule", asked_by="ana", job_id="s1"))
    for _ in range(2):
        assert await reap(reaper, hub, of_schedule()) == []
    run, _ = await store.launches(limit=0)
    assert (run.rule, run.repo, run.asked_by, run.state, run.job_id, run.namespace) == (
        "api.scheduled",
        "schedule:s1",
        "ana",
        LaunchState.LAUNCHED,
        "j1",
        "acme",
    )
    assert (run.claimed_at, run.micro_usd) == (NOON, 10_000)
    assert await store.followed() == (run,)


async def test_what_was_started_by_a_schedule_that_nobody_here_made_is_entered_as_well(
    reaper: Reaper, store: SqliteStore, hub: ScriptedHub
) -> None:
    assert await reap(reaper, hub, of_schedule()) == []
    ((run,),) = [await store.launches(limit=0)]
    assert (run.asked_by, run.job_id) == ("", "j1")


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"state": LaunchState.RUNNING, "job_id": "j1"}, id="it is that one's"),
        pytest.param({"state": LaunchState.UNKNOWN}, id="it may be that one's"),
    ],
)
async def test_a_job_that_a_person_had_a_schedule_start_is_not_entered_twice(
    reaper: Reaper, store: SqliteStore, hub: ScriptedHub, given: dict[str, Any]
) -> None:
    await store.add(make_launch(rule="api.trigger", repo="schedule:s1", **given))
    assert await reap(reaper, hub, of_schedule()) == []
    assert len(await store.launches(limit=0)) == 1


async def test_a_run_beside_one_that_was_asked_for_is_entered(
    reaper: Reaper, store: SqliteStore, hub: ScriptedHub
) -> None:
    earlier = {"rule": "api.trigger", "repo": "schedule:s1", "state": LaunchState.COMPLETED}
    await store.add(make_launch(**earlier, job_id="j0"))
    assert await reap(reaper, hub, of_schedule()) == []
    assert len(await store.launches(limit=0)) == 2


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"command": []}, id="it cannot be read"),
        pytest.param(
            {"initiator": JobInitiator(type="duplicated-job", id="j0")}, id="run once more"
        ),
    ],
)
async def test_what_is_no_run_of_a_schedule_is_left_alone(
    reaper: Reaper, store: SqliteStore, hub: ScriptedHub, given: dict[str, Any]
) -> None:
    assert await reap(reaper, hub, of_schedule(**given)) == []
    assert await store.launches(limit=0) == ()
