"""Jobs as the official client and plain HTTP see them."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, JobNotFoundError

if TYPE_CHECKING:
    from devhub.conftest import Running

pytestmark = pytest.mark.anyio

DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
SPEC: dict[str, Any] = {"dockerImage": "i", "command": ["true"], "flavor": "cpu-basic"}


async def test_a_job_of_the_official_client_runs_and_its_log_is_followed(shared: Running) -> None:
    def use() -> None:
        job = shared.api.run_job(
            image="python:3.12",
            command=["python", "-c", "import sys; print('out'); print('err', file=sys.stderr)"],
            env={"AB": "1"},
            secrets={"S": "hidden"},
            labels={"team": "ml"},
            timeout="90s",
            attempts=2,
            namespace="dev",
        )
        assert job.status.stage == "SCHEDULING"
        assert list(job.secrets or ()) == ["S"]
        assert job.retry == 1
        assert job.url == f"{shared.url}/jobs/dev/{job.id}"
        lines = list(shared.api.fetch_job_logs(job_id=job.id, namespace="dev", follow=True))
        assert sorted(lines) == ["err", "out"]
        done = shared.api.inspect_job(job_id=job.id, namespace="dev")
        assert done.status.stage == "COMPLETED"
        assert done.started_at
        assert done.finished_at
        assert done.initiator
        assert (done.owner.name, done.owner.type, done.initiator.name) == ("dev", "user", "dev")
        assert list(shared.api.fetch_job_logs(job_id=job.id, namespace="dev")) == lines
        assert list(shared.api.fetch_job_logs(job_id=job.id, namespace="dev", tail=1)) == lines[-1:]
        assert shared.api.wait_for_job(job_id=job.id, namespace="dev").id == job.id

    await shared.call(use)


async def test_the_wire_form_holds_what_is_known_and_nothing_else(shared: Running) -> None:
    job = await shared.run("true", timeoutSeconds=60, secrets={"S": "hidden"})
    assert job["timeout"] == 60
    assert job["status"] == {"stage": "SCHEDULING", "message": None}
    assert job["secrets"] == ["S"]
    assert re.fullmatch("[0-9a-f]{24}", job["id"])
    assert DATE.fullmatch(job["createdAt"])
    assert job["durations"] == {"totalSecs": 0}
    assert not job.keys() & {"startedAt", "finishedAt", "labels", "spaceId", "expose", "arch"}
    done = await shared.ended(job["id"])
    assert DATE.fullmatch(done["startedAt"])
    assert DATE.fullmatch(done["finishedAt"])
    assert done["durations"].keys() == {"totalSecs", "schedulingSecs", "runningSecs"}
    assert "hidden" not in str(done)


async def test_everything_optional_comes_back(shared: Running) -> None:
    group = "0123456789abcdef01234567"
    job = await shared.run(
        "true",
        dockerImage=None,
        spaceId="acme/space",
        arch="arm64",
        labels={"k": "v", "empty": ""},
        expose={"ports": [8000, 9000], "portsPublic": [9000]},
        resourceGroupId=group,
        ssh={"enabled": False},
        somethingNew=1,
    )
    assert job["spaceId"] == "acme/space"
    assert "dockerImage" not in job
    assert job["labels"] == {"k": "v", "empty": ""}
    assert job["expose"] == {"ports": [8000, 9000], "portsPublic": [9000]}
    assert (job["arch"], job["resourceGroupId"]) == ("arm64", group)
    assert "ssh" not in job


async def test_a_wrong_body_is_refused_and_nothing_runs(devhub: Running) -> None:
    answer = await devhub.http.post("/api/jobs/dev", json={**SPEC, "command": []})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("command: ")
    assert (await devhub.http.get("/api/jobs/dev")).json() == []


async def test_values_of_secrets_are_not_in_a_refusal(shared: Running) -> None:
    answer = await shared.http.post("/api/jobs/dev", json={**SPEC, "secrets": {"S": ["hunter2"]}})
    assert answer.status_code == 400
    assert "hunter2" not in answer.text


async def test_a_job_sees_what_it_is_given_and_nothing_of_our_environment(
    shared: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", "leaked")
    job = await shared.run("env", environment={"GIVEN": "1"}, secrets={"S": "2"})
    _, *lines = await shared.log(job["id"])
    env = dict(line.split("=", 1) for line in lines)
    assert env["PATH"].split(":")[1:] == (
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".split(":")
    )
    del env["PATH"], env["HOME"]
    assert env == {
        "GIVEN": "1",
        "S": "2",
        "LANG": "C.UTF-8",
        "JOB_ID": job["id"],
        "ACCELERATOR": "none",
        "CPU_CORES": "2",
        "MEMORY": "16Gi",
    }


async def test_a_job_runs_in_a_folder_of_its_own_that_goes_with_it(
    shared: Running, until: Callable[[Callable[[], Any]], Any]
) -> None:
    job = await shared.run("sh", "-c", 'touch file; pwd; echo "$HOME"; ls', arguments=["sh"])
    _, folder, home, content = await shared.log(job["id"])
    assert folder == home
    assert content == "file"
    await until(lambda: not os.path.exists(folder))  # noqa: PTH110 - not worth an async path


async def test_python_in_a_job_is_the_one_that_runs_us(shared: Running) -> None:
    code = "import sys; print(*sys.version_info[:2])"
    job = await shared.run("python3", "-c", code, flavor="rtx-pro-6000")
    assert (await shared.log(job["id"]))[1:] == ["{} {}".format(*sys.version_info)]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        pytest.param(["sh", "-c", "exit 3"], "Job failed with exit code: 3", id="code"),
        pytest.param(["sh", "-c", "kill -9 $$"], "Job failed with exit code: 137", id="signal"),
        pytest.param(
            ["no-such-command"],
            "The command cannot start: no-such-command: command not found",
            id="not-found",
        ),
        pytest.param(
            ["/etc/passwd"],
            "The command cannot start: /etc/passwd: Permission denied",
            id="no-program",
        ),
    ],
)
async def test_a_job_that_fails_says_how(shared: Running, command: list[str], message: str) -> None:
    job = await shared.run(*command)
    done = await shared.ended(job["id"])
    assert (done["status"]["stage"], done["status"]["message"]) == ("ERROR", message)
    assert done["finishedAt"]


async def test_a_job_that_cannot_start_has_one_line_in_its_log(shared: Running) -> None:
    job = await shared.run("no-such-command")
    assert (await shared.log(job["id"]))[1:] == ["devhub: no-such-command: command not found"]


async def test_a_failing_job_is_tried_as_often_as_asked(shared: Running) -> None:
    job = await shared.run("sh", "-c", "echo again; exit 1", attempts=3)
    assert (await shared.log(job["id"]))[1:] == ["again"] * 3
    status = (await shared.job(job["id"]))["status"]
    assert status["message"] == "Job failed with exit code: 1"
    assert status["failureCount"] == 3


async def test_at_its_timeout_a_job_is_ended(shared: Running) -> None:
    job = await shared.run("sleep", "60", timeoutSeconds=1)
    done = await shared.ended(job["id"])
    assert done["status"] == {"stage": "ERROR", "message": "Job timeout"}


async def test_cancel_is_answered_when_the_job_is_gone(shared: Running) -> None:
    job = await shared.run("sh", "-c", "sleep 60 & echo $!; wait")
    pid = await _first_line(shared, job["id"])
    await shared.call(shared.api.cancel_job, job_id=job["id"], namespace="dev")
    done = await shared.job(job["id"])
    assert done["status"] == {"stage": "CANCELED", "message": None}
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


async def test_cancelling_what_is_over_changes_nothing(shared: Running) -> None:
    job = await shared.run("true")
    done = await shared.ended(job["id"])
    answer = await shared.http.post(f"/api/jobs/dev/{job['id']}/cancel")
    assert answer.json() == done


async def test_a_job_that_waits_for_room_can_be_cancelled(devhub: Running) -> None:
    running = [await devhub.run("sleep", "60") for _ in range(4)]
    waiting = await devhub.run("true")
    answer = await devhub.http.post(f"/api/jobs/dev/{waiting['id']}/cancel")
    assert answer.json()["status"]["stage"] == "CANCELED"
    assert "startedAt" not in answer.json()
    assert answer.json()["durations"].keys() == {"totalSecs"}
    assert await devhub.log(waiting["id"]) == []
    assert await devhub.log(waiting["id"], "?tail=2") == []
    for job in running:
        await devhub.http.post(f"/api/jobs/dev/{job['id']}/cancel")


async def test_jobs_wait_until_there_is_room(devhub: Running) -> None:
    first = [await devhub.run("sleep", "60") for _ in range(4)]
    last = await devhub.run("echo", "mine")
    await devhub.http.post(f"/api/jobs/dev/{first[0]['id']}/cancel")
    assert (await devhub.log(last["id"]))[1:] == ["mine"]
    for job in first:
        await devhub.http.post(f"/api/jobs/dev/{job['id']}/cancel")


async def test_jobs_of_an_org_are_its_members(shared: Running) -> None:
    def use() -> None:
        job = shared.api.run_job(image="i", command=["true"], namespace="acme")
        assert (job.owner.name, job.owner.type) == ("acme", "org")
        assert shared.api.inspect_job(job_id=job.id, namespace="acme").id == job.id
        with pytest.raises(JobNotFoundError):
            shared.api.inspect_job(job_id=job.id, namespace="dev")
        with pytest.raises(HfHubHTTPError, match="403"):
            shared.eve.inspect_job(job_id=job.id, namespace="acme")

    await shared.call(use)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("namespace", "token", "status"),
    [
        pytest.param("dev", "", 401, id="no-token"),
        pytest.param("dev", "Bearer hf_wrong", 401, id="wrong-token"),
        pytest.param("dev", "Basic hf_devhub", 401, id="no-bearer"),
        pytest.param("dev", "Bearer hf_devhub_eve", 403, id="not-theirs"),
        pytest.param("nobody", "Bearer hf_devhub", 404, id="no-such-namespace"),
    ],
)
async def test_only_who_may_gets_at_jobs(
    shared: Running, method: str, namespace: str, token: str, status: int
) -> None:
    headers = {"Authorization": token}
    answer = await shared.http.request(method, f"/api/jobs/{namespace}", json=SPEC, headers=headers)
    assert answer.status_code == status
    assert answer.json().keys() == {"error"}


async def test_the_official_client_reads_our_refusals(shared: Running) -> None:
    def use() -> None:
        with pytest.raises(BadRequestError, match="flavor"):
            shared.api.run_job(image="i", command=["true"], flavor="abacus", namespace="dev")
        with pytest.raises(JobNotFoundError):
            list(shared.api.fetch_job_logs(job_id="0" * 24, namespace="dev"))

    await shared.call(use)


async def test_hardware_is_told_to_everybody(shared: Running) -> None:
    answer = await shared.http.get("/api/jobs/hardware", headers={"Authorization": ""})
    assert answer.status_code == 200
    by_name = {row.name: row for row in await shared.call(shared.api.list_jobs_hardware)}
    assert len(by_name) == 26
    basic, big = by_name["cpu-basic"], by_name["rtx-pro-6000x8"]
    assert (basic.cpu, basic.ram, basic.accelerator) == ("2 vCPU", "16 GB", None)
    assert (basic.unit_cost_micro_usd, basic.unit_cost_usd) == (167, 0.000167)
    assert big.accelerator
    assert (big.accelerator.model, big.accelerator.quantity) == ("RTX PRO 6000", "8")


async def _first_line(devhub: Running, job_id: str) -> str:
    async with devhub.http.stream("GET", f"/api/jobs/dev/{job_id}/logs") as answer:
        lines = (line async for line in answer.aiter_lines() if line.startswith("data: "))
        await anext(lines)
        line = await anext(lines)
    text: str = json.loads(line.removeprefix("data: "))["data"]
    return text
