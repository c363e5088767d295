"""`serve`, `devhub` and `demo` as processes of their own, as a stranger would start them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from pathlib import Path

import httpx2
import pytest

from commands import Run
from factories import ROOT, sample
from jobhook.cli import demo as demo_module
from jobhook.core.errors import HubBusy
from jobhook.devhub import TOKEN
from jobhook.hub.client import AsyncHub
from jobhook.web.serving import listen
from running import Environment, jobhook

pytestmark = pytest.mark.anyio

RULES = str(ROOT / "rules")


def database_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("jobhook.db*"))


def serve_words(*more: str) -> tuple[str, ...]:
    return ("serve", "--devhub", "--port", "0", "--devhub-port", "0", "--rules", RULES, *more)


async def test_serve_with_a_devhub_needs_nothing_and_drains_when_told_to_stop(
    own_environment: Environment, tmp_path: Path
) -> None:
    async with jobhook(own_environment(), *serve_words()) as running:
        endpoint = (await running.line()).removeprefix("export HF_ENDPOINT=")
        token = (await running.line()).removeprefix("export HF_TOKEN=")
        await running.log("webhook.registered")
        async with AsyncHub(endpoint, token, retries=0) as hub:
            await hub.create_repo("dev/corpus", repo_type="dataset")
            files = {"train.py": b"print('trained')"}
            await hub.create_commit("dev/corpus", files, repo_type="dataset", message="m")
            while (moved := await running.log("launch.moved"))["state"] != "completed":
                pass
        assert await running.end() == 0
    assert {"delivery", "rule", "launch", "job"} <= set(moved)
    assert running.logs[-1]["event"] == "service.drained"
    assert (tmp_path / "jobhook.db").exists()
    assert not (tmp_path / "jobhook.db-wal").exists()


async def test_no_secret_gets_into_the_database_or_the_log(
    own_environment: Environment, tmp_path: Path
) -> None:
    canaries = {
        "JOBHOOK_WEBHOOK_SECRETS": "canary-of-the-webhook",
        "JOBHOOK_SECRET_HF_TOKEN": "canary-of-the-job",
        "UNRELATED": "canary-of-the-environment",
    }
    (tmp_path / "rules").mkdir()
    rule = RULE.format(code="import os; print(sorted(os.environ.values()))")
    (tmp_path / "rules" / "retrain-on-data.yaml").write_text(rule + "  secrets: [HF_TOKEN]\n")
    words = ("serve", "--devhub", "--port", "0", "--devhub-port", "0")
    async with jobhook(own_environment(**canaries), *words) as running:
        endpoint = (await running.line()).removeprefix("export HF_ENDPOINT=")
        await running.log("webhook.registered")
        async with AsyncHub(endpoint, TOKEN, retries=0) as hub:
            await hub.create_repo("dev/corpus", repo_type="dataset")
            await hub.create_commit("dev/corpus", {"a": b"1"}, repo_type="dataset", message="m")
            while (moved := await running.log("launch.moved"))["state"] != "completed":
                pass
            told = hub.fetch_job_logs(job_id=moved["job"], namespace="dev", follow=True)
            log = [line async for line in told]
            argv = b"".join(map(_command_line_of, _processes()))
        assert await running.end() == 0
    kept = database_bytes(tmp_path)
    seen = kept + argv + json.dumps(running.logs).encode()
    assert b"dev/corpus" in kept
    assert not [canary for canary in canaries.values() if canary.encode() in seen]
    # The job has what its rule names, and nothing else of the service's environment.
    assert [name for name, canary in canaries.items() if canary in log[0]] == [
        "JOBHOOK_SECRET_HF_TOKEN"
    ]


async def test_a_second_service_on_the_same_database_is_refused(
    own_environment: Environment,
) -> None:
    async with jobhook(own_environment(), *serve_words()) as first:
        await first.log("service.started")
        async with jobhook(own_environment(), *serve_words()) as second:
            out, err = await second.process.communicate()
            # It has a devhub of its own, which ended with it: there is nothing to export.
            assert (second.process.returncode, out) == (1, b"")
        assert b"another jobhook already uses this database" in err
        assert b"Traceback" not in err
        assert await first.end(signal.SIGINT) == 0


async def test_a_port_that_the_devhub_cannot_have_is_told_with_its_option(
    own_environment: Environment,
) -> None:
    with listen("127.0.0.1", 0) as listener:
        taken = str(listener.getsockname()[1])
        words = ("serve", "--devhub", "--port", "0", "--devhub-port", taken)
        async with jobhook(own_environment(), *words) as running:
            out, err = await running.process.communicate()
    assert (running.process.returncode, out) == (2, b"")
    assert err.endswith(b"give another --devhub-port\n")


async def test_an_acknowledged_delivery_outlives_a_kill(own_environment: Environment) -> None:
    secret = "0123456789abcdef"
    environment = own_environment(JOBHOOK_WEBHOOK_SECRETS=secret)
    async with jobhook(environment, *serve_words()) as running:
        url = (await running.log("service.started"))["url"]
        async with httpx2.AsyncClient(verify=False) as client:
            answer = await client.post(
                f"{url}/webhooks/hub",
                content=sample("05"),
                headers={"X-Webhook-Secret": secret, "Webhook-Id": "w1"},
            )
        running.process.kill()
        await running.process.communicate()
    async with jobhook(environment, "deliveries", "ls", "--json") as reading:
        out, _ = await reading.process.communicate()
    (told,) = json.loads(out)
    assert (told["id"], told["webhook_id"]) == (answer.json()["delivery"], "w1")


async def test_a_spaces_environment_on_an_empty_disk_is_enough(
    own_environment: Environment,
) -> None:
    environment = own_environment(
        SPACE_ID="dev/jobhook",
        SPACE_HOST="dev-jobhook.hf.space",
        SPACE_AUTHOR_NAME="dev",
        SPACE_REPO_NAME="jobhook",
        SPACE_TITLE="jobhook",
        SPACE_CREATOR_USER_ID="0" * 24,
        CPU_CORES="2",
        MEMORY="16Gi",
        ACCELERATOR="none",
        HF_TOKEN="hf_x",
        WEBHOOK_SECRET="0123456789abcdef",
        HF_ENDPOINT="http://127.0.0.1:1",
        JOBHOOK_HOST="0.0.0.0",  # noqa: S104
        JOBHOOK_PORT="0",
        JOBHOOK_RULES=RULES,
    )
    async with jobhook(environment, "serve") as running:
        started = await running.log("service.started")
        async with httpx2.AsyncClient(verify=False) as client:
            assert (await client.get(f"{started['url']}/healthz")).status_code == 200
            assert (await client.get(f"{started['url']}/")).status_code == 200
        assert await running.end() == 0
    assert started["durability"] == "ephemeral"
    assert started["public_url"] == "https://dev-jobhook.hf.space"


async def test_devhub_prints_what_to_export_and_keeps_its_data(
    own_environment: Environment, tmp_path: Path
) -> None:
    words = ("devhub", "--port", "0", "--data", str(tmp_path / "data"))
    for expected in ("made", "kept"):
        async with jobhook(own_environment(), *words) as running:
            endpoint = (await running.line()).removeprefix("export HF_ENDPOINT=")
            assert await running.line() == f"export HF_TOKEN={TOKEN}"
            assert "not a sandbox" in await running.line()
            async with AsyncHub(endpoint, TOKEN, retries=0) as hub:
                if expected == "made":
                    await hub.create_repo("dev/corpus", repo_type="dataset")
                answer = await hub.transport.get("/api/datasets/dev/corpus")
                assert answer.body["id"] == "dev/corpus"
            assert await running.end() == 0


async def test_devhub_fails_on_demand_and_says_how_to_repeat_it(
    own_environment: Environment,
) -> None:
    words = ("--chaos", "whoami answer=reset", "--chaos", "jobs.create status=500 rate=0.5")
    async with jobhook(
        own_environment(), "devhub", "--port", "0", *words, "--chaos-seed", "7"
    ) as running:
        endpoint = (await running.line()).removeprefix("export HF_ENDPOINT=")
        told = [await running.line() for _ in range(3)]
        assert told[-1] == "# Faults that are set: 2; to see the same again: --chaos-seed 7"
        async with AsyncHub(endpoint, TOKEN, retries=0) as hub:
            with pytest.raises(HubBusy):
                await hub.transport.get("/api/whoami-v2")
            faults = (await hub.transport.get("/_devhub/chaos")).body["faults"]
            assert [fault["struck"] for fault in faults] == [1, 0]
        assert await running.end() == 0
    assert not running.logs


async def test_the_demo_tells_its_story_and_leaves_nothing_behind(
    own_environment: Environment, tmp_path: Path
) -> None:
    async with jobhook(own_environment(), "demo", "--rules", RULES) as running:
        out, err = await asyncio.wait_for(running.process.communicate(), 60)
        assert running.process.returncode == 0, err
    story = out.decode()
    (sha,) = re.findall(r"pushed a commit to the dataset dev/corpus: ([0-9a-f]{40})", story)
    assert f"dev/corpus was pushed to, and is now at {sha}" in story
    assert "the job is COMPLETED" in story
    assert err == b""
    assert not _jobs_left(tmp_path)


SLEEPER = "import subprocess, time; subprocess.Popen(['sleep', '60']); time.sleep(60)"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_demo_that_is_stopped_leaves_nothing_behind(
    own_environment: Environment, tmp_path: Path, number: int
) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "retrain-on-data.yaml").write_text(RULE.format(code=SLEEPER))
    environment = own_environment(TMPDIR=str(tmp_path))
    async with jobhook(environment, "demo") as running:
        while "was started" not in await running.line():
            pass
        running.process.send_signal(number)
        _, err = await asyncio.wait_for(running.process.communicate(), 20)
    assert (running.process.returncode, err) == (1, b"jobhook: stopped before it was done\n")
    assert not _jobs_left(tmp_path)
    assert names_below(tmp_path) == ["rules"]


async def test_a_second_signal_stops_waiting_but_not_for_the_jobs_processes(
    own_environment: Environment, tmp_path: Path
) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "retrain-on-data.yaml").write_text(RULE.format(code=SLEEPER))
    words = ("serve", "--devhub", "--port", "0", "--devhub-port", "0")
    async with jobhook(own_environment(), *words) as running:
        endpoint = (await running.line()).removeprefix("export HF_ENDPOINT=")
        await running.log("webhook.registered")
        async with AsyncHub(endpoint, TOKEN, retries=0) as hub:
            await hub.create_repo("dev/corpus", repo_type="dataset")
            await hub.create_commit("dev/corpus", {"a": b"1"}, repo_type="dataset", message="m")
        while (await running.log("launch.moved"))["state"] != "running":
            pass
        assert _jobs_left(tmp_path)
        running.process.send_signal(signal.SIGTERM)
        running.process.send_signal(signal.SIGINT)
        await asyncio.wait_for(running.process.communicate(), 20)
    assert not _jobs_left(tmp_path)


def names_below(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def _jobs_left(folder: Path) -> list[str]:
    """The processes of jobs that the test in *folder* started; others may run theirs here."""
    return [
        pid
        for pid in _processes()
        if b"WEBHOOK_PAYLOAD=" in (environment := _environment_of(pid))
        and bytes(folder) in environment
    ]


def _processes() -> list[str]:
    return [name for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208


def _command_line_of(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _environment_of(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


async def test_a_demo_whose_rules_launch_nothing_fails_in_one_sentence(
    own_environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "none").mkdir()
    async with jobhook(own_environment(), "demo", "--rules", str(tmp_path / "nowhere")) as running:
        _, err = await running.process.communicate()
        assert running.process.returncode == 1
    assert err.decode().startswith("✗ jobhook demo: there is no rules folder")
    assert "Traceback" not in err.decode()


RULE = """\
id: retrain-on-data
watch: ["user:@me"]
on: [commit.pushed]
run:
  image: python:3.12
  command: [python, -c, "{code}"]
"""


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        pytest.param(
            RULE.format(code="print('hello')"), "the job's log does not show", id="a silent job"
        ),
        pytest.param(
            RULE.format(
                code="import os; print(os.environ['WEBHOOK_PAYLOAD']); raise SystemExit(3)"
            ),
            "the job ended as failed: Job failed with exit code: 3",
            id="a job that fails",
        ),
        pytest.param(
            RULE.format(code="x") + "  secrets: [NOT_THERE]\n", "the launch is held", id="held"
        ),
        pytest.param(
            RULE.format(code="x").replace("commit.pushed", "repo.deleted"),
            "no rule launched a job, 1 seconds on",
            id="a rule that does not fire",
        ),
        pytest.param(
            RULE.format(code="x").replace("watch: [", "watch: [] #["),
            "the webhook is not on the devhub",
            id="nothing is watched",
        ),
    ],
)
def test_a_demo_that_goes_wrong_says_where(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str, sentence: str
) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "retrain-on-data.yaml").write_text(rule)
    if "seconds" in sentence or "webhook" in sentence:
        monkeypatch.setattr(demo_module, "_STEP_SECONDS", 1.0)
    ran = run("demo")
    assert ran.code == 1
    assert sentence in ran.err
    assert len(ran.err.splitlines()) == 1
