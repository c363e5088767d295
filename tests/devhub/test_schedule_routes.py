"""Whom a devhub lets keep which scheduled jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, JobNotFoundError

if TYPE_CHECKING:
    from devhub.conftest import Running

pytestmark = pytest.mark.anyio

ALL = "/api/scheduled-jobs/dev"
SPEC: dict[str, Any] = {"dockerImage": "i", "command": ["true"], "flavor": "cpu-basic"}
BODY: dict[str, Any] = {"jobSpec": SPEC, "schedule": "@hourly"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param({"schedule": "@midnight"}, "schedule: '@midnight'", id="word"),
        pytest.param({"schedule": "* * * *"}, "schedule: '* * * *'", id="four-fields"),
        pytest.param({"schedule": "0 9 * * MON"}, "schedule: ", id="name"),
        pytest.param({"schedule": "0 0 31 2 *"}, "schedule: ", id="never"),
        pytest.param({"schedule": ""}, "schedule: ", id="empty"),
        pytest.param({"schedule": None}, "schedule: ", id="none"),
        pytest.param({"suspend": "yes"}, "suspend: ", id="suspend"),
        pytest.param({"jobSpec": {**SPEC, "command": []}}, "jobSpec.command: ", id="job"),
        pytest.param({"jobSpec": {**SPEC, "ssh": {"enabled": True}}}, "jobSpec: ", id="ssh"),
        pytest.param({"jobSpec": {**SPEC, "network": {"group": "g"}}}, "jobSpec: ", id="network"),
    ],
)
async def test_a_wrong_body_is_refused_with_the_field_named(
    shared: Running, change: dict[str, Any], named: str
) -> None:
    answer = await shared.http.post(ALL, json={**BODY, **change})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(named)


async def test_there_are_only_so_many(devhub: Running) -> None:
    for _ in range(4):
        assert (await devhub.http.post(ALL, json=BODY)).status_code == 200
    answer = await devhub.http.post(ALL, json=BODY)
    assert answer.status_code == 400
    assert "delete some first" in answer.json()["error"]


async def test_the_official_client_reads_our_refusals(shared: Running) -> None:
    def use() -> None:
        with pytest.raises(BadRequestError, match="the Hub knows"):
            shared.api.create_scheduled_job(
                image="i", command=["true"], schedule="@never", namespace="dev"
            )
        with pytest.raises(JobNotFoundError):
            shared.api.trigger_scheduled_job(scheduled_job_id="0" * 24, namespace="dev")
        with pytest.raises(HfHubHTTPError, match="403"):
            shared.eve.list_scheduled_jobs(namespace="acme")

    await shared.call(use)


async def test_one_label_can_be_asked_for(shared: Running) -> None:
    answer = await shared.http.get(f"{ALL}?label=a=1&label=b=2")
    assert answer.status_code == 400
    assert "one label only" in answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("GET", "", None, id="inspect"),
        pytest.param("DELETE", "", None, id="delete"),
        pytest.param("POST", "/suspend", None, id="suspend"),
        pytest.param("POST", "/resume", None, id="resume"),
        pytest.param("POST", "/run", None, id="run"),
        pytest.param("POST", "/schedule", {"schedule": "@daily"}, id="schedule"),
        pytest.param("PUT", "/labels", {"labels": {}}, id="labels"),
    ],
)
async def test_only_who_may_gets_at_one(
    shared: Running, method: str, path: str, body: dict[str, Any] | None
) -> None:
    url = f"{ALL}/{'0' * 24}{path}"
    eve = {"Authorization": "Bearer hf_devhub_eve"}
    assert (await shared.http.request(method, url, json=body)).status_code == 404
    assert (await shared.http.request(method, url, json=body, headers=eve)).status_code == 403
