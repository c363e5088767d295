from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from factories import make_rule
from fakes import Bell, HandClock
from jobhook.core.errors import Problem, RulesError, UsageError
from jobhook.core.rules import RuleSet
from jobhook.flows.reloading import Reloader
from jobhook.flows.rulebook import Rulebook

pytestmark = pytest.mark.anyio

SECRET = {"image": "python:3.12", "command": ["python"], "secrets": ["TOKEN"]}


class Folder:
    """A folder whose state is a number, and whose rules are what a test says."""

    def __init__(self) -> None:
        self.state = 0
        self.looks = 0
        self.loads = 0
        self.content: RuleSet | Exception = RuleSet((make_rule(),))
        self.on_load: Callable[[], object] = lambda: None
        self.on_look: Callable[[], object] = lambda: None

    def write(self, *rules: str, wrong: Exception | None = None) -> None:
        self.state += 1
        self.content = wrong or RuleSet(tuple(make_rule(id=rule) for rule in rules))

    def look(self) -> int:
        self.looks += 1
        self.on_look()
        return self.state

    def load(self) -> RuleSet:
        self.loads += 1
        content = self.content
        self.on_load()
        if isinstance(content, Exception):
            raise content
        return content


class Desk:
    """A reloader beside its folder, with what it said."""

    def __init__(self, bell: Bell, *, watches: bool = True) -> None:
        self.folder = Folder()
        self.bell = bell
        self.clock = HandClock()
        self.rulebook = Rulebook(self.folder.load())
        self.folder.loads = 0
        self.reloader = Reloader(
            self.rulebook,
            self.clock,
            look=self.folder.look,
            load=self.folder.load,
            state=self.folder.state,
            watches=watches,
            job_secrets=("GIVEN",),
            on_replaced=bell,
        )

    async def steps(self, count: int = 2) -> list[EventDict]:
        with capture_logs() as logs:
            for _ in range(count):
                await self.reloader.step()
        return logs

    @property
    def in_force(self) -> list[str]:
        assert self.rulebook.index.rules == self.rulebook.rules.rules
        return [rule.id for rule in self.rulebook.rules.rules]


@pytest.fixture
def desk(bell: Bell) -> Desk:
    return Desk(bell)


async def test_a_folder_that_stays_as_it_is_is_not_read_again(desk: Desk) -> None:
    assert await desk.steps(3) == []
    assert (desk.folder.looks, desk.folder.loads, desk.bell.rung) == (3, 0, 0)


async def test_what_changed_is_read_when_it_has_been_quiet_for_a_look(desk: Desk) -> None:
    desk.folder.write("a")
    assert await desk.steps(1) == []
    desk.folder.write("a", "b")
    assert await desk.steps(1) == []
    assert (desk.in_force, desk.folder.loads) == (["retrain"], 0)
    (told,) = await desk.steps(1)
    assert (desk.in_force, desk.folder.loads, desk.bell.rung) == (["a", "b"], 1, 1)
    assert told == {
        "event": "rules.reloaded",
        "log_level": "info",
        "rules": 2,
        "rules_version": desk.rulebook.version,
        "added": ["a", "b"],
        "changed": [],
        "removed": ["retrain"],
    }
    assert await desk.steps(3) == []


async def test_a_change_that_makes_no_rule_another_is_not_worth_a_word(desk: Desk) -> None:
    desk.folder.state += 1
    assert await desk.steps(3) == []
    assert (desk.folder.loads, desk.bell.rung) == (1, 0)


async def test_while_something_changes_it_looks_sooner(desk: Desk) -> None:
    await desk.steps(1)
    calm = desk.reloader.idle
    desk.folder.write("a")
    await desk.steps(1)
    assert desk.reloader.idle < calm


async def test_a_slow_look_is_followed_by_a_long_pause(desk: Desk) -> None:
    def take_three_seconds() -> None:
        desk.clock.now += 3000

    desk.folder.on_look = take_three_seconds
    await desk.steps(1)
    assert desk.reloader.idle == 150


async def test_a_rule_that_says_something_else_is_told_of(desk: Desk) -> None:
    desk.folder.state += 1
    desk.folder.content = RuleSet((make_rule(description="x"),))
    (told,) = await desk.steps()
    assert (told["added"], told["changed"], told["removed"]) == ([], ["retrain"], [])


async def test_of_many_rules_some_are_named(desk: Desk) -> None:
    desk.folder.write(*(f"r{number:02}" for number in range(30)))
    (told,) = await desk.steps()
    assert told["added"] == [*(f"r{number:02}" for number in range(20)), "… and 10 more"]


WRONG = [
    pytest.param(RulesError((Problem("a.yaml", 3, 1, "odd"),)), ["a.yaml:3:1: odd"], id="file"),
    pytest.param(UsageError("there is no folder"), ["there is no folder"], id="no folder"),
]


@pytest.mark.parametrize(("wrong", "problems"), WRONG)
async def test_wrong_rules_are_told_of_once_and_the_last_good_ones_stay(
    desk: Desk, wrong: Exception, problems: list[str]
) -> None:
    version = desk.rulebook.version
    desk.folder.write(wrong=wrong)
    assert await desk.steps(4) == [
        {
            "event": "rules.refused",
            "log_level": "error",
            "count": 1,
            "problems": problems,
            "kept": version,
        }
    ]
    desk.folder.write(wrong=wrong)  # saved again, and no better
    assert await desk.steps() == []
    assert (desk.in_force, desk.folder.loads, desk.bell.rung) == (["retrain"], 2, 0)


@pytest.mark.parametrize(("wrong", "problems"), WRONG)
async def test_it_is_told_when_wrong_rules_are_right_again(
    desk: Desk, wrong: Exception, problems: list[str]
) -> None:
    desk.folder.write(wrong=wrong)
    await desk.steps()
    desk.folder.write("retrain")
    assert [(line["event"], line["rules_version"]) for line in await desk.steps()] == [
        ("rules.unchanged", desk.rulebook.version)
    ]
    desk.folder.write(wrong=wrong)
    assert [line["event"] for line in await desk.steps()] == ["rules.refused"]
    desk.folder.write("b")
    assert [line["event"] for line in await desk.steps()] == ["rules.reloaded"]


async def test_of_many_problems_the_first_are_told(desk: Desk) -> None:
    problems = tuple(Problem("a.yaml", line, 1, "odd") for line in range(1, 100))
    desk.folder.write(wrong=RulesError(problems))
    (told,) = await desk.steps()
    assert (told["count"], told["problems"]) == (99, list(map(str, problems[:20])))


async def test_what_changes_while_it_is_read_is_read_again(desk: Desk) -> None:
    def meanwhile() -> None:
        desk.folder.on_load = lambda: None
        desk.folder.write("a", "b")

    desk.folder.write("a")
    desk.folder.on_load = meanwhile
    assert await desk.steps() == []
    assert (desk.in_force, desk.folder.loads) == (["retrain"], 1)
    assert [line["event"] for line in await desk.steps(1)] == ["rules.reloaded"]
    assert desk.in_force == ["a", "b"]


async def test_an_order_reads_at_once_and_tells_what_came_of_it(desk: Desk) -> None:
    async def ordered() -> list[str]:
        desk.reloader.ask()
        return [line["event"] for line in await desk.steps(1)]

    assert await ordered() == ["rules.unchanged"]
    desk.folder.write("a")
    assert await ordered() == ["rules.reloaded"]
    desk.folder.write(wrong=UsageError("there is no folder"))
    assert await ordered() == ["rules.refused"]
    assert await ordered() == ["rules.refused"]
    assert desk.in_force == ["a"]
    assert await desk.steps() == []


async def test_an_order_stands_until_it_is_carried_out(desk: Desk) -> None:
    def meanwhile() -> None:
        desk.folder.on_load = lambda: None
        desk.folder.write("retrain")

    desk.folder.on_load = meanwhile
    desk.reloader.ask()
    assert [line["event"] for line in await desk.steps()] == ["rules.unchanged"]


async def test_without_watching_only_an_order_reads(bell: Bell) -> None:
    desk = Desk(bell, watches=False)
    desk.folder.write("a")
    assert await desk.steps(3) == []
    assert (desk.folder.looks, desk.in_force) == (0, ["retrain"])
    desk.reloader.ask()
    await desk.steps(1)
    assert desk.in_force == ["a"]


async def test_nothing_is_replaced_while_the_service_drains(desk: Desk) -> None:
    desk.folder.write("a")
    loop = asyncio.get_running_loop()
    desk.folder.on_load = lambda: loop.call_soon_threadsafe(desk.reloader.stop)
    assert await desk.steps() == []
    assert desk.in_force == ["retrain"]


async def test_an_order_wakes_it(desk: Desk) -> None:
    running = asyncio.create_task(desk.reloader.run())
    desk.folder.write("a")
    desk.reloader.ask()
    async with asyncio.timeout(10):
        while desk.in_force != ["a"]:  # noqa: ASYNC110
            await asyncio.sleep(0)
    desk.reloader.stop()
    await running


async def test_new_warnings_and_secrets_that_are_lacking_are_told(desk: Desk) -> None:
    old, new = Problem("a.yaml", 1, 1, "old"), Problem("b.yaml", 1, 1, "new")
    rules = (make_rule(run=SECRET), make_rule(id="b", run={**SECRET, "secrets": ["GIVEN"]}))
    desk.folder.state += 1
    desk.folder.content = RuleSet((make_rule(id="z"),), (old,))
    await desk.steps()
    desk.folder.state += 1
    desk.folder.content = RuleSet(rules, (new, old))
    told = [(line["event"], line.get("problem", line.get("set"))) for line in await desk.steps()]
    assert told[:-1] == [
        ("rule.warned", "b.yaml:1:1: new"),
        ("rule.lacks_secret", "JOBHOOK_SECRET_TOKEN"),
    ]
