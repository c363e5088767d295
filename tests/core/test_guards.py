from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import NOON, make_launch, make_spec
from jobhook.core.guards import (
    AHEAD_MS,
    Go,
    Guard,
    Hold,
    Limits,
    Link,
    Skip,
    Spent,
    Wait,
    cost_of,
    counted_until,
    judged,
    link_after,
    paused_by,
    shown_reason,
)
from jobhook.core.launches import DAMAGED, LaunchState

LIMITS = Limits(rule_repo_per_hour=2, rule_repo_per_day=3, rule_usd_per_day=1, usd_per_day=2)
GUARD = Guard(LIMITS, {"cpu-basic": 0.6}, NOON)
LAUNCH = make_launch(spec=make_spec(timeout=1800))  # 30 minutes at one cent: 0.3 dollars


ALONE = Link(1, "d1")


def spent(**given: Any) -> Spent:
    return Spent(**{"link": ALONE} | given)


@pytest.mark.parametrize(
    ("used", "permission"),
    [
        pytest.param(spent(), Go(300_000, ALONE), id="nothing spent"),
        pytest.param(
            spent(rule_repo_hour=1, rule_repo_day=2, rule_micro_usd=700_000, micro_usd=1_700_000),
            Go(300_000, ALONE),
            id="just enough left",
        ),
        pytest.param(
            spent(rule_repo_hour=2),
            Wait("rate: 2 an hour for this rule and repo are used up", NOON + 60_000),
            id="the hour is used up",
        ),
        pytest.param(
            spent(rule_repo_day=3),
            Wait("rate: 3 a day for this rule and repo are used up", NOON + 60_000),
            id="the day is used up",
        ),
        pytest.param(
            spent(rule_micro_usd=700_001),
            Wait(
                "budget: $0.30 at most, $0.70 of the $1.00 a day for this rule are used",
                NOON + 60_000,
            ),
            id="the rule's dollars",
        ),
        pytest.param(
            spent(micro_usd=1_700_001),
            Wait(
                "budget: $0.30 at most, $1.70 of the $2.00 a day for all launches are used",
                NOON + 60_000,
            ),
            id="all dollars",
        ),
        pytest.param(
            spent(same_commit="l0"),
            Skip("launch l0 was sent for the same commit"),
            id="same commit",
        ),
        pytest.param(
            spent(on_its_way="l0"),
            Wait("commit: launch l0 is on its way for the same commit", NOON + 60_000),
            id="perhaps the same commit",
        ),
        pytest.param(spent(link=Link(3, "d0")), Go(300_000, Link(3, "d0")), id="deep enough"),
        pytest.param(
            spent(link=Link(4, "d0")),
            Hold(
                "loop: launches of this rule seem to set one another off on this repo, "
                "3 in a row since delivery d0"
            ),
            id="too deep",
        ),
        pytest.param(spent(of_root=24), Go(300_000, ALONE), id="the last of its root"),
        pytest.param(
            spent(of_root=25),
            Hold("fan-out: delivery d1 led to 25 launches already"),
            id="too many of one root",
        ),
        pytest.param(
            spent(paused="rule:retrain", same_commit="l0"),
            Wait("paused: rule:retrain", NOON + 60_000),
            id="paused",
        ),
    ],
)
def test_a_launch_may_go_while_nothing_is_used_up(used: Spent, permission: object) -> None:
    assert GUARD.permit(LAUNCH, used) == permission


@pytest.mark.parametrize("asked_by", ["", "ana"], ids=["of itself", "asked for by a person"])
def test_without_a_price_nothing_goes(asked_by: str) -> None:
    launch = make_launch(spec=make_spec(flavor="new"), asked_by=asked_by)
    assert GUARD.permit(launch, spent()) == Hold("price: the Hub names no price for new")


@pytest.mark.parametrize(
    "used", [spent(link=Link(9, "d0")), spent(of_root=99)], ids=["too deep", "too many"]
)
def test_what_a_person_asked_for_passes_the_guards_against_loops(used: Spent) -> None:
    assert isinstance(GUARD.permit(replace(LAUNCH, asked_by="ana"), used), Go)


def test_what_a_person_asked_for_goes_within_the_rates() -> None:
    assert isinstance(GUARD.permit(replace(LAUNCH, asked_by="ana"), spent(rule_repo_hour=2)), Wait)


@pytest.mark.parametrize(("said", "goes"), [(None, "own"), ("lab", "lab")], ids=str)
def test_a_launch_goes_to_our_namespace_unless_its_rule_says_another(
    said: str | None, goes: str
) -> None:
    launch = replace(LAUNCH, spec=replace(LAUNCH.spec, namespace=said))
    assert replace(GUARD, namespace="own").permit(launch, spent()) == Go(300_000, ALONE, goes)


def test_what_is_damaged_does_not_go_whoever_asks_for_it() -> None:
    launch = make_launch(is_damaged=True, asked_by="ana")
    assert GUARD.permit(launch, spent(paused="rule:retrain")) == Hold(DAMAGED)


def test_a_launch_that_nothing_set_off_begins_a_chain() -> None:
    assert link_after(None, make_launch(delivery="d7")) == Link(1, "d7")


def test_a_launch_continues_the_chain_of_the_one_that_set_it_off() -> None:
    assert link_after(Link(2, "d0"), make_launch(delivery="d7")) == Link(3, "d0")


@pytest.mark.parametrize(
    ("root", "depth", "link"),
    [
        pytest.param("d7", 0, Link(1, "d7"), id="found to begin one"),
        pytest.param("d7", 1, Link(1, "d7"), id="and claimed before, in vain"),
        pytest.param("d0", 2, Link(3, "d0"), id="set off by another, claimed before"),
        pytest.param("d7", 3, Link(3, "d0"), id="deep in a chain that its own delivery began"),
    ],
)
def test_a_launch_that_begins_a_chain_goes_on_beginning_it(
    root: str, depth: int, link: Link
) -> None:
    launch = make_launch(delivery="d7", root=root, depth=depth)
    assert link_after(Link(2, "d0"), launch) == link


@pytest.mark.parametrize(
    ("paused", "by"),
    [
        pytest.param(set(), None, id="nothing"),
        pytest.param({"rule:other", "repo:model:acme/corpus"}, None, id="something else"),
        pytest.param({"everything", "rule:retrain"}, "everything", id="everything"),
        pytest.param({"rule:retrain"}, "rule:retrain", id="its rule"),
        pytest.param({"repo:dataset:acme/corpus"}, "repo:dataset:acme/corpus", id="its repo"),
    ],
)
def test_a_launch_is_paused_by_what_it_belongs_to(paused: set[str], by: str | None) -> None:
    launch = make_launch(rule="retrain", repo="dataset:acme/corpus")
    assert paused_by(launch, paused) == by


@pytest.mark.parametrize(
    ("state", "paused", "by_setting", "reason"),
    [
        pytest.param("ready", [], False, "rate: …", id="not paused"),
        pytest.param("ready", ["everything"], False, "paused: everything", id="everything"),
        pytest.param("ready", ["rule:retrain"], False, "paused: rule:retrain", id="its rule"),
        pytest.param("ready", ["rule:other"], False, "rate: …", id="another rule"),
        pytest.param("ready", [], True, "paused: JOBHOOK_PAUSE", id="the setting"),
        pytest.param("held", ["everything"], True, "rate: …", id="it waits for something else"),
    ],
)
def test_a_pause_is_the_reason_of_what_waits_for_it(
    state: str, paused: list[str], by_setting: bool, reason: str
) -> None:
    launch = make_launch(state=LaunchState(state), reason="rate: …")
    assert shown_reason(launch, paused, by_setting=by_setting) == reason


@pytest.mark.parametrize(
    ("usd_per_hour", "seconds", "micro_usd"),
    [
        pytest.param(0.6, 1, 10_000, id="a minute begun"),
        pytest.param(0.6, 60, 10_000, id="a minute"),
        pytest.param(0.6, 61, 20_000, id="two minutes begun"),
        pytest.param(40.0, 1800, 20_000_000, id="dear"),
        pytest.param(0.0, 1800, 0, id="free"),
    ],
)
def test_whole_minutes_are_paid_for(usd_per_hour: float, seconds: float, micro_usd: int) -> None:
    assert cost_of(usd_per_hour, seconds) == micro_usd


@given(st.lists(st.sampled_from([60, 600, 1800, 7200]), max_size=100))
def test_no_more_is_ever_reserved_than_the_limit(timeouts: list[int]) -> None:
    guard = replace(
        GUARD, limits=replace(LIMITS, rule_repo_per_hour=10**6, rule_repo_per_day=10**6)
    )
    reserved = 0
    for timeout in timeouts:
        used = spent(rule_micro_usd=reserved, micro_usd=reserved)
        permission = guard.permit(make_launch(spec=make_spec(timeout=timeout)), used)
        reserved += permission.micro_usd if isinstance(permission, Go) else 0
    assert reserved <= 1_000_000


@pytest.mark.parametrize(
    ("permission", "state", "reason", "due_at"),
    [
        pytest.param(Go(7, Link(2, "d0")), LaunchState.SENDING, "", 0, id="go"),
        pytest.param(Wait("w", NOON + 9), LaunchState.READY, "w", NOON + 9, id="wait"),
        pytest.param(Hold("h"), LaunchState.HELD, "h", 0, id="hold"),
        pytest.param(Skip("s"), LaunchState.SKIPPED, "s", 0, id="skip"),
    ],
)
def test_every_permission_has_its_state(
    permission: Go | Wait | Hold | Skip, state: LaunchState, reason: str, due_at: int
) -> None:
    new = judged(make_launch(), permission, NOON + 1)
    assert (new.state, new.reason, new.due_at, new.updated_at) == (state, reason, due_at, NOON + 1)
    gone = isinstance(permission, Go)
    assert (new.attempts, new.claimed_at, new.micro_usd, new.depth, new.root) == (
        (1, NOON + 1, 7, 2, "d0") if gone else (0, 0, 0, 0, "")
    )


@pytest.mark.parametrize(
    ("hours", "forever"),
    [
        pytest.param(0, True, id="just seen"),
        pytest.param(23, True, id="within a day"),
        pytest.param(24, False, id="a day later"),
    ],
)
def test_claims_that_lie_ahead_count_for_a_day(hours: int, forever: bool) -> None:
    now = NOON + hours * 3_600_000
    assert (counted_until(now, NOON) > now + AHEAD_MS) is forever
    assert counted_until(now, NOON) >= now + AHEAD_MS


@pytest.mark.parametrize(
    ("rule", "attempts", "room"),
    [
        pytest.param("api.run", 1, 1_700_000, id="a job"),
        pytest.param("api.run", 10, -1_000_000, id="a job that can never go"),
        pytest.param("api.schedule", 1, 2_000_000, id="a schedule, which costs nothing yet"),
    ],
)
def test_beside_a_launch_there_is_room_for_what_it_does_not_reserve(
    rule: str, attempts: int, room: int
) -> None:
    launch = replace(LAUNCH, rule=rule, spec=make_spec(timeout=1800, attempts=attempts))
    assert GUARD.room_beside(launch) == room
