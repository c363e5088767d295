"""What the words of `jobs run` and its kin mean, as --dry-run tells it: no Hub is asked."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub._jobs_api import _default_job_name_from_image
from huggingface_hub.cli.jobs import _name_hash_parts

from commands import Run
from jobhook.core.job_names import name_from_script

pytestmark = pytest.mark.usefixtures("nobody_there")

RUN = ("jobs", "run", "--dry-run", "--json")


def stdin_holds(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param("python:3.12 python -c print(1)", "python -c print(1)", id="letters"),
        pytest.param("python:3.12 bash -e -s x", "bash -e -s x", id="letters that are ours"),
        pytest.param("-e AB=1 python:3.12 x --flavor y", "x --flavor y", id="options of ours"),
        pytest.param("python:3.12 x --json --help", "x --json --help", id="options of all"),
        pytest.param("python:3.12 -- x -- y", "x -- y", id="two dashes after the image"),
        pytest.param("-- python:3.12 x -y", "x -y", id="two dashes before it"),
        pytest.param("--flavor=t4-small python:3.12 x", "x", id="a value in the same word"),
        pytest.param("-dl env=x python:3.12 x", "x", id="letters in one word"),
        pytest.param("-lenv=x python:3.12 --ssh y", "--ssh y", id="a value in a letter's word"),
        pytest.param("--ssh --expose 80 python:3.12 x", "x", id="one without a value"),
    ],
)
def test_what_follows_the_image_is_the_jobs(run: Run, words: str, told: str) -> None:
    ran = run(*RUN, *words.split())
    assert (ran.code, ran.json["image"]) == (0, "python:3.12")
    assert ran.json["command"] == told.split()


def test_an_option_of_ours_behind_the_image_is_told_of(run: Run) -> None:
    ran = run(*RUN, "python:3.12", "x", "--flavor=a100-large")
    assert ran.json["command"] == ["x", "--flavor=a100-large"]
    assert ran.err == (
        "jobhook: --flavor goes to the job: options of jobhook stand before python:3.12\n"
    )


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("run", id="no image"),
        pytest.param("run python:3.12", id="no command"),
        pytest.param("run -e", id="an option without its value"),
        pytest.param("run --nonsense python:3.12 x", id="no such option"),
        pytest.param("run --attempts 0 python:3.12 x", id="no attempt"),
        pytest.param("run --name a -l name=b python:3.12 x", id="two names"),
        pytest.param("run -e 1A=x python:3.12 x", id="no name of a variable"),
        pytest.param("run -e GONE python:3.12 x", id="a variable that is not here"),
        pytest.param("run -s GONE python:3.12 x", id="a secret that is not here"),
        pytest.param("run --env-file gone python:3.12 x", id="no such file"),
        pytest.param("run --env-file - --secrets-file - python:3.12 x", id="stdin twice"),
        pytest.param("run -v hf://bert:/data python:3.12 x", id="no volume"),
        pytest.param("run -v ./gone:/data python:3.12 x", id="no such folder"),
        pytest.param("ls --status nonsense", id="no stage"),
        pytest.param("ls --status running -a", id="a stage, and all"),
        pytest.param("ls -l env", id="a label without a value"),
        pytest.param("inspect a/b/c", id="no id"),
        pytest.param("cancel acme/a1 --namespace dev", id="two namespaces"),
        pytest.param("wait a1 --timeout 5x", id="no length of time"),
        pytest.param("wait dev/a1 acme/a2", id="jobs of two namespaces"),
        pytest.param("labels a1", id="no labels"),
        pytest.param("labels a1 -l a=b --clear", id="labels, and none"),
        pytest.param("expose a1", id="no ports"),
        pytest.param("expose a1 80 --clear", id="ports, and none"),
        pytest.param("stats a1 -f --json", id="JSON that goes on"),
    ],
)
def test_what_cannot_be_is_said_and_not_sent(run: Run, words: str) -> None:
    ran = run("jobs", *words.split())
    assert (ran.code, ran.out) == (2, "")
    assert ran.err
    assert "cannot reach" not in ran.err


def test_a_name_is_made_as_the_official_command_line_makes_it(run: Run) -> None:
    words = ["--flavor", "t4-small", "--timeout", "1h", "--namespace", "acme", "-e", "AB=1"]
    words += ["-s", "KEY=x", "--attempts", "2", "--network-group", "g", "--network-alias", "a"]
    words += ["-v", "hf://acme/bert:/data"]
    told = run(*RUN, *words, "python:3.12", "x", "y").json
    parts = _name_hash_parts(
        flavor="t4-small",
        timeout="1h",
        namespace="acme",
        env={"AB": "1"},
        secrets={"KEY": "x"},
        volume_specs=["hf://acme/bert:/data"],
        network_group="g",
        network_aliases=["a"],
        extra=["2"],
    )
    named = _default_job_name_from_image("python:3.12", ["x", "y"], config_parts=parts)
    assert told["labels"]["name"] == named


@pytest.mark.parametrize("word", ["--name=mine", "-l", "--label"])
def test_a_name_that_is_given_is_kept(run: Run, word: str) -> None:
    words = [word] if "=" in word else [word, "name=mine"]
    assert run(*RUN, *words, "-l", "bare", "python:3.12", "x").json["labels"] == {
        "name": "mine",
        "bare": "",
    }


def test_the_environment_comes_from_files_options_and_here(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HERE", "local")
    (tmp_path / "env").write_bytes(b"\xef\xbb\xbfONE=file\nexport TWO='file'\nHERE\n")
    told = run(*RUN, "--env-file", "env", "-e", "TWO=option", "-e", "HERE", "x", "y").json
    assert told["env"] == {"ONE": "file", "TWO": "option", "HERE": "local"}


def test_a_file_is_read_from_stdin(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin_holds(monkeypatch, "KEY=hidden\n")
    assert run(*RUN, "--secrets-file", "-", "x", "y").json["secrets"] == ["KEY"]


@pytest.mark.parametrize("words", [["--json"], []])
def test_no_secret_is_ever_printed(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str]
) -> None:
    monkeypatch.setenv("FROM_HERE", "hidden1")
    (tmp_path / "secrets").write_text("FROM_FILE=hidden2")
    secrets = ["-s", "FROM_HERE", "-s", "GIVEN=hidden3", "--secrets-file", "secrets", "-s", "GONE"]
    ran = run("jobs", "run", "--dry-run", *words, *secrets, "python:3.12", "x")
    assert ran.code == 0
    assert all(name in ran.out for name in ("FROM_HERE", "GIVEN", "FROM_FILE", "GONE"))
    assert "hidden" not in ran.out + ran.err


def test_a_secret_on_the_command_line_is_warned_of_once(run: Run) -> None:
    assert run(*RUN, "-s", "A=x", "-s", "B=y", "i", "c").err.count("others can read") == 1
    assert "others can read" in run(*RUN, "--token", "hf_x", "i", "c").err
    assert "others can read" not in run(*RUN, "-e", "AB=x", "i", "c").err


def test_a_value_in_place_of_a_name_is_masked(run: Run) -> None:
    token = "hf_" + "abcdefgh" * 4
    ran = run("jobs", "run", "-s", token, "python:3.12", "x")
    assert ran.code == 2
    assert token not in ran.err
    ran = run("jobs", "run", "-s", f"{token}!", "python:3.12", "x")
    assert token not in ran.err


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("-e A=1", id="a name that is too short"),
        pytest.param("-l a=b+c", id="a label"),
        pytest.param("--timeout abc", id="a timeout"),
        pytest.param("--expose 70000", id="a port"),
        pytest.param("--network-alias a", id="an alias without a group"),
        pytest.param("--resource-group-id x", id="a group"),
        pytest.param("-v hf://bert:/data", id="a volume"),
    ],
)
def test_a_dry_run_refuses_what_the_hub_would(run: Run, words: str) -> None:
    ran = run(*RUN, *words.split(), "python:3.12", "x")
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)


def test_a_dry_run_shows_a_person_what_would_be_sent(run: Run) -> None:
    ran = run("jobs", "run", "--dry-run", "-e", "AB=1", "python:3.12", "python", "-c", "print(1)")
    lines = {line.split()[0]: line.split(maxsplit=1)[1] for line in ran.out.splitlines()}
    assert lines["command"].strip() == "python -c 'print(1)'"
    assert lines["env"].strip() == "AB=1"
    assert "nothing was sent" in ran.err


HEADER = """\
# /// script
# [tool.hf-jobs]
# image = "own:1"
# flavor = "t4-small"
# name = "theirs"
# secrets = ["HF_TOKEN", "KEY"]
# volumes = ["hf://acme/bert:/data", "hf://acme/more:/more"]
# [tool.hf-jobs.env]
# AB = "theirs"
# CD = "theirs"
# ///
"""


def uv_run(run: Run, script: str, *options: str, args: tuple[str, ...] = ()) -> Any:
    return run("jobs", "uv", "run", "--dry-run", "--json", *options, script, *args)


def test_what_a_script_says_of_its_job_counts_where_no_option_does(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train.py").write_text(HEADER)
    monkeypatch.setenv("KEY", "hidden")
    options = ["--flavor", "cpu-xl", "-e", "AB=ours", "-s", "MINE=hidden", "--name", "ours"]
    ran = uv_run(run, "train.py", *options, "-v", "hf://me/mine:/data", args=("--epochs", "3"))
    told = ran.json
    assert (told["image"], told["flavor"], told["labels"]) == ("own:1", "cpu-xl", {"name": "ours"})
    assert told["env"] == {"AB": "ours", "CD": "theirs"}
    assert told["secrets"] == ["HF_TOKEN", "KEY", "MINE"]
    assert told["volumes"] == ["hf://acme/more:/more", "hf://me/mine:/data"]
    assert told["script_args"] == ["--epochs", "3"]
    assert "the script asks for HF_TOKEN, KEY" in ran.err
    assert "hidden" not in ran.out + ran.err


def test_a_secret_that_a_script_asks_for_must_be_here(run: Run, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(HEADER)
    ran = run("jobs", "uv", "run", "train.py")
    assert (ran.code, "secrets: there is no value here for KEY" in ran.err) == (2, True)


def test_a_word_in_a_file_of_secrets_is_not_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("hunter2\n")
    for words in (["--dry-run"], []):
        ran = run("jobs", "run", *words, "--secrets-file", "secrets", "x", "y")
        assert (ran.code, "hunter2" in ran.out + ran.err) == (2, False)
        assert "--secrets-file secrets: 1 of its lines" in ran.err


def test_a_file_that_is_not_there_is_told_of_as_such(run: Run) -> None:
    ran = run("jobs", "run", "--env-file", "nowhere", "x", "y")
    assert (ran.code, "nowhere cannot be read: No such file" in ran.err) == (2, True)


def test_a_file_of_variables_has_an_end(run: Run, tmp_path: Path) -> None:
    (tmp_path / "env").write_text("AB=1\n" * 1_000_000)
    ran = run(*RUN, "--env-file", "env", "x", "y")
    assert (ran.code, "is over 4,194,304 bytes" in ran.err) == (2, True)


def test_a_header_that_cannot_be_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("# /// script\n# [tool.hf-jobs]\n# flavour = 'x'\n# ///\n")
    ran = uv_run(run, "train.py")
    assert (ran.code, "did you mean `flavor`?" in ran.err) == (2, True)


def test_a_script_that_is_a_command_is_named_with_all_that_is_said_of_it(run: Run) -> None:
    options = ["--with", "a", "-p", "3.12", "--image", "own:1"]
    told = uv_run(run, "lighteval", *options, args=("x",)).json
    parts = ["x", "cpu-basic", "", "", "", "own:1", "3.12", "a"]
    assert told["labels"] == {"name": name_from_script("lighteval", parts)}
    assert (told["dependencies"], told["python"]) == (["a"], "3.12")


def test_a_script_in_the_clear_is_left_to_the_job(run: Run) -> None:
    ran = uv_run(run, "http://example.com/a/train.py?raw=1")
    assert ran.json["labels"]["name"].startswith("train-")
    assert "the job fetches the script" in ran.err


def test_no_image_is_no_image(run: Run) -> None:
    ran = run(*RUN, "", "x")
    assert (ran.code, "image is empty" in ran.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param("@daily python:3.12 x -y", ["@daily", ["x", "-y"]], id="no options"),
        pytest.param("@daily --name n python:3.12 x", ["@daily", ["x"]], id="between the two"),
        pytest.param("--suspend @daily python:3.12 x", ["@daily", ["x"]], id="before both"),
        pytest.param("-- @daily python:3.12 x --name y", ["@daily", ["x", "--name", "y"]], id="--"),
    ],
)
def test_options_of_a_schedule_may_follow_it(run: Run, words: str, told: list[Any]) -> None:
    ran = run("schedules", "run", "--dry-run", "--json", *words.split())
    assert [ran.json["schedule"], ran.json["command"]] == told


def test_a_schedule_has_no_network(run: Run, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "# /// script\n# [tool.hf-jobs]\n# network_group = 'g'\n# ///\n"
    )
    ran = run("schedules", "uv", "run", "@daily", "train.py")
    assert (ran.code, "scheduled jobs have no network" in ran.err) == (2, True)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("ls --status running", id="no status"),
        pytest.param("ls --status active -a", id="a status, and all"),
        pytest.param("labels s1", id="no labels"),
        pytest.param("run @daily --ssh python:3.12 x", id="what only jobs have"),
        pytest.param("run @midnight --dry-run python:3.12 x", id="no schedule"),
    ],
)
def test_what_cannot_be_of_a_schedule_is_said_and_not_sent(run: Run, words: str) -> None:
    ran = run("schedules", *words.split())
    assert (ran.code, ran.out) == (2, "")
    assert "cannot reach" not in ran.err


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("create --url https://x.example", id="nothing to watch"),
        pytest.param("create --watch org:acme", id="no destination"),
        pytest.param("create --watch org:acme --url https://x.example --job-id j", id="two"),
        pytest.param("create --watch acme --url https://x.example", id="no type"),
        pytest.param("create --watch orgs:acme --url https://x.example", id="no such type"),
        pytest.param("create --watch org:a --url https://x.example -s A=b", id="secrets of none"),
        pytest.param("create --watch org:a --url https://x.example --domain x", id="no domain"),
        pytest.param("update w1 --url https://x.example --job-id j", id="two of one"),
        pytest.param("delete w1", id="nobody to ask"),
    ],
)
def test_what_cannot_be_of_a_webhook_is_said_and_not_sent(run: Run, words: str) -> None:
    ran = run("webhooks", *words.split())
    assert (ran.code, ran.out) == (2, "")
    assert "cannot reach" not in ran.err


def test_without_a_token_nothing_is_asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    ran = run("jobs", "ls")
    assert (ran.code, "no Hub token is set" in ran.err) == (2, True)
