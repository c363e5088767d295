"""What an author is warned of, and what a launch may cost."""

from __future__ import annotations

from typing import Any

import pytest

from factories import make_rule
from jobhook.core.advice import Surroundings, advice_on, advice_on_cases, most_usd_of
from jobhook.core.codes import CODES, WARNING
from jobhook.core.hardware import FLAVORS
from jobhook.core.wording import Mistake

SMALL: dict[str, Any] = {"image": "python:3.12", "command": ["python", "-V"]}


def job(**given: Any) -> dict[str, Any]:
    return SMALL | given


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, [], id="nothing-odd"),
        pytest.param(
            {"on": ["repo.created"], "refs": ["main"]},
            [
                Mistake(
                    ("refs",),
                    "dead-rule",
                    "no event of repo.created has a ref: the rule can never fire",
                )
            ],
            id="dead",
        ),
        pytest.param(
            {"watch": []},
            [
                Mistake(
                    ("id",),
                    "no-watch",
                    "the rule has no `watch`: no webhook is registered for it",
                )
            ],
            id="no-watch",
        ),
        pytest.param(
            {"run": [SMALL, job(flavor="a10-small")]},
            [
                Mistake(
                    ("run", 1, "flavor"),
                    "unknown-flavor",
                    "flavor 'a10-small' is not known here; did you mean `a10g-small`?",
                )
            ],
            id="flavor-misspelt",
        ),
        pytest.param(
            {"run": job(flavor="zzz")},
            [Mistake(("run", 0, "flavor"), "unknown-flavor", "flavor 'zzz' is not known here")],
            id="flavor-unknown",
        ),
        pytest.param(
            {"run": job(flavor="a10g-small")},
            [
                Mistake(
                    ("run", 0, "flavor"),
                    "gpu-without-timeout",
                    "a job on 1 A10G has no `timeout`: it is stopped after 30m and costs up to "
                    "$0.50; say how long it may take, as in `timeout: 2h`",
                )
            ],
            id="gpu-without-a-timeout",
        ),
        pytest.param({"run": job(flavor="a10g-small", timeout="30m")}, [], id="gpu-with-a-timeout"),
        pytest.param({"run": job(flavor="cpu-xl")}, [], id="no-gpu"),
        pytest.param({"run": {"from_job": "abc"}}, [], id="all-of-another-job"),
        pytest.param(
            {"run": {"from_job": "abc", "flavor": "h200x8"}}, [], id="the-timeout-of-another-job"
        ),
        pytest.param(
            {"run": job(flavor="h200", timeout="61m")},
            [
                Mistake(
                    ("run", 0, "timeout"),
                    "over-budget",
                    "one launch may cost $5.08, and a rule may spend $5.00 a day: it would wait "
                    "until it expires; shorten it, or raise JOBHOOK_RULE_USD_PER_DAY",
                )
            ],
            id="over-the-budget",
        ),
        pytest.param({"run": job(flavor="h200", timeout="1h")}, [], id="just-within-the-budget"),
    ],
)
def test_what_an_author_is_warned_of(given: dict[str, Any], expected: list[Mistake]) -> None:
    assert list(advice_on(make_rule(**given))) == expected


def test_a_default_timeout_may_be_over_the_budget() -> None:
    found = [(each.keys, each.code) for each in advice_on(make_rule(run=job(flavor="h200x8")))]
    assert found == [
        (("run", 0, "flavor"), "gpu-without-timeout"),
        (("run", 0, "flavor"), "over-budget"),
    ]


def test_the_budget_is_that_of_the_service() -> None:
    rule = make_rule(run=job(flavor="cpu-xl", timeout="2h"))
    assert list(advice_on(rule, Surroundings(usd_per_day=2))) == []
    (found,) = advice_on(rule, Surroundings(usd_per_day=1.99))
    assert found.code == "over-budget"


def test_a_secret_that_the_service_lacks_is_told_where_that_is_known() -> None:
    rule = make_rule(run=job(secrets=["A", "B"]))
    assert list(advice_on(rule, Surroundings(secrets=None))) == []
    assert list(advice_on(rule, Surroundings(secrets=frozenset("AB")))) == []
    (found,) = advice_on(rule, Surroundings(secrets=frozenset("A")))
    assert found == Mistake(
        ("run", 0, "secrets"),
        "missing-secret",
        "the service has no JOBHOOK_SECRET_B: every launch would be held",
    )


@pytest.mark.parametrize(
    ("cases", "keys"),
    [
        pytest.param([], ("id",), id="none"),
        pytest.param([{"name": "a", "fires": False}], ("cases",), id="none-that-fires"),
    ],
)
def test_a_rule_without_a_case_that_fires_is_told(
    cases: list[Any], keys: tuple[str | int, ...]
) -> None:
    (found,) = advice_on_cases(make_rule(cases=cases))
    assert (found.keys, found.code) == (keys, "no-firing-case")


def test_one_case_that_fires_is_enough() -> None:
    rule = make_rule(cases=[{"name": "a", "fires": True}, {"name": "b", "fires": False}])
    assert list(advice_on_cases(rule)) == []


@pytest.mark.parametrize("flavor", FLAVORS)
def test_a_known_flavor_is_no_warning(flavor: str) -> None:
    assert list(advice_on(make_rule(run=job(flavor=flavor, timeout="1m")))) == []


@pytest.mark.parametrize(
    ("run", "usd"),
    [
        pytest.param(job(flavor="cpu-xl", timeout="1h"), 1.0, id="an-hour"),
        pytest.param(job(flavor="cpu-xl", timeout="61s"), 0.033333, id="whole-minutes"),
        pytest.param([job(flavor="h200", timeout="1h"), SMALL], 5.005, id="all-of-a-list"),
        pytest.param([job(flavor="zzz"), SMALL], None, id="nobody-knows"),
        pytest.param({"from_job": "abc", "flavor": "cpu-xl"}, None, id="a-job-before-knows"),
        pytest.param(
            {"from_job": "abc", "flavor": "cpu-xl", "timeout": "1h"},
            1.0,
            id="like-a-job-but-priced",
        ),
    ],
)
def test_what_a_launch_costs_at_most(run: Any, usd: float | None) -> None:
    assert most_usd_of(make_rule(run=run)) == usd


def test_what_is_advised_is_a_warning() -> None:
    rule = make_rule(
        watch=[], refs=["!**"], run=[job(flavor="h200x8", secrets=["A"]), job(flavor="zzz")]
    )
    found = [*advice_on(rule, Surroundings(secrets=frozenset())), *advice_on_cases(rule)]
    assert {CODES[each.code].severity for each in found} == {WARNING}
    assert len({each.code for each in found}) == 7
