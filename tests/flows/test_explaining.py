"""What rules say, and say of a delivery, as it is shown."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection, Mapping
from typing import Any

import pytest

from factories import BODY, NOON, make_rule, sample
from jobhook.core import explanations
from jobhook.core.deliveries import Delivery, RepoField
from jobhook.core.errors import (
    HubBusy,
    HubError,
    NoSuchRecord,
    Problem,
    TooManyCallers,
    UsageError,
)
from jobhook.core.explanations import Told
from jobhook.core.findings import ChangedFile, Found, Kind, Lookup, Unavailable
from jobhook.core.rules import Rule, RuleSet
from jobhook.core.views import CheckReport
from jobhook.flows import explaining
from jobhook.flows.explaining import Answers, Ask, Checker, RuleRecords, answers_of
from jobhook.flows.lookups import Lookups

pytestmark = pytest.mark.anyio

ASKS = make_rule(paths=["data/**"])
ASKS_MUCH = make_rule(
    paths=["data/**"], actors=["ada"], skip_marker=True, **{"if": "actor.role == 'write'"}
)


class Asked:
    """A Hub that shows the files of a push and nothing else, and remembers what it was asked."""

    def __init__(self, *files: str) -> None:
        self.files = tuple(ChangedFile(path, "edit", 1) for path in files)
        self.kinds: list[str] = []

    async def __call__(self, delivery: Delivery, asked: Collection[Lookup]) -> Answers:
        self.kinds += [lookup.kind for lookup in asked]
        missing = Unavailable("it is not shown", is_refused=True)
        return {each: self.files if each.kind == Kind.FILES else missing for each in asked}


def nothing_wrong(_: Mapping[str, str]) -> CheckReport:
    return CheckReport(True, (), ())


async def ada() -> str:
    return "ada"


def records(*rules: Rule, ask: Ask | None = None, check: Checker = nothing_wrong) -> RuleRecords:
    book = RuleSet(rules)
    return RuleRecords(
        lambda: book, check=check, ask=ask or Asked(), me=ada, clock=lambda: NOON, instance="i"
    )


async def test_rules_are_told_with_the_version_of_their_set() -> None:
    reader = records(make_rule(), make_rule(id="other"))
    assert [each.id for each in await reader.rules()] == ["retrain", "other"]
    told = await reader.rule("other")
    assert (told.set, told.warnings) == (await reader.version(), ())
    with pytest.raises(NoSuchRecord, match="there is no rule othr; did you mean `other`"):
        await reader.rule("othr")


async def test_each_rule_is_explained_with_its_jobs() -> None:
    fires, does_not = await records(make_rule(), make_rule(id="tags", on=["tag.created"])).explain(
        BODY, key="w1"
    )
    assert (fires.rule, fires.fired, fires.warnings) == ("retrain", True, ())
    (job,) = fires.jobs
    assert (job["dockerImage"], job["environment"]["WEBHOOK_ID"]) == ("python:3.12", "w1")
    assert (does_not.fired, does_not.jobs) == (False, ())
    assert [each.holds for each in does_not.conditions] == [True, False]


async def test_secrets_are_stars() -> None:
    rule = make_rule(run={"image": "x", "command": ["y"], "secrets": ["HF_TOKEN"]})
    ((job,),) = [each.jobs for each in await records(rule).explain(BODY)]
    assert job["secrets"] == {"HF_TOKEN": "***"}


async def test_one_rule_alone_is_explained() -> None:
    reader = records(make_rule(), make_rule(id="other"))
    assert [each.rule for each in await reader.explain(BODY, rule="other")] == ["other"]
    with pytest.raises(UsageError, match="there is no rule othr; did you mean `other`"):
        await reader.explain(BODY, rule="othr")


async def test_what_is_no_delivery_is_refused() -> None:
    with pytest.raises(UsageError, match="this is no delivery: the body is not JSON"):
        await records(make_rule()).explain(b"{")


@pytest.mark.parametrize(
    ("files", "fired"),
    [pytest.param(["data/a.csv"], True, id="fits"), pytest.param(["a.md"], False, id="not")],
)
async def test_the_hub_is_asked_for_what_a_rule_depends_on(files: list[str], fired: bool) -> None:
    hub = Asked(*files)
    (told,) = await records(ASKS, ask=hub).explain(BODY)
    assert (told.fired, told.warnings, hub.kinds) == (fired, (), [Kind.FILES])


async def test_what_is_said_the_hub_is_not_asked() -> None:
    hub = Asked()
    said = Told(files=("data/a.csv",), actor="ada:write", message="data")
    (told,) = await records(ASKS_MUCH, ask=hub).explain(BODY, told=said)
    assert (told.fired, told.jobs == (), hub.kinds) == (True, False, [])


@pytest.mark.parametrize(
    ("rule", "number", "said"),
    [
        pytest.param({"actors": ["ada"]}, "23", Told(actor="ada"), id="who opened a discussion"),
        pytest.param({"skip_marker": True}, "14", Told(message="x"), id="the message of a commit"),
    ],
)
async def test_who_did_it_can_be_said(rule: dict[str, Any], number: str, said: Told) -> None:
    hub = Asked()
    on = ["commit.pushed", "discussion.opened", "pr.opened", "discussion"]
    await records(make_rule(watch=[], on=on, **rule), ask=hub).explain(sample(number), told=said)
    assert hub.kinds == []


async def test_what_cannot_be_had_is_told_as_a_warning() -> None:
    (told,) = await records(make_rule(actors=["ada"])).explain(BODY)
    (warning,) = told.warnings
    assert (told.fired, told.jobs) == (True, ())
    assert warning.startswith("the job would be held: enrichment: `actors` cannot be told")


async def test_a_job_that_the_hub_would_not_take_is_told_as_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jobhook.core.jobs.ENV_STRING_MAX_BYTES", 60)
    (told,) = await records(make_rule()).explain(BODY)
    assert [each.partition(":")[0] for each in told.warnings] == ["the job would be rejected"]


async def test_of_very_many_jobs_the_first_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explanations, "JOBS_MAX_BYTES", 400)
    job = {"image": "x", "command": ["y"]}
    first, second = await records(make_rule(run=[job, job, job]), make_rule(id="other")).explain(
        BODY
    )
    assert (len(first.jobs), len(first.warnings)) == (2, 1)
    assert (second.fired, second.jobs) == (True, ())
    assert "ask about this rule only" in second.warnings[0]


async def test_a_delivery_is_worth_so_many_look_ups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "LOOKUPS_MAX", 0)
    hub = Asked("data/a.csv")
    (told,) = await records(ASKS, ask=hub).explain(BODY)
    assert hub.kinds == []
    assert "one delivery is worth 0 look-ups" in told.reason


async def test_a_call_that_fails_is_not_known_and_says_why() -> None:
    class Failing(Lookups):
        def __init__(self) -> None:
            pass

        async def all_of(
            self, lookups: Collection[Lookup], repo: RepoField
        ) -> tuple[Mapping[Lookup, Found | Unavailable], Mapping[Lookup, HubError]]:
            return {}, {each: HubBusy("the Hub is busy") for each in lookups}

    (told,) = await records(ASKS, ask=answers_of(Failing())).explain(BODY)
    assert "the Hub is busy" in told.warnings[0]


async def test_rule_files_are_checked_and_their_problems_told_up_to_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(explaining, "_FILES_MAX", 2)
    monkeypatch.setattr(explaining, "_PROBLEMS_MAX", 2)

    def check(files: Mapping[str, str]) -> CheckReport:
        return CheckReport(False, tuple(Problem(name, 1, 1, "bad") for name in files) * 3, ())

    reader = records(check=check)
    report = await reader.check({"a.yaml": ""})
    assert (report.ok, len(report.problems), report.left_out) == (False, 2, 1)
    with pytest.raises(UsageError, match="3 files are too many: give 2 at most"):
        await reader.check(dict.fromkeys("abc", ""))


async def test_so_many_wait_for_their_turn_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "_WAITING_MAX", 1)
    begun, go = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def check(_: Mapping[str, str]) -> CheckReport:
        loop.call_soon_threadsafe(begun.set)
        go.wait(10)
        return CheckReport(True, (), ())

    reader = records(make_rule(), check=check)
    checking = asyncio.create_task(reader.check({}))
    await begun.wait()
    with pytest.raises(TooManyCallers, match="ask again"):
        await reader.check({})
    go.set()
    await checking
    assert (await reader.check({})).ok
