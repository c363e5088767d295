"""Webhooks that run a job."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from huggingface_hub.errors import HfHubHTTPError

if TYPE_CHECKING:
    from devhub.conftest import Running

pytestmark = pytest.mark.anyio

Serve = Callable[..., AbstractAsyncContextManager["Running"]]
Until = Callable[[Callable[[], Any]], Any]
ALL = "/api/settings/webhooks"
WATCHED: list[Any] = [{"type": "user", "name": "dev"}]
BODY: dict[str, Any] = {"watched": WATCHED, "domains": ["repo"]}
# One line for each variable, so that what is missing is seen as missing.
SHOW = 'for name in "$@"; do eval "echo \\$name=\\${$name-none}"; done'
NAMES = ("WEBHOOK_REPO_ID", "WEBHOOK_REPO_TYPE", "WEBHOOK_SECRET", "GIVEN", "OWN", "SOURCES")


async def source(devhub: Running, *command: str, **body: Any) -> str:
    """Return the id of a job that is over, for webhooks to run."""
    job = await devhub.run(*(command or ("true",)), **body)
    await devhub.ended(job["id"])
    job_id: str = job["id"]
    return job_id


async def launched(devhub: Running, until: Until, webhook_id: str) -> dict[str, Any]:
    """Return the first job that a webhook has set off, once it has."""

    async def first() -> dict[str, Any] | None:
        for entry in await devhub.ledger():
            job = (await devhub.http.get(f"/api/jobs/{entry['namespace']}/{entry['id']}")).json()
            if job["initiator"] == {"type": "webhook", "id": webhook_id}:
                found: dict[str, Any] = job
                return found
        return None

    job: dict[str, Any] = await until(first)
    return job


async def test_an_event_runs_the_job_with_what_the_hub_tells_it(
    devhub: Running, until: Until
) -> None:
    job_id = await source(
        devhub,
        *("sh", "-c", SHOW, "sh"),
        arguments=[*NAMES],
        environment={"GIVEN": "1", "WEBHOOK_REPO_ID": "not this"},
        secrets={"SOURCES": "stays behind"},
        labels={"team": "ml"},
        volumes=[{"type": "model", "source": "dev/m", "mountPath": "/m"}],
        attempts=3,
        timeoutSeconds=99,
    )
    webhook = await devhub.call(
        lambda: devhub.api.create_webhook(
            job_id=job_id, watched=WATCHED, secret="s3cret", secrets={"OWN": "2", "NONE": ""}
        )
    )
    await devhub.call(devhub.api.create_repo, "dev/data", repo_type="dataset")
    job = await launched(devhub, until, webhook.id)
    assert (await devhub.log(job["id"]))[1:] == [
        "WEBHOOK_REPO_ID=dev/data",
        "WEBHOOK_REPO_TYPE=dataset",
        "WEBHOOK_SECRET=s3cret",
        "GIVEN=1",
        "OWN=2",
        "SOURCES=none",
    ]
    assert job["createdBy"]["name"] == job["owner"]["name"] == "dev"
    assert (job["timeout"], job["labels"], job["retry"]) == (99, {"team": "ml"}, 0)
    assert sorted(job["secrets"]) == ["OWN", "WEBHOOK_SECRET"]
    assert "s3cret" not in str(job)
    assert "volumes" not in job
    payload = json.loads(job["environment"]["WEBHOOK_PAYLOAD"])
    assert payload["event"] == {"scope": "repo", "action": "create"}
    assert payload["webhook"]["id"] == webhook.id
    assert len(job["environment"]["WEBHOOK_ID"]) == 36


async def test_the_answer_tells_the_job_and_of_secrets_the_names(shared: Running) -> None:
    job_id = await source(shared, "echo", "x", secrets={"S": "1"}, labels={"a": "b"})
    made = (
        await shared.http.post(
            ALL, json={**BODY, "jobSourceId": job_id, "secret": "s", "secrets": {"OWN": "hunter2"}}
        )
    ).json()["webhook"]
    assert made == {
        **BODY,
        "id": made["id"],
        "jobSourceId": job_id,
        "job": {
            "dockerImage": "python:3.12",
            "command": ["echo", "x"],
            "arguments": [],
            "environment": {},
            "flavor": "cpu-basic",
            "timeoutSeconds": None,
            "labels": {"a": "b"},
            "secrets": ["OWN"],
        },
        "hasSecret": True,
        "disabled": False,
    }


async def test_the_official_client_sees_and_changes_what_is_run(devhub: Running) -> None:
    def use() -> None:
        api = devhub.api
        job, other = (
            api.run_job(image=image, command=["true"], namespace="dev") for image in ("a", "b")
        )
        made = api.create_webhook(
            job_id=job.id, watched=WATCHED, secrets={"KEPT": "1", "GONE": "2", "NEW": "3"}
        )
        assert made.url is None
        assert made.job
        assert made.job.docker_image == "a"
        changed = api.update_webhook(
            made.id, job_id=other.id, watched=WATCHED, secrets={"GONE": "", "NEW": "4", "MORE": "5"}
        )
        assert changed.job
        assert changed.job.docker_image == "b"
        assert list(changed.job.secrets or ()) == ["KEPT", "NEW", "MORE"]
        assert api.update_webhook(made.id, watched=WATCHED).job == changed.job
        elsewhere = api.update_webhook(made.id, url="http://localhost:1/", watched=WATCHED)
        assert (elsewhere.url, elsewhere.job) == ("http://localhost:1/", None)
        back = api.update_webhook(made.id, job_id=job.id, watched=WATCHED)
        assert (back.url, back.job and back.job.secrets) == (None, None)

    await devhub.call(use)


async def test_a_job_can_be_given_whole(devhub: Running, until: Until) -> None:
    job = {
        "dockerImage": "i",
        "command": ["sh", "-c", "echo $OWN $BOTH"],
        "flavor": "cpu-basic",
        "secrets": {"OWN": "1", "BOTH": "2"},
    }
    made = (await devhub.http.post(ALL, json={**BODY, "job": job, "secrets": {"BOTH": "3"}})).json()
    assert "jobSourceId" not in made["webhook"]
    await devhub.call(devhub.api.create_repo, "dev/m")
    ran = await launched(devhub, until, made["webhook"]["id"])
    assert (await devhub.log(ran["id"]))[1:] == ["1 3"]


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        pytest.param({}, 400, "one of url, jobSourceId and job must be given", id="nothing"),
        pytest.param({"url": "http://h/", "jobSourceId": "x"}, 400, "only one of url", id="both"),
        pytest.param({"url": "http://h/", "secrets": {"S": "1"}}, 400, "secrets can", id="secrets"),
        pytest.param({"jobSourceId": "0" * 24}, 404, "jobSourceId: there is no", id="no-such-job"),
        pytest.param({"jobSourceId": 7}, 400, "jobSourceId: ", id="number"),
        pytest.param({"job": {"command": ["hunter2"]}}, 400, "job.flavor: ", id="job"),
        pytest.param(
            {"jobSourceId": "x", "secrets": {"a b": "hunter2"}}, 400, "secrets", id="name"
        ),
    ],
)
async def test_what_cannot_be_run_is_refused(
    shared: Running, change: dict[str, Any], status: int, reason: str
) -> None:
    answer = await shared.http.post(ALL, json={**BODY, **change})
    assert answer.status_code == status
    assert answer.json()["error"].startswith(reason)
    assert "hunter2" not in answer.text


async def test_jobs_of_others_cannot_be_run(shared: Running) -> None:
    job_id = await source(shared)
    with pytest.raises(HfHubHTTPError, match="404"):
        await shared.call(lambda: shared.eve.create_webhook(job_id=job_id, watched=WATCHED))


async def test_it_is_there_again_with_its_secrets(
    tmp_path: Path, devhub_with: Serve, until: Until
) -> None:
    async with devhub_with(data=tmp_path) as devhub:
        job_id = await source(devhub, "sh", "-c", "echo $OWN")
        made = await devhub.call(
            lambda: devhub.api.create_webhook(
                job_id=job_id, watched=WATCHED, secrets={"OWN": "kept"}
            )
        )
    async with devhub_with(data=tmp_path) as later:
        assert await later.call(later.api.get_webhook, made.id) == made
        await later.call(later.api.create_repo, "dev/m")
        job = await launched(later, until, made.id)
        assert (await later.log(job["id"]))[1:] == ["kept"]


async def test_who_may_no_longer_run_the_job_has_their_webhook_suspended(
    tmp_path: Path, devhub_with: Serve, until: Until
) -> None:
    users = tmp_path / "users.json"
    people = [{"name": "ann", "token": "hf_ann", "orgs": {"acme": "write"}}]
    users.write_text(json.dumps(people))
    ann = {"Authorization": "Bearer hf_ann"}
    watched = [{"type": "model", "name": "dev/m"}]
    async with devhub_with(data=tmp_path / "data", users=users) as devhub:
        spec = {"dockerImage": "i", "command": ["true"], "flavor": "cpu-basic"}
        job = (await devhub.http.post("/api/jobs/acme", json=spec)).json()
        body = {**BODY, "watched": watched, "jobSourceId": job["id"]}
        made = await devhub.http.post(ALL, json=body, headers=ann)
        assert made.status_code == 200
    users.write_text(json.dumps([{**people[0], "orgs": {"acme": "read"}}]))
    async with devhub_with(data=tmp_path / "data", users=users) as later:
        url = f"{ALL}/{made.json()['webhook']['id']}"
        for name in ("dev/m", "dev/other"):
            await later.call(later.api.create_repo, name)
        await later.call(lambda: later.api.create_tag("dev/m", tag="v1"))

        async def suspended() -> bool:
            hook = (await later.http.get(url, headers=ann)).json()["webhook"]
            return bool(hook["disabled"] == "suspended-after-failure")

        await until(suspended)
        assert [entry["id"] for entry in await later.ledger()] == [job["id"]]


async def test_a_payload_that_no_environment_holds_fails_its_job_with_the_reason(
    devhub: Running, until: Until
) -> None:
    job_id = await source(devhub)
    made = await devhub.call(
        lambda: devhub.api.create_webhook(job_id=job_id, watched=WATCHED, domains=["discussion"])
    )
    await devhub.call(devhub.api.create_repo, "dev/m")
    await devhub.call(
        lambda: devhub.api.create_discussion("dev/m", title="long", description="→" * 65_000)
    )
    job = await launched(devhub, until, made.id)
    done = await devhub.ended(job["id"])
    assert done["status"]["stage"] == "ERROR"
    assert done["status"]["message"].endswith("Argument list too long")
