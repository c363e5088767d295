"""What a scheduled job may cost in a day."""

from __future__ import annotations

from dataclasses import replace

import pytest

from factories import NOON, PLENTY, make_spec
from jobhook.core.guards import Guard
from jobhook.core.recurring import objection

HOUR = make_spec(timeout=3600)  # a cent


def guard(usd_per_day: float) -> Guard:
    return Guard(replace(PLENTY, usd_per_day=usd_per_day), {"cpu-basic": 0.01}, NOON)


@pytest.mark.parametrize(
    ("schedule", "concurrency", "cents"),
    [
        pytest.param("@hourly", True, 24, id="every hour"),
        pytest.param("@daily", True, 1, id="every day"),
        pytest.param("@yearly", True, 1, id="some day"),
        pytest.param("*/10 3 1 1 *", True, 6, id="often, some day"),
        pytest.param("*/10 * * * *", True, 144, id="at the same time"),
        pytest.param("*/10 * * * *", False, 25, id="one after the other"),
        pytest.param("0 */2 * * *", False, 12, id="seldom, one after the other"),
    ],
)
def test_the_dollars_of_a_day_must_do(schedule: str, concurrency: bool, cents: int) -> None:
    enough, too_little = guard(cents / 100), guard(cents / 100 - 0.001)
    assert objection(schedule, HOUR, enough, concurrency=concurrency) is None
    assert objection(schedule, HOUR, too_little, concurrency=concurrency) is not None


def test_what_never_comes_again_costs_nothing() -> None:
    assert objection("0 0 0 1 1 * 2020", HOUR, guard(0), concurrency=True) is None


def test_the_sentence_names_the_figures() -> None:
    spec = make_spec(timeout=3600, attempts=2)
    assert objection("@hourly", spec, guard(0.4), concurrency=True) == (
        "schedule @hourly: 24 runs in 24 hours of $0.02 at most can cost $0.48, and $0.40 a day "
        "are for all launches: let it run less often, or give it a shorter timeout"
    )


def test_what_runs_more_than_once_a_minute_is_refused_without_counting_on() -> None:
    told = objection("* * * * * *", HOUR, guard(1000), concurrency=False)
    assert told == "schedule * * * * * *: more than 1440 runs a day are not started"
    assert objection("* * * * *", HOUR, guard(1000), concurrency=False) is None


def test_a_flavor_without_a_price_is_for_the_guard() -> None:
    assert objection("@hourly", make_spec(flavor="new"), guard(0), concurrency=True) is None
