from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from factories import (
    BODY,
    LEASE_MS,
    NOON,
    PLENTY,
    make_job,
    make_launch,
    make_received,
    make_spec,
    sample,
)
from fakes import Bell, HandClock, ScriptedHub
from jobhook import failpoints
from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.core.errors import (
    HubBusy,
    HubError,
    HubForbidden,
    HubNotFound,
    HubRefused,
    HubUnauthorized,
    ListTooLong,
    OutcomeUnknown,
    StoreUnavailable,
)
from jobhook.core.filters import LaunchFilter
from jobhook.core.guards import Limits
from jobhook.core.jobs import JobSpec
from jobhook.core.launches import DAMAGED, Launch, LaunchState, moved
from jobhook.core.operations import Deed, Order
from jobhook.core.records import EVERYTHING, Pause
from jobhook.flows import dispatch, sending
from jobhook.flows.dispatch import Dispatcher
from jobhook.flows.identity import Identity
from jobhook.flows.operating import Operations
from jobhook.flows.prices import Prices
from jobhook.flows.resolving import Visibility
from jobhook.hub.models import JobInfo

pytestmark = pytest.mark.anyio


@pytest.fixture
def dispatcher(store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell) -> Dispatcher:
    return make_dispatcher(store, hub, clock, bell, secrets={"TOKEN": "s3cret"})


def make_dispatcher(
    store: SqliteStore,
    hub: ScriptedHub,
    clock: HandClock,
    bell: Bell,
    *,
    secrets: dict[str, str] | None = None,
    limits: Limits = PLENTY,
    monotonic: HandClock | None = None,
    payload_url: Callable[[Launch, int], str | None] = lambda launch, now: None,
) -> Dispatcher:
    return Dispatcher(
        store,
        hub,
        clock,
        monotonic=monotonic or clock,
        identity=Identity(hub, "acme"),
        secrets=secrets or {},
        payload_url=payload_url,
        visibility=Visibility(),
        prices=Prices(hub, clock),
        limits=limits,
        max_age_ms=24 * 3_600_000,
        lease_ms=LEASE_MS,
        on_launched=bell,
    )


async def ready(store: SqliteStore, **given: Any) -> Launch:
    receipt = await store.record(make_received())
    delivery = await store.delivery(receipt.delivery)
    assert delivery is not None
    launch = make_launch(delivery=delivery.id, **given)
    await store.route(delivery, events=(), verdicts=(), launches=[launch])
    return launch


async def send(dispatcher: Dispatcher) -> None:
    """Send what is due, and wait until it is known what came of it."""
    await dispatcher.step()
    await dispatcher.finish()


async def kept(store: SqliteStore, launch: Launch) -> Launch:
    found = await store.launch(launch.id)
    assert found is not None
    return found


async def test_a_ready_launch_becomes_a_job(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub, bell: Bell
) -> None:
    launch = await ready(store)
    await send(dispatcher)
    found = await kept(store, launch)
    assert (found.state, found.namespace, found.job_id, found.job_url) == (
        LaunchState.LAUNCHED,
        "acme",
        "j1",
        "https://hub.test/jobs/acme/j1",
    )
    assert bell.rung == 1
    await send(dispatcher)
    assert len(hub.started) == 1


async def test_nothing_is_sent_from_a_delivery_that_is_not_as_it_came(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub
) -> None:
    launch = await ready(store)
    await store._writer.submit(lambda db: db.execute("UPDATE delivery SET body = '{}'"))
    for _ in range(2):
        await send(dispatcher)
        held = await kept(store, launch)
        assert (held.state, held.reason, hub.started) == (LaunchState.HELD, DAMAGED, [])
        await store.replace(held, replace(moved(held, LaunchState.READY, now=NOON), asked_by="ana"))


async def test_the_job_gets_the_payload_and_the_secrets_that_its_rule_names(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub
) -> None:
    await ready(store, spec=make_spec(secrets={"TOKEN": ""}, env={"AB": "c"}))
    await send(dispatcher)
    ((_, spec),) = hub.started
    assert spec.secrets == {"TOKEN": "s3cret"}
    assert spec.env["AB"] == "c"
    assert json.loads(spec.env["WEBHOOK_PAYLOAD"]) == json.loads(BODY)


async def test_no_secret_gets_into_the_database(dispatcher: Dispatcher, store: SqliteStore) -> None:
    launch = await ready(store, spec=make_spec(secrets={"TOKEN": ""}))
    await send(dispatcher)
    assert (await kept(store, launch)).spec.secrets == {"TOKEN": ""}


async def test_a_secret_that_the_service_lacks_holds_the_launch(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub
) -> None:
    launch = await ready(store, spec=make_spec(secrets={"OTHER": ""}))
    await send(dispatcher)
    found = await kept(store, launch)
    assert (found.state, found.reason) == (
        LaunchState.HELD,
        "secret: set JOBHOOK_SECRET_OTHER and start the service again",
    )
    assert hub.started == []


@pytest.mark.parametrize(
    ("failure", "state", "reason"),
    [
        pytest.param(OutcomeUnknown("lost"), LaunchState.UNKNOWN, "lost", id="nobody knows"),
        pytest.param(HubBusy("down"), LaunchState.READY, "down", id="not for now"),
        pytest.param(HubRefused("bad", status=400), LaunchState.REJECTED, "bad", id="never"),
        pytest.param(
            HubNotFound("who?", status=404), LaunchState.REJECTED, "who?", id="no namespace"
        ),
        pytest.param(HubUnauthorized("t", status=401), LaunchState.HELD, "auth: t", id="token"),
        pytest.param(HubForbidden("r", status=403), LaunchState.HELD, "auth: r", id="rights"),
        pytest.param(
            HubRefused("pay", status=402), LaunchState.HELD, "budget-upstream: pay", id="no credit"
        ),
    ],
)
async def test_every_answer_has_its_state(
    dispatcher: Dispatcher,
    store: SqliteStore,
    hub: ScriptedHub,
    bell: Bell,
    failure: HubError,
    state: LaunchState,
    reason: str,
) -> None:
    launch = await ready(store)
    hub.failures.append(failure)
    await send(dispatcher)
    found = await kept(store, launch)
    assert (found.state, found.reason, found.job_id) == (state, reason, None)
    assert bell.rung == 0


async def test_what_may_have_been_sent_is_never_sent_again(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    await ready(store)
    hub.failures.append(OutcomeUnknown("lost"))
    await send(dispatcher)
    clock.now += 10**9
    await send(dispatcher)
    assert hub.started == []


async def test_where_a_launch_is_sent_to_is_kept_before_it_is_sent(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub
) -> None:
    launch = await ready(store)
    hub.failures.append(OutcomeUnknown("lost"))
    await send(dispatcher)
    assert (await kept(store, launch)).namespace == "acme"


async def test_a_busy_hub_is_asked_again_later_and_later(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    launch = await ready(store)
    waits = []
    for _ in range(12):
        hub.failures.append(HubBusy("down"))
        await send(dispatcher)
        due_at = (await kept(store, launch)).due_at
        waits.append(due_at - clock.now)
        clock.now = due_at
    assert waits == [1000, 2000, 4000, 8000, 16000, 32000, 64000, 128000, 256000] + [300_000] * 3
    await send(dispatcher)
    assert len(hub.started) == 1


async def test_the_hub_says_how_long_to_wait(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    launch = await ready(store)
    hub.failures.append(HubBusy("429", retry_after=55.0))
    await send(dispatcher)
    assert (await kept(store, launch)).due_at == NOON + 55_000
    clock.now += 54_999
    await send(dispatcher)
    assert hub.started == []


async def test_a_job_that_the_wire_cannot_carry_is_rejected(
    dispatcher: Dispatcher, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch = await ready(store)
    monkeypatch.setattr("jobhook.core.payloads.PAYLOAD_MAX_BYTES", 10**9)
    monkeypatch.setattr("jobhook.core.jobs.ENV_STRING_MAX_BYTES", 100)
    await send(dispatcher)
    found = await kept(store, launch)
    assert found.state == LaunchState.REJECTED
    assert "WEBHOOK_PAYLOAD" in found.reason


class OvertakenHub(ScriptedHub):
    """While it starts a job, somebody else moves the launch on."""

    def __init__(self, meanwhile: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self.meanwhile = meanwhile

    async def start_job(self, namespace: str, spec: JobSpec) -> JobInfo:
        await self.meanwhile()
        return await super().start_job(namespace, spec)


async def test_a_job_that_is_told_too_late_is_kept_where_nobody_knew_of_one(
    store: SqliteStore, clock: HandClock, bell: Bell
) -> None:
    hub = OvertakenHub(lambda: store.abandon_sending(NOON, older_than_ms=-1))
    launch = await ready(store)
    await send(make_dispatcher(store, hub, clock, bell))
    found = await kept(store, launch)
    assert (found.state, found.job_id) == (LaunchState.LAUNCHED, "j1")


async def test_a_job_that_is_told_much_too_late_counts_towards_the_limits(
    store: SqliteStore, clock: HandClock, bell: Bell
) -> None:
    launch = await ready(store)

    async def give_up() -> None:
        await store.abandon_sending(NOON, older_than_ms=-1)
        unknown = await kept(store, launch)
        await store.replace(unknown, moved(unknown, LaunchState.HELD, now=NOON))

    await send(make_dispatcher(store, OvertakenHub(give_up), clock, bell))
    found = await kept(store, launch)
    assert (found.state, found.claimed_at, found.micro_usd > 0) == (
        LaunchState.LAUNCHED,
        NOON,
        True,
    )


async def test_a_job_that_is_told_too_late_does_not_take_the_place_of_another(
    store: SqliteStore, clock: HandClock, bell: Bell
) -> None:
    launch = await ready(store)

    async def adopt_another() -> None:
        await store.abandon_sending(NOON, older_than_ms=-1)
        unknown = await kept(store, launch)
        found = moved(unknown, LaunchState.LAUNCHED, now=NOON)
        await store.replace(unknown, replace(found, job_id="j0"))

    await send(make_dispatcher(store, OvertakenHub(adopt_another), clock, bell))
    assert (await kept(store, launch)).job_id == "j0"


async def test_a_process_that_was_stopped_for_long_sends_nothing(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell
) -> None:
    steady = HandClock()
    dispatcher = make_dispatcher(store, hub, clock, bell, monotonic=steady)
    launch = await ready(store)
    failpoints.arm("dispatch.sending", lambda: setattr(steady, "now", NOON + 60_001))
    await send(dispatcher)
    assert hub.started == []
    assert (await kept(store, launch)).reason == "sent too late"


async def test_two_dispatchers_on_one_store_send_each_launch_once(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell
) -> None:
    await ready(store)
    delivery = (await store.deliveries(limit=1))[0][0]
    more = [make_launch(id=f"m{n}", rule=f"r{n}", delivery=delivery.id) for n in range(40)]
    await store.route(delivery, events=(), verdicts=(), launches=more)
    dispatchers = [make_dispatcher(store, hub, clock, bell) for _ in range(4)]
    for _ in range(3):
        await asyncio.gather(*(send(each) for each in dispatchers))
    assert len(hub.started) == 41


class SlowHub(ScriptedHub):
    """A Hub that answers nobody before it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.may_answer = asyncio.Event()

    async def start_job(self, namespace: str, spec: JobSpec) -> JobInfo:
        self.asked += 1
        if self.asked == 1:
            await self.may_answer.wait()
        return await super().start_job(namespace, spec)


async def many(store: SqliteStore, count: int) -> None:
    await ready(store)
    delivery = (await store.deliveries(limit=1))[0][0]
    more = [make_launch(id=f"m{n}", rule=f"r{n}", delivery=delivery.id) for n in range(count - 1)]
    await store.route(delivery, events=(), verdicts=(), launches=more)


async def test_one_slow_answer_holds_up_nobody_else(
    store: SqliteStore, clock: HandClock, bell: Bell
) -> None:
    hub = SlowHub()
    dispatcher = make_dispatcher(store, hub, clock, bell)
    await many(store, 40)
    running = asyncio.create_task(dispatcher.run())
    async with asyncio.timeout(10):
        while len(hub.started) < 39:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    hub.may_answer.set()
    dispatcher.stop()
    await running
    assert len(hub.started) == 40
    assert len(await store.followed()) == 40


async def test_no_more_is_claimed_than_can_be_sent_at_once(
    store: SqliteStore, clock: HandClock, bell: Bell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "_AT_ONCE", 1)
    hub = SlowHub()
    dispatcher = make_dispatcher(store, hub, clock, bell)
    await many(store, 3)
    await dispatcher.step()
    await dispatcher.step()
    assert len(await store.launches(LaunchFilter(states=[LaunchState.READY]), limit=0)) == 2
    hub.may_answer.set()
    await dispatcher.finish()


async def test_a_fault_of_ours_leaves_the_outcome_unknown(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub
) -> None:
    launch = await ready(store)
    hub.failures.append(ZeroDivisionError())  # type: ignore[arg-type]
    await send(dispatcher)
    found = await kept(store, launch)
    assert (found.state, found.reason) == (
        LaunchState.UNKNOWN,
        "jobhook failed on it: ZeroDivisionError",
    )


async def test_what_came_of_it_is_kept_even_if_the_disk_is_full_for_a_moment(
    dispatcher: Dispatcher, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_KEEP_PAUSE", 0.001)
    real, failures = store.replace, [StoreUnavailable("full"), StoreUnavailable("full")]

    async def full_at_first(old: Launch, new: Launch) -> None:
        if failures:
            raise failures.pop()
        await real(old, new)

    monkeypatch.setattr(store, "replace", full_at_first)
    launch = await ready(store)
    await send(dispatcher)
    assert (await kept(store, launch)).state == LaunchState.LAUNCHED


async def test_a_job_that_is_told_too_late_is_kept_even_if_the_database_fails_for_a_moment(
    store: SqliteStore, clock: HandClock, bell: Bell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_KEEP_PAUSE", 0.001)
    real, failures = store.launch, [StoreUnavailable("gone")]

    async def gone_at_first(launch_id: str) -> Launch | None:
        if failures:
            raise failures.pop()
        return await real(launch_id)

    async def give_up() -> None:
        await store.abandon_sending(clock.now, older_than_ms=-1)
        monkeypatch.setattr(store, "launch", gone_at_first)

    launch = await ready(store)
    await send(make_dispatcher(store, OvertakenHub(give_up), clock, bell))
    assert (await kept(store, launch)).job_id == "j1"


async def test_a_disk_that_stays_full_ends_the_trying(
    dispatcher: Dispatcher, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise StoreUnavailable("full")

    monkeypatch.setattr(sending, "_KEEP_PAUSE", 0.001)
    monkeypatch.setattr(store, "replace", full)
    launch = await ready(store)
    await send(dispatcher)
    assert (await kept(store, launch)).state == LaunchState.SENDING


async def test_a_launch_keeps_its_identity_through_every_attempt(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    launch = await ready(store, spec=make_spec(labels={"jobhook-launch": "l1"}))
    hub.failures.append(HubBusy("down"))
    await send(dispatcher)
    clock.now += 10_000
    await send(dispatcher)
    ((_, spec),) = hub.started
    assert spec.labels["jobhook-launch"] == "l1"
    assert (await kept(store, launch)).attempts == 2


async def test_while_the_token_is_refused_one_launch_a_minute_finds_out(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    await many(store, 10)
    monday = [HubUnauthorized("who?", status=401)] * 10
    hub.failures += monday
    await send(dispatcher)
    assert len(await store.launches(LaunchFilter(states=[LaunchState.HELD]), limit=0)) == 10
    hub.failures[:] = monday[:2]
    for minute in (1, 2):
        clock.now = NOON + minute * 60_000
        await send(dispatcher)
        await send(dispatcher)
        assert len(hub.failures) == 2 - minute
    clock.now += 60_000
    await send(dispatcher)
    assert len(hub.started) == 1
    await send(dispatcher)
    assert len(hub.started) == 10
    assert await store.launches(LaunchFilter(states=[LaunchState.HELD]), limit=0) == ()


async def test_too_many_requests_let_all_of_them_wait(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    await ready(store)
    hub.failures.append(HubBusy("slow down", status=429, retry_after=55.0))
    await send(dispatcher)
    delivery = (await store.deliveries(limit=1))[0][0]
    await store.route(
        delivery,
        events=(),
        verdicts=(),
        launches=[make_launch(id="l2", rule="x", delivery=delivery.id)],
    )
    clock.now += 54_000
    await send(dispatcher)
    assert hub.started == []
    clock.now += 1_000
    await send(dispatcher)
    assert len(hub.started) == 1
    await send(dispatcher)
    assert len(hub.started) == 2


async def test_what_waited_for_a_day_is_not_sent_any_more(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    launch = await ready(store)
    clock.now += 24 * 3_600_000 + 1
    await send(dispatcher)
    assert (await kept(store, launch)).state == LaunchState.EXPIRED
    assert hub.started == []


async def test_a_young_database_looks_before_it_sends(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    clock.now = await store.began_at() + 1000
    launch = await ready(store, created_at=clock.now, updated_at=clock.now)
    hub.jobs["old"] = make_job("old", "RUNNING", labels={"jobhook-launch": launch.id})
    await send(dispatcher)
    assert (await kept(store, launch)).job_id == "old"
    assert hub.started == []


async def test_a_young_database_knows_a_job_whose_labels_were_replaced(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    clock.now = await store.began_at() + 1000
    launch = await ready(store, created_at=clock.now, updated_at=clock.now)
    hub.jobs["old"] = make_job("old", environment={"JOBHOOK_LAUNCH_ID": launch.id})
    await send(dispatcher)
    assert (await kept(store, launch)).job_id == "old"
    assert hub.started == []


@pytest.mark.parametrize("labelled", [True, False], ids=["found", "not found"])
async def test_where_not_all_jobs_can_be_listed_a_young_database_looks_by_label(
    store: SqliteStore, clock: HandClock, bell: Bell, labelled: bool
) -> None:
    class Long(ScriptedHub):
        async def list_jobs(self, **asked: Any) -> list[JobInfo]:
            return await super().list_jobs(**asked) if asked["labels"] else []

    hub = Long()
    hub.cut = ListTooLong("the list goes on")
    dispatcher = make_dispatcher(store, hub, clock, bell)
    clock.now = await store.began_at() + 1000
    launch = await ready(store, created_at=clock.now, updated_at=clock.now)
    labels = {"jobhook-launch": launch.id} if labelled else {}
    hub.jobs["old"] = make_job("old", labels=labels)
    await send(dispatcher)
    assert len(hub.started) == (0 if labelled else 1)


@pytest.mark.parametrize(
    ("hours", "sent"),
    [
        pytest.param(0, 0, id="at once"),
        pytest.param(48, 0, id="for 48 hours"),
        pytest.param(49, 1, id="and no longer"),
    ],
)
async def test_an_old_database_that_was_put_back_looks_before_it_sends(
    dispatcher: Dispatcher,
    store: SqliteStore,
    hub: ScriptedHub,
    clock: HandClock,
    hours: int,
    sent: int,
) -> None:
    await store.begin_anew(NOON)
    clock.now += hours * 3_600_000
    launch = await ready(store, created_at=clock.now, updated_at=clock.now)
    hub.jobs["old"] = make_job("old", "RUNNING", labels={"jobhook-launch": launch.id})
    await send(dispatcher)
    assert len(hub.started) == sent


async def test_a_young_database_sends_what_it_does_not_find(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    clock.now = await store.began_at() + 1000
    await ready(store, created_at=clock.now, updated_at=clock.now)
    await send(dispatcher)
    assert len(hub.started) == 1
    assert hub.calls == [("hardware",), ("list", "acme")]


async def test_a_list_that_cannot_be_read_sends_nothing(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    clock.now = await store.began_at() + 1000
    launch = await ready(store, created_at=clock.now, updated_at=clock.now)
    hub.list_failures.append(HubBusy("down"))
    await send(dispatcher)
    assert (await kept(store, launch)).state == LaunchState.READY
    assert hub.started == []


@pytest.mark.parametrize("status", [400, 404, 422])
async def test_a_refusal_of_the_look_is_no_refusal_of_the_launch(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub, clock: HandClock, status: int
) -> None:
    clock.now = await store.began_at() + 1000
    launch = await ready(store, created_at=clock.now, updated_at=clock.now)
    hub.list_failures += [HubRefused("no", status=status)] * 2
    for wait in (1000, 2000):
        await send(dispatcher)
        found = await kept(store, launch)
        assert (found.state, found.reason, found.due_at, hub.started) == (
            LaunchState.READY,
            "its job could not be looked for: no",
            clock.now + wait,
            [],
        )
        clock.now = found.due_at
    await send(dispatcher)
    assert len(hub.started) == 1


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        pytest.param(HubUnauthorized("who?", status=401), LaunchState.HELD, id="token"),
        pytest.param(HubForbidden("no", status=403), LaunchState.HELD, id="rights"),
        pytest.param(HubBusy("slow", status=429, retry_after=60), LaunchState.READY, id="quota"),
    ],
)
async def test_an_answer_to_the_look_that_is_about_all_launches_lets_all_of_them_wait(
    dispatcher: Dispatcher,
    store: SqliteStore,
    hub: ScriptedHub,
    clock: HandClock,
    failure: HubError,
    state: LaunchState,
) -> None:
    clock.now = await store.began_at() + 1000
    launch = await ready(store, created_at=clock.now, updated_at=clock.now)
    hub.list_failures.append(failure)
    await send(dispatcher)
    assert (await kept(store, launch)).state == state
    delivery = (await store.deliveries(limit=1))[0][0]
    at = {"created_at": clock.now, "updated_at": clock.now, "delivery": delivery.id}
    others = [make_launch(id=f"o{n}", rule=f"o{n}", **at) for n in range(2)]
    await store.route(delivery, events=(), verdicts=(), launches=others)
    clock.now += 59_999
    await send(dispatcher)
    assert hub.started == []
    clock.now += 1
    await send(dispatcher)
    assert len(hub.started) == 1


async def test_a_database_that_fails_before_anything_was_sent_leaves_the_launch_ready(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(launch_id: str) -> None:
        raise StoreUnavailable("gone")

    launch = await ready(store)
    monkeypatch.setattr(store, "standing", gone)
    await send(dispatcher)
    found = await kept(store, launch)
    assert (found.state, found.reason, hub.started) == (LaunchState.READY, "gone", [])


async def test_a_sender_that_was_held_up_for_long_sends_nothing(
    store: SqliteStore, clock: HandClock, bell: Bell
) -> None:
    class SlowList(ScriptedHub):
        async def list_jobs(self, **_: Any) -> list[JobInfo]:
            # As when the whole process stands still, for longer than half of its lease.
            clock.now += 60_001
            return []

    hub = SlowList()
    dispatcher = make_dispatcher(store, hub, clock, bell)
    clock.now = await store.began_at() + 1000
    launch = await ready(store, created_at=clock.now, updated_at=clock.now)
    await send(dispatcher)
    assert (await kept(store, launch)).state == LaunchState.READY
    assert hub.started == []


class Overlooked(ScriptedHub):
    """While a launch is looked for, somebody does something."""

    def __init__(self, meanwhile: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self.meanwhile = meanwhile

    async def list_jobs(self, **asked: Any) -> list[JobInfo]:
        await self.meanwhile()
        return await super().list_jobs(**asked)


@pytest.mark.parametrize("scope", [EVERYTHING, "rule:retrain", "repo:dataset:acme/corpus"])
async def test_a_pause_that_came_while_a_launch_was_looked_for_wins(
    store: SqliteStore, clock: HandClock, bell: Bell, scope: str
) -> None:
    hub = Overlooked(lambda: store.pause(Pause(scope=scope, since=NOON, by="ana")))
    dispatcher = make_dispatcher(store, hub, clock, bell)
    clock.now = await store.began_at() + 1000
    at = {"created_at": clock.now, "updated_at": clock.now}
    launch = await ready(store, repo="dataset:acme/corpus", **at)
    await send(dispatcher)
    found = await kept(store, launch)
    assert (found.state, found.reason, found.micro_usd, hub.started) == (
        LaunchState.READY,
        f"paused: {scope}",
        0,
        [],
    )
    await store.resume(clock.now, scope)
    hub.meanwhile = store.pauses
    await send(dispatcher)
    assert len(hub.started) == 1


@pytest.mark.parametrize("scope", ["rule:another", "repo:dataset:acme/corpus"])
async def test_a_pause_of_something_else_lets_it_go(
    store: SqliteStore, clock: HandClock, bell: Bell, scope: str
) -> None:
    hub = Overlooked(lambda: store.pause(Pause(scope=scope, since=NOON, by="ana")))
    clock.now = await store.began_at() + 1000
    await ready(store, created_at=clock.now, updated_at=clock.now)
    await send(make_dispatcher(store, hub, clock, bell))
    assert len(hub.started) == 1


async def test_a_launch_that_is_cancelled_while_it_was_looked_for_does_not_go(
    store: SqliteStore, clock: HandClock, bell: Bell
) -> None:
    async def cancel() -> None:
        operations = Operations(store, hub, clock, instance="jobhook", on_change=bell)
        await operations.carry_out(Order(deed=Deed.CANCEL, by="ana", ids=("l1",)))

    hub = Overlooked(cancel)
    clock.now = await store.began_at() + 1000
    launch = await ready(store, created_at=clock.now, updated_at=clock.now)
    await send(make_dispatcher(store, hub, clock, bell))
    found = await kept(store, launch)
    assert (found.state, found.reason) == (LaunchState.CANCELLED, "cancelled by ana")
    assert hub.started == []


async def test_a_launch_that_was_taken_for_abandoned_while_it_was_looked_for_does_not_go(
    store: SqliteStore, clock: HandClock, bell: Bell
) -> None:
    hub = Overlooked(lambda: store.abandon_sending(clock.now, older_than_ms=-1))
    clock.now = await store.began_at() + 1000
    launch = await ready(store, created_at=clock.now, updated_at=clock.now)
    await send(make_dispatcher(store, hub, clock, bell))
    assert (await kept(store, launch)).state == LaunchState.UNKNOWN
    assert hub.started == []


async def test_launches_over_the_limit_wait_and_go_when_time_has_freed_it(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell
) -> None:
    dispatcher = make_dispatcher(store, hub, clock, bell, limits=Limits(rule_repo_per_hour=6))
    await ready(store)
    delivery = (await store.deliveries(limit=1))[0][0]
    same = {"rule": "retrain", "repo": "dataset:acme/corpus", "delivery": delivery.id}
    more = [make_launch(id=f"m{n}", action=n, **same) for n in range(1, 10)]
    await store.route(delivery, events=(), verdicts=(), launches=more)
    await send(dispatcher)
    assert len(hub.started) == 7  # the first one is for another repo
    waiting = await store.launches(LaunchFilter(states=[LaunchState.READY]), limit=0)
    assert {launch.reason for launch in waiting} == {
        "rate: 6 an hour for this rule and repo are used up"
    }
    clock.now += 59 * 60_000
    await send(dispatcher)
    assert len(hub.started) == 7
    clock.now += 2 * 60_000
    await send(dispatcher)
    assert len(hub.started) == 10


async def test_without_a_price_list_nothing_is_launched(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down() -> None:
        raise HubBusy("down")

    monkeypatch.setattr(hub, "list_jobs_hardware", down)
    await ready(store)
    with pytest.raises(HubBusy):
        await dispatcher.step()
    assert hub.started == []


async def test_what_was_clearly_refused_costs_nothing(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub
) -> None:
    launch = await ready(store)
    hub.failures.append(HubRefused("bad", status=400))
    await send(dispatcher)
    found = await kept(store, launch)
    assert (found.state, found.claimed_at, found.micro_usd) == (LaunchState.REJECTED, 0, 0)


async def test_what_may_have_been_sent_keeps_its_reservation(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub
) -> None:
    launch = await ready(store)
    hub.failures.append(OutcomeUnknown("lost"))
    await send(dispatcher)
    found = await kept(store, launch)
    assert (found.claimed_at, found.micro_usd) == (NOON, 5000)


async def test_a_wall_clock_that_is_set_back_keeps_no_launch_back(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell
) -> None:
    steady = HandClock()
    dispatcher = make_dispatcher(store, hub, clock, bell, monotonic=steady)
    await ready(store)
    clock.now += 86_400_000 // 2
    hub.failures.append(HubBusy("slow down", status=429, retry_after=55.0))
    await send(dispatcher)
    clock.now = NOON
    steady.now += 55_000
    await send(dispatcher)
    assert len(hub.started) == 1


async def test_the_hub_puts_nothing_off_for_longer_than_an_hour(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    await ready(store)
    hub.failures.append(HubBusy("slow down", status=429, retry_after=999_999.0))
    await send(dispatcher)
    clock.now += 3_600_000
    await send(dispatcher)
    assert len(hub.started) == 1


# -- where the rule says where --


async def test_a_launch_goes_where_its_rule_says(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub
) -> None:
    launch = await ready(store, spec=make_spec(namespace="lab"))
    await send(dispatcher)
    assert [namespace for namespace, _ in hub.started] == ["lab"]
    assert (await kept(store, launch)).namespace == "lab"


async def test_a_launch_that_may_have_been_sent_is_known_to_have_gone_where_its_rule_says(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub
) -> None:
    launch = await ready(store, spec=make_spec(namespace="lab"))
    hub.failures.append(OutcomeUnknown("lost"))
    await send(dispatcher)
    assert (await kept(store, launch)).namespace == "lab"


async def test_a_young_database_looks_where_the_rule_says(
    dispatcher: Dispatcher, store: SqliteStore, hub: ScriptedHub, clock: HandClock
) -> None:
    await store.begin_anew(clock.now)
    launch = await ready(store, spec=make_spec(namespace="lab"))
    hub.jobs["j9"] = make_job("j9", labels={"jobhook-launch": launch.id})
    await send(dispatcher)
    assert ("list", "lab") in hub.calls
    found = await kept(store, launch)
    assert (found.job_id, found.namespace, hub.started) == ("j9", "lab", [])


# -- what is too long for its environment --


async def test_a_job_whose_payload_is_cut_is_told_where_all_of_it_is(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell
) -> None:
    dispatcher = make_dispatcher(
        store,
        hub,
        clock,
        bell,
        payload_url=lambda launch, now: f"https://us.test/{launch.id}/{now}",
    )
    receipt = await store.record(make_received("w1", sample("35")))
    delivery = await store.delivery(receipt.delivery)
    assert delivery is not None
    launch = make_launch(delivery=delivery.id)
    await store.route(delivery, events=(), verdicts=(), launches=[launch])
    await send(dispatcher)
    ((_, spec),) = hub.started
    assert spec.env["WEBHOOK_PAYLOAD_URL"] == f"https://us.test/l1/{NOON}"


async def test_without_the_webhooks_secret_what_wants_it_is_held(
    dispatcher: Dispatcher, store: SqliteStore
) -> None:
    launch = await ready(store, spec=make_spec(secrets={"WEBHOOK_SECRET": ""}))
    await send(dispatcher)
    found = await kept(store, launch)
    assert (found.state, found.reason) == (
        LaunchState.HELD,
        "secret: set JOBHOOK_WEBHOOK_SECRETS and start the service again",
    )
