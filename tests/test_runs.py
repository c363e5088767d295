"""What rules run, on a whole service beside a devhub."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from factories import make_spec
from jobhook.core.jobs import JobStage
from jobhook.core.launches import Launch, LaunchState
from jobhook.hub.models import JobInfo
from jobhook.wiring import Service
from town import SECRET, Town, running_town, until

pytestmark = pytest.mark.anyio

UV = Path(sys.executable).with_name("uv")
SCRIPT = """\
# /// script
# requires-python = ">=3.11"
# dependencies = []
# ///
import json, os, sys

payload = json.loads(os.environ["WEBHOOK_PAYLOAD"])
print(payload["repo"]["name"], os.environ["REPO"], sys.argv[1:], __file__.rpartition("/")[2])
"""


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with running_town(tmp_path) as town:
        yield town


async def ended(town: Town) -> JobInfo:
    """The only job, once it is over."""

    async def look() -> JobInfo | None:
        async with town.hub() as hub:
            jobs = [job for job in await hub.list_jobs(namespace="dev") if job.is_over]
        return jobs[0] if jobs else None

    return await until(look, seconds=40)


async def log_of(town: Town, job: JobInfo) -> list[str]:
    async with town.hub() as hub:
        told = hub.fetch_job_logs(job_id=job.id, namespace=job.owner.name, follow=True)
        return [line async for line in told]


async def test_a_script_beside_the_rules_runs_with_the_payload(town: Town) -> None:
    if not UV.exists():
        pytest.skip("uv is not installed beside Python")
    (town.rules / "scripts").mkdir()
    (town.rules / "scripts" / "my train.py").write_text(SCRIPT)
    town.rule(
        "train",
        """\
watch: [user:dev]
on: [commit.pushed]
run:
  uv: {script: scripts/my train.py, args: [a b, --, $HOME]}
  env: {REPO: "${{ repo.type }}s/${{ repo.name }}", UV_OFFLINE: "1"}
""",
    )
    async with town.service():
        await town.push()
        job = await ended(town)
        log = await log_of(town, job)
    assert (job.status.stage, job.docker_image) == (
        JobStage.COMPLETED,
        "ghcr.io/astral-sh/uv:python3.12-bookworm",
    )
    told = "dev/corpus datasets/dev/corpus ['a b', '--', '$HOME'] my train.py"
    assert told in log


READS_A_FILE = """\
import hashlib, os, sys
from pathlib import Path

import helper

data = Path(sys.argv[2])
print(hashlib.sha256(data.read_bytes()).hexdigest(), sys.argv[1], data.name, helper.WORD)
print("JOBHOOK_FILES" in os.environ)
sys.exit(3)
"""


async def test_a_callers_script_runs_with_its_files(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not UV.exists():
        pytest.skip("uv is not installed beside Python")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "main.py").write_text(READS_A_FILE)
    (tmp_path / "helper.py").write_text("WORD = 'beside'\n")
    (tmp_path / "my 'data'.bin").write_bytes(bytes(range(256)))
    async with town.hub() as hub:
        started = await hub.run_uv_job(
            "main.py", script_args=["$HOME", "my 'data'.bin", "helper.py"], env={"UV_OFFLINE": "1"}
        )
        job = await ended(town)
    log = await log_of(town, job)
    digest = hashlib.sha256(bytes(range(256))).hexdigest()
    assert (job.id, job.status.stage) == (started.id, JobStage.ERROR)
    assert f"{digest} $HOME my_'data'.bin beside" in log
    assert "False" in log


READS = """\
import hashlib, os, urllib.request

with urllib.request.urlopen(os.environ["WEBHOOK_PAYLOAD_URL"]) as answer:
    whole = answer.read()
print(os.environ["WEBHOOK_PAYLOAD_TRUNCATED"], len(os.environ["WEBHOOK_PAYLOAD"].encode()))
print(hashlib.sha256(whole).hexdigest() == os.environ["WEBHOOK_PAYLOAD_SHA256"], len(whole))
"""
LONG = {
    "event": {"scope": "repo.content", "action": "update"},
    "repo": {"type": "dataset", "name": "dev/corpus", "id": "a" * 24},
    "updatedRefs": [{"ref": "refs/heads/main", "oldSha": "a" * 40, "newSha": "b" * 40}],
    "updatedFiles": [{"path": f"data/{n:06}-鳥", "action": "add"} for n in range(5_000)],
}


async def delivered(service: Service, body: bytes) -> None:
    async with httpx2.AsyncClient() as client:
        answer = await client.post(
            f"{service.url}/webhooks/hub",
            content=body,
            headers={"X-Webhook-Secret": SECRET, "Webhook-Id": "w1"},
        )
        assert answer.status_code == 202


@pytest.mark.parametrize("keys", ["", "k" * 32], ids=["a key of its own", "a key that is set"])
async def test_a_job_reads_all_of_a_payload_that_was_cut(town: Town, keys: str) -> None:
    town.rule(
        "read",
        f"""\
watch: [user:dev]
on: [commit.pushed]
run: {{image: "python:3.12", command: [python, -c, {json.dumps(READS)}]}}
""",
    )
    body = json.dumps(LONG, ensure_ascii=False).encode()
    async with town.service(JOBHOOK_SIGNING_KEYS=keys) as service:
        await delivered(service, body)
        job = await ended(town)
        log = await log_of(town, job)
        url = job.variable("WEBHOOK_PAYLOAD_URL") or ""
        async with httpx2.AsyncClient() as client:
            again = await client.get(url)
            forged = await client.get(url[:-4] + "AAAA")
    assert job.variable("WEBHOOK_PAYLOAD_SHA256") == hashlib.sha256(body).hexdigest()
    assert f"True {len(body)}" in log
    assert (again.content, forged.status_code) == (body, 404)


async def test_a_link_opens_after_the_service_was_started_again(town: Town) -> None:
    town.rule(
        "read", 'watch: [user:dev]\non: [commit.pushed]\nrun: {image: x, command: ["true"]}\n'
    )
    body = json.dumps(LONG).encode()
    async with town.service() as service:
        await delivered(service, body)
        first = (await ended(town)).variable("WEBHOOK_PAYLOAD_URL") or ""
        path = first.removeprefix(service.url)
    async with town.service() as service, httpx2.AsyncClient() as client:
        assert (await client.get(f"{service.url}{path}")).content == body


async def launch_in(service: Service, state: LaunchState) -> Launch:
    """The only launch, once it is in *state*."""

    async def look() -> Launch | None:
        launches = await service.store.launches(limit=0)
        return next((launch for launch in launches if launch.state == state), None)

    return await until(look)


async def test_a_job_is_repeated_with_the_new_payload(town: Town) -> None:
    told = 'echo "$AB $CD $WEBHOOK_REPO_ID" "${KEY-no key}"'
    source = make_spec(
        command=("sh", "-c"),
        args=(told,),
        env={"AB": "old", "CD": "kept", "WEBHOOK_REPO_ID": "old/one"},
        secrets={"KEY": "hidden"},
        labels={"team": "ml"},
        timeout=600,
    )
    async with town.hub() as hub:
        repeated = await hub.start_job("acme", source)
    run = f"{{from_job: acme/{repeated.id}, env: {{AB: '${{{{ event.name }}}}'}}}}"
    town.rule("again", f"watch: [user:dev]\non: [commit.pushed]\nrun: {run}\n")
    async with town.service() as service:
        await town.push()
        launch = await launch_in(service, LaunchState.COMPLETED)
        job = await ended(town)
        log = await log_of(town, job)
    assert (job.id, launch.spec.timeout) == (launch.job_id, 600)
    assert job.label("team") == "ml"
    assert "commit.pushed kept dev/corpus no key" in log


async def test_a_job_that_is_not_there_is_not_repeated(town: Town) -> None:
    town.rule("again", "watch: [user:dev]\non: [commit.pushed]\nrun: {from_job: j1}\n")
    async with town.service() as service:
        await town.push()
        launch = await launch_in(service, LaunchState.HELD)
    assert launch.reason.startswith("source: job j1 is not known: ")


async def test_a_job_runs_where_its_rule_says_and_gets_the_webhooks_secret(town: Town) -> None:
    town.rule(
        "tell",
        """\
watch: [user:dev]
on: [commit.pushed]
pass_webhook_secret: true
run:
  image: python:3.12
  command: [sh, -c, 'echo "$WEBHOOK_SECRET" "${WEBHOOK_PAYLOAD-none}" "$WEBHOOK_REPO_ID"']
  namespace: acme
  payload: none
""",
    )
    async with town.service() as service:
        await town.push()
        launch = await launch_in(service, LaunchState.COMPLETED)
        async with town.hub() as hub:
            assert await hub.list_jobs(namespace="dev") == []
            (job,) = await hub.list_jobs(namespace="acme")
        log = await log_of(town, job)
    assert (launch.namespace, job.owner.name) == ("acme", "acme")
    assert job.secrets == ["WEBHOOK_SECRET"]
    assert SECRET not in json.dumps(job.environment)
    assert f"{SECRET} none dev/corpus" in log
