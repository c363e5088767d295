from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import NOON, make_launch, make_spec
from jobhook.core.guards import Go, Guard, Hold, Limits, Skip, Spent, Wait, cost_of, judged
from jobhook.core.launches import LaunchState

LIMITS = Limits(rule_repo_per_hour=2, rule_repo_per_day=3, rule_usd_per_day=1, usd_per_day=2)
GUARD = Guard(LIMITS, {"cpu-basic": 0.6}, NOON)
LAUNCH = make_launch(spec=make_spec(timeout=1800))  # 30 minutes at one cent: 0.3 dollars


@pytest.mark.parametrize(
    ("spent", "permission"),
    [
        pytest.param(Spent(), Go(300_000), id="nothing spent"),
        pytest.param(
            Spent(rule_repo_hour=1, rule_repo_day=2, rule_micro_usd=700_000, micro_usd=1_700_000),
            Go(300_000),
            id="just enough left",
        ),
        pytest.param(
            Spent(rule_repo_hour=2),
            Wait("rate: 2 an hour for this rule and repo are used up", NOON + 60_000),
            id="the hour is used up",
        ),
        pytest.param(
            Spent(rule_repo_day=3),
            Wait("rate: 3 a day for this rule and repo are used up", NOON + 60_000),
            id="the day is used up",
        ),
        pytest.param(
            Spent(rule_micro_usd=700_001),
            Wait(
                "budget: $0.30 at most, $0.70 of the $1.00 a day for this rule are used",
                NOON + 60_000,
            ),
            id="the rule's dollars",
        ),
        pytest.param(
            Spent(micro_usd=1_700_001),
            Wait(
                "budget: $0.30 at most, $1.70 of the $2.00 a day for all rules are used",
                NOON + 60_000,
            ),
            id="all dollars",
        ),
        pytest.param(
            Spent(same_commit="l0"),
            Skip("launch l0 was sent for the same commit"),
            id="same commit",
        ),
    ],
)
def test_a_launch_may_go_while_nothing_is_used_up(spent: Spent, permission: object) -> None:
    assert GUARD.permit(LAUNCH, spent) == permission


def test_without_a_price_nothing_goes() -> None:
    launch = make_launch(spec=make_spec(flavor="new"))
    assert GUARD.permit(launch, Spent()) == Hold("price: the Hub names no price for new")


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
        spent = Spent(rule_micro_usd=reserved, micro_usd=reserved)
        permission = guard.permit(make_launch(spec=make_spec(timeout=timeout)), spent)
        reserved += permission.micro_usd if isinstance(permission, Go) else 0
    assert reserved <= 1_000_000


@pytest.mark.parametrize(
    ("permission", "state", "reason", "due_at"),
    [
        pytest.param(Go(7), LaunchState.SENDING, "", 0, id="go"),
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
    assert (new.attempts, new.claimed_at, new.micro_usd) == (
        (1, NOON + 1, 7) if gone else (0, 0, 0)
    )
