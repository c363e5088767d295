"""Lists of jobs: pages and filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from devhub.conftest import Running

pytestmark = pytest.mark.anyio


async def test_lists_come_in_pages_newest_first(devhub: Running) -> None:
    ids = [(await devhub.run("true"))["id"] for _ in range(5)]
    first = await devhub.http.get("/api/jobs/dev")
    assert [job["id"] for job in first.json()] == ids[:2:-1]
    assert first.links["next"]["url"].startswith(f"{devhub.url}/api/jobs/dev?cursor=")
    everything = await devhub.call(lambda: list(devhub.api.list_jobs(namespace="dev")))
    assert [job.id for job in everything] == ids[::-1]


async def test_lists_are_filtered_by_all_labels_and_any_stage(devhub: Running) -> None:
    both = await devhub.run("true", labels={"a": "1", "b": "2"})
    only = await devhub.run("false", labels={"a": "1"})
    for job in (both, only):
        await devhub.ended(job["id"])

    def ids(**filters: Any) -> list[str]:
        return [job.id for job in devhub.api.list_jobs(namespace="dev", **filters)]

    assert await devhub.call(ids, labels={"a": "1", "b": "2"}) == [both["id"]]
    assert await devhub.call(ids, labels={"a": "1"}) == [only["id"], both["id"]]
    assert await devhub.call(ids, status="ERROR") == [only["id"]]
    assert await devhub.call(ids, status=["ERROR", "COMPLETED"]) == [only["id"], both["id"]]
    assert await devhub.call(ids, status="RUNNING") == []


async def test_the_filters_are_in_the_link_to_the_next_page(devhub: Running) -> None:
    ids = [(await devhub.run("true", labels={"a": "1"}))["id"] for _ in range(3)]
    await devhub.run("true")
    answer = await devhub.http.get("/api/jobs/dev?label=a=1")
    following = await devhub.http.get(answer.links["next"]["url"])
    assert [job["id"] for job in following.json()] == ids[:1]
    assert "link" not in following.headers


@pytest.mark.parametrize(
    ("query", "named"),
    [
        pytest.param("stage=running", "stage", id="lower-case-stage"),
        pytest.param("stage=RUNNING,ERROR", "stage", id="comma"),
        pytest.param("label=a", "label", id="label-without-value"),
        pytest.param("cursor=x", "cursor", id="cursor"),
    ],
)
async def test_a_wrong_question_is_refused(shared: Running, query: str, named: str) -> None:
    answer = await shared.http.get(f"/api/jobs/dev?{query}")
    assert answer.status_code == 400
    assert named in answer.json()["error"]
