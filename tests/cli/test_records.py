from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from commands import Run
from factories import NOON, make_launch, make_received, make_rule, sample
from jobhook.adapters.store_sqlite import sqlite_store
from jobhook.core.guards import Guard, Limits
from jobhook.core.indexing import RuleIndex
from jobhook.core.launches import LaunchState, moved
from jobhook.core.records import EVERYTHING, Pause
from jobhook.flows.deciding import route

WHEN = "2027-01-15T08:00:00.000Z"


@pytest.fixture
def kept(tmp_path: Path) -> tuple[str, str]:
    """A database with a push that launched a job and one that launched none; the push's ids."""

    async def fill() -> tuple[str, str]:
        async with sqlite_store(tmp_path / "jobhook.db") as store:
            await store.record(make_received("w-odd", b"{"))
            await store.record(make_received("w-push", sample("14")))
            for stored, body, _ in await store.begin_routing(10):
                routed = route(
                    stored, body, RuleIndex([make_rule(watch=[])]), me=None, instance="i", now=NOON
                )
                await store.route(
                    routed.delivery,
                    events=routed.events,
                    verdicts=routed.verdicts,
                    launches=routed.launches,
                )
            ((launch, _),) = await store.claim(NOON, 1, Guard(Limits(), {"cpu-basic": 0.01}, NOON))
            launched = replace(
                moved(launch, LaunchState.LAUNCHED, now=NOON),
                namespace="acme",
                job_id="j1",
                job_url="https://hub.test/jobs/acme/j1",
            )
            await store.replace(launch, launched)
            return launch.delivery, launch.id

    return asyncio.run(fill())


def test_deliveries_are_listed_for_programs(run: Run, kept: tuple[str, str]) -> None:
    push, odd = run("deliveries", "ls", "--json").json
    assert push == {
        "id": kept[0],
        "webhook_id": "w-push",
        "received_at": WHEN,
        "scope": "repo.content",
        "action": "update",
        "repo": {"type": "dataset", "name": "tinylab/birdsong-clips"},
        "events": ["commit.pushed"],
        "state": "matched",
        "reason": "fired retrain",
        "launches": [kept[1]],
    }
    assert (odd["state"], odd["repo"], odd["events"], odd["launches"]) == ("unparsed", None, [], [])


def test_deliveries_are_listed_for_people(run: Run, kept: tuple[str, str]) -> None:
    out = run("deliveries", "ls").out
    assert kept[0] in out
    assert "commit.pushed" in out
    assert "w-push" not in run("deliveries", "ls", "--state", "unparsed").out
    assert len(run("deliveries", "ls", "--limit", "1", "--json").json) == 1


def test_launches_are_listed_for_programs(run: Run, kept: tuple[str, str]) -> None:
    assert run("launches", "ls", "--json").json == [
        {
            "id": kept[1],
            "delivery": kept[0],
            "rule": "retrain",
            "repo": {"type": "dataset", "name": "tinylab/birdsong-clips"},
            "action": 0,
            "state": "launched",
            "reason": "",
            "job_id": "j1",
            "job_url": "https://hub.test/jobs/acme/j1",
            "flavor": "cpu-basic",
            "cost_usd": 0.005,
            "created_at": WHEN,
            "updated_at": WHEN,
            "timeout": 1800,
            "generation": 0,
        }
    ]
    assert run("launches", "ls", "--state", "held", "--json").json == []


def test_launches_are_listed_for_people(run: Run, kept: tuple[str, str]) -> None:
    assert kept[1] in run("launches", "ls").out
    assert run("launches", "ls", "--state", "held").out == "there are no launches\n"


@pytest.mark.parametrize("thing", ["deliveries", "launches"])
@pytest.mark.parametrize(
    ("repo", "found"),
    [
        pytest.param("tinylab/birdsong-clips", 1, id="its name"),
        pytest.param("dataset:tinylab/birdsong-clips", 1, id="as rules write it"),
        pytest.param("model:tinylab/birdsong-clips", 0, id="another type"),
        pytest.param("tinylab/birdsong", 0, id="another name"),
    ],
)
def test_a_repo_is_named_with_its_type_or_without(
    run: Run, kept: tuple[str, str], thing: str, repo: str, found: int
) -> None:
    assert len(run(thing, "ls", "--repo", repo, "--json").json) == found


@pytest.mark.parametrize("thing", ["deliveries", "launches"])
def test_a_type_of_repo_that_is_none_is_wrong_use(
    run: Run, kept: tuple[str, str], thing: str
) -> None:
    ran = run(thing, "ls", "--repo", "datset:tinylab/birdsong-clips")
    assert ran.code == 2
    assert "did you mean `dataset`?" in ran.err


def test_one_delivery_is_shown_with_every_rules_word(run: Run, kept: tuple[str, str]) -> None:
    out = run("deliveries", "show", kept[0]).out
    assert "w-push" in out
    assert "commit.pushed refs/heads/main on dataset tinylab/birdsong-clips" in out
    assert kept[1] in out
    told = run("deliveries", "show", kept[0], "--json").json
    assert told["verdicts"][0]["fired"] is True
    assert told["payload"] == json.loads(sample("14"))


def test_the_body_is_shown_as_it_came(run: Run, kept: tuple[str, str], tmp_path: Path) -> None:
    # stdout is captured as text here; the bytes are pure ASCII.
    out = run("deliveries", "show", kept[0], "--raw").out
    assert out.encode() == sample("14")


def test_what_is_damaged_is_shown_with_a_warning(
    run: Run, kept: tuple[str, str], tmp_path: Path
) -> None:
    for thing, identity in zip(("deliveries", "launches"), kept, strict=True):
        whole = run(thing, "show", identity, "--json")
        assert (whole.json["damaged"], "does not hold" in whole.err) == (False, False)
    with contextlib.closing(sqlite3.connect(tmp_path / "jobhook.db")) as other:
        other.execute("UPDATE delivery SET body = 'x'")
        other.execute("UPDATE launch SET spec = replace(spec, '3.12', '3.13')")
        other.commit()
    for thing, identity in zip(("deliveries", "launches"), kept, strict=True):
        harmed = run(thing, "show", identity, "--json")
        assert (harmed.json["damaged"], "does not hold" in harmed.err) == (True, True)


def test_what_waits_while_all_is_paused_says_so(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fill() -> None:
        async with sqlite_store(tmp_path / "jobhook.db") as store:
            await store.record(make_received())
            ((delivery, _, _),) = await store.begin_routing(1)
            launch = make_launch(delivery=delivery.id)
            await store.route(delivery, events=(), verdicts=(), launches=[launch])
            await store.pause(Pause(scope=EVERYTHING, since=NOON, by="ana"))

    def reasons() -> list[str]:
        delivery = run("deliveries", "ls", "--json").json[0]["id"]
        listed, shown = run("launches", "ls", "--json"), run("launches", "show", "l1", "--json")
        assert listed.json[0]["reason"] in run("deliveries", "show", delivery).out
        return [listed.json[0]["reason"], shown.json["reason"]]

    asyncio.run(fill())
    assert reasons() == ["paused: everything"] * 2
    monkeypatch.setenv("JOBHOOK_PAUSE", "on")
    assert reasons() == ["paused: JOBHOOK_PAUSE"] * 2


def test_a_delivery_that_is_no_payload_is_shown_too(run: Run, kept: tuple[str, str]) -> None:
    odd = run("deliveries", "ls", "--state", "unparsed", "--json").json[0]["id"]
    assert "no rule was asked" in run("deliveries", "show", odd).out
    assert run("deliveries", "show", odd, "--json").json["payload"] is None


def test_one_launch_is_shown_with_its_job(run: Run, kept: tuple[str, str]) -> None:
    out = run("launches", "show", kept[1]).out
    assert "https://hub.test/jobs/acme/j1" in out
    assert '"dockerImage": "python:3.12"' in out
    told = run("launches", "show", kept[1], "--json").json
    assert told["job"]["labels"]["jobhook-launch"] == kept[1]
    assert told["event"] == "commit.pushed"


def test_one_launch_is_shown_with_what_happened_to_it(run: Run, kept: tuple[str, str]) -> None:
    told = run("launches", "show", kept[1], "--json").json["timeline"]
    assert told[1:] == [
        {"at": WHEN, "what": "planned, as rule retrain fired on commit.pushed"},
        {"at": WHEN, "what": "claimed and sent, attempt 1"},
        {"at": WHEN, "what": "the Hub has its job"},
    ]
    assert told[0]["what"] == "its delivery came in"
    assert f"{WHEN}  claimed and sent, attempt 1" in run("launches", "show", kept[1]).out


@pytest.mark.parametrize("thing", ["delivery", "launch"])
def test_the_beginning_of_an_id_is_completed(run: Run, kept: tuple[str, str], thing: str) -> None:
    groups = {"delivery": "deliveries", "launch": "launches"}
    ids = dict(zip(groups, kept, strict=True))
    other = "launch" if thing == "delivery" else "delivery"
    ran = run(groups[thing], "show", ids[thing][:9])
    assert (ran.code, ran.out) == (1, "")
    assert f"give the whole id, such as {ids[thing]}\n" in ran.err
    ran = run(groups[thing], "show", ids[other])
    assert f"but a {other}: see `jobhook {groups[other]} show {ids[other]}`" in ran.err
    ran = run(groups[thing], "show", "x1")
    assert f"there is no {thing} x1: `jobhook {groups[thing]} ls` lists" in ran.err


@pytest.mark.parametrize("thing", ["deliveries", "launches"])
@pytest.mark.parametrize(
    ("identity", "message"),
    [
        pytest.param("x1", "there is no ", id="unknown"),
        pytest.param("a\x1b[31mb", "there is no ", id="an escape"),
        pytest.param("\udcff", "no text that a database could hold", id="no text"),
    ],
)
def test_what_is_not_there_is_exit_code_1(
    run: Run, kept: tuple[str, str], thing: str, identity: str, message: str
) -> None:
    ran = run(thing, "show", identity)
    assert ran.code == 1
    assert message in ran.err
    assert "\x1b" not in ran.err


def test_without_a_database_it_is_said_what_to_do(run: Run) -> None:
    ran = run("launches", "ls", "--database", "sqlite:///nowhere.db")
    assert (ran.code, ran.out) == (1, "")
    assert "run `jobhook serve` first" in ran.err


def test_an_empty_database_is_no_table(run: Run, tmp_path: Path) -> None:
    async def make() -> None:
        async with sqlite_store(tmp_path / "jobhook.db"):
            pass

    asyncio.run(make())
    assert run("deliveries", "ls").out == "there are no deliveries\n"
    assert run("deliveries", "ls", "--json").json == []
