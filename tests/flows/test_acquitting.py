from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from factories import BODY, NOON, make_launch, make_received, sample
from fakes import Bell, HandClock, ScriptedHub
from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.core.errors import HubBusy, HubError, HubForbidden, HubNotFound, HubUnauthorized
from jobhook.core.launches import Launch, LaunchState
from jobhook.core.pacing import Quota
from jobhook.flows.acquitting import Acquitter
from jobhook.flows.identity import Identity
from jobhook.hub.models import CommitInfo

pytestmark = pytest.mark.anyio

LOOP = "loop: launches of this rule seem to set one another off"
REPO = "dataset:acme/corpus"


def sha(number: int) -> str:
    return f"{number:040x}"


def commit(*authors: str, **given: Any) -> CommitInfo:
    """A commit of noon."""
    default: dict[str, Any] = {"id": "c", "date": datetime.fromtimestamp(NOON / 1000, UTC)}
    return CommitInfo(**default | given, authors=authors)


@pytest.fixture
async def acquitter(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell
) -> Acquitter:
    identity = Identity(hub, None)
    await identity.step()
    return Acquitter(store, hub, clock, identity=identity, on_acquitted=bell)


async def held(store: SqliteStore, number: int, **given: Any) -> Launch:
    """A launch of its own delivery, held for a loop unless *given* says otherwise."""
    body = given.pop("body", BODY)
    receipt = await store.record(make_received(f"w{number}", body=body, at=NOON))
    default = {
        "id": f"l{number}",
        "delivery": receipt.delivery,
        "repo": REPO,
        "subject": f"refs/heads/main@{sha(number)}",
        "state": LaunchState.HELD,
        "reason": LOOP,
        "created_at": NOON,
    }
    launch = make_launch(**default | given)
    assert await store.add(launch)
    return launch


async def running(store: SqliteStore, **given: Any) -> Launch:
    """What is presumed to have set off whatever is held."""
    default = {"state": LaunchState.RUNNING, "reason": "", "claimed_at": NOON - 1000}
    return await held(store, 0, **default | given)


async def now_of(store: SqliteStore, launch_id: str) -> tuple[str, str]:
    launch = await store.launch(launch_id)
    assert launch is not None
    return launch.state, launch.reason


async def test_what_somebody_else_pushed_is_ready_to_begin_a_chain(
    acquitter: Acquitter, store: SqliteStore, hub: ScriptedHub, bell: Bell
) -> None:
    await running(store)
    launch = await held(store, 1)
    hub.commits[sha(1)] = commit("ann")
    await acquitter.step()
    new = await store.launch("l1")
    assert new is not None
    assert (new.state, new.reason) == (LaunchState.READY, "no loop: pushed by ann")
    assert (new.root, new.depth) == (launch.delivery, 0)
    assert hub.calls == [("commit", "dataset", "acme/corpus", sha(1))]
    assert bell.rung == 1


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        pytest.param(
            commit("acme"), "loop, pushed by acme while launch l0 ran", id="our user, meanwhile"
        ),
        pytest.param(
            commit("ann", message="more\n\nJobhook-Launch: l0"),
            "loop, set off by launch l0",
            id="a trailer, whoever pushed",
        ),
        pytest.param(
            commit("ann", title="Jobhook-Launch: l0"),
            "loop, set off by launch l0",
            id="a trailer for a title",
        ),
        pytest.param(
            commit("acme", date=None), "loop, pushed by acme while launch l0 ran", id="no date"
        ),
    ],
)
async def test_what_a_job_pushed_stays_held_and_is_looked_at_once(
    acquitter: Acquitter,
    store: SqliteStore,
    hub: ScriptedHub,
    bell: Bell,
    found: CommitInfo,
    reason: str,
) -> None:
    await running(store)
    await held(store, 1)
    hub.commits[sha(1)] = found
    for _ in range(2):
        await acquitter.step()
    assert await now_of(store, "l1") == (LaunchState.HELD, reason)
    assert len(hub.calls) == 1
    assert bell.rung == 0


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"rule": "another"}, id="another rule"),
        pytest.param({"repo": "dataset:acme/other"}, id="another repo"),
        pytest.param({"claimed_at": NOON}, id="one that was sent later"),
        pytest.param({"state": LaunchState.READY}, id="one that was not sent"),
    ],
)
async def test_what_our_user_pushed_is_no_loop_without_a_launch_that_can_have_done_it(
    acquitter: Acquitter, store: SqliteStore, hub: ScriptedHub, other: dict[str, Any]
) -> None:
    await running(store, **other)
    await held(store, 1)
    hub.commits[sha(1)] = commit("acme")
    await acquitter.step()
    assert await now_of(store, "l1") == (
        LaunchState.READY,
        "no loop: pushed by acme while no launch ran",
    )


async def test_a_trailer_that_names_no_launch_of_ours_tells_nothing(
    acquitter: Acquitter, store: SqliteStore, hub: ScriptedHub
) -> None:
    await held(store, 1)
    hub.commits[sha(1)] = commit("ann", message="Jobhook-Launch: l-elsewhere")
    await acquitter.step()
    assert await now_of(store, "l1") == (LaunchState.READY, "no loop: pushed by ann")


@pytest.mark.parametrize("answer", [None, HubForbidden("not yours")], ids=["404", "403"])
async def test_a_commit_that_the_hub_does_not_show_holds_nothing_up(
    acquitter: Acquitter, store: SqliteStore, hub: ScriptedHub, answer: HubError | None
) -> None:
    await held(store, 1)
    if answer:
        hub.commits[sha(1)] = answer
    await acquitter.step()
    assert await now_of(store, "l1") == (
        LaunchState.READY,
        "no loop: the Hub does not show us the commit",
    )


@pytest.mark.parametrize(
    "error", [HubBusy("later"), HubUnauthorized("whose token?")], ids=["busy", "token"]
)
async def test_what_cannot_be_looked_up_now_is_left_and_does_not_keep_others_from_it(
    acquitter: Acquitter, store: SqliteStore, hub: ScriptedHub, error: HubError
) -> None:
    for number in (1, 2, 3):
        await held(store, number)
        hub.commits[sha(number)] = error
    hub.commits[sha(3)] = commit("ann")
    for _ in range(2):
        with pytest.raises(type(error)):
            await acquitter.step()
    assert await now_of(store, "l1") == (LaunchState.HELD, LOOP)
    assert (await now_of(store, "l3"))[0] == LaunchState.READY
    hub.commits[sha(1)] = hub.commits[sha(2)] = commit("ann")
    await acquitter.step()
    assert {(await now_of(store, each))[0] for each in ("l1", "l2")} == {LaunchState.READY}


async def test_one_commit_is_looked_up_once_for_all_that_it_set_off(
    acquitter: Acquitter, store: SqliteStore, hub: ScriptedHub
) -> None:
    for number, commit_of in enumerate((7, 7, 8, 9, 7)):
        subject = f"refs/heads/main@{sha(commit_of)}"
        await held(store, number, subject=subject, rule=f"r{number}")
        hub.commits[sha(commit_of)] = commit("ann")
    await acquitter.step()
    assert [call[3] for call in hub.calls] == [sha(7), sha(8)]
    states = [(await now_of(store, f"l{number}"))[0] for number in range(5)]
    assert states == ["ready", "ready", "ready", "held", "ready"]


async def test_a_commit_that_cannot_be_looked_up_is_asked_for_once_in_a_step(
    acquitter: Acquitter, store: SqliteStore, hub: ScriptedHub
) -> None:
    for number in range(3):
        await held(store, number, subject=f"refs/heads/main@{sha(7)}", rule=f"r{number}")
    hub.commits[sha(7)] = HubBusy("later")
    with pytest.raises(HubBusy):
        await acquitter.step()
    assert len(hub.calls) == 1


async def test_while_calls_are_short_nothing_is_looked_up(
    acquitter: Acquitter, store: SqliteStore, hub: ScriptedHub
) -> None:
    await held(store, 1)
    hub.commits[sha(1)] = commit("ann")
    hub.quota = Quota(left=1, resets_in=10)
    await acquitter.step()
    assert hub.calls == []
    hub.quota = Quota()
    await acquitter.step()
    assert (await now_of(store, "l1"))[0] == LaunchState.READY


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"reason": "fan-out: too many"}, id="for something else"),
        pytest.param({"reason": "loop, set off by launch l0"}, id="for a loop that was found"),
        pytest.param({"state": LaunchState.READY}, id="not at all"),
    ],
)
async def test_what_is_held_for_no_presumed_loop_costs_no_call(
    acquitter: Acquitter, store: SqliteStore, hub: ScriptedHub, given: dict[str, Any]
) -> None:
    launch = await held(store, 1, **given)
    await acquitter.step()
    assert await store.launch("l1") == launch
    assert hub.calls == []


@pytest.mark.parametrize(
    ("payload", "state", "reason"),
    [
        pytest.param(
            {"comment": {"author": {"id": "u-ann"}}},
            LaunchState.READY,
            "no loop: set off by another user than that of our token",
            id="theirs",
        ),
        pytest.param(
            {"comment": {"author": {"id": "u-acme"}}},
            LaunchState.HELD,
            "loop, set off by the user of our own token",
            id="ours",
        ),
        pytest.param(
            {"updatedConfig": {}},
            LaunchState.HELD,
            "loop, and nothing tells who set it off",
            id="nobody's",
        ),
    ],
)
async def test_without_a_commit_the_delivery_may_tell_who_it_was(
    acquitter: Acquitter,
    store: SqliteStore,
    hub: ScriptedHub,
    payload: dict[str, Any],
    state: LaunchState,
    reason: str,
) -> None:
    await held(store, 1, subject=None, body=json.dumps(payload).encode())
    await acquitter.step()
    assert await now_of(store, "l1") == (state, reason)
    assert hub.calls == []


async def test_a_pull_request_that_somebody_else_opened_is_no_loop(
    acquitter: Acquitter, store: SqliteStore, hub: ScriptedHub
) -> None:
    await running(store)
    await held(store, 1, body=sample("12"), subject="refs/pr/4@opened")
    hub.commits["8fc56db2673cf6a0f8919b4265c0bcf79ef9ebc0"] = commit("ann")
    await acquitter.step()
    assert await now_of(store, "l1") == ("ready", "no loop: pushed by ann")


async def test_a_launch_whose_delivery_is_not_known_has_nobody_to_acquit_it(
    acquitter: Acquitter, store: SqliteStore
) -> None:
    await store.add(make_launch(state=LaunchState.HELD, reason=LOOP, repo=REPO))
    await acquitter.step()
    assert (await now_of(store, "l1"))[0] == LaunchState.HELD


class Overtaking(ScriptedHub):
    """A Hub that is so slow that a person is quicker."""

    store: SqliteStore

    async def commit(self, name: str, revision: str, *, repo_type: str) -> CommitInfo:
        launch = await self.store.launch("l1")
        assert launch is not None
        released = replace(launch, state=LaunchState.READY, reason="released", asked_by="ana")
        await self.store.replace(launch, released)
        return commit("acme")


async def test_what_a_person_released_meanwhile_is_left_alone(
    store: SqliteStore, clock: HandClock, bell: Bell
) -> None:
    hub = Overtaking()
    hub.store = store
    await held(store, 1)
    acquitter = Acquitter(store, hub, clock, identity=Identity(hub, None), on_acquitted=bell)
    await acquitter.step()
    assert await now_of(store, "l1") == (LaunchState.READY, "released")
    assert bell.rung == 0


class Impatient(Acquitter):
    """Tells how long it would rest after so many failures."""

    def pause(self, failures: int) -> float:
        self._failures = failures
        return self._pause_after_failures()


async def test_a_hub_that_fails_is_not_asked_more_often(
    store: SqliteStore, hub: ScriptedHub, clock: HandClock, bell: Bell
) -> None:
    acquitter = Impatient(store, hub, clock, identity=Identity(hub, None), on_acquitted=bell)
    assert acquitter.pause(1) == Acquitter.idle
    assert acquitter.pause(10) == Acquitter.longest_pause


async def test_while_plenty_of_calls_are_left_more_is_looked_up_at_once(
    acquitter: Acquitter, store: SqliteStore, hub: ScriptedHub
) -> None:
    for number in range(25):
        await held(store, number, subject=f"refs/heads/main@{sha(number)}", rule=f"r{number}")
        hub.commits[sha(number)] = commit("ann")
    hub.quota = Quota(left=900, resets_in=10)
    await acquitter.step()
    assert len(hub.calls) == 20


async def test_a_repo_that_is_not_shown_is_asked_for_once_for_all_its_pushes(
    acquitter: Acquitter, store: SqliteStore, hub: ScriptedHub
) -> None:
    for number in range(5):
        await held(store, number, subject=f"refs/heads/main@{sha(number)}", rule=f"r{number}")
        hub.commits[sha(number)] = HubNotFound("no such repo", code="RepoNotFound")
    await acquitter.step()
    assert len(hub.calls) == 1
    assert {(await now_of(store, f"l{number}"))[0] for number in range(5)} == {LaunchState.READY}
