"""Asking the Hub about deliveries that wait for it: once each, with patience, and with an end."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from factories import make_job, make_received, make_rule, sample
from fakes import Bell, HandClock, ScriptedHub
from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.core.deliveries import DeliveryState
from jobhook.core.errors import HubBusy, HubNotFound, HubUnauthorized, StoreUnavailable
from jobhook.core.findings import ChangedFile, Discussion
from jobhook.core.launches import Launch, LaunchState
from jobhook.core.rules import Rule, RuleSet
from jobhook.flows import enriching
from jobhook.flows.deciding import Decider
from jobhook.flows.enriching import Enricher
from jobhook.flows.identity import Identity
from jobhook.flows.lookups import Lookups
from jobhook.flows.routing import Router
from jobhook.flows.rulebook import Rulebook
from jobhook.hub.models import CommitInfo
from town import until

pytestmark = pytest.mark.anyio

PUSH = sample("14").replace(b"tinylab", b"acme")
COMMENT = sample("31")
SHA = json.loads(PUSH)["updatedRefs"][0]["newSha"]
REPO_ID = json.loads(PUSH)["repo"]["id"]
COMMENT_ID = json.loads(COMMENT)["comment"]["id"]


class Desk:
    """A router and an enricher with the given rules, on a Hub that says what it is told to."""

    def __init__(self, store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell) -> None:
        self.store = store
        self.hub = hub
        self.clock = clock
        self.bell = bell

    def sit(self, *rules: Rule) -> None:
        identity = Identity(self.hub, None)
        identity.me = "acme"
        decider = Decider(
            self.store,
            self.clock,
            rulebook=Rulebook(RuleSet(rules)),
            identity=identity,
            instance="test",
            on_launches=self.bell,
        )
        self.enricher = Enricher(
            self.store, self.clock, decider=decider, lookups=Lookups(self.hub, lambda: "acme")
        )
        self.router = Router(self.store, decider, on_open=self.enricher.wake)

    async def take(self, body: bytes = PUSH, key: str = "w1") -> str:
        receipt = await self.store.record(make_received(key, body))
        await self.router.step()
        return receipt.delivery

    async def ask(self) -> None:
        await self.enricher.step()
        await self.enricher.finish()

    async def state(self, delivery: str) -> tuple[str, str]:
        found = await self.store.delivery(delivery)
        assert found is not None
        return found.state, found.reason

    async def launches(self) -> tuple[Launch, ...]:
        return await self.store.launches(limit=0)


@pytest.fixture
def desk(store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell) -> Desk:
    return Desk(store, hub, clock, bell)


def commit(message: str = "More data", *authors: str) -> CommitInfo:
    return CommitInfo(id="1", title=message, message="", authors=authors, date=None)


async def test_what_was_found_decides_and_launches(desk: Desk) -> None:
    desk.sit(make_rule(paths=["data/*"]))
    desk.hub.changed[SHA] = [(ChangedFile("data/a.csv", "add"),)]
    delivery = await desk.take()
    assert await desk.state(delivery) == (
        "enriching",
        "retrain waits until the Hub tells the changed files",
    )
    assert await desk.launches() == ()
    await desk.ask()
    assert (await desk.state(delivery))[0] == "matched"
    assert [launch.state for launch in await desk.launches()] == [LaunchState.READY]


async def test_rules_that_ask_for_nothing_do_not_wait(desk: Desk) -> None:
    desk.sit(make_rule(id="now"), make_rule(id="later", actors=["ana"]))
    desk.hub.commits[SHA] = commit("m", "ana")
    delivery = await desk.take()
    assert [launch.rule for launch in await desk.launches()] == ["now"]
    assert await desk.state(delivery) == (
        "enriching",
        "fired now; later waits until the Hub tells the commit",
    )
    await desk.ask()
    assert {launch.rule for launch in await desk.launches()} == {"now", "later"}
    assert await desk.state(delivery) == ("matched", "fired now, later")


async def test_each_thing_is_asked_for_once_a_delivery(desk: Desk) -> None:
    desk.sit(*(make_rule(id=f"r{n}", actors=["ana"], skip_marker=True) for n in range(5)))
    desk.hub.commits[SHA] = commit("m", "ana")
    await desk.take()
    await desk.ask()
    assert len(desk.hub.calls) == 1
    assert len(await desk.launches()) == 5


async def test_a_push_that_says_so_launches_nothing(desk: Desk) -> None:
    desk.sit(make_rule(skip_marker=True))
    desk.hub.commits[SHA] = commit("Typo [skip jobs]")
    delivery = await desk.take()
    await desk.ask()
    assert (await desk.state(delivery))[0] == "ignored"
    (verdict,) = await desk.store.verdicts(delivery)
    assert verdict.reason == "the message of the commit says [skip jobs]"


async def test_a_role_is_asked_for_after_the_name(desk: Desk) -> None:
    rule = make_rule(on=["comment.created"], watch=[], **{"if": "actor.role in ['admin', 'write']"})
    desk.sit(rule)
    desk.hub.discussions["tinylab/owl-7b#4"] = [Discussion("bo", commenters={COMMENT_ID: "ana"})]
    desk.hub.roles["tinylab/ana"] = ["write"]
    await desk.take(COMMENT)
    await desk.ask()
    assert [call[0] for call in desk.hub.calls] == ["discussion", "role"]
    assert len(await desk.launches()) == 1


async def test_where_the_owner_is_no_org_nobody_has_a_role(desk: Desk) -> None:
    desk.sit(make_rule(on=["commit.pushed"], **{"if": "actor.role == ''"}))
    desk.hub.commits[SHA] = commit("m", "ana")
    desk.hub.roles["acme/ana"] = [HubNotFound("there is no such org")]
    await desk.take()
    await desk.ask()
    assert len(await desk.launches()) == 1


async def test_a_refusal_holds_the_launch_at_once(desk: Desk) -> None:
    desk.sit(make_rule(tags=["nlp"]))
    desk.hub.repos["acme/birdsong-clips"] = [HubNotFound("there is no such repo")]
    delivery = await desk.take()
    await desk.ask()
    (launch,) = await desk.launches()
    assert (launch.state, launch.reason) == (
        LaunchState.HELD,
        "enrichment: `tags` cannot be told, because there is no such repo",
    )
    (verdict,) = await desk.store.verdicts(delivery)
    assert verdict.fired
    assert "held for enrichment" in verdict.reason


async def test_a_hub_that_fails_is_asked_again_later_and_then_no_more(desk: Desk) -> None:
    desk.sit(make_rule(actors=["ana"]))
    desk.hub.commits[SHA] = HubBusy("the Hub is busy")
    delivery = await desk.take()
    pauses = []
    for _ in range(enriching.LOOKS_MAX - 1):
        await desk.ask()
        found = await desk.store.delivery(delivery)
        assert found is not None
        assert found.state == DeliveryState.ENRICHING
        pauses.append((found.due_at - desk.clock()) // 1000)
        asked = len(desk.hub.calls)
        await desk.ask()
        assert len(desk.hub.calls) == asked  # not before it is due
        desk.clock.now = found.due_at
    assert pauses == [1, 2, 4, 8, 16, 32, *[60] * (enriching.LOOKS_MAX - 7)]
    assert "after 19 of 20 looks: the Hub is busy" in (await desk.state(delivery))[1]
    await desk.ask()
    (launch,) = await desk.launches()
    assert launch.reason == "enrichment: `actors` cannot be told, because the Hub is busy"


async def test_the_hub_says_itself_when_to_come_again(desk: Desk) -> None:
    desk.sit(make_rule(actors=["ana"]))
    desk.hub.commits[SHA] = HubBusy("slow down", retry_after=120)
    delivery = await desk.take()
    await desk.ask()
    found = await desk.store.delivery(delivery)
    assert found is not None
    assert found.due_at == desk.clock() + 120_000


async def test_a_token_that_is_refused_is_waited_for(desk: Desk) -> None:
    desk.sit(make_rule(actors=["ana"]))
    desk.hub.commits[SHA] = HubUnauthorized("the token is unknown")
    delivery = await desk.take()
    await desk.ask()
    assert (await desk.state(delivery))[0] == "enriching"


async def test_what_was_found_is_not_asked_for_again(desk: Desk) -> None:
    desk.sit(make_rule(actors=["ana"], paths=["*"]))
    desk.hub.changed[SHA] = [(ChangedFile("a", "add"),)]
    desk.hub.commits[SHA] = HubBusy("the Hub is busy")
    await desk.take()
    await desk.ask()
    desk.hub.commits[SHA] = commit("m", "ana")
    desk.clock.now += 60_000
    await desk.ask()
    assert [call[0] for call in desk.hub.calls].count("changed_files") == 1
    assert len(await desk.launches()) == 1


async def test_one_that_is_slow_holds_up_no_other(desk: Desk) -> None:
    desk.sit(make_rule(skip_marker=True))
    slow = asyncio.Event()
    other = PUSH.replace(SHA.encode(), b"f" * 40)
    desk.hub.commits[SHA] = commit()
    desk.hub.commits["f" * 40] = commit()
    answered = desk.hub.commit

    async def answer(name: str, revision: str, *, repo_type: str) -> CommitInfo:
        if revision == SHA:
            await slow.wait()
        return await answered(name, revision, repo_type=repo_type)

    desk.hub.commit = answer  # type: ignore[method-assign]

    async def decided(delivery: str) -> bool | None:
        return (await desk.state(delivery))[0] != "enriching" or None

    first = await desk.take()
    second = await desk.take(other, "w2")
    await desk.enricher.step()
    await until(lambda: decided(second))
    assert (await desk.state(first))[0] == "enriching"
    # Its lease is over, and it is still on its way here: nobody begins it twice.
    desk.clock.now += 40_000
    await desk.enricher.step()
    slow.set()
    await desk.enricher.finish()
    assert (await desk.state(first))[0] == "matched"
    assert len(desk.hub.calls) == 2


async def test_a_store_that_fails_meanwhile_loses_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.sit(make_rule(skip_marker=True))
    desk.hub.commits[SHA] = commit()
    delivery = await desk.take()

    async def full(*_: Any, **__: Any) -> bool:
        raise StoreUnavailable("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(desk.store, "route", full)
        await desk.ask()
    assert (await desk.state(delivery))[0] == "enriching"
    desk.clock.now += 31_000
    await desk.ask()
    assert len(await desk.launches()) == 1


@pytest.mark.parametrize("bound", ["_KEPT_MAX", "_KEPT_FILES_MAX"], ids=["many wait", "many files"])
async def test_what_is_very_much_is_looked_up_again_and_not_kept_in_memory(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(enriching, bound, 0)
    desk.sit(make_rule(actors=["ana"], paths=["*"]))
    desk.hub.changed[SHA] = [(ChangedFile("a", "add"),)]
    desk.hub.commits[SHA] = HubBusy("the Hub is busy")
    await desk.take()
    await desk.ask()
    desk.clock.now += 60_000
    await desk.ask()
    assert [call[0] for call in desk.hub.calls].count("changed_files") == 2


async def test_a_worker_ends_with_what_it_began(desk: Desk) -> None:
    desk.sit(make_rule(skip_marker=True))
    desk.hub.commits[SHA] = commit()
    await desk.take()

    async def launched() -> bool | None:
        return bool(await desk.launches()) or None

    task = asyncio.create_task(desk.enricher.run())
    await until(launched)
    desk.enricher.stop()
    await task


async def test_an_answer_that_breaks_us_is_a_look_in_vain(desk: Desk) -> None:
    desk.sit(make_rule(actors=["ana"]))

    async def broken(name: str, revision: str, *, repo_type: str) -> CommitInfo:
        raise KeyError("authors")

    desk.hub.commit = broken  # type: ignore[method-assign]
    delivery = await desk.take()
    for _ in range(enriching.LOOKS_MAX):
        await desk.ask()
        desk.clock.now += 60_000
    assert (await desk.state(delivery))[0] == "matched"
    (launch,) = await desk.launches()
    assert launch.reason.endswith("jobhook failed on what the Hub answered: KeyError")


async def test_a_delivery_at_which_nobody_comes_to_an_end_is_put_aside(desk: Desk) -> None:
    desk.sit(make_rule(actors=["ana"]))
    delivery = await desk.take()
    for _ in range(enriching.LOOKS_MAX + 5):
        await desk.store.begin_enriching(desk.clock(), 1, 0)
    await desk.ask()
    assert await desk.state(delivery) == (
        "quarantined",
        "nobody came to the end of any of the 25 looks at it",
    )


async def test_what_was_launched_stands_although_the_rule_is_gone(desk: Desk) -> None:
    desk.sit(make_rule(id="now"), make_rule(id="later", actors=["ana"]))
    desk.hub.commits[SHA] = commit("m", "bo")
    delivery = await desk.take()
    desk.sit(make_rule(id="later", actors=["ana"]))
    await desk.ask()
    assert await desk.state(delivery) == ("matched", "fired now")
    verdicts = await desk.store.verdicts(delivery)
    assert [(verdict.rule, verdict.fired) for verdict in verdicts] == [
        ("later", False),
        ("now", True),
    ]


async def test_one_delivery_is_worth_so_many_look_ups(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enriching, "LOOKUPS_MAX", 3)
    shas = [f"{number:040x}" for number in range(9)]
    refs = [{"ref": f"refs/heads/{sha}", "oldSha": "1" * 40, "newSha": sha} for sha in shas]
    desk.hub.changed.update({sha: [()] for sha in shas})
    desk.sit(make_rule(paths=["*"]))
    await desk.take(json.dumps(json.loads(PUSH) | {"updatedRefs": refs}).encode())
    await desk.ask()
    (launch,) = await desk.launches()
    assert launch.reason == (
        "enrichment: `paths` cannot be told, because one delivery is worth 3 look-ups"
    )
    assert len(desk.hub.calls) == 3


async def test_what_takes_too_long_is_left_to_whoever_comes_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enriching, "_GRACE_SECONDS", 0.01)
    desk.sit(make_rule(skip_marker=True))
    asked = asyncio.Event()

    async def never(name: str, revision: str, *, repo_type: str) -> CommitInfo:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    desk.hub.commit = never  # type: ignore[method-assign]
    delivery = await desk.take()
    task = asyncio.create_task(desk.enricher.run())
    await asked.wait()
    desk.enricher.stop()
    await task
    assert (await desk.state(delivery))[0] == "enriching"


async def test_no_more_are_asked_about_at_once_than_there_is_room(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enriching, "_AT_ONCE", 1)
    desk.sit(make_rule(skip_marker=True))
    desk.hub.commits[SHA] = commit()
    for key in ("w1", "w2"):
        await desk.take(PUSH, key)
    await desk.enricher.step()
    await desk.enricher.step()
    await desk.enricher.finish()
    assert len(desk.hub.calls) == 1


# -- whose repo it is --


async def test_a_name_that_belongs_to_another_repo_now_is_held(desk: Desk) -> None:
    desk.sit(make_rule())
    await desk.take()
    taken_over = PUSH.replace(REPO_ID.encode(), b"9" * 24)
    await desk.take(taken_over, "w2")
    held, ready = await desk.launches()
    assert (ready.state, held.state) == (LaunchState.READY, LaunchState.HELD)
    assert held.reason == (
        f"identity: {ready.repo} has the id {'9' * 24} now and had {REPO_ID} before: "
        "somebody else may have taken the name over"
    )


async def test_a_rule_that_names_the_repo_by_its_id_is_not_held(desk: Desk) -> None:
    desk.sit(make_rule(id="by-name"), make_rule(id="by-id", repos=[f"id:{'9' * 24}"], watch=[]))
    await desk.take()
    await desk.take(PUSH.replace(REPO_ID.encode(), b"9" * 24), "w2")
    states = {(each.rule, each.state) for each in (await desk.launches())[:2]}
    assert states == {("by-name", LaunchState.HELD), ("by-id", LaunchState.READY)}


async def test_a_delivery_without_the_id_of_its_repo_teaches_nothing(desk: Desk) -> None:
    desk.sit(make_rule())
    await desk.take(PUSH.replace(REPO_ID.encode(), b""))
    (launch,) = await desk.launches()
    assert await desk.store.trusted_id(launch.repo) is None


# -- a pull request that is opened comes as two deliveries --


async def test_a_rule_on_both_deliveries_of_a_new_pull_request_names_them_alike(desk: Desk) -> None:
    rule = make_rule(
        on=["pr.opened", "pr.ref_created"], watch=[], run={"image": "i", "command": ["c"]}
    )
    desk.sit(rule)
    opened, created = sample("27"), sample("12")
    await desk.take(opened)
    await desk.take(created, "w2")
    subjects = {launch.subject for launch in await desk.launches()}
    assert all(subject and subject.endswith("@opened") for subject in subjects)


# -- jobs that are repeated --


@pytest.mark.parametrize(
    ("source", "namespace"), [("j1", "acme"), ("lab/j1", "lab")], ids=["ours", "another"]
)
async def test_a_job_that_is_repeated_is_looked_up_where_it_is(
    desk: Desk, source: str, namespace: str
) -> None:
    desk.hub.jobs["j1"] = make_job(docker_image="i", command=("c",), flavor="t4-small", timeout=60)
    desk.sit(make_rule(skip_marker=False, run={"from_job": source}))
    delivery = await desk.take()
    assert await desk.state(delivery) == (
        "enriching",
        "retrain waits until the Hub tells the source job",
    )
    await desk.ask()
    (launch,) = await desk.launches()
    assert ("inspect", namespace, "j1") in desk.hub.calls
    assert (launch.state, launch.spec.command) == (LaunchState.READY, ("c",))
    # What the guard counts with is the job's own.
    assert (launch.spec.flavor, launch.spec.timeout) == ("t4-small", 60)


async def test_a_job_that_is_gone_holds_what_would_have_repeated_it(desk: Desk) -> None:
    desk.sit(make_rule(skip_marker=False, run={"from_job": "j1"}))
    await desk.take()
    await desk.ask()
    (launch,) = await desk.launches()
    assert (launch.state, launch.reason) == (
        LaunchState.HELD,
        "source: job j1 is not known: there is no such job",
    )
