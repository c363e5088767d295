from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from asking import dispatched, make_requests, make_runs, order, resolved
from factories import NOON, make_direct, make_job, make_spec
from fakes import Bell, HandClock, ScriptedHub
from jobhook import failpoints
from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.core.direct import request_id
from jobhook.core.errors import (
    HubBusy,
    HubError,
    HubForbidden,
    HubRefused,
    JobHookError,
    KeyReused,
    LimitReached,
    NotLaunched,
    OutcomeUnknown,
    Paused,
    StillRunning,
    StoreUnavailable,
    UsageError,
)
from jobhook.core.guards import Limits
from jobhook.core.jobs import JobSpec
from jobhook.core.launches import Launch, LaunchState
from jobhook.core.operations import Deed
from jobhook.core.records import EVERYTHING, Pause, Standing
from jobhook.flows import sending
from jobhook.flows.direct import DirectRun, DirectRuns
from jobhook.hub.models import JobInfo

pytestmark = pytest.mark.anyio

SPEC = make_spec(secrets={"HF_TOKEN": "hf_canary"}, env={"AB": "c"}, labels={"name": "mine"})


@pytest.fixture
def runs(store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell) -> DirectRuns:
    return make_runs(store, hub, clock, bell)


async def ask(runs: DirectRuns, spec: JobSpec = SPEC, **given: Any) -> DirectRun:
    return await runs.run(spec, **{"namespace": None, "asked_by": "ana"} | given)


async def only(store: SqliteStore) -> Launch:
    """The one launch that there is."""
    (launch,) = await store.launches(limit=0)
    return launch


async def test_a_job_is_started_as_it_was_asked_for_and_known_by_its_launch(
    runs: DirectRuns, store: SqliteStore, hub: ScriptedHub, bell: Bell
) -> None:
    run = await ask(runs)
    launch = await only(store)
    ((namespace, sent),) = hub.started
    told = {
        "JOBHOOK_LAUNCH_ID": launch.id,
        "JOBHOOK_RULE": "api.run",
        "JOBHOOK_REQUEST": launch.delivery,
    }
    labels = {
        "jobhook-launch": launch.id,
        "jobhook-instance": "test",
        "jobhook-rule": "api.run",
    }
    assert (namespace, sent) == (
        "acme",
        replace(SPEC, env={"AB": "c", **told}, labels={"name": "mine", **labels}),
    )
    assert (run.launch_id, run.job.id) == (launch.id, "j1")
    assert (launch.state, launch.job_id, launch.namespace, launch.asked_by) == (
        LaunchState.LAUNCHED,
        "j1",
        "acme",
        "ana",
    )
    assert bell.rung == 1


async def test_no_value_of_a_secret_gets_into_the_database(
    runs: DirectRuns, store: SqliteStore
) -> None:
    await ask(runs)
    assert (await only(store)).spec.secrets == {"HF_TOKEN": ""}


async def test_what_is_left_to_the_hub_is_said_in_its_stead(
    runs: DirectRuns, hub: ScriptedHub
) -> None:
    await ask(runs, make_spec(timeout=None, attempts=None))
    await ask(runs, make_spec(timeout=90, attempts=2))
    assert [(spec.timeout, spec.attempts) for _, spec in hub.started] == [(1800, 1), (90, 2)]


@pytest.mark.parametrize(
    ("asked", "of_job"),
    [
        pytest.param("lab", None, id="by the caller"),
        pytest.param(None, "lab", id="by the job"),
        pytest.param("lab", "other", id="the caller's counts"),
    ],
)
async def test_a_job_runs_where_it_is_asked_for(
    runs: DirectRuns, store: SqliteStore, hub: ScriptedHub, asked: str | None, of_job: str | None
) -> None:
    await ask(runs, make_spec(namespace=of_job), namespace=asked)
    assert [namespace for namespace, _ in hub.started] == ["lab"]
    assert (await only(store)).namespace == "lab"


async def test_nothing_is_kept_while_nobody_knows_where_jobs_run(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell
) -> None:
    with pytest.raises(HubBusy, match="whose token"):
        await ask(make_runs(store, hub, clock, bell, namespace=None))
    assert await store.launches(limit=0) == ()


async def test_nothing_is_kept_of_what_says_too_much(store: SqliteStore, runs: DirectRuns) -> None:
    with pytest.raises(UsageError, match="put what is longer into a repo"):
        await runs.run(make_spec(command=("x",) * 60_000), namespace="acme", asked_by="ana")
    assert await store.launches(limit=0) == ()


async def test_without_a_key_each_request_is_another_one(
    runs: DirectRuns, hub: ScriptedHub
) -> None:
    assert (await ask(runs)).launch_id != (await ask(runs)).launch_id
    assert len(hub.started) == 2


# -- the same once more --


async def test_the_same_key_gives_the_same_job(runs: DirectRuns, hub: ScriptedHub) -> None:
    first = await ask(runs, key="k")
    # The values of secrets are not kept, so they make no difference.
    second = await ask(runs, replace(SPEC, secrets={"HF_TOKEN": "another"}), key="k")
    assert (second.launch_id, second.job.id) == (first.launch_id, "j1")
    assert len(hub.started) == 1


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"command": ("true",)}, id="command"),
        pytest.param({"attempts": 2}, id="attempts"),
        pytest.param({"secrets": {"OTHER": "x"}}, id="secrets"),
        pytest.param({"namespace": "lab"}, id="namespace"),
    ],
)
async def test_the_same_key_for_something_else_is_refused(
    runs: DirectRuns, hub: ScriptedHub, other: dict[str, Any]
) -> None:
    await ask(runs, key="k")
    with pytest.raises(KeyReused):
        await ask(runs, replace(SPEC, **other), key="k")
    assert len(hub.started) == 1


async def test_a_key_is_for_one_thing_whatever_kind_that_is(
    runs: DirectRuns, hub: ScriptedHub
) -> None:
    hub.jobs["other"] = make_job("other", docker_image="python:3.12", command=["true"])
    await ask(runs, key="k")
    with pytest.raises(KeyReused):
        await runs.rerun("other", namespace=None, asked_by="ana", key="k")
    assert (len(hub.started), hub.repeated) == (1, [])


async def test_while_nobody_knows_the_same_key_starts_nothing(
    runs: DirectRuns, store: SqliteStore, hub: ScriptedHub
) -> None:
    hub.failures.append(OutcomeUnknown("lost"))
    with pytest.raises(OutcomeUnknown):
        await ask(runs, key="k")
    with pytest.raises(StillRunning) as told:
        await ask(runs, key="k")
    assert told.value.launch_id == (await only(store)).id
    assert hub.started == []


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(HubBusy("down"), id="not for now"),
        pytest.param(HubRefused("bad", status=400), id="never"),
    ],
)
async def test_what_ended_without_a_job_may_be_tried_with_the_same_key(
    runs: DirectRuns, store: SqliteStore, hub: ScriptedHub, failure: HubError
) -> None:
    hub.failures.append(failure)
    with pytest.raises(type(failure)):
        await ask(runs, key="k")
    with pytest.raises(KeyReused):
        await ask(runs, make_spec(), key="k")
    await ask(runs, key="k")
    newest, first = await store.launches(limit=0)
    assert (first.generation, newest.generation, newest.job_id) == (0, 1, "j1")
    assert len(hub.started) == 1


async def test_what_is_refused_again_and_again_is_not_tried_for_ever(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell
) -> None:
    runs = make_runs(store, hub, clock, bell, limits=Limits(usd_per_day=0))
    for _ in range(16):
        with pytest.raises(LimitReached):
            await ask(runs, key="k")
    with pytest.raises(KeyReused, match="16 times"):
        await ask(runs, key="k")
    assert len(await store.launches(limit=0)) == 16


async def test_of_many_at_once_with_one_key_one_is_sent(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell
) -> None:
    callers = [make_runs(store, hub, clock, bell) for _ in range(8)]
    ends = await asyncio.gather(
        *(ask(runs, key="k") for runs in callers for _ in range(4)), return_exceptions=True
    )
    assert len(hub.started) == 1
    assert all(isinstance(end, DirectRun | StillRunning) for end in ends)


async def test_whoever_asks_at_the_same_moment_is_told_what_the_first_is_told(
    store: SqliteStore,
    hub: ScriptedHub,
    clock: HandClock,
    bell: Bell,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def nothing_yet(*_: object, **__: object) -> tuple[Launch, ...]:
        return ()

    runs = make_runs(store, hub, clock, bell, limits=Limits(usd_per_day=0))
    with pytest.raises(LimitReached) as first:
        await ask(runs, key="k")
    monkeypatch.setattr(store, "launches", nothing_yet)
    with pytest.raises(LimitReached) as second:
        await ask(runs, key="k")
    assert second.value.launch_id == first.value.launch_id


# -- what may not go --


async def test_over_a_limit_the_caller_is_told_and_nothing_is_queued(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell
) -> None:
    runs = make_runs(store, hub, clock, bell, limits=Limits(usd_per_day=0.001))
    with pytest.raises(LimitReached, match="a day for all launches are used") as told:
        await ask(runs)
    launch = await only(store)
    assert (told.value.launch_id, launch.state) == (launch.id, LaunchState.SKIPPED)
    # Nobody has to wait for what costs more than a day has.
    assert (told.value.limit, told.value.retry_after) == ("usd_per_day", None)
    assert hub.started == []


async def test_over_a_limit_the_caller_is_told_when_to_ask_again(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell
) -> None:
    runs = make_runs(store, hub, clock, bell, limits=Limits(usd_per_day=0.006))
    await ask(runs)
    clock.now += 3_600_000
    with pytest.raises(LimitReached) as told:
        await ask(runs)
    assert told.value.retry_after == 23 * 3600
    clock.now += 23 * 3_600_000 - 1
    with pytest.raises(LimitReached):
        await ask(runs)
    clock.now += 1
    await ask(runs)
    assert len(hub.started) == 2


async def test_whoever_is_refused_while_all_is_freed_is_told_no_time(
    store: SqliteStore,
    hub: ScriptedHub,
    clock: HandClock,
    bell: Bell,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def freed_meanwhile(now: int, micro_usd: int) -> None:
        return None

    runs = make_runs(store, hub, clock, bell, limits=Limits(usd_per_day=0.006))
    await ask(runs)
    monkeypatch.setattr(store, "room_at", freed_meanwhile)
    with pytest.raises(LimitReached) as told:
        await ask(runs)
    assert told.value.retry_after is None


@pytest.mark.parametrize("scope", [EVERYTHING, "rule:api.run"])
async def test_while_it_is_paused_the_caller_is_told(
    runs: DirectRuns, store: SqliteStore, hub: ScriptedHub, scope: str
) -> None:
    await store.pause(Pause(scope=scope, since=NOON, by="eve"))
    with pytest.raises(Paused, match=f"paused: {scope}") as told:
        await ask(runs)
    assert (told.value.scope, told.value.retry_after) == (scope, None)
    assert hub.started == []


async def test_a_setting_pauses_as_well(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell
) -> None:
    with pytest.raises(Paused, match="paused: JOBHOOK_PAUSE"):
        await ask(make_runs(store, hub, clock, bell, paused="JOBHOOK_PAUSE"))
    assert hub.started == []


async def test_a_flavor_without_a_price_is_refused(runs: DirectRuns, hub: ScriptedHub) -> None:
    with pytest.raises(LimitReached, match="the Hub names no price for h100") as told:
        await ask(runs, make_spec(flavor="h100"))
    assert told.value.limit == "price"
    assert hub.started == []


async def test_without_a_price_list_nothing_is_kept(
    runs: DirectRuns, store: SqliteStore, hub: ScriptedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down() -> None:
        raise HubBusy("down")

    monkeypatch.setattr(hub, "list_jobs_hardware", down)
    with pytest.raises(HubBusy):
        await ask(runs)
    assert await store.launches(limit=0) == ()


async def test_a_job_that_the_hub_would_not_take_is_not_kept(
    runs: DirectRuns, store: SqliteStore
) -> None:
    with pytest.raises(UsageError):
        await ask(runs, make_spec(), namespace="not a name")
    assert await store.launches(limit=0) == ()


# -- what the Hub says --


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        pytest.param(HubBusy("down"), LaunchState.SKIPPED, id="not for now"),
        pytest.param(HubForbidden("r", status=403), LaunchState.SKIPPED, id="rights"),
        pytest.param(HubRefused("pay", status=402), LaunchState.SKIPPED, id="no credit"),
        pytest.param(HubRefused("bad", status=400), LaunchState.REJECTED, id="never"),
    ],
)
async def test_the_hubs_no_is_the_callers_and_ends_the_launch(
    runs: DirectRuns,
    store: SqliteStore,
    hub: ScriptedHub,
    clock: HandClock,
    bell: Bell,
    failure: HubError,
    state: LaunchState,
) -> None:
    hub.failures.append(failure)
    with pytest.raises(HubError) as told:
        await ask(runs)
    assert told.value is failure
    launch = await only(store)
    assert (launch.state, launch.claimed_at, launch.micro_usd) == (state, 0, 0)
    assert str(failure) in launch.reason
    clock.now += 3_600_000
    await dispatched(store, hub, clock, bell)
    assert hub.started == []
    assert bell.rung == 0


async def test_what_may_have_been_sent_says_where_to_look(
    runs: DirectRuns, store: SqliteStore, hub: ScriptedHub
) -> None:
    hub.failures.append(OutcomeUnknown("lost"))
    with pytest.raises(OutcomeUnknown, match="lost") as told:
        await ask(runs)
    launch = await only(store)
    assert launch.state == LaunchState.UNKNOWN
    assert told.value.look_for == {"launch": launch.id, "namespace": "acme"}


async def test_a_fault_of_ours_is_told_as_what_nobody_knows(
    runs: DirectRuns, store: SqliteStore, hub: ScriptedHub
) -> None:
    hub.failures.append(ZeroDivisionError())  # type: ignore[arg-type]
    with pytest.raises(OutcomeUnknown, match="ZeroDivisionError"):
        await ask(runs)
    assert (await only(store)).state == LaunchState.UNKNOWN


@pytest.mark.parametrize(
    ("deed", "error"),
    [
        pytest.param(Deed.PAUSE, Paused, id="paused"),
        pytest.param(Deed.CANCEL, NotLaunched, id="cancelled"),
    ],
)
async def test_what_is_stopped_before_it_is_sent_is_not_sent(
    runs: DirectRuns,
    store: SqliteStore,
    hub: ScriptedHub,
    clock: HandClock,
    deed: Deed,
    error: type[JobHookError],
) -> None:
    real = store.standing

    async def stopped_meanwhile(launch_id: str) -> Standing | None:
        await order(store, hub, clock, deed, launch_id)
        return await real(launch_id)

    store.standing = stopped_meanwhile  # type: ignore[method-assign]
    with pytest.raises(error) as told:
        await ask(runs)
    assert type(told.value) is error
    assert hub.started == []
    assert (await only(store)).state.is_final


async def test_a_young_database_looks_before_it_sends(
    runs: DirectRuns, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    await store.begin_anew(clock.now)
    launch = make_direct("k", secrets={"HF_TOKEN": "x"}, env={"AB": "c"}, labels={"name": "mine"})
    hub.jobs["old"] = make_job("old", "RUNNING", labels=dict(launch.spec.labels))
    run = await ask(runs, key="k")
    assert (run.launch_id, run.job.id, hub.started) == (launch.id, "old", [])


async def test_what_has_no_key_is_not_looked_for_because_nobody_can_have_sent_it(
    runs: DirectRuns, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    await store.begin_anew(clock.now)
    hub.list_failures.append(HubBusy("nobody may look"))
    await ask(runs)
    with pytest.raises(HubBusy, match="nobody may look"):
        await ask(runs, key="k")
    assert len(hub.started) == 1


async def test_a_database_that_fails_before_anything_was_sent_ends_it(
    runs: DirectRuns, store: SqliteStore, hub: ScriptedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(launch_id: str) -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(store, "standing", gone)
    with pytest.raises(NotLaunched, match="gone"):
        await ask(runs)
    assert hub.started == []
    assert (await only(store)).state == LaunchState.SKIPPED


async def test_what_came_of_it_is_kept_even_if_the_disk_is_full_for_a_moment(
    runs: DirectRuns, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_KEEP_PAUSE", 0.001)
    real, failures = store.replace, [StoreUnavailable("full"), StoreUnavailable("full")]

    async def full_at_first(old: Launch, new: Launch) -> None:
        if failures:
            raise failures.pop()
        await real(old, new)

    monkeypatch.setattr(store, "replace", full_at_first)
    run = await ask(runs)
    assert (await only(store)).job_id == run.job.id


class SlowHub(ScriptedHub):
    """A Hub that answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def start_job(self, namespace: str, spec: JobSpec) -> JobInfo:
        self.asked.set()
        await self.may_answer.wait()
        return await super().start_job(namespace, spec)


@pytest.mark.parametrize("failure", [None, OutcomeUnknown("lost")], ids=["a job", "nobody knows"])
async def test_a_caller_who_goes_away_breaks_nothing_off(
    store: SqliteStore, clock: HandClock, bell: Bell, failure: HubError | None
) -> None:
    hub = SlowHub()
    hub.failures += [failure] if failure else []
    requests = make_requests(store, hub, clock, bell)
    runs = DirectRuns(requests)
    caller = asyncio.create_task(ask(runs))
    await hub.asked.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    hub.may_answer.set()
    await requests.finish()
    launch = await only(store)
    assert launch.state == (LaunchState.UNKNOWN if failure else LaunchState.LAUNCHED)


async def test_whoever_waits_for_room_and_goes_away_has_asked_for_nothing(
    store: SqliteStore, clock: HandClock, bell: Bell
) -> None:
    hub = SlowHub()
    requests = make_requests(store, hub, clock, bell)
    runs = DirectRuns(requests)
    callers = [asyncio.create_task(ask(runs)) for _ in range(17)]
    await hub.asked.wait()
    callers[-1].cancel()
    hub.may_answer.set()
    ends = await asyncio.gather(*callers, return_exceptions=True)
    await requests.finish()
    assert isinstance(ends[-1], asyncio.CancelledError)
    assert (len(hub.started), len(await store.launches(limit=0))) == (16, 16)


async def test_nothing_more_is_begun_once_the_service_stops(
    store: SqliteStore, clock: HandClock, bell: Bell
) -> None:
    hub = SlowHub()
    requests = make_requests(store, hub, clock, bell)
    runs = DirectRuns(requests)
    callers = [asyncio.create_task(ask(runs)) for _ in range(17)]
    await hub.asked.wait()
    stopped = asyncio.create_task(requests.finish())
    await asyncio.sleep(0)
    hub.may_answer.set()
    ends = await asyncio.gather(*callers, return_exceptions=True)
    await stopped
    assert [type(end) for end in ends] == [DirectRun] * 16 + [HubBusy]
    assert len(await store.launches(limit=0)) == 16


# -- after a crash, and afterwards --


class Died(BaseException):
    """In the place of the end of a process."""


@pytest.mark.parametrize(
    ("place", "jobs"),
    [
        pytest.param("direct.begun", 0, id="kept and not sent"),
        pytest.param("dispatch.answered", 1, id="answered and not kept"),
    ],
)
async def test_after_a_crash_it_is_found_or_ends_and_is_never_sent_without_its_secrets(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell, place: str, jobs: int
) -> None:
    def die() -> None:
        raise Died

    failpoints.arm(place, die)
    with pytest.raises(Died):
        await ask(make_runs(store, hub, clock, bell), key="k")
    failpoints.disarm()
    assert (await only(store)).state == LaunchState.SENDING
    await store.abandon_sending(clock.now, older_than_ms=-1)
    for _ in range(2):
        await resolved(store, hub, clock, hours=1)
        await dispatched(store, hub, clock, bell)
    launch = await only(store)
    assert len(hub.started) == jobs
    assert (launch.state, launch.job_id) == (
        (LaunchState.LAUNCHED, "j1") if jobs else (LaunchState.SKIPPED, None)
    )
    # Whoever asks again brings the values along.
    run = await ask(make_runs(store, hub, clock, bell), key="k")
    assert run.job.id == "j1"
    assert [spec.secrets for _, spec in hub.started] == [{"HF_TOKEN": "hf_canary"}]


async def test_what_was_retried_by_a_person_is_known_by_the_same_key(
    runs: DirectRuns, store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell
) -> None:
    hub.failures.append(HubRefused("bad", status=400))
    with pytest.raises(HubRefused):
        await ask(runs, make_spec(), key="k")
    done, _ = await order(store, hub, clock, Deed.RETRY, (await only(store)).id)
    assert done
    with pytest.raises(StillRunning):
        await ask(runs, make_spec(), key="k")
    await dispatched(store, hub, clock, bell)
    assert (await ask(runs, make_spec(), key="k")).job.id == "j1"
    ((_, sent),) = hub.started
    again, _ = await store.launches(limit=0)
    assert sent == again.spec
    assert "WEBHOOK_PAYLOAD" not in sent.env


@pytest.mark.parametrize("deed", [Deed.RETRY, Deed.RELEASE])
async def test_what_had_secrets_is_never_given_those_of_the_service(
    runs: DirectRuns, store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell, deed: Deed
) -> None:
    hub.failures.append(HubRefused("bad", status=400))
    with pytest.raises(HubRefused):
        await ask(runs)
    launch = await only(store)
    if deed == Deed.RELEASE:
        await store.replace(launch, replace(launch, state=LaunchState.HELD))
    done, told = await order(store, hub, clock, deed, launch.id)
    assert not done
    assert told.endswith("ask for it anew")
    # And if the database said so all the same:
    current = await only(store)
    await store.replace(current, replace(current, state=LaunchState.READY))
    await dispatched(store, hub, clock, bell)
    assert hub.started == []
    assert (await only(store)).state == LaunchState.REJECTED


async def test_what_nobody_found_ends_and_costs_nothing(
    runs: DirectRuns, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    hub.failures.append(OutcomeUnknown("lost"))
    with pytest.raises(OutcomeUnknown):
        await ask(runs)
    await resolved(store, hub, clock, hours=1)
    launch = await only(store)
    assert (launch.state, launch.reason, launch.micro_usd) == (
        LaunchState.SKIPPED,
        "no job was found, and what a person asked for is not started later",
        0,
    )


async def test_a_request_is_kept_by_a_digest_of_its_key(
    runs: DirectRuns, store: SqliteStore
) -> None:
    await ask(runs, key="ana: canary-key")
    launch = await only(store)
    assert launch.delivery == request_id("ana: canary-key")
    assert "canary-key" not in repr(launch)
