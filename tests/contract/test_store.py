"""What every store must do; a new store is finished when this passes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from factories import BODY, NOON, PLENTY, make_launch, make_received, make_spec, make_stored
from jobhook import failpoints
from jobhook.core.causes import Finding, as_found
from jobhook.core.deliveries import DeliveryState
from jobhook.core.errors import LaunchMoved
from jobhook.core.filters import DeliveryFilter, LaunchFilter
from jobhook.core.guards import CHILD_WINDOW_MS, Guard, Limits
from jobhook.core.launches import (
    LONGEST_LOOK_PAUSE_MS,
    LONGEST_WAIT_MS,
    LOOP_PRESUMED,
    Launch,
    LaunchState,
    moved,
)
from jobhook.core.records import (
    EVERYTHING,
    WEAK_WINDOW_MS,
    Backlog,
    Pause,
    Standing,
    StoredDelivery,
    Verdict,
)
from jobhook.ports import Store

pytestmark = pytest.mark.anyio


def guard(now: int, limits: Limits = PLENTY) -> Guard:
    return Guard(limits, {"cpu-basic": 0.01}, now)


async def stored_delivery(store: Store, webhook_id: str = "w1") -> StoredDelivery:
    receipt = await store.record(make_received(webhook_id))
    delivery = await store.delivery(receipt.delivery)
    assert delivery is not None
    return delivery


async def stored_launch(store: Store, **given: object) -> Launch:
    delivery = await stored_delivery(store)
    launch = make_launch(delivery=delivery.id, **given)
    await store.route(
        replace(delivery, state=DeliveryState.MATCHED), events=(), verdicts=(), launches=[launch]
    )
    return launch


async def test_a_delivery_is_kept_byte_by_byte(store: Store) -> None:
    receipt = await store.record(make_received(body=b"\x00\xff not json \r\n"))
    assert not receipt.duplicate
    assert await store.body(receipt.delivery) == b"\x00\xff not json \r\n"


async def test_a_new_delivery_waits_to_be_routed(store: Store) -> None:
    receipt = await store.record(make_received())
    ((delivery, body, tries),) = await store.begin_routing(10)
    assert delivery == make_stored(id=receipt.delivery)
    assert (body, tries) == (BODY, 0)


async def test_the_same_id_again_is_a_duplicate_of_the_first(store: Store) -> None:
    first = await store.record(make_received(at=NOON))
    again = await store.record(make_received(at=NOON + 90 * 24 * 3_600_000))
    assert (again.delivery, again.duplicate) == (first.delivery, True)
    assert len(await store.deliveries(limit=0)) == 1


async def test_a_hundred_copies_at_once_are_stored_once(store: Store) -> None:
    receipts = await asyncio.gather(*(store.record(make_received()) for _ in range(100)))
    assert sorted(receipt.duplicate for receipt in receipts) == [False] + [True] * 99
    assert len(await store.begin_routing(1000)) == 1


async def test_the_same_id_from_another_source_is_another_delivery(store: Store) -> None:
    first = await store.record(make_received())
    other = await store.record(replace(make_received(), source="other"))
    assert other.delivery != first.delivery
    assert not other.duplicate


async def test_the_same_id_with_another_body_is_kept_as_a_conflict(store: Store) -> None:
    first = await store.record(make_received(body=b"first"))
    second = await store.record(make_received(body=b"second"))
    third = await store.record(make_received(body=b"second"))
    assert (second.delivery, second.duplicate) == (first.delivery, True)
    assert third == second
    ((conflict, _),) = await store.deliveries(DeliveryFilter(state=DeliveryState.CONFLICT), limit=0)
    assert await store.body(conflict.id) == b"second"
    assert await store.body(first.delivery) == b"first"
    assert conflict.reason
    assert [delivery.id for delivery, _, _ in await store.begin_routing(10)] == [first.delivery]


@pytest.mark.parametrize(
    ("later", "duplicate"),
    [
        pytest.param(0, True, id="at once"),
        pytest.param(WEAK_WINDOW_MS - 1, True, id="within the window"),
        pytest.param(WEAK_WINDOW_MS, False, id="after the window"),
    ],
)
async def test_without_an_id_the_body_tells_for_ten_minutes(
    store: Store, later: int, duplicate: bool
) -> None:
    first = await store.record(make_received(None))
    second = await store.record(make_received(None, at=NOON + later))
    assert second.duplicate is duplicate
    assert (second.delivery == first.delivery) is duplicate


async def test_what_waits_to_be_decided_is_counted_with_the_oldest(store: Store) -> None:
    assert await store.backlog() == Backlog(0, None, 0)
    first = await store.record(make_received("w1", at=NOON))
    await store.record(make_received("w2", at=NOON - 1))
    await store.record(make_received("w3", at=NOON + 1))
    assert await store.backlog() == Backlog(3, NOON - 1, 0)
    delivery = await store.delivery(first.delivery)
    assert delivery is not None
    aside = replace(delivery, state=DeliveryState.QUARANTINED)
    await store.route(aside, events=(), verdicts=(), launches=())
    assert await store.backlog() == Backlog(2, NOON - 1, 1)


async def test_routing_keeps_the_decision_and_its_launches(store: Store) -> None:
    delivery = await stored_delivery(store)
    launch = make_launch(delivery=delivery.id, spec=make_spec(env={"AB": "ü"}, labels={"k": "v"}))
    read = replace(
        delivery,
        state=DeliveryState.MATCHED,
        reason="fired retrain",
        scope="repo.content",
        action="update",
        repo_type="dataset",
        repo_name="acme/corpus",
        events=("commit.pushed",),
    )
    said = (Verdict("retrain", True, "yes"), Verdict("other", False, "no"))
    await store.route(read, events=(), verdicts=said, launches=[launch])
    assert await store.deliveries(limit=1) == ((read, (launch.id,)),)
    assert await store.verdicts(delivery.id) == said
    assert await store.launch(launch.id) == launch
    assert await store.launches(LaunchFilter(delivery=delivery.id), limit=0) == (launch,)
    assert await store.begin_routing(10) == ()


async def test_a_decision_that_comes_late_changes_nothing(store: Store) -> None:
    """Whoever was held up while it decided, and was overtaken: by a person's replay as well."""
    delivery = await stored_delivery(store)
    matched = replace(delivery, state=DeliveryState.MATCHED)
    ignored = replace(delivery, state=DeliveryState.IGNORED)
    late = make_launch(delivery=delivery.id, rule="of-another-version")
    assert await store.route(ignored, events=(), verdicts=(), launches=())
    assert not await store.route(matched, events=(), verdicts=(), launches=[late])
    assert await store.replay(delivery.id)
    assert not await store.route(matched, events=(), verdicts=(), launches=[late])
    ((waiting, _, _),) = await store.begin_routing(10)
    assert (waiting.id, waiting.generation) == (delivery.id, 1)
    assert await store.launches(limit=0) == ()


async def test_a_decision_on_what_was_forgotten_meanwhile_launches_nothing_again(
    store: Store,
) -> None:
    launch = await stored_launch(store, state=LaunchState.COMPLETED)
    delivery = await store.delivery(launch.delivery)
    assert delivery is not None
    assert await store.prune(received_before=NOON + 1, limit=10) == 1
    late = replace(launch, state=LaunchState.READY)
    assert not await store.route(delivery, events=(), verdicts=(), launches=[late])
    assert await store.launches(limit=0) == ()


async def test_routing_twice_leaves_the_first_launch_alone(store: Store) -> None:
    launch = await stored_launch(store)
    ((claimed, _),) = await store.claim(NOON, 1, guard(NOON))
    delivery = await store.delivery(launch.delivery)
    assert delivery is not None
    await store.route(delivery, events=(), verdicts=(), launches=[launch])
    assert await store.launch(launch.id) == claimed


async def test_a_launch_is_claimed_once(store: Store) -> None:
    launch = await stored_launch(store)
    ((claimed, body),) = await store.claim(NOON + 5, 10, guard(NOON + 5))
    assert claimed == replace(
        launch,
        state=LaunchState.SENDING,
        attempts=1,
        updated_at=NOON + 5,
        claimed_at=NOON + 5,
        micro_usd=5000,
        depth=1,
        root=launch.delivery,
    )
    assert body == BODY
    assert await store.claim(NOON + 6, 10, guard(NOON + 6)) == ()


async def test_claims_at_once_share_no_launch(store: Store) -> None:
    delivery = await stored_delivery(store)
    launches = [make_launch(id=f"l{n}", rule=f"rule-{n}", delivery=delivery.id) for n in range(20)]
    await store.route(delivery, events=(), verdicts=(), launches=launches)
    claims = await asyncio.gather(*(store.claim(NOON, 3, guard(NOON)) for _ in range(10)))
    claimed = [launch.id for claim in claims for launch, _ in claim]
    assert sorted(claimed) == sorted(launch.id for launch in launches)


async def test_the_oldest_launches_are_claimed_first(store: Store) -> None:
    delivery = await stored_delivery(store)
    launches = [make_launch(id=f"l{n}", rule=f"r{n}", delivery=delivery.id) for n in range(3)]
    await store.route(delivery, events=(), verdicts=(), launches=launches)
    assert [launch.id for launch, _ in await store.claim(NOON, 2, guard(NOON))] == ["l0", "l1"]


async def test_a_launch_that_is_not_due_is_not_claimed(store: Store) -> None:
    await stored_launch(store, due_at=NOON + 1)
    assert await store.claim(NOON, 10, guard(NOON)) == ()
    assert len(await store.claim(NOON + 1, 10, guard(NOON + 1))) == 1


async def test_what_came_of_a_launch_is_kept(store: Store) -> None:
    await stored_launch(store)
    ((claimed, _),) = await store.claim(NOON, 1, guard(NOON))
    launched = replace(
        moved(claimed, LaunchState.LAUNCHED, now=NOON + 9, reason="r"),
        namespace="acme",
        job_id="j1",
        job_url="https://hub.test/jobs/acme/j1",
    )
    await store.replace(claimed, launched)
    assert await store.launch(claimed.id) == launched
    assert await store.followed() == (launched,)


async def test_a_late_writer_is_told_that_the_launch_has_moved(store: Store) -> None:
    await stored_launch(store)
    ((claimed, _),) = await store.claim(NOON, 1, guard(NOON))
    await store.replace(claimed, moved(claimed, LaunchState.UNKNOWN, now=NOON))
    with pytest.raises(LaunchMoved):
        await store.replace(claimed, moved(claimed, LaunchState.LAUNCHED, now=NOON))
    kept = await store.launch(claimed.id)
    assert kept is not None
    assert kept.state == LaunchState.UNKNOWN


async def test_a_writer_of_an_earlier_attempt_is_fenced_off(store: Store) -> None:
    await stored_launch(store)
    ((first, _),) = await store.claim(NOON, 1, guard(NOON))
    await store.replace(first, moved(first, LaunchState.READY, now=NOON))
    ((second, _),) = await store.claim(NOON, 1, guard(NOON))
    with pytest.raises(LaunchMoved):
        await store.replace(first, moved(first, LaunchState.LAUNCHED, now=NOON))
    assert await store.launch(second.id) == second


async def test_whoever_knows_another_job_is_fenced_off(store: Store) -> None:
    await stored_launch(store)
    ((claimed, _),) = await store.claim(NOON, 1, guard(NOON))
    launched = replace(moved(claimed, LaunchState.LAUNCHED, now=NOON), job_id="j2")
    await store.replace(claimed, launched)
    # The earlier of two jobs counts; who still follows the other one sees that it is cancelled.
    await store.replace(launched, replace(launched, job_id="j1"))
    with pytest.raises(LaunchMoved):
        await store.replace(launched, moved(launched, LaunchState.CANCELLED, now=NOON))
    kept = await store.launch(launched.id)
    assert kept is not None
    assert (kept.state, kept.job_id) == (LaunchState.LAUNCHED, "j1")


async def test_what_was_left_in_sending_becomes_unknown_and_never_ready(store: Store) -> None:
    launch = await stored_launch(store)
    await store.claim(NOON, 1, guard(NOON))
    assert await store.abandon_sending(NOON + 1, older_than_ms=-1) == 1
    kept = await store.launch(launch.id)
    assert kept is not None
    assert kept.state == LaunchState.UNKNOWN
    assert kept.reason
    assert await store.claim(NOON + 10**9, 10, guard(NOON + 10**9)) == ()


async def test_only_launched_and_running_jobs_are_followed(store: Store) -> None:
    delivery = await stored_delivery(store)
    launches = [
        make_launch(id=f"l-{state}", rule=f"r-{state}", delivery=delivery.id, state=state)
        for state in LaunchState
    ]
    await store.route(delivery, events=(), verdicts=(), launches=launches)
    assert {launch.state for launch in await store.followed()} == {
        LaunchState.LAUNCHED,
        LaunchState.RUNNING,
    }


async def test_where_launches_were_sent_to_lately_is_known(store: Store) -> None:
    delivery = await stored_delivery(store)
    given: list[dict[str, object]] = [
        {"state": LaunchState.COMPLETED, "namespace": "now", "claimed_at": NOON},
        {"state": LaunchState.COMPLETED, "namespace": "now", "claimed_at": NOON},
        {"state": LaunchState.COMPLETED, "namespace": "before", "claimed_at": NOON - 1},
        {"state": LaunchState.HELD, "namespace": "held"},
        {"state": LaunchState.READY, "namespace": "again"},
        {"state": LaunchState.READY},
        {"state": LaunchState.REJECTED, "namespace": "refused"},
    ]
    launches = [
        make_launch(id=f"l{n}", action=n, delivery=delivery.id, **each)
        for n, each in enumerate(given)
    ]
    await store.route(delivery, events=(), verdicts=(), launches=launches)
    assert await store.namespaces(NOON - 1) == {"now", "held", "again"}


async def test_lists_are_newest_first_filtered_and_bounded(store: Store) -> None:
    for number in range(3):
        await store.record(make_received(f"w{number}", at=NOON + number))
    everything = await store.deliveries(limit=0)
    assert [delivery.key for delivery, _ in everything] == ["w2", "w1", "w0"]
    assert len(await store.deliveries(limit=2)) == 2
    assert await store.deliveries(DeliveryFilter(state=DeliveryState.MATCHED), limit=0) == ()


async def test_launches_are_listed_by_state(store: Store) -> None:
    launch = await stored_launch(store)
    assert await store.launches(LaunchFilter(states=[LaunchState.READY]), limit=1) == (launch,)
    assert await store.launches(LaunchFilter(states=[LaunchState.HELD]), limit=1) == ()


async def test_what_is_not_there_is_none(store: Store) -> None:
    assert await store.delivery("d0") is None
    assert await store.body("d0") is None
    assert await store.launch("l0") is None
    assert await store.verdicts("d0") == ()


async def test_what_was_tried_before_comes_alone_and_the_tries_are_counted(store: Store) -> None:
    for number in range(3):
        await store.record(make_received(f"w{number}"))
    assert len(await store.begin_routing(10)) == 3
    await store.record(make_received("w3"))
    for tries in (1, 2):
        ((delivery, _, counted),) = await store.begin_routing(10)
        assert (delivery.key, counted) == ("w0", tries)


async def test_new_deliveries_before_a_suspect_come_without_it(store: Store) -> None:
    for number in range(3):
        await store.record(make_received(f"w{number}"))
    ((first, _, _),) = await store.begin_routing(1)
    await store.route(
        replace(first, state=DeliveryState.IGNORED), events=(), verdicts=(), launches=()
    )
    assert [each.key for each, _, _ in await store.begin_routing(10)] == ["w1", "w2"]


async def test_only_what_was_claimed_long_ago_is_abandoned(store: Store) -> None:
    launch = await stored_launch(store)
    await store.claim(NOON, 1, guard(NOON))
    assert await store.abandon_sending(NOON + 9, older_than_ms=60_000) == 0
    assert await store.abandon_sending(NOON + 9, older_than_ms=-1) == 1
    kept = await store.launch(launch.id)
    assert kept is not None
    assert (kept.unknown_since, kept.looks, kept.due_at) == (NOON + 9, 0, NOON + 9)


async def test_unknown_launches_are_looked_for_when_they_are_due(store: Store) -> None:
    await stored_launch(store)
    ((claimed, _),) = await store.claim(NOON, 1, guard(NOON))
    unknown = moved(claimed, LaunchState.UNKNOWN, now=NOON, due_at=NOON + 5)
    await store.replace(claimed, unknown)
    assert await store.unresolved(NOON + 4, limit=9) == ()
    assert await store.unresolved(NOON + 5, limit=9) == (unknown,)
    looked = replace(unknown, looks=2, due_at=NOON + 50)
    await store.replace(unknown, looked)
    assert await store.unresolved(NOON + 50, limit=9) == (looked,)


async def test_what_waits_too_long_expires_and_what_was_sent_does_not(store: Store) -> None:
    delivery = await stored_delivery(store)
    launches = [
        make_launch(id=f"l-{state}", rule=f"r-{state}", delivery=delivery.id, state=state)
        for state in LaunchState
    ]
    await store.route(delivery, events=(), verdicts=(), launches=launches)
    assert await store.expire(NOON + 1, created_before=NOON) == 0
    assert await store.expire(NOON + 1, created_before=NOON + 1) == 3
    expired = await store.launches(LaunchFilter(states=[LaunchState.EXPIRED]), limit=0)
    assert {launch.id for launch in expired} == {"l-matched", "l-ready", "l-held", "l-expired"}


async def test_what_is_held_for_a_reason_is_released(store: Store) -> None:
    delivery = await stored_delivery(store)
    launches = [
        make_launch(id=f"l{n}", rule=f"r{n}", delivery=delivery.id, state="held", reason=reason)
        for n, reason in enumerate(("auth: 401", "secret: x"))
    ]
    await store.route(delivery, events=(), verdicts=(), launches=launches)
    assert await store.release(NOON, reason_prefix="auth: ") == 1
    assert [
        launch.id
        for launch in await store.launches(LaunchFilter(states=[LaunchState.READY]), limit=0)
    ] == ["l0"]


async def test_a_database_knows_when_it_was_made(store: Store) -> None:
    # The server's may have been made when the session began.
    assert abs(await store.began_at() - time.time() * 1000) < 3_600_000


async def test_a_database_that_was_put_back_counts_as_made_then(store: Store) -> None:
    await store.begin_anew(NOON)
    assert await store.began_at() == NOON


async def family(store: Store, count: int, **given: object) -> None:
    """So many ready launches of one rule for one repo, each of another action."""
    delivery = await stored_delivery(store)
    launches = [
        make_launch(id=f"l{n}", action=n, repo="dataset:acme/corpus", delivery=delivery.id, **given)
        for n in range(count)
    ]
    await store.route(delivery, events=(), verdicts=(), launches=launches)


async def test_claims_at_the_same_moment_do_not_overspend(store: Store) -> None:
    await family(store, 40)
    limits = replace(PLENTY, usd_per_day=0.05)  # ten launches of half a cent
    claims = await asyncio.gather(*(store.claim(NOON, 3, guard(NOON, limits)) for _ in range(20)))
    assert sum(map(len, claims)) == 10


async def test_what_waits_does_not_keep_others_from_being_claimed(store: Store) -> None:
    await family(store, 20)
    delivery = (await store.deliveries(limit=1))[0][0]
    other = make_launch(id="other", rule="other", repo="dataset:acme/x", delivery=delivery.id)
    await store.route(delivery, events=(), verdicts=(), launches=[other])
    claimed = await store.claim(NOON, 10, guard(NOON, replace(PLENTY, rule_repo_per_hour=2)))
    assert [launch.id for launch, _ in claimed] == ["l0", "l1", "other"]


async def test_the_windows_of_the_limits_move_on(store: Store) -> None:
    await family(store, 3)
    limits = replace(PLENTY, rule_repo_per_hour=1, rule_repo_per_day=2)
    claims = []
    for hours in (0, 1, 2, 25):
        now = NOON + hours * 3_600_000
        claims.append(len(await store.claim(now, 10, guard(now, limits))))
    assert claims == [1, 1, 0, 1]


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param(replace(PLENTY, rule_repo_per_day=1), id="launches"),
        pytest.param(replace(PLENTY, rule_usd_per_day=0.005), id="the rule's dollars"),
        pytest.param(replace(PLENTY, usd_per_day=0.005), id="all dollars"),
    ],
)
async def test_what_was_claimed_by_a_clock_far_ahead_counts_for_a_day(
    store: Store, limits: Limits
) -> None:
    await family(store, 3)
    month = 30 * 24 * 3_600_000
    assert len(await store.claim(NOON + month, 1, guard(NOON + month, limits))) == 1
    claims = []
    for hours in (0, 12, 23, 24, 25, 47, 48):
        now = NOON + hours * 3_600_000
        claims.append(len(await store.claim(now, 1, guard(now, limits))))
    assert claims == [0, 0, 0, 1, 0, 0, 1]


async def test_a_clock_that_is_far_behind_for_a_while_forgets_nothing(store: Store) -> None:
    await family(store, 3)
    limits = replace(PLENTY, rule_repo_per_day=1)
    hour = 3_600_000
    claims = [
        len(await store.claim(now, 1, guard(now, limits)))
        for now in (NOON, 0, 23 * hour, NOON + hour, NOON + 30 * hour, NOON + 26 * hour)
    ]
    assert claims == [1, 0, 0, 0, 1, 0]


async def test_a_flavor_without_a_price_is_held(store: Store) -> None:
    await family(store, 1, spec=make_spec(flavor="new"))
    assert await store.claim(NOON, 1, guard(NOON)) == ()
    (held,) = await store.launches(LaunchFilter(states=[LaunchState.HELD]), limit=0)
    assert held.reason == "price: the Hub names no price for new"


async def two_of_one_commit(store: Store) -> Launch:
    """Two deliveries of one commit; return the launch of the first, which is claimed."""
    for number in range(2):
        delivery = await stored_delivery(store, f"w{number}")
        launch = make_launch(id=f"l{number}", delivery=delivery.id, repo="r", subject="main@abc")
        await store.route(delivery, events=(), verdicts=(), launches=[launch])
    ((first, _),) = await store.claim(NOON, 10, guard(NOON))
    assert first.id == "l0"
    waiting = await store.launch("l1")
    assert waiting is not None
    assert (waiting.state, waiting.reason) == (
        LaunchState.READY,
        "commit: launch l0 is on its way for the same commit",
    )
    return first


async def test_the_same_commit_is_launched_once(store: Store) -> None:
    first = await two_of_one_commit(store)
    launched = replace(moved(first, LaunchState.LAUNCHED, now=NOON), job_id="j1")
    await store.replace(first, launched)
    failed = moved(launched, LaunchState.FAILED, now=NOON)
    await store.replace(launched, failed)
    assert await store.claim(NOON + 60_000, 10, guard(NOON + 60_000)) == ()
    (skipped,) = await store.launches(LaunchFilter(states=[LaunchState.SKIPPED]), limit=0)
    assert skipped.reason == "launch l0 was sent for the same commit"


@pytest.mark.parametrize(
    "path",
    [
        pytest.param([LaunchState.REJECTED], id="refused"),
        pytest.param([LaunchState.HELD, LaunchState.EXPIRED], id="held until it expired"),
        pytest.param([LaunchState.READY, LaunchState.CANCELLED], id="cancelled before it went"),
        pytest.param([LaunchState.UNKNOWN, LaunchState.HELD], id="not found"),
    ],
)
async def test_a_launch_that_never_had_a_job_stands_in_nobodys_way(
    store: Store, path: list[LaunchState]
) -> None:
    launch = await two_of_one_commit(store)
    for state in path:
        before, launch = launch, moved(launch, state, now=NOON)
        await store.replace(before, launch)
    ((second, _),) = await store.claim(NOON + 60_000, 10, guard(NOON + 60_000))
    assert second.id == "l1"


async def test_while_nobody_knows_of_a_job_the_same_commit_waits(store: Store) -> None:
    first = await two_of_one_commit(store)
    await store.replace(first, moved(first, LaunchState.UNKNOWN, now=NOON))
    for minute in (1, 2):
        now = NOON + minute * 60_000
        assert await store.claim(now, 10, guard(now)) == ()
    assert len(await store.launches(LaunchFilter(states=[LaunchState.READY]), limit=0)) == 1


# -- chains and pauses, inside the claim --


async def sent(store: Store, now: int, limits: Limits = PLENTY) -> list[Launch]:
    return [launch for launch, _ in await store.claim(now, 100, guard(now, limits))]


async def planned(store: Store, webhook_id: str, now: int, **given: object) -> Launch:
    """A launch of its own delivery, planned at *now*."""
    receipt = await store.record(make_received(webhook_id, at=now))
    delivery = await store.delivery(receipt.delivery)
    assert delivery is not None
    default = {
        "id": f"l-{webhook_id}",
        "delivery": delivery.id,
        "repo": "dataset:acme/corpus",
        "created_at": now,
        "updated_at": now,
    }
    launch = make_launch(**default | given)
    routed = replace(delivery, state=DeliveryState.MATCHED)
    await store.route(routed, events=(), verdicts=(), launches=[launch])
    return launch


async def test_what_happens_while_a_launch_runs_counts_as_its_doing(store: Store) -> None:
    first = await planned(store, "w1", NOON)
    await sent(store, NOON + 1)
    await planned(store, "w2", NOON + 1000)
    (second,) = await sent(store, NOON + 1001)
    assert (second.depth, second.root) == (2, first.delivery)
    await planned(store, "w3", NOON + 2000)
    (third,) = await sent(store, NOON + 2001)
    assert (third.depth, third.root) == (3, first.delivery)
    await planned(store, "w4", NOON + 3000)
    assert await sent(store, NOON + 3001) == []
    (held,) = await store.launches(LaunchFilter(states=[LaunchState.HELD]), limit=0)
    assert held.reason.startswith("loop: ")


@pytest.mark.parametrize(
    ("other", "depth"),
    [
        pytest.param({}, 2, id="same rule and repo"),
        pytest.param({"rule": "another"}, 1, id="another rule"),
        pytest.param({"repo": "dataset:acme/other"}, 1, id="another repo"),
        pytest.param({"created_at": NOON}, 1, id="planned before the first was sent"),
    ],
)
async def test_only_what_may_come_from_a_launch_continues_its_chain(
    store: Store, other: dict[str, object], depth: int
) -> None:
    await planned(store, "w1", NOON)
    await sent(store, NOON + 1)
    await planned(store, "w2", NOON + 1000, **other)
    (second,) = await sent(store, NOON + 1001)
    assert second.depth == depth


@pytest.mark.parametrize(
    ("after", "depth"),
    [
        pytest.param(CHILD_WINDOW_MS - 1, 2, id="soon after its end"),
        pytest.param(CHILD_WINDOW_MS, 1, id="long after its end"),
    ],
)
async def test_a_chain_ends_some_time_after_its_last_job(
    store: Store, after: int, depth: int
) -> None:
    await planned(store, "w1", NOON)
    (first,) = await sent(store, NOON + 1)
    launched = moved(first, LaunchState.LAUNCHED, now=NOON + 2)
    await store.replace(first, launched)
    ended = moved(launched, LaunchState.COMPLETED, now=NOON + 100)
    await store.replace(launched, ended)
    await planned(store, "w2", NOON + 100 + after)
    (second,) = await sent(store, NOON + 101 + after)
    assert second.depth == depth


async def test_one_event_leads_to_so_many_launches_and_no_more(store: Store) -> None:
    delivery = await stored_delivery(store)
    launches = [make_launch(id=f"l{n}", rule=f"r{n}", delivery=delivery.id) for n in range(4)]
    await store.route(delivery, events=(), verdicts=(), launches=launches)
    assert len(await sent(store, NOON, replace(PLENTY, root_fanout=3))) == 3
    (held,) = await store.launches(LaunchFilter(states=[LaunchState.HELD]), limit=0)
    assert held.reason.startswith("fan-out: ")


async def test_how_a_launch_stands_is_told_with_all_that_is_paused(store: Store) -> None:
    launch = await stored_launch(store)
    stands = (launch.state, launch.attempts, launch.reason)
    assert await store.standing(launch.id) == Standing(*stands, frozenset())
    scopes = {"rule:nightly", "repo:model:acme/a"}
    for scope in sorted(scopes):
        await store.pause(Pause(scope=scope, since=NOON, by="ana"))
    assert await store.standing(launch.id) == Standing(*stands, frozenset(scopes))
    assert await store.standing("none") is None


async def test_while_everything_is_paused_nothing_is_claimed(store: Store) -> None:
    launch = await stored_launch(store)
    pause = Pause(scope=EVERYTHING, since=NOON, by="ana", reason="too dear")
    await store.pause(pause)
    assert await store.pauses() == (pause,)
    assert await sent(store, NOON) == []
    assert await store.launch(launch.id) == launch
    assert await store.resume(NOON, EVERYTHING)
    assert await store.pauses() == ()
    assert len(await sent(store, NOON)) == 1


@pytest.mark.parametrize("scope", ["rule:r0", "repo:dataset:acme/r0"])
async def test_a_pause_stops_what_belongs_to_it_and_nothing_else(store: Store, scope: str) -> None:
    for name in ("r0", "r1"):
        await planned(store, name, NOON, rule=name, repo=f"dataset:acme/{name}")
    await store.pause(Pause(scope=scope, since=NOON, by="ana"))
    assert [launch.id for launch in await sent(store, NOON)] == ["l-r1"]
    waiting = await store.launch("l-r0")
    assert waiting is not None
    assert (waiting.state, waiting.reason) == (LaunchState.READY, f"paused: {scope}")
    assert await store.resume(NOON + 1, scope)
    assert [launch.id for launch in await sent(store, NOON + 1)] == ["l-r0"]


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        pytest.param("costs", "", ("ana", "costs"), id="none is given"),
        pytest.param("costs", "a loop", ("bo", "a loop"), id="another one is given"),
        pytest.param("", "a loop", ("bo", "a loop"), id="there was none"),
        pytest.param("", "", ("ana", ""), id="there never is one"),
    ],
)
async def test_a_second_pause_keeps_the_reason_of_the_first_unless_it_has_one(
    store: Store, first: str, second: str, told: tuple[str, str]
) -> None:
    await store.pause(Pause(scope=EVERYTHING, since=NOON, by="ana", reason=first))
    await store.pause(Pause(scope=EVERYTHING, since=NOON + 1, by="bo", reason=second))
    assert [(p.since, p.by, p.reason) for p in await store.pauses()] == [(NOON, *told)]


async def test_what_is_not_paused_cannot_be_resumed(store: Store) -> None:
    assert not await store.resume(NOON, EVERYTHING)


# -- what people do --


async def test_a_launch_that_no_routing_led_to_is_kept_once(store: Store) -> None:
    launch = make_launch(delivery="d-of-nobody", state=LaunchState.LAUNCHED, job_id="j1")
    assert await store.add(launch)
    assert not await store.add(launch)
    assert await store.launch(launch.id) == launch
    assert await store.followed() == (launch,)


async def test_a_launch_without_a_delivery_is_claimed_with_an_empty_body(store: Store) -> None:
    await store.add(make_launch(delivery="d-of-nobody"))
    ((_, body),) = await store.claim(NOON, 1, guard(NOON))
    assert body == b""


async def test_a_replay_lets_a_delivery_be_decided_again(store: Store) -> None:
    delivery = await stored_delivery(store)
    await store.route(
        replace(delivery, state=DeliveryState.IGNORED), events=(), verdicts=(), launches=()
    )
    assert await store.begin_routing(10) == ()
    assert await store.replay(delivery.id)
    ((again, body, tries),) = await store.begin_routing(10)
    assert (again.generation, body, tries) == (1, BODY, 0)


async def test_a_replay_comes_after_every_generation_that_was_launched(store: Store) -> None:
    launch = await stored_launch(store, state=LaunchState.COMPLETED)
    await store.add(replace(launch, id="l2", generation=4))
    assert await store.replay(launch.delivery)
    ((again, _, _),) = await store.begin_routing(10)
    assert again.generation == 5


@pytest.mark.parametrize("state", [state for state in LaunchState if not state.is_final])
async def test_a_delivery_with_a_launch_that_is_not_over_cannot_be_replayed(
    store: Store, state: LaunchState
) -> None:
    launch = await stored_launch(store, state=state)
    assert not await store.replay(launch.delivery)
    assert await store.begin_routing(10) == ()


async def enriching(store: Store, webhook_id: str = "w1", due_at: int = 0) -> StoredDelivery:
    delivery = await stored_delivery(store, webhook_id)
    waiting = replace(delivery, state=DeliveryState.ENRICHING, reason="waits", due_at=due_at)
    assert await store.route(waiting, events=(), verdicts=(), launches=())
    return waiting


async def test_what_waits_for_the_hub_is_handed_out_when_it_is_due(store: Store) -> None:
    first = await enriching(store, "w1")
    await enriching(store, "w2", due_at=NOON + 1)
    ((begun, body),) = await store.begin_enriching(NOON, 10, 1000)
    assert (begun.id, begun.looks, body) == (first.id, 1, BODY)
    assert await store.begin_routing(10) == ()


async def test_what_waits_for_the_hub_is_handed_out_again_after_a_while(store: Store) -> None:
    await enriching(store)
    assert len(await store.begin_enriching(NOON, 10, 1000)) == 1
    assert await store.begin_enriching(NOON + 999, 10, 1000) == ()
    ((begun, _),) = await store.begin_enriching(NOON + 1000, 10, 1000)
    assert begun.looks == 2


async def test_what_is_being_asked_about_already_is_left_alone(store: Store) -> None:
    first, second = await enriching(store, "w1"), await enriching(store, "w2")
    ((begun, _),) = await store.begin_enriching(NOON, 10, 1000, besides=[first.id])
    assert begun.id == second.id
    again = await store.delivery(first.id)
    assert again is not None
    assert again.looks == 0


async def test_a_clock_that_was_set_back_keeps_nobody_from_asking(store: Store) -> None:
    await enriching(store, due_at=NOON)
    assert len(await store.begin_enriching(NOON - LONGEST_WAIT_MS - 1, 10, 1000)) == 1


async def test_what_was_found_decides_a_delivery_that_waited(store: Store) -> None:
    waiting = await enriching(store)
    launch = make_launch(delivery=waiting.id)
    decided = replace(waiting, state=DeliveryState.MATCHED)
    assert await store.route(decided, events=(), verdicts=(), launches=[launch])
    assert await store.begin_enriching(NOON, 10, 1000) == ()
    assert not await store.route(waiting, events=(), verdicts=(), launches=())


async def test_what_waits_for_the_hub_is_not_decided_yet(store: Store) -> None:
    waiting = await enriching(store)
    assert await store.backlog() == Backlog(1, NOON, 0)
    assert not await store.replay(waiting.id)
    assert await store.prune(received_before=NOON + 1, limit=10) == 0


async def test_a_replay_has_all_its_looks_again(store: Store) -> None:
    waiting = await enriching(store)
    await store.begin_enriching(NOON, 10, 1000)
    decided = replace(waiting, state=DeliveryState.IGNORED)
    assert await store.route(decided, events=(), verdicts=(), launches=())
    assert await store.replay(waiting.id)
    again = await store.delivery(waiting.id)
    assert again is not None
    assert (again.state, again.looks) == (DeliveryState.STORED, 0)


async def test_a_repo_is_known_by_the_id_that_it_had_first(store: Store) -> None:
    for number, repo_id in enumerate(("a", "b")):
        delivery = await stored_delivery(store, f"w{number}")
        decided = replace(delivery, state=DeliveryState.MATCHED)
        await store.route(decided, events=(), verdicts=(), launches=())
        assert await store.get_to_know("model:acme/owl", repo_id) == "a"
    assert await store.trusted_id("model:acme/owl") == "a"
    assert await store.trusted_id("dataset:acme/owl") is None


async def test_a_repo_is_known_by_the_id_that_a_person_trusts(store: Store) -> None:
    await store.trust("model:acme/owl", "a")
    await store.trust("model:acme/owl", "b")
    assert await store.trusted_id("model:acme/owl") == "b"


async def test_what_waits_to_be_routed_or_is_in_conflict_cannot_be_replayed(store: Store) -> None:
    delivery = await stored_delivery(store)
    assert not await store.replay(delivery.id)
    await store.record(make_received(body=b"other"))
    ((conflict, _),) = await store.deliveries(DeliveryFilter(state=DeliveryState.CONFLICT), limit=0)
    assert not await store.replay(conflict.id)
    assert not await store.replay("d-of-nobody")


async def routed(store: Store, webhook_id: str, at: int = NOON, *launches: Launch) -> str:
    receipt = await store.record(make_received(webhook_id, at=at))
    delivery = await store.delivery(receipt.delivery)
    assert delivery is not None
    await store.route(
        replace(delivery, state=DeliveryState.MATCHED),
        events=(),
        verdicts=(Verdict("retrain", True, "yes"),),
        launches=[replace(launch, delivery=delivery.id) for launch in launches],
    )
    return delivery.id


async def test_what_is_old_and_over_is_forgotten_but_known_when_it_comes_again(
    store: Store,
) -> None:
    old = await routed(store, "w1", NOON, make_launch(state=LaunchState.COMPLETED))
    young = await routed(store, "w2", NOON + 5)
    assert await store.prune(received_before=NOON + 5, limit=10) == 1
    assert [delivery.id for delivery, _ in await store.deliveries(limit=0)] == [young]
    assert await store.launches(limit=0) == ()
    assert await store.verdicts(old) == ()
    again = await store.record(make_received("w1", at=NOON + 10**9))
    assert (again.delivery, again.duplicate) == (old, True)
    other_body = await store.record(make_received("w1", body=b"other", at=NOON + 10**9))
    assert (other_body.delivery, other_body.duplicate) == (old, True)
    assert len(await store.deliveries(limit=0)) == 1


async def test_what_waits_or_is_not_over_is_never_forgotten(store: Store) -> None:
    open_states = [state for state in LaunchState if not state.is_final]
    for state in open_states:
        launch = make_launch(id=f"l-{state}", rule=f"r-{state}", state=state)
        await routed(store, f"w-{state}", NOON, launch)
    await store.record(make_received("unrouted"))
    assert await store.prune(received_before=NOON + 1, limit=100) == 0
    assert len(await store.deliveries(limit=0)) == len(open_states) + 1


async def test_no_more_is_forgotten_at_once_than_asked_for_oldest_first(store: Store) -> None:
    ids = [await routed(store, f"w{number}", NOON + number) for number in range(3)]
    assert await store.prune(received_before=NOON + 9, limit=2) == 2
    assert [delivery.id for delivery, _ in await store.deliveries(limit=0)] == ids[2:]


async def test_a_number_is_remembered_until_another_takes_its_place(store: Store) -> None:
    assert await store.recall("lag") is None
    await store.remember("lag", 7)
    await store.remember("lag", 2**40)
    assert await store.recall("lag") == 2**40
    assert await store.recall("other") is None


async def test_the_first_key_that_is_drawn_is_the_one_for_good(store: Store) -> None:
    assert await store.signing_key("first") == "first"
    assert await store.signing_key("second") == "first"
    assert set(await asyncio.gather(*map(store.signing_key, "abcdefgh"))) == {"first"}


async def test_a_fault_while_forgetting_forgets_nothing(store: Store) -> None:
    old = await routed(store, "w1", NOON, make_launch(state=LaunchState.COMPLETED))

    def fail() -> None:
        raise ZeroDivisionError

    failpoints.arm("store.pruning", fail)
    with pytest.raises(ZeroDivisionError):
        await store.prune(received_before=NOON + 1, limit=10)
    failpoints.disarm()
    assert [delivery.id for delivery, _ in await store.deliveries(limit=0)] == [old]
    assert len(await store.launches(limit=0)) == len(await store.verdicts(old)) == 1
    # It is not taken for forgotten either.
    other = await store.record(make_received("w1", body=b"other"))
    assert (other.delivery, other.duplicate) == (old, True)
    assert len(await store.deliveries(DeliveryFilter(state=DeliveryState.CONFLICT), limit=0)) == 1


# -- lists --


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        pytest.param(DeliveryFilter(), ["w2", "w1", "w0"], id="everything"),
        pytest.param(DeliveryFilter(repo="acme/r1"), ["w1"], id="repo"),
        pytest.param(DeliveryFilter(repo_type="model", repo="acme/r1"), ["w1"], id="its type"),
        pytest.param(DeliveryFilter(repo_type="dataset", repo="acme/r1"), [], id="another type"),
        pytest.param(DeliveryFilter(begins="d"), ["w2", "w1", "w0"], id="how the id begins"),
        pytest.param(DeliveryFilter(begins="_"), [], id="no pattern"),
        pytest.param(DeliveryFilter(since=NOON + 1), ["w2", "w1"], id="since"),
        pytest.param(DeliveryFilter(until=NOON + 1), ["w0"], id="until"),
        pytest.param(DeliveryFilter(ids=[]), [], id="none"),
        pytest.param(DeliveryFilter(state=DeliveryState.IGNORED), ["w2", "w1", "w0"], id="state"),
        pytest.param(DeliveryFilter(since=NOON + 1, repo="acme/r2"), ["w2"], id="both"),
    ],
)
async def test_deliveries_are_found_by_what_is_given(
    store: Store, wanted: DeliveryFilter, found: list[str]
) -> None:
    for number in range(3):
        receipt = await store.record(make_received(f"w{number}", at=NOON + number))
        delivery = await store.delivery(receipt.delivery)
        assert delivery is not None
        read = replace(
            delivery, state=DeliveryState.IGNORED, repo_type="model", repo_name=f"acme/r{number}"
        )
        await store.route(read, events=(), verdicts=(), launches=())
    assert [delivery.key for delivery, _ in await store.deliveries(wanted, limit=0)] == found


async def test_deliveries_are_found_by_their_ids(store: Store) -> None:
    ids = [(await store.record(make_received(f"w{n}"))).delivery for n in range(3)]
    listed = await store.deliveries(DeliveryFilter(ids=ids[1:]), limit=0)
    assert [delivery.id for delivery, _ in listed] == ids[:0:-1]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        pytest.param(LaunchFilter(), ["l2", "l1", "l0"], id="everything"),
        pytest.param(LaunchFilter(ids=["l0", "l2"]), ["l2", "l0"], id="ids"),
        pytest.param(LaunchFilter(rule="r1"), ["l1"], id="rule"),
        pytest.param(LaunchFilter(begins="l"), ["l2", "l1", "l0"], id="how the id begins"),
        pytest.param(LaunchFilter(begins="_"), [], id="no pattern of ids"),
        pytest.param(LaunchFilter(repos=["model:acme/r0"]), ["l0"], id="repo"),
        pytest.param(
            LaunchFilter(repos=["model:acme/r0", "model:acme/r2"]), ["l2", "l0"], id="repos"
        ),
        pytest.param(LaunchFilter(delivery="d1"), ["l1"], id="delivery"),
        pytest.param(LaunchFilter(since=NOON + 1), ["l2", "l1"], id="since"),
        pytest.param(LaunchFilter(until=NOON + 1), ["l0"], id="until"),
        pytest.param(LaunchFilter(states=[]), [], id="none"),
        pytest.param(LaunchFilter(reason="loop: "), ["l1"], id="how the reason begins"),
        pytest.param(LaunchFilter(reason="%oop_"), [], id="no pattern"),
    ],
)
async def test_launches_are_found_by_what_is_given(
    store: Store, wanted: LaunchFilter, found: list[str]
) -> None:
    for n, reason in enumerate(("not loop: x", "loop: x", "loop, x")):
        await store.add(
            make_launch(
                id=f"l{n}",
                delivery=f"d{n}",
                rule=f"r{n}",
                repo=f"model:acme/r{n}",
                reason=reason,
                created_at=NOON + n,
            )
        )
    assert [launch.id for launch in await store.launches(wanted, limit=0)] == found


async def test_launches_are_listed_from_the_oldest_on_when_that_is_asked_for(store: Store) -> None:
    for n in range(3):
        await store.add(make_launch(id=f"l{n}", delivery=f"d{n}"))
    listed = await store.launches(limit=2, oldest_first=True)
    assert [launch.id for launch in listed] == ["l0", "l1"]


async def test_what_is_found_to_be_no_loop_begins_a_chain_of_its_own(store: Store) -> None:
    for n in range(3):
        await planned(store, f"w{n}", NOON + n * 10)
        await sent(store, NOON + n * 10 + 1)
    fourth = await planned(store, "w4", NOON + 40)
    assert await sent(store, NOON + 41) == []
    (held,) = await store.launches(LaunchFilter(reason=LOOP_PRESUMED), limit=0)
    finding = Finding(is_loop=False, why="pushed by ann")
    await store.replace(held, as_found(held, finding, now=NOON + 42))
    (claimed,) = await sent(store, NOON + 43)
    assert (claimed.id, claimed.depth, claimed.root) == (fourth.id, 1, fourth.delivery)


async def test_a_clock_that_was_set_back_keeps_no_unknown_launch_waiting(store: Store) -> None:
    await stored_launch(store)
    ((claimed, _),) = await store.claim(NOON, 1, guard(NOON))
    unknown = moved(claimed, LaunchState.UNKNOWN, now=NOON, due_at=NOON + 3_600_000)
    await store.replace(claimed, unknown)
    assert await store.unresolved(NOON, limit=9) == (unknown,)
    assert await store.unresolved(NOON + 3_600_000 - LONGEST_LOOK_PAUSE_MS, limit=9) == ()


async def test_a_clock_that_was_set_back_puts_no_launch_off_for_as_long(store: Store) -> None:
    await stored_launch(store, due_at=NOON + LONGEST_WAIT_MS + 1)
    assert await store.claim(NOON + 1, 1, guard(NOON + 1)) == ()
    assert len(await store.claim(NOON, 1, guard(NOON))) == 1


async def test_a_clock_that_was_set_back_hides_no_sender_that_is_gone(store: Store) -> None:
    await stored_launch(store)
    later = NOON + 3_600_000
    assert len(await store.claim(later, 1, guard(later))) == 1
    assert await store.abandon_sending(NOON, older_than_ms=-1) == 1


async def test_whoever_asks_leads_and_may_step_down(store: Store) -> None:
    assert await store.lead("a", 60_000, version="v1")
    assert await store.lead("a", 60_000, version="v1")
    await store.step_down("a")
    assert await store.lead("b", 60_000, version="v1")


async def test_whoever_is_alone_leads_by_the_rules_that_it_comes_with(store: Store) -> None:
    assert await store.rules_version() is None
    told = None
    for version in ("v1", "v2", "v2", "v1"):
        assert await store.lead("a", 60_000, version=version, replaces=told)
        assert await store.rules_version() == version
        told = version
    # Started anew, with rules that were in force before those in force now.
    await store.step_down("a")
    assert await store.lead("b", 60_000, version="v2")
    assert await store.rules_version() == "v2"
