"""`jobhook token` and `jobhook audit`, with and without a service that has the database open."""

from __future__ import annotations

import asyncio
import getpass
import re
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import anyio.to_thread
import pytest

from commands import Ran, Run
from fakes import Bell, ScriptedHub
from jobhook.adapters.clocks import now_ms
from jobhook.adapters.control import taking_orders
from jobhook.adapters.store_sqlite import SqliteStore, sqlite_store
from jobhook.core.access import Caller, Role
from jobhook.core.errors import NotSignedIn
from jobhook.core.operations import Order, Outcome, order_to_json
from jobhook.flows.access import Access
from jobhook.flows.operating import Operations
from jobhook.flows.ordering import Orders

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nobody_there")]

ME = getpass.getuser()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with sqlite_store(tmp_path / "jobhook.db") as opened:
        yield opened


@pytest.fixture
def database(tmp_path: Path) -> None:
    """A database that nobody has open."""

    async def make() -> None:
        async with sqlite_store(tmp_path / "jobhook.db"):
            pass

    asyncio.run(make())


@pytest.fixture
async def service(store: SqliteStore, tmp_path: Path) -> AsyncIterator[Access]:
    """A service that takes orders; this is how it lets callers of its API in."""
    access = Access(store, now_ms)
    operations = Operations(store, ScriptedHub(), now_ms, instance="jobhook", on_change=Bell())
    orders = Orders(operations, access, store, now_ms)
    async with taking_orders(tmp_path / "jobhook.db", orders.carry_out):
        yield access


@pytest.mark.usefixtures("database")
def test_a_token_is_printed_once_and_alone(run: Run) -> None:
    ran = run("token", "create", "ci", "--role", "viewer")
    assert ran.code == 0
    assert re.fullmatch(r"jh_[A-Za-z0-9_-]{43}\n", ran.out)
    (token,) = run("token", "ls", "--json").json
    assert f"token {token['id']} (viewer, for good); its value is shown only now" in ran.err
    assert ran.out.strip() not in run("token", "ls").out + run("token", "ls", "--json").out


@pytest.mark.usefixtures("database")
def test_a_program_is_told_the_value_beside_what_is_kept(run: Run) -> None:
    made = run("token", "create", "ci", "--role", "operator", "--expires", "90d", "--json").json
    value = made.pop("token")
    assert re.fullmatch(r"jh_[A-Za-z0-9_-]{43}", value)
    assert run("token", "ls", "--json").json == [made]
    assert (made["name"], made["role"], made["state"], made["created_by"]) == (
        "ci",
        "operator",
        "active",
        ME,
    )
    assert made["created_at"] < made["expires_at"]
    assert (made["last_used_at"], made["revoked_at"]) == (None, None)


@pytest.mark.usefixtures("database")
def test_a_revoked_token_is_listed_as_such(run: Run) -> None:
    made = run("token", "create", "ci", "--role", "admin", "--json").json
    revoked = run("token", "revoke", made["id"])
    assert (revoked.code, revoked.out) == (
        0,
        f"{made['id']}: ci is revoked: it opens nothing any more\n",
    )
    again = run("token", "revoke", made["id"], "--json")
    assert (again.code, again.json["done"]) == (1, False)
    (listed,) = run("token", "ls", "--json").json
    assert listed["state"] == "revoked"
    assert "revoked" in run("token", "ls").out


@pytest.mark.usefixtures("database")
def test_without_tokens_the_list_says_how_to_make_one(run: Run) -> None:
    assert "`jobhook token create` makes one" in run("token", "ls").out
    assert run("token", "ls", "--json").json == []


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        pytest.param(["a b", "--role", "viewer"], 2, "no name for a token", id="name"),
        pytest.param(["ci"], 2, "Missing option '--role'", id="no role"),
        pytest.param(["ci", "--role", "king"], 2, "king", id="no such role"),
        pytest.param(["ci", "--role", "viewer", "--expires", "soon"], 2, "as 90d", id="no time"),
        pytest.param(
            ["ci", "--role", "viewer", "--expires", "4000d"], 2, "over ten years", id="for ever"
        ),
        pytest.param(["old", "--role", "viewer"], 1, "there is a token named old", id="taken"),
    ],
)
@pytest.mark.usefixtures("database")
def test_a_token_that_cannot_be_made_is_refused_in_one_sentence(
    run: Run, words: list[str], code: int, told: str
) -> None:
    run("token", "create", "old", "--role", "viewer")
    ran = run("token", "create", *words)
    assert (ran.code, ran.out) == (code, "")
    assert told in ran.err
    assert len(run("token", "ls", "--json").json) == 1


def test_where_there_is_no_database_none_is_made(run: Run, tmp_path: Path) -> None:
    ran = run("token", "create", "ci", "--role", "viewer")
    assert (ran.code, ran.out) == (1, "")
    assert "there is no database" in ran.err
    assert not (tmp_path / "jobhook.db").exists()


async def is_let_in(access: Access, value: str) -> Caller | None:
    try:
        return await access.caller_of(f"Bearer {value}")
    except NotSignedIn:
        return None


async def test_a_running_service_knows_at_once_what_was_made_and_revoked(
    run: Run, service: Access
) -> None:
    async def ordered(*words: str) -> Ran:
        return await anyio.to_thread.run_sync(lambda: run("token", *words, "--json"))

    # It has just looked, and would not look again for a second.
    assert not await is_let_in(service, "jh_" + "a" * 43)
    made = (await ordered("create", "ci", "--role", "operator")).json
    assert await is_let_in(service, made["token"]) == Caller("ci", Role.OPERATOR, made["id"])
    assert (await ordered("revoke", made["id"])).code == 0
    assert not await is_let_in(service, made["token"])


async def test_the_value_of_a_token_reaches_neither_the_service_nor_the_disk(
    run: Run, store: SqliteStore, tmp_path: Path
) -> None:
    access = Access(store, now_ms)
    heard: list[bytes] = []

    async def carry_out(order: Order) -> tuple[Outcome, ...]:
        heard.append(order_to_json(order))
        assert order.token is not None
        await access.add(order.token)
        return (Outcome(order.token.id, done=True, told="created"),)

    async with taking_orders(tmp_path / "jobhook.db", carry_out):
        made = await anyio.to_thread.run_sync(
            lambda: run("token", "create", "ci", "--role", "operator", "--json").json
        )
    canary = made["token"]
    assert await is_let_in(access, canary)
    disk = [*await anyio.to_thread.run_sync(partial(contents, tmp_path)), *heard]
    assert any(made["id"].encode() in each for each in disk)
    assert not any(canary.removeprefix("jh_").encode() in each for each in disk)


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


@pytest.mark.usefixtures("database")
def test_what_is_ordered_here_stands_in_the_audit_log(run: Run) -> None:
    run("pause", "--reason", "x")
    run("launches", "retry", "nowhere", "--yes")
    made = run("token", "create", "ci", "--role", "viewer", "--json").json
    found = run("audit", "ls", "--json").json
    assert [(each["did"], each["about"], each["outcome"]) for each in found] == [
        ("tokens.create", made["id"], "done"),
        ("launches.retry", "nowhere", "refused: not_possible"),
        ("pauses.pause", "everything", "done"),
    ]
    assert {(each["who"], each["role"], each["source"]) for each in found} == {
        (ME, "admin", "local")
    }
    assert made["token"] not in str(found)


@pytest.mark.usefixtures("database")
def test_the_audit_log_is_searched_and_cut(run: Run) -> None:
    assert run("audit", "ls").out == "nobody has changed anything\n"
    run("pause")
    run("resume")

    def names(*words: str) -> list[str]:
        return [each["did"] for each in run("audit", "ls", *words, "--json").json]

    assert names("--limit", "1") == ["pauses.resume"]
    assert names("--did", "pauses.pause") == ["pauses.pause"]
    assert names("--about", "l1") == names("--who", "nobody") == names("--until", "1h") == []
    assert len(names("--since", "1h")) == 2
    assert "pauses.pause" in run("audit", "ls").out
