from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from jobhook.core.accounts import Account
from jobhook.hub.reading import read_account, read_date, read_job


@pytest.mark.parametrize(
    ("text", "date"),
    [
        pytest.param("2026-11-23T10:00:00Z", datetime(2026, 11, 23, 10, tzinfo=UTC), id="seconds"),
        pytest.param(
            "2026-11-23T10:00:00.5Z", datetime(2026, 11, 23, 10, 0, 0, 500_000, UTC), id="tenths"
        ),
        pytest.param("2026-11-23T10:00:00", datetime(2026, 11, 23, 10, tzinfo=UTC), id="no zone"),
        pytest.param(
            "2026-11-23T10:00:00+02:00", datetime(2026, 11, 23, 8, tzinfo=UTC), id="another zone"
        ),
        pytest.param("9999-12-31T23:59:59-01:00", None, id="after the last"),
        pytest.param("yesterday", None, id="no date"),
        pytest.param(5, None, id="a number"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_dates_are_read_as_far_as_they_can_be(text: Any, date: datetime | None) -> None:
    assert read_date(text) == date


def test_a_job_needs_no_more_than_its_id_stage_and_owner() -> None:
    job = read_job({"id": "1", "status": {"stage": "NEW"}, "owner": {"name": "a"}}, "https://h")
    assert (job.status.stage, job.is_over, job.url) == ("NEW", False, "https://h/jobs/a/1")


def test_everything_the_hub_tells_of_a_job_is_there() -> None:
    job = read_job(
        {
            "id": "1",
            "createdAt": "2026-11-23T10:00:00Z",
            "startedAt": "2026-11-23T10:00:01Z",
            "finishedAt": "2026-11-23T10:00:02Z",
            "spaceId": "a/b",
            "arguments": ["x"],
            "environment": {"A": "b"},
            "secrets": ["T"],
            "labels": {"k": "v"},
            "status": {"stage": "ERROR", "message": "Job timeout"},
            "owner": {"id": "2", "name": "a", "type": "org"},
        },
        "https://h",
    )
    assert job.started_at is not None
    assert job.finished_at is not None
    assert (job.space_id, job.arguments, job.secrets) == ("a/b", ["x"], ["T"])
    assert (job.environment, job.labels) == ({"A": "b"}, {"k": "v"})
    assert (job.status.message, job.owner.type, job.is_over) == ("Job timeout", "org", True)


def test_what_a_fine_grained_token_may_do_is_read() -> None:
    scoped = [
        {"entity": {"_id": "1", "name": "acme", "type": "org"}, "permissions": ["job.write"]},
        {"entity": {"_id": "2", "type": "user"}, "permissions": ["of.nobody"]},
    ]
    fine = {"scoped": scoped, "global": ["post.write"]}
    rights = read_account(
        {
            "name": "dev",
            "orgs": [{"name": "acme", "roleInOrg": "admin"}],
            "auth": {"accessToken": {"role": "fineGrained", "fineGrained": fine}},
        },
        "Tue, 24 Nov 2026 12:00:00 GMT",
    )
    assert rights == Account(
        name="dev",
        role="fineGrained",
        orgs={"acme": "admin"},
        scoped={"acme": frozenset({"job.write"})},
        everywhere=frozenset({"post.write"}),
        told_at=1_795_521_600_000,
    )


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_a_token_of_which_little_is_told_is_read_too(date: str | None) -> None:
    assert read_account({"name": "dev"}, date) == Account(name="dev")


@pytest.mark.parametrize(
    "odd",
    [
        {"auth": []},
        {"auth": {"accessToken": "hf_x"}},
        {"auth": {"accessToken": {"role": 3, "fineGrained": {"scoped": [[], {"entity": 1}]}}}},
        {"auth": {"accessToken": {"fineGrained": {"scoped": {}, "global": 5}}}},
        {"orgs": [None, {"name": 3}]},
    ],
    ids=str,
)
def test_what_cannot_be_read_of_a_token_hides_nobody(odd: dict[str, Any]) -> None:
    assert read_account({"name": "dev", **odd}, None) == Account(name="dev")
