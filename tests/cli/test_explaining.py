"""`jobhook rules explain`: which condition it is that keeps a rule from firing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from canned import CannedServer, answer
from commands import Run
from factories import DELIVERIES, make_received, sample
from jobhook.adapters.store_sqlite import sqlite_store

PUSH = str(DELIVERIES / "14_content_push_main_dataset.json")
RULE = """\
id: retrain
watch: ["org:tinylab"]
on: [commit.pushed]
any: [{refs: [dev]}, {not: {private: true}}]
if: repo.name.endsWith('clips')
run: {image: python:3.12, command: [python, train.py], secrets: [HF_TOKEN]}
"""


@pytest.fixture(autouse=True)
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "retrain.yaml").write_text(RULE)
    return folder


@pytest.fixture
def deliveries(tmp_path: Path) -> list[str]:
    async def fill() -> list[str]:
        async with sqlite_store(tmp_path / "jobhook.db") as store:
            bodies = sample("14"), sample("01")
            return [
                (await store.record(make_received(f"w{n}", b))).delivery
                for n, b in enumerate(bodies)
            ]

    return asyncio.run(fill())


def test_every_condition_of_a_rule_that_fires_is_told_with_its_job(run: Run) -> None:
    ran = run("rules", "explain", PUSH, "--me", "ada")
    assert ran.out.splitlines()[:7] == [
        "retrain fires: commit.pushed refs/heads/main on dataset tinylab/birdsong-clips",
        "  yes watch       dataset tinylab/birdsong-clips; wanted: org:tinylab",
        "  yes on          this is commit.pushed; wanted: commit.pushed",
        "  yes any         one of these",
        "    NO  refs        refs/heads/main; wanted: dev",
        "    yes not         not these together",
        "      NO  private     the repo is public; wanted: private",
    ]
    assert "yes if          it is true; wanted: repo.name.endsWith('clips')" in ran.out
    assert "command  python train.py" in ran.out
    assert "secret   HF_TOKEN" in ran.out


def test_the_condition_that_says_no_is_told(run: Run, deliveries: list[str]) -> None:
    ran = run("rules", "explain", deliveries[1], "--me", "ada")
    assert "retrain does not fire: " in ran.out
    assert "NO  on          this is repo.created; wanted: commit.pushed" in ran.out


def test_it_is_told_when_the_service_decides_by_other_rules(
    run: Run, deliveries: list[str], tmp_path: Path
) -> None:
    (rule,) = run("rules", "list", "--json").json

    async def lead_by(version: str) -> None:
        async with sqlite_store(tmp_path / "jobhook.db") as store:
            await store.lead("a", 60_000, version=version)

    for version, lines in ((rule["set"], 0), ("v0", 1)):
        asyncio.run(lead_by(version))
        err = run("rules", "explain", "--last", "--me", "ada").err.splitlines()
        assert len(err) == lines
    assert "other rules (version v0) than those in rules (version" in err[0]


def test_the_delivery_that_came_last_is_explained_to_programs(
    run: Run, deliveries: list[str]
) -> None:
    (row,) = run("rules", "explain", "--last", "--rule", "retrain", "--me", "ada", "--json").json
    assert (row["rule"], row["fired"], row["event"], row["jobs"]) == (
        "retrain",
        False,
        "repo.created",
        [],
    )
    assert [each["condition"] for each in row["conditions"]][:2] == ["watch", "on"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param([], "give a delivery, a payload file, or --last", id="nothing"),
        pytest.param([PUSH, "--last"], "give a delivery, a payload file, or --last", id="both"),
        pytest.param([PUSH, "--rule", "retrian"], "did you mean `retrain`?", id="no-such-rule"),
        pytest.param(["no/push.json"], "no/push.json cannot be read: No such file", id="no-file"),
        pytest.param(["d1"], "there is no file and no delivery d1", id="no-such-delivery"),
    ],
)
def test_what_cannot_be_explained_is_told(
    run: Run, deliveries: list[str], arguments: list[str], sentence: str
) -> None:
    ran = run("rules", "explain", *arguments, "--me", "ada")
    assert (ran.code, ran.out) == (2 if "d1" not in arguments else 1, "")
    assert sentence in ran.err


def test_where_nothing_has_come_there_is_nothing_to_explain(run: Run, tmp_path: Path) -> None:
    async def make() -> None:
        async with sqlite_store(tmp_path / "jobhook.db"):
            pass

    asyncio.run(make())
    assert "no delivery has come yet" in run("rules", "explain", "--last", "--me", "ada").err


def test_what_is_no_payload_cannot_be_explained(run: Run, tmp_path: Path) -> None:
    odd = tmp_path / "odd.json"
    odd.write_text(json.dumps({"event": "move"}))
    assert "a legacy payload" in run("rules", "explain", str(odd), "--me", "ada").err


LOOKED_UP = """\
id: retrain
watch: ["org:tinylab"]
on: [commit.pushed]
paths: ["data/*"]
if: actor.role == 'write'
run: {image: python:3.12, command: [python, train.py]}
"""


def test_what_the_hub_would_be_asked_can_be_said(run: Run, rules: Path) -> None:
    (rules / "retrain.yaml").write_text(LOOKED_UP)
    ran = run("rules", "explain", PUSH, "--file", "data/a.csv", "--actor", "ana:write")
    assert "retrain fires: commit.pushed refs/heads/main" in ran.out
    assert "yes paths       changed were data/a.csv; wanted: data/*" in ran.out


def test_a_message_that_says_so_skips_the_jobs(run: Run) -> None:
    ran = run("rules", "explain", PUSH, "--message", "Typo [skip jobs]", "--me", "ada")
    assert "does not fire: the message of the commit says [skip jobs]" in ran.out


def test_what_is_neither_said_nor_asked_for_is_not_known(run: Run, rules: Path) -> None:
    (rules / "retrain.yaml").write_text(LOOKED_UP)
    ran = run("rules", "explain", PUSH, "--actor", "ana", "--offline")
    assert "?   paths       which files changed is not known; wanted: data/*" in ran.out
    assert "`if` cannot be told, because the Hub was not asked" in ran.out


@pytest.mark.anyio
async def test_with_a_token_the_hub_is_asked_and_asked_for_more_where_it_has_to_be(
    run: Run, rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (rules / "retrain.yaml").write_text(LOOKED_UP.replace('paths: ["data/*"]\n', ""))
    commit = [{"id": "1" * 40, "title": "More", "message": "", "authors": [{"user": "ana"}]}]
    members = [{"type": "user", "_id": "a" * 24, "user": "ana", "role": "write"}]
    async with CannedServer() as server:
        server.answers = [answer(200, commit), answer(200, members)]
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", "hf_xxx")
        ran = await asyncio.to_thread(run, "rules", "explain", PUSH, "--me", "ada")
    assert "retrain fires: commit.pushed" in ran.out
    assert [asked.target.partition("?")[0] for asked in server.asked] == [
        "/api/datasets/tinylab/birdsong-clips/commits/ac485a0c67b925ada1796571f38c01fd8fdb5bbf",
        "/api/organizations/tinylab/members",
    ]


@pytest.mark.anyio
async def test_a_hub_that_fails_is_said_to(
    run: Run, rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (rules / "retrain.yaml").write_text(LOOKED_UP)
    async with CannedServer() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", "hf_xxx")
        ran = await asyncio.to_thread(run, "rules", "explain", PUSH, "--me", "ada")
    assert "cannot be told, because" in ran.out
