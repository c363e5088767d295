from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import Run
from factories import DELIVERIES, ROOT
from jobhook.core.launches import launch_id

RULES = str(ROOT / "rules")
PUSH = str(DELIVERIES / "14_content_push_main_dataset.json")
BAD = "id: bad\nonn: [x]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    return tmp_path / "rules"


def test_rules_are_listed(run: Run) -> None:
    ran = run("rules", "list", "--rules", RULES)
    assert "check-model-card" in ran.out
    listed = run("rules", "list", "--rules", RULES, "--json").json
    assert [rule["id"] for rule in listed] == [
        "check-model-card",
        "check-pull-request",
        "retrain-on-data",
    ]
    assert (len({rule["hash"] for rule in listed}), len({rule["set"] for rule in listed})) == (3, 1)


def test_no_rules_are_no_table(run: Run, folder: Path) -> None:
    assert run("rules", "list").out == "there are no rules\n"


def test_the_committed_schema_is_the_generated_one(run: Run) -> None:
    assert run("rules", "schema").out == (ROOT / "rules" / "rule.schema.json").read_text()


def test_a_payload_is_tried_on_every_rule(run: Run) -> None:
    ran = run("rules", "test", PUSH, "--rules", RULES, "--me", "tinylab", "--json")
    told = {row["rule"]: row for row in ran.json}
    assert [row["fired"] for row in told.values()] == [False, False, True]
    assert all(row["reason"] for row in told.values())
    (job,) = told["retrain-on-data"]["jobs"]
    assert job["dockerImage"] == "python:3.12"
    assert job["environment"]["WEBHOOK_PAYLOAD"] == Path(PUSH).read_text()
    assert job["labels"]["jobhook-launch"] == launch_id(
        "jobhook", "hub", Path(PUSH).stem, "retrain-on-data", 0, 0
    )


def test_the_trial_is_told_to_people(run: Run) -> None:
    ran = run("rules", "test", PUSH, "--rules", RULES, "--me", "tinylab")
    assert "fired      retrain-on-data: commit.pushed refs/heads/main on dataset" in ran.out
    assert "not fired  check-model-card: dataset tinylab/birdsong-clips is not among" in ran.out
    assert "would launch on cpu-basic for at most 3600 s" in ran.out


def test_without_a_token_it_is_said_who_cannot_be_told(run: Run) -> None:
    ran = run("rules", "test", PUSH, "--rules", RULES)
    assert ran.out.count("there is no token to tell who that is") == 3


def test_a_hub_that_cannot_be_asked_stops_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    ran = run("rules", "test", PUSH, "--rules", RULES)
    assert ran.code == 0
    assert "who user:@me is cannot be told" in ran.err


def test_values_of_secrets_are_not_shown(run: Run, folder: Path) -> None:
    (folder / "a.yaml").write_text(
        "id: a\non: [commit.pushed]\nrun: {image: x, command: [y], secrets: [HF_TOKEN]}\n"
    )
    (row,) = run("rules", "test", PUSH, "--json").json
    assert row["jobs"][0]["secrets"] == {"HF_TOKEN": "***"}
    assert "secret   HF_TOKEN" in run("rules", "test", PUSH).out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"{", "not JSON", id="no JSON"),
        pytest.param(b'{"event": "move"}', "version 2", id="an old payload"),
    ],
)
def test_a_file_that_is_no_payload_is_wrong_use(
    run: Run, folder: Path, tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "p.json").write_bytes(content)
    ran = run("rules", "test", "p.json")
    assert ran.code == 2
    assert message in ran.err
    assert run("rules", "test", "nowhere.json").code == 2


def test_a_stranger_cannot_steer_the_terminal(run: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "a.yaml").write_text("id: a\non: [repo.created]\nrun: {image: x, command: [y]}\n")
    payload = json.loads(Path(PUSH).read_text())
    name = payload["repo"]["name"] = "a/\x1b]0;owned\x07\u202e\x9b\u2028\nfired"
    (tmp_path / "p.json").write_text(json.dumps(payload))
    ran = run("rules", "test", "p.json")
    assert not {"\x1b", "\x07", "\u202e", "\x9b", "\u2028"} & set(ran.out)
    assert len(ran.out.splitlines()) == 2
    (folder / "a.yaml").write_text("id: a\non: [commit.pushed]\nrun: {image: x, command: [y]}\n")
    told = run("rules", "test", "p.json", "--json")
    assert not {"\x1b", "\u202e", "\x9b", "\u2028"} & set(told.out)
    assert told.json[0]["jobs"][0]["environment"]["WEBHOOK_REPO_ID"] == name


def test_a_job_that_would_be_rejected_is_told(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.yaml").write_text("id: a\non: [commit.pushed]\nrun: {image: x, command: [y]}\n")
    monkeypatch.setattr("jobhook.core.jobs.ENV_STRING_MAX_BYTES", 300)
    ran = run("rules", "test", PUSH, "--json")
    assert ran.json[0]["jobs"] == []
    assert "the job would be rejected" in ran.err


def test_all_that_a_rule_says_of_its_job_is_shown(run: Run, folder: Path) -> None:
    (folder / "a.yaml").write_text(
        "id: a\non: [commit.pushed]\nrun: {image: x, command: [y], args: [a b], namespace: lab,"
        " ssh: true, expose: [80], env: {REPO: '${{ repo.name }}'}}\n"
    )
    ran = run("rules", "test", PUSH)
    assert "command  y 'a b'" in ran.out
    assert "namespace lab" in ran.out
    assert 'ssh      {"enabled": true}' in ran.out
    assert "env      REPO=tinylab/birdsong-clips" in ran.out
    (row,) = run("rules", "test", PUSH, "--json").json
    assert row["jobs"][0]["namespace"] == "lab"


def test_a_job_that_repeats_another_is_not_known_without_the_hub(run: Run, folder: Path) -> None:
    (folder / "a.yaml").write_text("id: a\non: [commit.pushed]\nrun: {from_job: j1}\n")
    ran = run("rules", "test", PUSH, "--json")
    assert (ran.json[0]["fired"], ran.json[0]["jobs"]) == (True, [])
    assert "a: the job would be held: source: job j1 is not known: " in ran.err


def test_a_job_that_repeats_another_is_listed_as_that(run: Run, folder: Path) -> None:
    (folder / "a.yaml").write_text("id: a\non: [commit.pushed]\nrun: {from_job: lab/j1}\n")
    assert "as lab/j1" in run("rules", "list").out
