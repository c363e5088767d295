"""What every store must do with what people ask for: kept and judged at once, and never queued."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from factories import NOON, PLENTY, make_direct, make_launch, make_received
from jobhook.core.direct import request_id
from jobhook.core.guards import DAY_MS, Guard, Limits
from jobhook.core.launches import Launch, LaunchState, moved
from jobhook.core.records import EVERYTHING, Pause
from jobhook.ports import Store

pytestmark = pytest.mark.anyio

# Half a cent: half an hour of cpu-basic.
COST = 5000


def guard(now: int = NOON, limits: Limits = PLENTY, **given: Any) -> Guard:
    return Guard(limits, {"cpu-basic": 0.01}, now, **given)


async def begin(store: Store, launch: Launch, judge: Guard | None = None) -> tuple[str, str]:
    """What becomes of *launch*, as it is told and as it is kept."""
    new, is_new = await store.begin_direct(launch, judge or guard())
    assert is_new
    assert await store.launch(launch.id) == new
    return new.state, new.reason


async def test_what_may_go_is_kept_as_sending_and_reserved(store: Store) -> None:
    launch = make_direct()
    new, is_new = await store.begin_direct(launch, guard(namespace="acme"))
    assert is_new
    assert new == await store.launch(launch.id)
    assert new == replace(
        moved(launch, LaunchState.SENDING, now=NOON),
        attempts=1,
        claimed_at=NOON,
        micro_usd=COST,
        depth=1,
        namespace="acme",
    )


async def test_every_attempt_that_the_hub_may_make_is_reserved(store: Store) -> None:
    launch = make_direct(attempts=3)
    new, _ = await store.begin_direct(launch, guard())
    assert new.micro_usd == 3 * COST
    kept = await store.launch(launch.id)
    assert kept is not None
    assert kept.spec.attempts == 3


@pytest.mark.parametrize(
    ("limits", "given", "reason"),
    [
        pytest.param(
            replace(PLENTY, usd_per_day=0.004),
            {},
            "budget: $0.01 at most, $0.00 of the $0.00 a day for all launches are used",
            id="dollars",
        ),
        pytest.param(
            PLENTY, {"flavor": "new"}, "price: the Hub names no price for new", id="no price"
        ),
    ],
)
async def test_what_may_not_go_is_skipped_and_nobody_sends_it_later(
    store: Store, limits: Limits, given: dict[str, Any], reason: str
) -> None:
    launch = make_direct(**given)
    assert await begin(store, launch, guard(limits=limits)) == (LaunchState.SKIPPED, reason)
    later = guard(NOON + DAY_MS)
    assert await store.claim(later.now, 10, later) == ()


@pytest.mark.parametrize("scope", [EVERYTHING, "rule:api.run"])
async def test_a_pause_holds_for_what_people_ask_for(store: Store, scope: str) -> None:
    await store.pause(Pause(scope=scope, since=NOON, by="ana"))
    assert await begin(store, make_direct()) == (LaunchState.SKIPPED, f"paused: {scope}")
    await store.resume(NOON, scope)
    assert await begin(store, make_direct(key="k2")) == (LaunchState.SENDING, "")


async def test_a_pause_by_setting_holds_for_it_as_well(store: Store) -> None:
    told = await begin(store, make_direct(), guard(paused="JOBHOOK_PAUSE"))
    assert told == (LaunchState.SKIPPED, "paused: JOBHOOK_PAUSE")


async def test_what_is_known_is_returned_as_it_is(store: Store) -> None:
    launch = make_direct()
    first, _ = await store.begin_direct(launch, guard())
    again = await store.begin_direct(replace(launch, asked_by="eve"), guard(NOON + 1))
    assert again == (first, False)
    assert await store.launch(launch.id) == first


async def test_another_id_for_the_same_request_is_not_kept_beside_the_first(store: Store) -> None:
    launch = make_direct()
    first, _ = await store.begin_direct(launch, guard())
    assert await store.begin_direct(replace(launch, id="l-other"), guard()) == (first, False)
    assert await store.launch("l-other") is None


async def test_of_many_at_once_with_one_key_one_is_begun(store: Store) -> None:
    tries = [store.begin_direct(make_direct(), guard()) for _ in range(30)]
    ends = await asyncio.gather(*tries)
    assert sum(is_new for _, is_new in ends) == 1
    assert len({launch.id for launch, _ in ends}) == 1


async def test_people_and_rules_at_the_same_moment_do_not_overspend(store: Store) -> None:
    receipt = await store.record(make_received())
    delivery = await store.delivery(receipt.delivery)
    assert delivery is not None
    launches = [make_launch(id=f"r{n}", action=n, delivery=delivery.id) for n in range(20)]
    await store.route(delivery, events=(), verdicts=(), launches=launches)
    judge = guard(limits=replace(PLENTY, usd_per_day=0.05))  # ten launches of half a cent
    begun: list[Launch] = []
    claimed: list[Launch] = []

    async def ask(number: int) -> None:
        begun.append((await store.begin_direct(make_direct(key=f"k{number}"), judge))[0])

    async def claim() -> None:
        claimed.extend(launch for launch, _ in await store.claim(NOON, 1, judge))

    await asyncio.gather(*(turn for number in range(20) for turn in (ask(number), claim())))
    assert len(claimed) + sum(new.state == LaunchState.SENDING for new in begun) == 10


async def test_people_at_the_same_moment_do_not_overspend(store: Store) -> None:
    judge = guard(limits=replace(PLENTY, usd_per_day=0.05))
    asked = [store.begin_direct(make_direct(key=f"k{n}"), judge) for n in range(40)]
    states = [new.state for new, _ in await asyncio.gather(*asked)]
    assert states.count(LaunchState.SENDING) == 10


@pytest.mark.parametrize(
    ("room", "oldest"),
    [
        pytest.param(2 * COST, 0, id="one is enough"),
        pytest.param(2 * COST - 1, 1, id="two"),
        pytest.param(0, 2, id="all"),
    ],
)
async def test_there_is_room_when_the_oldest_claims_are_a_day_old(
    store: Store, room: int, oldest: int
) -> None:
    for number in range(3):
        await begin(store, make_direct(key=f"k{number}"), guard(NOON + number * 1000))
    # What counts no more, and what does not count at all, make no difference.
    await begin(store, make_direct(key="old"), guard(NOON - DAY_MS))
    await store.add(make_direct(key="waits"))
    assert await store.room_at(NOON + 5000, room) == NOON + oldest * 1000 + DAY_MS


async def test_where_nothing_counts_nobody_knows_when_there_is_room(store: Store) -> None:
    assert await store.room_at(NOON, 0) is None


async def test_rates_and_the_dollars_of_a_rule_are_not_for_people(store: Store) -> None:
    tight = replace(PLENTY, rule_repo_per_hour=1, rule_repo_per_day=1, rule_usd_per_day=0.001)
    for number in range(3):
        launch = make_direct(key=f"k{number}")
        assert await begin(store, launch, guard(limits=tight)) == (LaunchState.SENDING, "")


async def test_what_people_started_counts_in_the_dollars_of_rules(store: Store) -> None:
    receipt = await store.record(make_received())
    delivery = await store.delivery(receipt.delivery)
    assert delivery is not None
    judge = guard(limits=replace(PLENTY, usd_per_day=0.006))
    assert await begin(store, make_direct(), judge) == (LaunchState.SENDING, "")
    await store.route(
        delivery, events=(), verdicts=(), launches=[make_launch(delivery=delivery.id)]
    )
    assert await store.claim(NOON, 10, judge) == ()


async def test_what_a_person_asks_for_begins_a_chain_of_its_own(store: Store) -> None:
    for number in range(5):
        launch = make_direct(key=f"k{number}", now=NOON + number)
        new, _ = await store.begin_direct(launch, guard(NOON + number))
        assert (new.depth, new.root) == (1, launch.delivery)


async def test_what_people_asked_for_is_forgotten_once_it_is_old_and_over(store: Store) -> None:
    for number, state in enumerate([LaunchState.COMPLETED, LaunchState.SKIPPED] * 2):
        launch = make_direct(key=f"k{number}", now=NOON + number)
        await store.add(replace(launch, state=state))
    await store.add(replace(make_direct(key="open"), state=LaunchState.RUNNING))
    assert await store.prune(received_before=NOON + 3, limit=2) == 2
    assert await store.prune(received_before=NOON + 3, limit=2) == 1
    assert await store.prune(received_before=NOON + 3, limit=2) == 0
    left = await store.launches(limit=0)
    assert {launch.delivery for launch in left} == {request_id("open"), request_id("k3")}


async def test_one_whose_sender_is_gone_becomes_unknown(store: Store) -> None:
    launch = make_direct()
    await begin(store, launch)
    assert await store.abandon_sending(NOON, older_than_ms=60_000) == 0
    assert await store.abandon_sending(NOON, older_than_ms=-1) == 1
    kept = await store.launch(launch.id)
    assert kept is not None
    assert kept.state == LaunchState.UNKNOWN
