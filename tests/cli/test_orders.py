from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from commands import Run
from factories import make_launch, make_received, make_spec
from jobhook.adapters.clocks import now_ms
from jobhook.adapters.store_sqlite import sqlite_store
from jobhook.cli import orders
from jobhook.core.deliveries import DeliveryState
from jobhook.core.launches import Launch, LaunchState
from jobhook.core.operations import Order, Outcome
from jobhook.hub.client import AsyncHub
from jobhook.settings import Settings

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nobody_there")]

S = LaunchState


@pytest.fixture
def keep(tmp_path: Path) -> Callable[..., list[Launch]]:
    """Keeps a launch for each state, of as many deliveries."""

    def keep(*states: LaunchState, **given: Any) -> list[Launch]:
        async def fill() -> list[Launch]:
            launches = []
            async with sqlite_store(tmp_path / "jobhook.db") as store:
                for n, state in enumerate(states, 1):
                    receipt = await store.record(make_received(f"w{n}", at=now_ms()))
                    delivery = await store.delivery(receipt.delivery)
                    assert delivery is not None
                    decided = replace(
                        delivery, state=DeliveryState.MATCHED, repo_name="acme/corpus"
                    )
                    launch = make_launch(
                        id=f"l{n}",
                        delivery=delivery.id,
                        state=state,
                        repo="dataset:acme/corpus",
                        created_at=now_ms(),
                        **given,
                    )
                    await store.route(decided, events=(), verdicts=(), launches=[launch])
                    launches.append(launch)
            return launches

        return asyncio.run(fill())

    return keep


def states_of(run: Run) -> dict[str, str]:
    return {each["id"]: each["state"] for each in run("launches", "ls", "--json").json}


@contextmanager
def at_a_terminal(monkeypatch: pytest.MonkeyPatch, types: str) -> Iterator[None]:
    """A person types something."""
    leader, follower = os.openpty()
    with os.fdopen(follower, "r") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        os.write(leader, types.encode())
        yield
    os.close(leader)


def test_one_that_is_held_is_released(run: Run, keep: Callable[..., list[Launch]]) -> None:
    keep(S.HELD, S.HELD)
    ran = run("launches", "release", "l1", "--yes")
    assert (ran.code, "released" in ran.out, ran.err) == (0, True, "")
    assert states_of(run) == {"l1": "ready", "l2": "held"}
    assert f"released by {getpass.getuser()}" in run("launches", "show", "l1").out


def test_a_filter_means_what_the_order_can_be_carried_out_with(
    run: Run, keep: Callable[..., list[Launch]]
) -> None:
    keep(S.HELD, S.COMPLETED, S.READY, S.HELD)
    told = run("launches", "release", "--all", "--yes", "--json").json
    assert told == [{"id": id_, "done": True, "told": "released"} for id_ in ("l1", "l4")]


def test_with_json_stdout_is_json_and_nothing_else_however_many_there_are(
    run: Run, keep: Callable[..., list[Launch]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "_AT_ONCE", 2)
    keep(*[S.HELD] * 5)
    ran = run("launches", "release", "--rule", "retrain", "--yes", "--json")
    assert [each["done"] for each in ran.json] == [True] * 5
    assert ran.err.splitlines() == ["jobhook: 2 of 5 are done", "jobhook: 4 of 5 are done"]


def test_what_failed_is_retried_once_and_not_again_with_the_next_filter(
    run: Run, keep: Callable[..., list[Launch]]
) -> None:
    keep(S.FAILED, S.CANCELLED, S.REJECTED)
    first = run("launches", "retry", "--all", "--yes", "--json")
    assert [each["id"] for each in first.json] == ["l1", "l3"]
    assert run("launches", "cancel", "--all", "--yes").code == 0
    assert run("launches", "retry", "--all", "--yes", "--json").json == []
    refused = run("launches", "retry", "l1", "--yes")
    assert (refused.code, "launched again already" in refused.out) == (1, True)


def test_an_id_that_is_named_twice_counts_once(run: Run, keep: Callable[..., list[Launch]]) -> None:
    keep(S.FAILED)
    assert len(run("launches", "retry", "l1", "l1", "--yes", "--json").json) == 1
    assert len(states_of(run)) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(("launches", "cancel", "l9"), "there is no launch with this id", id="launch"),
        pytest.param(
            ("deliveries", "replay", "d9"), "there is no delivery with this", id="delivery"
        ),
        pytest.param(("launches", "release", "l1"), "only what is held", id="wrong state"),
    ],
)
def test_what_cannot_be_done_is_exit_code_1(
    run: Run, keep: Callable[..., list[Launch]], words: tuple[str, ...], told: str
) -> None:
    keep(S.COMPLETED)
    ran = run(*words, "--yes", "--json")
    assert (ran.code, [each["done"] for each in ran.json]) == (1, [False])
    assert told in ran.json[0]["told"]


def test_nothing_to_do_is_done(run: Run, keep: Callable[..., list[Launch]]) -> None:
    keep(S.COMPLETED)
    ran = run("launches", "cancel", "--all")
    assert (ran.code, ran.out) == (0, "there is no launch to cancel\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(("launches", "retry"), "say which: name ids", id="no launches"),
        pytest.param(("deliveries", "replay"), "say which: name ids", id="no deliveries"),
        pytest.param(("launches", "cancel", "l1", "--all"), "not both", id="ids and all"),
        pytest.param(("deliveries", "replay", "d1", "--since", "1h"), "not both", id="and since"),
        pytest.param(("launches", "cancel", "--repo", "data:acme/x"), "type:owner/name", id="repo"),
        pytest.param(
            ("launches", "cancel", "--rule", "retrain", "--repo", ""), "owner/name", id="empty"
        ),
        pytest.param(("pause", "--repo", "acme/x"), "type:owner/name", id="no kind of repo"),
        pytest.param(("pause", "--repo", "datset:acme/x"), "type:owner/name", id="kind of repo"),
        pytest.param(("pause", "--repo", "model:a/b", "--rule", "r"), "not both", id="two"),
    ],
)
def test_an_order_that_does_not_say_what_it_is_about_is_wrong_use(
    run: Run, keep: Callable[..., list[Launch]], words: tuple[str, ...], sentence: str
) -> None:
    keep(S.READY)
    ran = run(*words, "--yes") if "pause" not in words else run(*words)
    assert (ran.code, ran.out) == (2, "")
    assert sentence in ran.err
    assert states_of(run) == {"l1": "ready"}


@pytest.mark.parametrize(
    ("since", "found"),
    [
        pytest.param("2h", 1, id="hours ago"),
        pytest.param("1.5d", 1, id="days ago"),
        pytest.param("1s", 0, id="a moment ago"),
        pytest.param("2026-01-01", 1, id="a day"),
        pytest.param("20260101", 1, id="a day without dashes"),
        pytest.param("2026-01-01T12:00+02:00", 1, id="with a zone"),
        pytest.param("0001-01-01T00:00+14:00", 1, id="the first day"),
        pytest.param("9999-12-31T23:59:59-14:00", 0, id="the last day"),
    ],
)
def test_since_is_a_length_of_time_or_a_date(
    run: Run,
    keep: Callable[..., list[Launch]],
    monkeypatch: pytest.MonkeyPatch,
    since: str,
    found: int,
) -> None:
    monkeypatch.setattr("jobhook.cli.selection.now_ms", lambda: now_ms() + 60_000)
    keep(S.READY)
    assert len(run("launches", "ls", "--since", since, "--json").json) == found
    assert len(run("deliveries", "ls", "--since", since, "--json").json) == found
    assert len(run("launches", "ls", "--until", since, "--json").json) == 1 - found


@pytest.mark.parametrize("since", ["", " ", "5", "7200", "-2h", "yesterday", "1e3h", "nan"])
def test_a_time_that_is_none_is_wrong_use(
    run: Run, keep: Callable[..., list[Launch]], since: str
) -> None:
    keep(S.READY)
    ran = run("launches", "ls", f"--since={since}")
    assert (ran.code, "is no time: write 2h" in ran.err) == (2, True)


@pytest.mark.parametrize(
    "words",
    [
        ("launches", "release", "--all"),
        ("launches", "cancel", "l1"),
        ("deliveries", "replay", "--all"),
        ("stop-all",),
    ],
    ids=" ".join,
)
def test_where_nobody_can_be_asked_yes_has_to_be_said(
    run: Run, keep: Callable[..., list[Launch]], words: tuple[str, ...]
) -> None:
    keep(S.HELD)
    ran = run(*words)
    assert (ran.code, ran.out) == (2, "")
    assert "repeat it with --yes" in ran.err
    assert states_of(run) == {"l1": "held"}


@pytest.mark.parametrize(
    ("answer", "code", "state"),
    [("y\n", 0, "ready"), ("n\n", 1, "held"), ("\x04", 1, "held")],
    ids=["yes", "no", "the end of the input"],
)
def test_a_person_is_asked_with_the_count_and_the_cost(
    run: Run,
    keep: Callable[..., list[Launch]],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    code: int,
    state: str,
) -> None:
    keep(S.HELD, spec=make_spec(flavor="a100-large"))
    with at_a_terminal(monkeypatch, answer):
        ran = run("launches", "release", "l1")
    assert ran.code == code
    assert "the Hub does not tell how much. Release 1 launch?" in ran.err
    assert states_of(run) == {"l1": state}


def test_an_interrupt_at_the_question_does_nothing(
    run: Run, keep: Callable[..., list[Launch]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> bool:
        raise KeyboardInterrupt

    keep(S.HELD)
    monkeypatch.setattr("jobhook.cli.asking.typer.confirm", interrupted)
    with at_a_terminal(monkeypatch, ""):
        ran = run("launches", "release", "l1")
    assert ran.code != 0
    assert "Traceback" not in ran.err
    assert states_of(run) == {"l1": "held"}


def test_a_replay_is_of_what_came_and_says_what_it_led_to(
    run: Run, keep: Callable[..., list[Launch]]
) -> None:
    launches = keep(S.COMPLETED, S.READY)
    ran = run("deliveries", "replay", "--repo", "acme/corpus", "--yes", "--json")
    assert [(each["id"], each["done"]) for each in ran.json] == [
        (launches[0].delivery, True),
        (launches[1].delivery, False),
    ]
    assert "its launch l2 is ready" in ran.json[1]["told"]
    assert run("deliveries", "ls", "--state", "stored", "--json").json[0]["launches"] == ["l1"]


def rule_file(folder: Path) -> None:
    (folder / "rules").mkdir()
    rule = "on: [commit.pushed]\nrun: {image: python:3.12, command: [python, -V]}\n"
    (folder / "rules" / "retrain.yaml").write_text(f"id: retrain\n{rule}")


def test_a_rule_that_is_not_there_is_not_paused(
    run: Run, keep: Callable[..., list[Launch]], tmp_path: Path
) -> None:
    keep(S.READY)
    rule_file(tmp_path)
    ran = run("pause", "--rule", "retrian")
    assert ran.code == 2
    assert "there is no rule retrian in rules" in ran.err
    assert "retrain" in ran.err
    assert run("pause", "--list").out == "nothing is paused\n"


def test_a_pause_by_setting_is_listed_with_the_others(
    run: Run,
    keep: Callable[..., list[Launch]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep(S.READY)
    rule_file(tmp_path)
    monkeypatch.setenv("JOBHOOK_PAUSE", "on")
    assert run("pause", "--rule", "retrain").code == 0
    listed = run("pause", "--list", "--json").json
    assert [(each["scope"], each["by"]) for each in listed][1:] == [("everything", "JOBHOOK_PAUSE")]
    assert "JOBHOOK_PAUSE" in run("pause", "--list").out


def test_what_is_paused_is_listed_until_it_goes_on(
    run: Run, keep: Callable[..., list[Launch]], tmp_path: Path
) -> None:
    keep(S.READY)
    rule_file(tmp_path)
    assert run("pause", "--list").out == "nothing is paused\n"
    for words in ((), ("--rule", "retrain"), ("--repo", "dataset:acme/corpus")):
        assert run("pause", *words, "--reason", "costs").code == 0
    listed = run("pause", "--list", "--json").json
    assert [(each["scope"], each["reason"]) for each in listed] == [
        ("everything", "costs"),
        ("rule:retrain", "costs"),
        ("repo:dataset:acme/corpus", "costs"),
    ]
    assert "rule:retrain" in run("pause", "--list").out
    assert run("resume", "--json").json[0]["told"] == "goes on, within the limits"
    assert run("resume").code == 1


def test_a_database_that_was_put_back_begins_anew(
    run: Run, keep: Callable[..., list[Launch]], tmp_path: Path
) -> None:
    keep(S.READY)
    database = tmp_path / "jobhook.db"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE epoch SET began_at = 0")
        connection.commit()
    (tmp_path / "jobhook.db.sums").unlink()
    ran = run("launches", "look-first", "--json")
    assert (ran.code, [each["done"] for each in ran.json]) == (0, [True])
    with contextlib.closing(sqlite3.connect(database)) as connection:
        ((began_at,),) = connection.execute("SELECT began_at FROM epoch")
    assert 0 <= now_ms() - began_at < 3_600_000


@pytest.mark.parametrize("words", [("pause",), ("resume",), ("launches", "look-first")], ids=str)
def test_no_database_is_made_in_the_wrong_place(
    run: Run, tmp_path: Path, words: tuple[str, ...]
) -> None:
    ran = run(*words)
    assert (ran.code, ran.out) == (1, "")
    assert "there is no database" in ran.err
    assert list(tmp_path.iterdir()) == []


async def in_thread(run: Run, *words: str) -> Any:
    return await anyio.to_thread.run_sync(lambda: run(*words))


async def test_prices_of_the_hub_make_the_question(
    run: Run, town: AsyncHub, keep: Callable[..., list[Launch]], monkeypatch: pytest.MonkeyPatch
) -> None:
    await anyio.to_thread.run_sync(lambda: keep(S.HELD, spec=make_spec(flavor="a100-large")))
    ran = await in_thread(run, "launches", "release", "--all")
    assert "This may cost up to $1.25. Release 1 launch? There is no terminal" in ran.err


async def test_a_price_that_the_hub_does_not_tell_is_said_beside_the_others(
    run: Run, town: AsyncHub, keep: Callable[..., list[Launch]]
) -> None:
    def fill() -> None:
        keep(S.HELD, spec=make_spec(flavor="a100-large"))
        keep(S.COMPLETED, S.HELD, spec=make_spec(flavor="moon-large"))

    await anyio.to_thread.run_sync(fill)
    ran = await in_thread(run, "launches", "release", "--all")
    more = "up to $1.25, and more for 1 launch whose price the Hub does not tell. Release 2"
    assert more in ran.err
    ran = await in_thread(run, "deliveries", "replay", "--all")
    assert "Launching again what they led to may cost up to $1.25, and more" in ran.err
    assert "Decide 2 deliveries again?" in ran.err


async def test_an_order_goes_through_the_service_that_has_the_database(
    run: Run, keep: Callable[..., list[Launch]], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[Order, str]] = []

    async def heard(settings: Settings, order: Order) -> tuple[Outcome, ...]:
        given.append((order, str(settings.database)))
        return tuple(Outcome(each, done=True, told="ok") for each in order.ids)

    monkeypatch.setattr(orders, "carry_out", heard)
    await anyio.to_thread.run_sync(lambda: keep(*[S.RUNNING] * 10))
    await in_thread(run, "launches", "cancel", "--state", "running", "--yes")
    # Few at once: each may wait for the Hub.
    assert [len(order.ids) for order, _ in given] == [8, 2]
