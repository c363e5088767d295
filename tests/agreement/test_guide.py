"""What the Hub's guides to Jobs and webhooks do is done here, with the functions of the module."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from factories import ROOT
from jobhook import (
    JobInfo,
    JobStage,
    Volume,
    WebhookWatchedItem,
    cancel_job,
    create_scheduled_job,
    create_scheduled_uv_job,
    create_webhook,
    delete_scheduled_job,
    delete_webhook,
    disable_webhook,
    enable_webhook,
    fetch_job_logs,
    fetch_job_metrics,
    get_webhook,
    inspect_job,
    inspect_scheduled_job,
    list_jobs,
    list_jobs_hardware,
    list_scheduled_jobs,
    list_webhooks,
    rerun_job,
    resume_scheduled_job,
    run_job,
    run_uv_job,
    suspend_scheduled_job,
    trigger_scheduled_job,
    update_job_expose,
    update_job_labels,
    update_scheduled_job_labels,
    update_scheduled_job_schedule,
    update_webhook,
    wait_for_job,
)
from jobhook.core.errors import HubNotFound
from jobhook.devhub import TOKEN
from town import running_town

PYTHON = "python:3.12"
WATCHED = [{"type": "user", "name": "dev"}, {"type": "org", "name": "acme"}]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("town")
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(running_town(folder)) as town,
    ):
        yield town.url


@pytest.fixture(autouse=True)
def logged_in(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_ENDPOINT", url)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)


def says(code: str, **options: Any) -> JobInfo:
    """Start a job that runs *code*."""
    return run_job(image=PYTHON, command=["python", "-c", code], **options)


def test_a_job_is_run_and_waited_for(url: str) -> None:
    job = says("print('hello')")
    assert job.url == f"{url}/jobs/dev/{job.id}"
    assert wait_for_job(job_id=job.id, poll_interval=0.02).status.stage == "COMPLETED"
    assert [*fetch_job_logs(job_id=job.id)] == ["hello"]


def test_several_jobs_are_waited_for_together() -> None:
    jobs = [says(f"raise SystemExit({code})") for code in (0, 3)]
    ended = wait_for_job(job_id=[job.id for job in jobs], timeout=30, poll_interval=0.05)
    assert [job.id for job in ended] == [job.id for job in jobs]
    assert [job.status.stage for job in ended] == [JobStage.COMPLETED, JobStage.ERROR]
    assert ended[1].status.message


def test_a_job_runs_for_an_org_on_other_hardware_from_a_space() -> None:
    assert says("pass", namespace="acme").owner.name == "acme"
    assert says("pass", flavor="a10g-small").flavor == "a10g-small"
    space = run_job(image="hf.co/spaces/acme/duckdb", command=["true"])
    assert (space.space_id, space.docker_image) == ("acme/duckdb", None)


def test_jobs_are_listed_and_filtered() -> None:
    done = says("pass", labels={"env": "prod", "for": "the-list"})
    wait_for_job(job_id=done.id, poll_interval=0.02)
    held = run_job(image=PYTHON, command=["sleep", "600"], labels={"env": "prod"})
    assert next(iter(list_jobs())).id in {done.id, held.id}
    assert {done.id, held.id} <= {job.id for job in list_jobs()}
    assert list_jobs()[0].created_at
    active = list_jobs(status=["RUNNING", "SCHEDULING"], labels={"env": "prod"})
    assert [job.id for job in active] == [held.id]
    assert [job.id for job in list_jobs(status="completed", labels={"for": "the-list"})] == [
        done.id
    ]
    cancel_job(job_id=held.id)
    assert wait_for_job(job_id=held.id, poll_interval=0.02).status.stage == "CANCELED"


def test_metrics_of_a_job_are_dictionaries() -> None:
    job = run_job(image=PYTHON, command=["sleep", "600"])
    wait_for_job(job_id=job.id, stages=[JobStage.RUNNING], poll_interval=0.02)
    (metrics,) = fetch_job_metrics(job_id=job.id)
    assert {"cpu_usage_pct", "cpu_millicores", "memory_used_bytes", "gpus"} <= metrics.keys()
    cancel_job(job_id=job.id)


def test_hardware_is_listed() -> None:
    basic, *_ = list_jobs_hardware()
    assert (basic.name, basic.unit_label) == ("cpu-basic", "minute")


def test_a_log_is_followed_to_the_end() -> None:
    job = says("import time\nfor n in range(3): print(n, flush=True); time.sleep(0.05)")
    assert [*fetch_job_logs(job_id=job.id, follow=True)] == ["0", "1", "2"]
    assert [*fetch_job_logs(job_id=job.id, tail=1)] == ["2"]
    assert inspect_job(job_id=job.id).status.stage == "COMPLETED"


def test_env_and_secrets_reach_the_job() -> None:
    told = "import os; print(*map(os.environ.get, ['FOO', 'MY_SECRET', 'ACCELERATOR']))"
    job = says(told, env={"FOO": "foo"}, secrets={"MY_SECRET": "psswrd"})
    assert [*fetch_job_logs(job_id=job.id, follow=True)] == ["foo psswrd none"]
    assert [*(inspect_job(job_id=job.id).secrets or ())] == ["MY_SECRET"]


@pytest.mark.parametrize("timeout", [7200, "2h", "30m", "1.5h", "1d", "3600s"])
def test_a_timeout_is_a_number_or_a_text(timeout: int | str) -> None:
    assert says("pass", timeout=timeout).id


def test_a_job_is_named_and_labelled_then_labelled_anew() -> None:
    job = says("pass", name="daily-report", labels={"my-label": "my-value"})
    assert job.labels == {"name": "daily-report", "my-label": "my-value"}
    assert update_job_labels(job.id, labels={"team": "ml"}).labels == {"team": "ml"}
    assert inspect_job(job_id=job.id).labels == {"team": "ml"}


def test_ports_are_exposed_when_it_starts_and_later() -> None:
    job = run_job(image=PYTHON, command=["sleep", "600"], expose=[8000])
    assert job.status.expose_urls
    assert len(job.status.expose_urls) == 1
    changed = update_job_expose(job_id=job.id, expose=[8000], expose_public=[8001])
    assert (changed.expose, changed.expose_public) == ([8000, 8001], [8001])
    cancel_job(job_id=job.id)


def test_a_job_is_run_again() -> None:
    job = says("print('again')")
    wait_for_job(job_id=job.id, poll_interval=0.02)
    again = rerun_job(job_id=job.id)
    assert again.id != job.id
    assert again.initiator
    assert again.initiator.type == "duplicated-job"
    assert [*fetch_job_logs(job_id=again.id, follow=True)] == ["again"]


def test_a_local_script_is_run_with_its_files(tmp_path: Path) -> None:
    (tmp_path / "my script.py").write_text("import sys; print(open(sys.argv[1]).read())")
    (tmp_path / "data.txt").write_text("from a file")
    job = run_uv_job("my script.py", script_args=["data.txt"], timeout="5m")
    assert [*fetch_job_logs(job_id=job.id, follow=True)][-1] == "from a file"


def test_a_command_and_a_script_elsewhere_are_run_by_uv() -> None:
    job = run_uv_job("python", script_args=["-c", "import lighteval"], dependencies=["lighteval"])
    assert job.command == ["uv", "run", "--with", "lighteval", "python", "-c", "import lighteval"]
    cancel_job(job_id=job.id)
    job = run_uv_job("https://scripts.test/example.py", flavor="t4-small")
    assert job.command == ["uv", "run", "https://scripts.test/example.py"]
    cancel_job(job_id=job.id)


def test_volumes_are_mounted() -> None:
    volumes = [
        Volume(type="dataset", source="dev/corpus", mount_path="/data"),
        Volume(type="bucket", source="dev/out", mount_path="/out", read_only=True),
    ]
    job = says("pass", volumes=volumes)
    assert job.volumes == volumes


def test_a_job_is_reached_by_ssh() -> None:
    job = run_job(image=PYTHON, command=["sleep", "600"], ssh=True)
    assert str(job.status.ssh_url).startswith(f"ssh://{job.id}@")
    cancel_job(job_id=job.id)


def test_a_schedule_is_made_managed_and_deleted() -> None:
    command = ["python", "-c", "print('on time')"]
    schedule = create_scheduled_job(image=PYTHON, command=command, schedule="@hourly")
    assert schedule.id in {each.id for each in list_scheduled_jobs()}
    assert inspect_scheduled_job(schedule.id).job_spec.command == command
    suspend_scheduled_job(schedule.id)
    assert inspect_scheduled_job(schedule.id).suspend is True
    resume_scheduled_job(schedule.id)
    assert inspect_scheduled_job(schedule.id).suspend is False
    job = trigger_scheduled_job(schedule.id)
    assert [*fetch_job_logs(job_id=job.id, follow=True)] == ["on time"]
    labelled = update_scheduled_job_labels(schedule.id, labels={"env": "staging"})
    assert labelled.job_spec.labels == {"env": "staging"}
    moved = update_scheduled_job_schedule(scheduled_job_id=schedule.id, schedule="*/5 * * * *")
    assert moved.schedule == "*/5 * * * *"
    delete_scheduled_job(schedule.id)
    with pytest.raises(HubNotFound):
        inspect_scheduled_job(schedule.id)


def test_a_script_is_scheduled(tmp_path: Path) -> None:
    (tmp_path / "my_script.py").write_text("print('on time')")
    schedule = create_scheduled_uv_job("my_script.py", schedule="@hourly", flavor="a10g-small")
    assert schedule.job_spec.flavor == "a10g-small"
    assert schedule.status.next_job_run_at


def test_a_webhook_is_made_managed_and_deleted() -> None:
    hook = create_webhook(
        url="https://hooks.test/hub", watched=[*WATCHED], domains=["repo"], secret="your-secret"
    )
    assert hook.watched == [WebhookWatchedItem("user", "dev"), WebhookWatchedItem("org", "acme")]
    assert hook.id in {each.id for each in list_webhooks()}
    assert disable_webhook(hook.id).disabled is True
    assert enable_webhook(hook.id).disabled is False
    changed = update_webhook(
        webhook_id=hook.id, url="https://new.test/hub", watched=[{"type": "user", "name": "dev"}]
    )
    assert (changed.url, len(changed.watched)) == ("https://new.test/hub", 1)
    # What is not said stays as it was.
    moved = update_webhook(hook.id, url="https://newer.test/hub")
    assert (len(moved.watched), moved.domains) == (1, ["repo"])
    delete_webhook(hook.id)
    with pytest.raises(HubNotFound):
        get_webhook(hook.id)


def test_a_webhook_runs_a_job() -> None:
    job = says("import os; print(os.environ.get('WEBHOOK_REPO_ID'))")
    hook = create_webhook(
        job_id=job.id,
        watched=[*WATCHED],
        domains=["repo", "discussion"],
        secret="your-secret",
        secrets={"HF_TOKEN": "hf_x"},
    )
    assert (hook.url, hook.domains) == (None, ["repo", "discussion"])
    assert hook.job
    assert hook.job.docker_image == PYTHON
    delete_webhook(hook.id)


def test_the_examples_of_the_readme_run(capsys: pytest.CaptureFixture[str]) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for example in re.findall(r"```python\n(.*?)```", readme, re.DOTALL):
        exec(example, {"__name__": "example"})  # noqa: S102 - it is our own
    told = capsys.readouterr().out
    assert told.startswith("hello\n")
    assert told.count("COMPLETED") == 50
