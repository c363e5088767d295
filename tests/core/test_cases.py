"""The examples that a rule file holds: those that do not hold are told, with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from factories import make_rule
from jobhook.core.cases import broken_cases, case_delivery
from jobhook.core.deliveries import Delivery, Unreadable
from jobhook.core.events import EVENTS, events_of

OLD, NEW = "1" * 40, "2" * 40


def case(*, fires: bool, **event: Any) -> dict[str, Any]:
    return {"name": "an example", "fires": fires, "event": event}


DEV = {"updatedRefs": [{"ref": "refs/heads/dev", "oldSha": OLD, "newSha": NEW}]}


@pytest.mark.parametrize(
    ("cases", "expected"),
    [
        pytest.param([], [], id="none"),
        pytest.param([case(fires=True)], [], id="holds"),
        pytest.param([case(fires=False, **DEV)], [], id="holds-not-to-fire"),
        pytest.param([case(fires=False, repo={"name": "other/x"})], [], id="somebody-elses"),
        pytest.param(
            [case(fires=True), case(fires=True, **DEV)],
            [
                (
                    1,
                    "case 'an example' should fire but does not: "
                    "refs/heads/dev is not among the rule's refs: main",
                )
            ],
            id="does-not-fire",
        ),
        pytest.param(
            [case(fires=False)],
            [
                (
                    0,
                    "case 'an example' should not fire but does: "
                    "commit.pushed refs/heads/main on model me/sample",
                )
            ],
            id="fires",
        ),
        pytest.param(
            [case(fires=True, repo=None)],
            [
                (
                    0,
                    "case 'an example' makes no payload: not a webhook payload: "
                    "repo: input should be a valid dictionary or instance of repofield",
                )
            ],
            id="no-payload",
        ),
        pytest.param(
            [case(fires=True, x=float("nan")), case(fires=True)],
            [
                (
                    0,
                    "case 'an example' makes no payload: "
                    "the body is not JSON that can be trusted: NaN is not JSON",
                )
            ],
            id="no-json",
        ),
    ],
)
def test_the_examples_that_do_not_hold(
    cases: list[dict[str, Any]], expected: list[tuple[int, str]]
) -> None:
    rule = make_rule(watch=["user:@me"], refs=["main"], cases=cases)
    assert list(broken_cases(rule)) == expected


@pytest.mark.parametrize("event", EVENTS)
def test_an_example_without_an_event_fires_on_every_event(event: str) -> None:
    rule = make_rule(watch=["user:@me"], on=[event], cases=[case(fires=True)])
    assert list(broken_cases(rule)) == []


def test_an_example_is_laid_over_a_sample_of_the_first_event() -> None:
    rule = make_rule(
        on=["tag.created", "repo.created"],
        cases=[case(fires=True, repo={"type": "dataset"})],
    )
    delivery = case_delivery(rule, rule.cases[0])
    assert isinstance(delivery, Delivery)
    assert (delivery.repo.type, delivery.repo.name) == ("dataset", "me/sample")
    assert [event.name for event in events_of(delivery)] == ["tag.created"]


def test_an_example_may_make_no_payload() -> None:
    rule = make_rule(cases=[case(fires=False, event="legacy")])
    assert isinstance(case_delivery(rule, rule.cases[0]), Unreadable)
