"""`jobhook jobs` against a devhub."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from canned import CannedServer, raw
from commands import Ran, Run
from jobhook.cli import following
from jobhook.devhub import OTHER_TOKEN

pytestmark = pytest.mark.usefixtures("at_devhub")

SLEEPS = ("python:3.12", "sleep", "60")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that waits is looked at often."""
    monkeypatch.setattr(following, "_LOOK_SECONDS", 0.01)


def started(run: Run, *words: str) -> str:
    ran = run("jobs", "run", "--detach", *words)
    assert ran.code == 0, ran.err
    return ran.out.strip()


def inspect(run: Run, job: str) -> Any:
    return run("jobs", "inspect", job, "--json").json[0]


def test_run_follows_a_job_to_its_end(run: Run, at_devhub: str) -> None:
    ran = run("jobs", "run", "python:3.12", "python3", "-c", "print('hello'); print('a\tb')")
    assert ran.code == 0, ran.err
    first, url, *log = ran.out.splitlines()
    job = first.removeprefix("job ")
    assert (url, log) == (f"{at_devhub}/jobs/dev/{job}", ["hello", "a\tb"])


def test_run_fails_as_the_job_does_and_says_what_the_hub_says(run: Run) -> None:
    ran = run("jobs", "run", "python:3.12", "sh", "-c", "echo so far; exit 3")
    assert ran.code == 1
    assert "so far\n" in ran.out
    assert "is ERROR: Job failed with exit code: 3" in ran.err


def test_detach_prints_the_id_and_nothing_else(run: Run) -> None:
    ran = run("jobs", "run", "-d", *SLEEPS)
    assert (ran.code, len(ran.out.split())) == (0, 1)
    job = ran.out.strip()
    assert inspect(run, f"dev/{job}")["id"] == job
    other = run("jobs", "rerun", job, "-d", "--json").json["id"]
    shown = run("jobs", "inspect", job, other).out
    assert all(words in shown for words in (job, other, "owner.name", "sleep 60"))
    run("jobs", "cancel", other)
    assert run("jobs", "cancel", job).out == f"cancelled: {job}\n"
    assert inspect(run, job)["status"]["stage"] == "CANCELED"


def test_a_job_that_has_ended_is_not_said_to_be_cancelled(run: Run) -> None:
    job = started(run, "python:3.12", "true")
    run("jobs", "wait", job)
    assert run("jobs", "cancel", job).out == f"had ended before: {job}\n"
    assert run("jobs", "cancel", job, "--json").json["status"]["stage"] == "COMPLETED"


def test_json_is_the_job_and_its_log_goes_to_stderr(run: Run) -> None:
    ran = run("jobs", "run", "--json", "-l", "a=b", "python:3.12", "echo", "hello")
    assert (ran.json["status"]["stage"], ran.json["labels"]["a"]) == ("COMPLETED", "b")
    assert ran.json["created_at"].endswith("Z")
    assert ran.json["url"].endswith(ran.json["id"])
    assert "hello\n" in ran.err


def test_quiet_prints_the_id_and_waits(run: Run) -> None:
    ran = run("jobs", "run", "-q", "python:3.12", "sh", "-c", "echo hello; exit 1")
    assert (ran.code, len(ran.out.split())) == (1, 1)
    assert "hello" not in ran.err


def test_a_job_is_what_the_options_say(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE", "local")
    words = ["-e", "AB=1", "-e", "HERE", "-s", "HF_TOKEN", "-s", "KEY=hidden", "--name", "mine"]
    words += ["-l", "env=prod", "--flavor", "cpu-upgrade", "--timeout", "1.5h", "--attempts", "2"]
    words += ["-v", "hf://datasets/dev/corpus@main:/data:ro", "--expose", "8000", "--ssh"]
    job = started(run, *words, "--expose-public", "8001", *SLEEPS)
    told = inspect(run, job)
    run("jobs", "cancel", job)
    assert told["environment"] == {"AB": "1", "HERE": "local"}
    assert sorted(told["secrets"]) == ["HF_TOKEN", "KEY"]
    assert told["labels"] == {"name": "mine", "env": "prod"}
    assert (told["flavor"], told["retry"]) == ("cpu-upgrade", 1)
    assert told["volumes"][0]["mount_path"] == "/data"
    assert (sorted(told["expose"]), told["expose_public"]) == ([8000, 8001], [8001])


def test_what_the_wire_takes_is_checked_before_it_is_sent(run: Run) -> None:
    before = len(run("jobs", "ls", "-a", "--json", "--limit", "0").json)
    for words in (["-e", "A=1"], ["-l", "a=b c"], ["--timeout", "abc"], ["--expose", "70000"]):
        ran = run("jobs", "run", "-d", *words, *SLEEPS)
        assert (ran.code, ran.out) == (2, "")
    assert len(run("jobs", "ls", "-a", "--json", "--limit", "0").json) == before


class Api:
    """Stands in for the official client, which copies folders to a bucket."""

    def __init__(self, endpoint: str, token: str) -> None:
        self.token = token

    def sync_job_volume(
        self,
        source: str,
        mount_path: str,
        *,
        remote_name: str | None,
        read_only: bool,
        namespace: str | None,
    ) -> SimpleNamespace:
        if not list(Path(source).iterdir()):
            raise ValueError("nothing in it")
        return SimpleNamespace(source=f"{namespace}/jobs-artifacts", path="in-1")


def test_a_folder_is_copied_to_a_bucket(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    (tmp_path / "in").mkdir()
    words = ["--namespace", "dev", "-v", "./in:/data", *SLEEPS]
    ran = run("jobs", "run", "-d", *words)
    assert (ran.code, "could not be copied to a bucket: nothing in it" in ran.err) == (1, True)
    (tmp_path / "in" / "a.csv").write_text("1")
    job = started(run, *words)
    volume = inspect(run, job)["volumes"][0]
    run("jobs", "cancel", job)
    assert (volume["type"], volume["source"], volume["path"]) == (
        "bucket",
        "dev/jobs-artifacts",
        "in-1",
    )
    assert (volume["mount_path"], volume["read_only"]) == ("/data", True)


def test_a_folder_takes_the_official_client(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    (tmp_path / "in").mkdir()
    ran = run("jobs", "run", "-d", "-v", "./in:/data", *SLEEPS)
    assert (ran.code, ran.out, "takes huggingface_hub" in ran.err) == (2, "", True)


def test_uv_run_takes_a_local_script_and_its_header(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a script.py").write_text(
        "# /// script\n# [tool.hf-jobs]\n# env = {WORD = 'hello'}\n# ///\n"
        "import os, sys\nprint(os.environ['WORD'], *sys.argv[1:])\n"
    )
    ran = run("jobs", "uv", "run", "a script.py", "--name", "x y")
    assert ran.code == 0, ran.err
    assert "hello --name x y\n" in ran.out


def test_a_script_with_a_url_travels_with_the_job(run: Run) -> None:
    script = b"# /// script\n# [tool.hf-jobs]\n# env = {WORD = 'hello'}\n# ///\nimport os\n"
    script += b"print(os.environ['WORD'], os.path.basename(__file__))\n"
    server = CannedServer()
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(server):
        server.answers = [raw(script)]
        ran = run("jobs", "uv", "run", f"{server.url}/a/train.py?raw=1")
        assert (ran.code, ran.out.splitlines()[-1]) == (0, "hello train.py"), ran.err
        gone = run("jobs", "uv", "run", f"{server.url}/a/train.py")
    assert (gone.code, gone.out, "cannot be fetched" in gone.err) == (2, "", True)


def test_a_script_that_is_not_there_is_said_and_not_sent(run: Run) -> None:
    ran = run("jobs", "uv", "run", "gone.py")
    assert (ran.code, ran.out) == (2, "")
    assert "gone.py" in ran.err


def test_lists_show_what_is_asked_for(run: Run) -> None:
    running = started(run, "-l", "list=yes", *SLEEPS)
    over = started(run, "-l", "list=yes", "--name", "over", "python:3.12", "true")
    run("jobs", "wait", over)

    def ids(*words: str) -> list[str]:
        return run("jobs", *words, "-q").out.split()

    assert ids("ls", "-l", "list=yes") == [running]
    assert ids("list", "-a", "-l", "list=yes") == [over, running]
    assert ids("ps", "--status", "running,completed", "-l", "list=yes") == [over, running]
    assert ids("ls", "-a", "--name", "over") == [over]
    assert ids("ls", "-a", "-l", "list=no") == []
    ran = run("jobs", "ls", "-a", "-l", "list=yes", "--limit", "1", "-q")
    assert (ran.out.split(), "--limit 0 lists all" in ran.err) == ([over], True)
    table = run("jobs", "ls", "-l", "list=yes").out.splitlines()
    assert (table[0].split()[0], table[1].split()[0]) == ("JOB", running)
    run("jobs", "cancel", running)


def test_an_empty_list_is_a_sentence_for_people_and_no_items_for_programs(run: Run) -> None:
    assert "--all lists ended ones" in run("jobs", "ls", "-l", "none=x").out
    assert run("jobs", "ls", "-l", "none=x", "--json").json == []


def test_logs_are_printed_as_they_are(run: Run) -> None:
    job = started(run, "python:3.12", "printf", "one\\ntwo\\nthree\\n")
    run("jobs", "wait", job)
    assert run("jobs", "logs", job).out == "one\ntwo\nthree\n"
    assert run("jobs", "logs", "-f", f"dev/{job}").out == "one\ntwo\nthree\n"
    assert run("jobs", "logs", "-n", "1", job).out == "three\n"


def test_wait_fails_unless_all_are_completed(run: Run) -> None:
    good, bad = started(run, "python:3.12", "true"), started(run, "python:3.12", "false")
    assert run("jobs", "wait", good).code == 0
    ran = run("jobs", "wait", good, f"dev/{bad}", "--namespace", "dev", "--json")
    assert ran.code == 1
    assert {job["id"]: job["status"]["stage"] for job in ran.json} == {
        good: "COMPLETED",
        bad: "ERROR",
    }
    assert f"job {bad} is ERROR" in ran.err


def test_wait_gives_up_in_time(run: Run) -> None:
    job = started(run, *SLEEPS)
    ran = run("jobs", "wait", job, "--timeout", "0")
    run("jobs", "cancel", job)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.count("\n") == 1


def test_labels_are_replaced_or_named_or_cleared(run: Run) -> None:
    job = started(run, "-l", "a=1", "--name", "old", *SLEEPS)

    def labels(*words: str) -> dict[str, str]:
        labelled: dict[str, str] = run("jobs", "labels", job, *words, "--json").json["labels"]
        return labelled or {}

    assert labels("--name", "new") == {"a": "1", "name": "new"}
    assert labels("-l", "b=2") == {"b": "2"}
    assert labels("-l", "c", "--name", "n") == {"c": "", "name": "n"}
    assert labels("--clear") == {}
    run("jobs", "cancel", job)


def test_ports_are_replaced_or_closed(run: Run) -> None:
    job = started(run, *SLEEPS)
    told = run("jobs", "expose", job, "8000", "--public", "9000", "--json").json
    assert (told["expose"], told["expose_public"]) == ([8000, 9000], [9000])
    assert not run("jobs", "expose", job, "--clear", "--json").json["expose"]
    run("jobs", "cancel", job)


def test_rerun_runs_it_again(run: Run) -> None:
    job = started(run, "-e", "WORD=again", "python:3.12", "sh", "-c", "echo $WORD")
    ran = run("jobs", "rerun", job)
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "again")
    assert job not in ran.out


def test_stats_tell_what_running_jobs_use(run: Run) -> None:
    job = started(run, "-l", "stats=yes", *SLEEPS)
    told = run("jobs", "stats", job, "--json").json
    assert [each["job_id"] for each in told] == [job]
    assert "cpu_usage_pct" in told[0]
    assert job in run("jobs", "stats").out
    run("jobs", "cancel", job)
    ran = run("jobs", "stats", job)
    assert f"nothing to tell of job {job}" in ran.err


def test_hardware_is_told_to_everybody(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    told = {each["name"]: each for each in run("jobs", "hardware", "--json").json}
    assert told["t4-small"]["accelerator"]["model"] == "T4"
    assert "0.40" in run("jobs", "hardware").out
    assert "cpu-basic" in run("jobs", "hardware", "-q").out.split()


def test_a_token_and_a_namespace_can_be_given(run: Run) -> None:
    ran = run("jobs", "run", "-d", "--namespace", "acme", *SLEEPS)
    job = f"acme/{ran.out.strip()}"
    assert run("jobs", "inspect", job, "--json").json[0]["owner"]["name"] == "acme"
    ran = run("jobs", "cancel", job, "--token", OTHER_TOKEN)
    assert (ran.code, OTHER_TOKEN in ran.err) == (1, False)
    assert run("jobs", "cancel", job).code == 0


def test_a_namespace_of_the_settings_is_the_one_that_is_meant(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBHOOK_NAMESPACE", "acme")
    job = started(run, "python:3.12", "true")
    assert inspect(run, job)["owner"]["name"] == "acme"


def test_a_job_that_is_not_there_is_one_sentence(run: Run) -> None:
    for command in ("inspect", "logs", "cancel", "rerun", "wait"):
        ran = run("jobs", command, "0123456789abcdef01234567")
        assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)


class Terminal(io.StringIO):
    """Somebody at a terminal, who types this."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def interrupted(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run a job, and press Ctrl-C as soon as it is followed; then type, if there is a terminal."""

    async def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    def press(typed: str | None, *words: str) -> Ran:
        monkeypatch.setattr(following, "_to_the_end", pressed)
        monkeypatch.setattr(sys, "stdin", io.StringIO() if typed is None else Terminal(typed))
        return run("jobs", "run", *words, *SLEEPS)

    return press


@pytest.mark.parametrize(
    ("typed", "stage"),
    [
        pytest.param("y\n", "CANCELED", id="yes"),
        pytest.param("n\n", "RUNNING", id="no"),
        pytest.param("\n", "RUNNING", id="nothing"),
        pytest.param("", "RUNNING", id="gone"),
        pytest.param(None, "RUNNING", id="no terminal"),
    ],
)
def test_ctrl_c_cancels_only_what_somebody_wants_cancelled(
    run: Run, interrupted: Callable[..., Ran], typed: str | None, stage: str
) -> None:
    ran = interrupted(typed)
    job = ran.out.split()[1]
    told = inspect(run, job)["status"]["stage"]
    run("jobs", "cancel", job)
    assert ran.code == 1
    assert (told == "CANCELED") == (stage == "CANCELED")
    assert (f"`jobhook jobs cancel dev/{job}` ends it" in ran.err) == (stage == "RUNNING")
