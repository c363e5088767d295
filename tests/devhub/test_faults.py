"""Faults as values: what a person may write for one, and how a job is told of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobhook.core.errors import UsageError
from jobhook.core.jobs import JobStage
from jobhook.devhub.accounts import Namespace
from jobhook.devhub.chaos import Chaos
from jobhook.devhub.fault_specs import ROUTES, parse_fault
from jobhook.devhub.faults import Asked, JobFault, ListFault, RequestFault
from jobhook.devhub.hub import DevHub
from jobhook.devhub.jobs import Job
from jobhook.devhub.jobspec import JobBody

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
WHOAMI = Asked(method="GET", path="/api/whoami-v2", route="whoami")


@pytest.mark.parametrize(
    ("spec", "kind", "times"),
    [
        pytest.param("jobs.create status=500", RequestFault, 0, id="status"),
        pytest.param("jobs.create status=500 execute=yes", RequestFault, 1, id="status-executed"),
        pytest.param("jobs.create redirect=http://h", RequestFault, 0, id="redirect"),
        pytest.param("jobs.create answer=drop", RequestFault, 0, id="drop"),
        pytest.param("jobs.create answer=html", RequestFault, 1, id="html"),
        pytest.param("jobs.create answer=html execute=no", RequestFault, 0, id="html-only"),
        pytest.param("jobs.create execute=twice", RequestFault, 2, id="twice"),
        pytest.param("jobs.create late=50 status=502", RequestFault, 0, id="late"),
        pytest.param("POST /api/jobs/* delay=5", RequestFault, 1, id="path"),
        pytest.param("jobs.create lag=5", JobFault, None, id="lag"),
        pytest.param("jobs.list filter=ignore", ListFault, None, id="filter"),
    ],
)
def test_a_fault_says_what_happens(spec: str, kind: type[Any], times: int | None) -> None:
    fault = parse_fault(spec)
    assert type(fault) is kind
    assert getattr(fault, "times", None) == times


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        pytest.param("", "it must begin with a route", id="nothing"),
        pytest.param("jobs.crate status=500", "jobs.create, ", id="no-such-route"),
        pytest.param("jobs.create", "it says nothing that goes wrong", id="no-effect"),
        pytest.param("jobs.create rate=0.5", "it says nothing that goes wrong", id="rate-only"),
        pytest.param("jobs.create stauts=500", "did you mean `status`?", id="misspelt"),
        pytest.param("jobs.create xyzzy=1", "there are skip, count, rate, ", id="unknown-key"),
        pytest.param("jobs.create status", "it must begin with a route", id="no-value"),
        pytest.param("jobs.create status=500 late", "late: ", id="no-value-at-all"),
        pytest.param("jobs.create status=99", "status: ", id="status-that-is-none"),
        pytest.param("jobs.create status=500 rate=2", "rate: ", id="rate-over-1"),
        pytest.param("jobs.create status=500 rate=nan", "rate: ", id="rate-nan"),
        pytest.param("jobs.create status=500 count=0", "count: ", id="count-0"),
        pytest.param("jobs.create status=1 status=2", "status is given twice", id="twice"),
        pytest.param("jobs.create execute=no", "has no answer of its own", id="no-answer"),
        pytest.param("jobs.create late=5", "has no answer of its own", id="late-no-answer"),
        pytest.param("jobs.create late=5 execute=no", "exclude each other", id="late-execute"),
        pytest.param("jobs.create cut=5 status=500", "cut stands alone", id="cut-and-status"),
        pytest.param("jobs.create answer=slow bytes=5", "bytes belongs to", id="bytes"),
        pytest.param("jobs.create delay=5 pause=5", "pause belongs to", id="pause"),
        pytest.param("jobs.create redirect=http://h status=200", "a redirect has", id="redirect"),
        pytest.param("jobs.create delay=99999999999", "delay: ", id="delay-over-a-day"),
        pytest.param("jobs.create answer=huge bytes=9999999999", "bytes: ", id="over-a-gib"),
        pytest.param("jobs.create lag=5 status=500", "not of one kind", id="two-kinds"),
        pytest.param("jobs.list lag=5", "only be said of the route jobs.create", id="lag-of-list"),
        pytest.param("jobs.* page=1", "only be said of the route jobs.list", id="page-of-all"),
        pytest.param("jobs.create status=500 retry_after='a\nb'", "retry_after: ", id="header"),
        pytest.param("jobs.create status='500", "No closing quotation", id="quote"),
        pytest.param("x" * 1001, "over 1000 characters", id="long"),
        pytest.param("GET '' status=500", "it must begin with a route", id="empty-path"),
    ],
)
def test_a_wrong_fault_is_refused_with_what_to_do(spec: str, told: str) -> None:
    with pytest.raises(UsageError, match=r"^the fault ") as refused:
        parse_fault(spec)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("route", "meets"),
    [
        pytest.param("whoami", True, id="name"),
        pytest.param("*", True, id="every-name"),
        pytest.param("jobs.*", False, id="other-names"),
        pytest.param("GET /api/whoami-v2", True, id="path"),
        pytest.param("GET /api/*", True, id="path-pattern"),
        pytest.param("* *", True, id="everything"),
        pytest.param("POST /api/*", False, id="other-method"),
        pytest.param("GET /api/jobs/*", False, id="other-path"),
    ],
)
def test_a_route_says_which_requests_are_met(route: str, meets: bool) -> None:
    assert parse_fault(f"{route} status=500").meets(WHOAMI) is meets


def test_the_names_of_the_routes_are_those_of_the_app() -> None:
    named = {route.name for route in DevHub("http://h").routes}
    assert named == set(ROUTES)


def job(**labels: str) -> Job:
    body = JobBody.model_validate(
        {"dockerImage": "i", "command": ["true"], "flavor": "cpu-basic", "labels": labels}
    )
    dev = Namespace(name="dev", type="user")
    return Job(id="j1", owner=dev, creator=dev, body=body, created_at=NOON)


@pytest.mark.parametrize(
    ("key", "at", "listed", "alone"),
    [
        pytest.param("lag=100", 99, False, True, id="lag-not-over"),
        pytest.param("lag=100", 100, True, True, id="lag-over"),
        pytest.param("unlisted=100", 99, True, True, id="still-listed"),
        pytest.param("unlisted=100", 100, False, True, id="unlisted"),
        pytest.param("gone=100", 99, True, True, id="not-gone"),
        pytest.param("gone=100", 100, False, False, id="gone"),
        pytest.param("lag=100 unlisted=200", 150, True, True, id="seen-for-a-while"),
    ],
)
def test_a_job_is_told_of_for_a_time(key: str, at: int, listed: bool, alone: bool) -> None:
    fault = parse_fault(f"jobs.create {key}")
    assert isinstance(fault, JobFault)
    moment = NOON + timedelta(milliseconds=at)
    assert (fault.told(job(), moment, listed=True) is not None) is listed
    assert (fault.told(job(), moment, listed=False) is not None) is alone


@pytest.mark.parametrize(
    ("key", "before", "after"),
    [
        pytest.param(
            "wiped=100", ({"A": "B"}, JobStage.SCHEDULING), ({}, JobStage.SCHEDULING), id="wiped"
        ),
        pytest.param(
            "deleted=100",
            ({"A": "B"}, JobStage.SCHEDULING),
            ({"A": "B"}, JobStage.DELETED),
            id="deleted",
        ),
        pytest.param(
            "labels=lower",
            ({"a": "b"}, JobStage.SCHEDULING),
            ({"a": "b"}, JobStage.SCHEDULING),
            id="lower",
        ),
    ],
)
def test_a_job_is_told_of_otherwise(key: str, before: object, after: object) -> None:
    fault = parse_fault(f"jobs.create {key}")
    assert isinstance(fault, JobFault)
    for at, expected in ((99, before), (100, after)):
        told = fault.told(job(A="B"), NOON + timedelta(milliseconds=at), listed=False)
        assert told
        assert (told.body.labels, told.stage) == expected


@pytest.mark.parametrize(
    ("key", "value", "carries"),
    [
        pytest.param("page=5", "b", (True, False), id="heeded"),
        pytest.param("filter=ignore", "x", (True, True), id="ignored"),
        pytest.param("filter=fold", "B", (True, False), id="folded"),
    ],
)
def test_a_filter_heeds_more_or_less(key: str, value: str, carries: tuple[bool, bool]) -> None:
    fault = parse_fault(f"jobs.list {key}")
    assert isinstance(fault, ListFault)
    labels = {"a": "b"}
    assert (fault.carries(labels, "a", value), fault.carries(labels, "z", value)) == carries


def strikes(seed: int, *others: str) -> list[bool]:
    chaos = Chaos(10)
    chaos.add("whoami status=500 rate=0.5", *others, seed=seed)
    return [chaos.strike(RequestFault, WHOAMI) is not None for _ in range(200)]


def test_a_seed_makes_the_same_strikes_again() -> None:
    assert strikes(7) == strikes(7)
    assert strikes(7) != strikes(8)
    assert 60 < strikes(7).count(True) < 140


def test_what_other_faults_meet_does_not_change_the_strikes_of_one() -> None:
    chaos = Chaos(10)
    chaos.add("jobs.list status=500 rate=0.5", "whoami status=500 rate=0.5", seed=7)
    alone = Chaos(10)
    alone.add("jobs.list status=500 count=1", "whoami status=500 rate=0.5", seed=7)
    asked = Asked(method="GET", path="/api/jobs/dev", route="jobs.list")
    found = []
    for _ in range(100):
        chaos.strike(RequestFault, asked)
        found.append(chaos.strike(RequestFault, WHOAMI) is not None)
    assert found == [alone.strike(RequestFault, WHOAMI) is not None for _ in range(100)]


def test_a_count_is_used_up_and_the_next_fault_strikes() -> None:
    chaos = Chaos(10)
    chaos.add("whoami status=500 count=2", "whoami status=502")
    struck = [chaos.strike(RequestFault, WHOAMI) for _ in range(4)]
    assert [fault and fault.status for fault in struck] == [500, 500, 502, 502]


def test_the_first_ones_are_skipped() -> None:
    chaos = Chaos(10)
    chaos.add("whoami status=500 skip=2 count=1")
    struck = [chaos.strike(RequestFault, WHOAMI) is not None for _ in range(5)]
    assert struck == [False, False, True, False, False]


def test_faults_are_set_all_or_none_and_not_without_end() -> None:
    chaos = Chaos(2)
    chaos.add("whoami status=500")
    for wrong in (("whoami status=500", "nonsense"), ("whoami delay=1", "whoami delay=2")):
        with pytest.raises(UsageError):
            chaos.add(*wrong)
        assert len(chaos) == 1
    chaos.add("whoami delay=1", "whoami delay=2", seed=1)
    assert [fault["fault"] for fault in chaos.to_wire()["faults"]] == [
        "whoami delay=1",
        "whoami delay=2",
    ]
