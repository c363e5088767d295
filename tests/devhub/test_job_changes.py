"""What becomes of a job after its launch: run again, labelled, exposed, counted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from huggingface_hub import Volume
from huggingface_hub.errors import BadRequestError, JobNotFoundError

if TYPE_CHECKING:
    from devhub.conftest import Running

pytestmark = pytest.mark.anyio

Serve = Callable[..., AbstractAsyncContextManager["Running"]]
PRINT = ["sh", "-c", 'echo "$SECRET $GIVEN"']


async def test_a_rerun_is_the_same_job_with_its_secrets(shared: Running) -> None:
    def use() -> str:
        job = shared.api.run_job(
            image="i",
            command=PRINT,
            env={"GIVEN": "again"},
            secrets={"SECRET": "hidden"},
            labels={"a": "b"},
            attempts=2,
            timeout=77,
            namespace="acme",
        )
        again = shared.api.rerun_job(job_id=job.id, namespace="acme")
        assert again.id != job.id
        assert again.initiator
        assert (again.initiator.type, again.initiator.id) == ("duplicated-job", job.id)
        assert again.initiator.name is None
        assert (again.labels, again.retry, again.owner) == (job.labels, 1, job.owner)
        assert list(again.secrets or ()) == ["SECRET"]
        lines = shared.api.fetch_job_logs(job_id=again.id, namespace="acme", follow=True)
        assert list(lines) == ["hidden again"]
        with pytest.raises(JobNotFoundError):
            shared.api.rerun_job(job_id=job.id, namespace="dev")
        return again.id

    again_id = await shared.call(use)
    wire = (await shared.http.get(f"/api/jobs/acme/{again_id}")).json()
    assert wire["createdBy"]["name"] == "dev"
    assert wire["timeout"] == 77


async def test_a_rerun_is_its_own_after_a_restart_unless_it_had_secrets(
    tmp_path: Path, devhub_with: Serve
) -> None:
    async with devhub_with(data=tmp_path) as devhub:
        plain = await devhub.run("echo", "kept")
        secret = await devhub.run("true", secrets={"S": "1"})
        again = (await devhub.http.post(f"/api/jobs/dev/{plain['id']}/duplicate")).json()
        for job in (plain, secret, again):
            await devhub.ended(job["id"])
    async with devhub_with(data=tmp_path) as later:
        kept = await later.job(again["id"])
        assert kept["initiator"] == {"type": "duplicated-job", "id": plain["id"]}
        anew = (await later.http.post(f"/api/jobs/dev/{plain['id']}/duplicate")).json()
        assert (await later.log(anew["id"]))[1:] == ["kept"]
        refused = await later.http.post(f"/api/jobs/dev/{secret['id']}/duplicate")
        assert refused.status_code == 409
        assert "keeps no secrets of jobs" in refused.json()["error"]


async def test_labels_are_replaced_and_found_by(shared: Running) -> None:
    job = await shared.run("true", labels={"old": "1"})

    def use() -> None:
        api = shared.api
        changed = api.update_job_labels(job_id=job["id"], labels={"new": "2"}, namespace="dev")
        assert (changed.id, changed.labels) == (job["id"], {"new": "2"})
        assert [one.id for one in api.list_jobs(namespace="dev", labels={"new": "2"})] == [
            job["id"]
        ]
        assert list(api.list_jobs(namespace="dev", labels={"old": "1"})) == []
        with pytest.raises(BadRequestError, match=r"labels\.a b"):
            api.update_job_labels(job_id=job["id"], labels={"a b": "2"}, namespace="dev")
        assert api.update_job_labels(job_id=job["id"], labels={}, namespace="dev").labels is None

    await shared.call(use)


async def test_exposed_ports_have_addresses_on_this_machine_and_can_be_changed(
    shared: Running,
) -> None:
    def use() -> None:
        api = shared.api
        job = api.run_job(
            image="i",
            command=["sleep", "60"],
            expose=[8000, 9000],
            expose_public=[9000],
            namespace="dev",
        )
        assert (job.expose, job.expose_public) == ([8000, 9000], [9000])
        assert job.status.expose_urls == ["http://127.0.0.1:8000", "http://127.0.0.1:9000"]
        job = api.update_job_expose(job_id=job.id, expose=[7000], namespace="dev")
        assert (job.expose, job.expose_public) == ([7000], [])
        assert job.status.expose_urls == ["http://127.0.0.1:7000"]
        assert job.status.stage in ("SCHEDULING", "RUNNING")
        with pytest.raises(BadRequestError, match=r"ports\.0"):
            api.update_job_expose(job_id=job.id, expose=[0], namespace="dev")
        job = api.update_job_expose(job_id=job.id, namespace="dev")
        assert (job.expose, job.status.expose_urls) == (None, None)
        api.cancel_job(job_id=job.id, namespace="dev")

    await shared.call(use)


async def test_what_this_machine_does_not_give_stands_in_the_log(shared: Running) -> None:
    def use() -> str:
        job = shared.api.run_job(
            image="i",
            command=[
                "sh",
                "-c",
                'echo "$HF_NETWORK_GROUP_HOSTNAME ${HF_NETWORK_GROUP_PREFIX}main"',
            ],
            ssh=True,
            volumes=[
                Volume(type="dataset", source="acme/d", mount_path="/data"),
                Volume(type="bucket", source="dev/b", mount_path="/out", read_only=True, path="x"),
            ],
            network_group="train",
            network_aliases=["main"],
            namespace="dev",
        )
        assert job.status.ssh_url == f"ssh://{job.id}@ssh.devhub.invalid"
        assert job.network
        assert (job.network.group, job.network.aliases) == ("train", ["main"])
        assert job.volumes
        assert [volume.to_dict() for volume in job.volumes] == [
            {"type": "dataset", "source": "acme/d", "mountPath": "/data"},
            {
                "type": "bucket",
                "source": "dev/b",
                "mountPath": "/out",
                "readOnly": True,
                "path": "x",
            },
        ]
        return job.id

    job_id = await shared.call(use)
    assert (await shared.log(job_id))[1:] == [
        "devhub: no volume is mounted here: /data is not dataset acme/d",
        "devhub: no volume is mounted here: /out is not bucket dev/b",
        "devhub: nobody listens at the address for SSH: the job runs on this machine",
        "devhub: there are no names of network groups here: all jobs share 127.0.0.1",
        "localhost train-main",
    ]


async def test_jobs_are_counted_by_stage(devhub: Running) -> None:
    for command in ("true", "false", "true"):
        await devhub.ended((await devhub.run(command))["id"])

    async def count(query: str = "") -> dict[str, int]:
        counted: dict[str, int] = (await devhub.http.get(f"/api/jobs/dev/count{query}")).json()
        return counted

    assert await count() == {"count": 3}
    assert await count("?stage=COMPLETED") == {"count": 2}
    assert await count("?stage=ERROR&stage=COMPLETED") == {"count": 3}
    assert (await devhub.http.get("/api/jobs/dev/count?stage=x")).status_code == 400


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        pytest.param("auth-check/read", "hf_devhub", 200, id="read"),
        pytest.param("auth-check/write", "hf_devhub", 200, id="write"),
        pytest.param("auth-check/own", "hf_devhub", 400, id="no-permission"),
        pytest.param("auth-check/read", "hf_devhub_eve", 403, id="not-theirs"),
        pytest.param(f"{'0' * 24}/auth-check/read", "hf_devhub", 404, id="no-job"),
    ],
)
async def test_one_may_ask_what_one_may(
    shared: Running, path: str, token: str, status: int
) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    answer = await shared.http.post(f"/api/jobs/acme/{path}", headers=headers)
    assert answer.status_code == status
    if status == 200:
        told = answer.json()
        assert {who: told[who]["name"] for who in told} == {"namespace": "acme", "user": "dev"}


async def test_one_may_ask_what_one_may_do_with_a_job(shared: Running) -> None:
    job = await shared.run("true")
    answer = await shared.http.post(f"/api/jobs/dev/{job['id']}/auth-check/write")
    assert answer.json()["user"]["name"] == "dev"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("POST", "duplicate", None, id="rerun"),
        pytest.param("PUT", "labels", {"labels": {}}, id="labels"),
        pytest.param("PUT", "expose", {"ports": []}, id="expose"),
        pytest.param("GET", "metrics", None, id="metrics"),
    ],
)
async def test_only_who_may_changes_or_watches_a_job(
    shared: Running, method: str, path: str, body: dict[str, Any] | None
) -> None:
    job = await shared.run("true")
    url = f"/api/jobs/dev/{job['id']}/{path}"
    eve = {"Authorization": "Bearer hf_devhub_eve"}
    assert (await shared.http.request(method, url, json=body, headers=eve)).status_code == 403
    gone = url.replace(job["id"], "0" * 24)
    assert (await shared.http.request(method, gone, json=body)).status_code == 404
