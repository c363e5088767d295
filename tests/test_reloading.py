"""Rules that change while a real service runs."""

from __future__ import annotations

import os
import pty
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from jobhook.adapters.sqlite_reads import sqlite_reads
from jobhook.core.launches import Launch
from jobhook.devhub import TOKEN
from jobhook.flows.leading import Leader
from jobhook.hub.client import AsyncHub
from jobhook.web.serving import listen
from jobhook.wiring import running_service
from running import Environment, Process, jobhook
from town import Town, running_town, until

pytestmark = pytest.mark.anyio

WORDS = ("serve", "--devhub", "--port", "0", "--devhub-port", "0")


def rule(name: str, *, on: str = "commit.pushed", note: str = "") -> str:
    return f"""\
id: {name}
description: "{note}"
watch: ["user:@me"]
on: [{on}]
run:
  image: python:3.12
  command: [python, -V]
"""


def write(folder: Path, name: str, text: str) -> None:
    """Write a rule file as most programs do: beside its place, then moved there."""
    draft = folder / f".{name}.tmp"
    draft.write_text(text)
    draft.rename(folder / f"{name}.yaml")


class Shop:
    """A running service, its rules and its devhub."""

    def __init__(self, process: Process, rules: Path, endpoint: str) -> None:
        self.process = process
        self.rules = rules
        self.endpoint = endpoint
        self.pushes = 0

    async def push(self) -> dict[str, Any]:
        """Push something and return what the log says was decided."""
        self.pushes += 1
        async with AsyncHub(self.endpoint, TOKEN) as hub:
            name = f"dev/corpus{self.pushes}"
            await hub.create_repo(name, repo_type="dataset")
            await hub.create_commit(name, {"a": b"1"}, repo_type="dataset", message="m")
        return await self.process.log("launch.planned")

    def told(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.process.logs if line["event"] == event]


@asynccontextmanager
async def shop(
    environment: dict[str, str], rules: Path, *, stdin: int | None = None
) -> AsyncIterator[Shop]:
    async with jobhook(environment, *WORDS, "--rules", str(rules), stdin=stdin) as process:
        endpoint = (await process.line()).removeprefix("export HF_ENDPOINT=")
        await process.log("webhook.registered")
        yield Shop(process, rules, endpoint)
        if process.process.returncode is None:
            assert await process.end() == 0


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    write(tmp_path / "rules", "first", rule("first"))
    return tmp_path / "rules"


async def launches_in(folder: Path) -> dict[str, Launch]:
    async with sqlite_reads(folder / "jobhook.db") as reads:
        return {launch.id: launch for launch in await reads.launches(limit=0)}


async def test_what_is_pushed_after_an_edit_is_decided_by_the_new_rule(
    own_environment: Environment, rules: Path, tmp_path: Path
) -> None:
    async with shop(own_environment(), rules) as running:
        before = await running.push()
        write(rules, "first", rule("first", note="edited"))
        reloaded = await running.process.log("rules.reloaded")
        after = await running.push()
        kept = await launches_in(tmp_path)
        (started,) = running.told("service.started")
    assert (reloaded["changed"], reloaded["added"], reloaded["removed"]) == (["first"], [], [])
    assert started["rules_version"] != reloaded["rules_version"]
    assert kept[before["launch"]].rule_hash != kept[after["launch"]].rule_hash


async def test_a_broken_edit_is_told_with_its_place_and_the_rules_before_it_go_on(
    own_environment: Environment, rules: Path
) -> None:
    async with shop(own_environment(), rules) as running:
        write(rules, "first", rule("first").replace("watch:", "wach:"))
        write(rules, "second", rule("second"))
        refused = await running.process.log("rules.refused")
        assert (await running.push())["rule"] == "first"
        write(rules, "first", rule("first"))
        assert (await running.process.log("rules.reloaded"))["added"] == ["second"]
        assert len(running.told("rules.refused")) == 1
    assert "first.yaml:3:1: there is no key `wach` here" in refused["problems"][0]
    assert refused["kept"] == running.told("service.started")[0]["rules_version"]


async def test_a_rule_whose_file_is_removed_fires_no_more_and_others_watch_other_things(
    own_environment: Environment, rules: Path
) -> None:
    write(rules, "second", rule("second", on="discussion.opened"))
    async with shop(own_environment(), rules) as running:
        (rules / "second.yaml").unlink()
        reloaded = await running.process.log("rules.reloaded")
        registered = await running.process.log("webhook.registered")
    assert reloaded["removed"] == ["second"]
    assert registered["reason"] == "domains repo, discussion → repo"


async def test_a_burst_of_files_is_read_once(own_environment: Environment, rules: Path) -> None:
    async with shop(own_environment(), rules) as running:
        names = [f"rule-{number}" for number in range(200)]
        for name in names:
            (rules / f".{name}.tmp").write_text(rule(name))
        for name in names:
            (rules / f".{name}.tmp").rename(rules / f"{name}.yaml")
        assert (await running.process.log("rules.reloaded"))["rules"] == 201
        running.process.process.send_signal(signal.SIGHUP)
        await running.process.log("rules.unchanged")
        assert len(running.told("rules.reloaded")) == 1


async def test_a_volume_of_kubernetes_is_read_when_its_link_is_set_anew(
    own_environment: Environment, tmp_path: Path
) -> None:
    volume = tmp_path / "volume"
    for version in ("..1", "..2"):
        (volume / version).mkdir(parents=True)
        write(volume / version, "first", rule("first", note=version))
    (volume / "..data").symlink_to("..1")
    (volume / "first.yaml").symlink_to("..data/first.yaml")
    async with shop(own_environment(), volume) as running:
        (volume / "..tmp").symlink_to("..2")
        (volume / "..tmp").rename(volume / "..data")
        assert (await running.process.log("rules.reloaded"))["changed"] == ["first"]


async def test_sighup_reads_at_once_and_is_all_that_does_where_nothing_watches(
    own_environment: Environment, rules: Path
) -> None:
    async with shop(own_environment(JOBHOOK_RELOAD="off"), rules) as running:
        hang_up = running.process.process.send_signal
        hang_up(signal.SIGHUP)
        await running.process.log("rules.unchanged")
        write(rules, "first", rule("first", note="edited"))
        hang_up(signal.SIGHUP)
        await running.process.log("rules.reloaded")
        write(rules, "first", "id: [")
        hang_up(signal.SIGHUP)
        await running.process.log("rules.refused")
        assert (await running.push())["rule"] == "first"


async def test_a_service_whose_terminal_is_closed_ends(
    own_environment: Environment, rules: Path
) -> None:
    mine, its = pty.openpty()
    async with shop(own_environment(), rules, stdin=its) as running:
        os.close(its)
        running.process.process.send_signal(signal.SIGHUP)
        await running.process.log("rules.unchanged")
        os.close(mine)
        assert await running.process.end(signal.SIGHUP) == 0


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with running_town(tmp_path) as town:
        yield town


async def test_of_two_processes_the_one_with_the_newer_rules_decides_while_it_lives(
    town: Town, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Leader, "idle", 0.05)
    settings = []
    for name in ("old", "new"):
        (town.folder / name).mkdir()
        write(town.folder / name, name, rule(name))
        environ = {"JOBHOOK_DATABASE": postgres_url, "JOBHOOK_RULES": str(town.folder / name)}
        settings.append(town.settings(**environ))
    with capture_logs() as logs, listen("127.0.0.1", 0) as one, listen("127.0.0.1", 0) as two:
        async with running_service(settings[0], one) as service:

            async def another_leads() -> str | None:
                now = await service.store.leader()
                return now if now != leader else None

            leader = None
            first = leader = await until(another_leads)
            async with running_service(settings[1], two):
                leader = await until(another_leads)
            # Nobody has the newer rules any more.
            assert await until(another_leads) == first
    told = [line["rules_version"] for line in logs if line["event"] == "service.started"]
    (outdated,) = (line for line in logs if line["event"] == "rules.outdated")
    assert [outdated["rules_version"], outdated["in_force"]] == told
