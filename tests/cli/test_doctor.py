from __future__ import annotations

import asyncio
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from canned import CannedServer, answer
from commands import Run
from factories import make_launch, make_received
from jobhook.adapters import sqlite_health
from jobhook.adapters.clocks import now_ms
from jobhook.adapters.control import taking_orders
from jobhook.adapters.store_postgres import postgres_store
from jobhook.adapters.store_sqlite import sqlite_store
from jobhook.cli import doctor
from jobhook.core.errors import StoreError
from jobhook.core.launches import LaunchState
from jobhook.core.operations import Order, Outcome
from jobhook.core.records import Pause
from jobhook.devhub import TOKEN, DevHub
from jobhook.hub.client import AsyncHub
from jobhook.web.serving import listen, url_of
from jobhook.wiring import running_devhub

pytestmark = pytest.mark.anyio

SECRET = "canary-of-the-webhook-0123456789abcdef"
RULE = """\
id: retrain
watch: ["user:@me"]
on: [commit.pushed]
run: {image: "python:3.12", command: [python, -V], secrets: [KEY]}
"""


@pytest.fixture
def fit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings, a rule and a database that are as they should be; there is no Hub."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("HF_TOKEN", "hf_canary_of_the_token")
    monkeypatch.setenv("JOBHOOK_WEBHOOK_SECRETS", SECRET)
    monkeypatch.setenv("JOBHOOK_PUBLIC_URL", "https://us.test")
    monkeypatch.setenv("JOBHOOK_SECRET_KEY", "canary-of-the-job")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "retrain.yaml").write_text(RULE)
    make_database(tmp_path)


def make_database(folder: Path, *, odd: bool = False) -> None:
    async def make() -> None:
        async with sqlite_store(folder / "jobhook.db") as store:
            if odd:
                await store.add(make_launch(state=LaunchState.HELD))
                await store.pause(Pause(scope="rule:x", since=0, by="ana"))

    asyncio.run(make())


def flipped(path: Path) -> None:
    data = path.read_bytes()
    at = data.index(b"python:3.12")
    path.write_bytes(data[:at] + b"q" + data[at + 1 :])


def found(run: Run) -> dict[str, str]:
    return {each["check"]: each["state"] for each in run("doctor", "--json").json}


def told(run: Run, check: str) -> str:
    (one,) = [each["told"] for each in run("doctor", "--json").json if each["check"] == check]
    return str(one)


def test_without_a_hub_the_rest_is_told_and_the_exit_code_is_1(run: Run, fit: None) -> None:
    ran = run("doctor", "--json")
    states = {each["check"]: each["state"] for each in ran.json}
    assert ran.code == 1
    assert states.pop("SQLite") in ("ok", "warn")
    assert states.pop("disk") in ("ok", "warn")
    assert states == {
        "settings": "ok",
        "webhook secret": "ok",
        "public URL": "ok",
        "rules": "ok",
        "job secrets": "ok",
        "database": "ok",
        "service": "warn",
        "pauses": "ok",
        "deliveries": "ok",
        "launches": "ok",
        "Hub": "fail",
    }
    assert "cannot reach the Hub" in told(run, "Hub")
    assert "canary" not in ran.out


def test_people_get_a_table(run: Run, fit: None) -> None:
    out = run("doctor").out
    assert out.splitlines()[0].split() == ["CHECK", "STATE", "TOLD"]
    assert "canary" not in out


def test_nothing_is_written(run: Run, fit: None, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    run("doctor")
    after = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert {path.name for path in after} - {path.name for path in before} <= {
        "jobhook.db-wal",
        "jobhook.db-shm",
    }
    assert all(after[path] == content for path, content in before.items())


def test_with_nothing_at_all_it_says_what_to_do(run: Run, tmp_path: Path) -> None:
    states = found(run)
    assert [check for check, state in states.items() if state == "fail"] == [
        "webhook secret",
        "rules",
        "Hub",
    ]
    assert states["database"] == "warn"
    assert list(tmp_path.iterdir()) == []


def test_settings_that_cannot_be_read_are_all_there_is_to_say(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBHOOK_PROT", "1")
    ran = run("doctor", "--json")
    assert (ran.code, len(ran.json), ran.json[0]["state"]) == (1, 1, "fail")
    assert "did you mean" in ran.json[0]["told"]


def test_rules_that_cannot_be_loaded_are_told(run: Run, fit: None, tmp_path: Path) -> None:
    (tmp_path / "rules" / "retrain.yaml").write_text("id: retrain\nonn: x\nrun: 1\n")
    assert found(run)["rules"] == "fail"
    assert "retrain.yaml" in told(run, "rules")
    assert "more)" in told(run, "rules")
    (tmp_path / "rules" / "retrain.yaml").write_text(RULE + "onn: x\n")
    assert "more)" not in told(run, "rules")


def test_what_a_database_tells_is_told(run: Run, fit: None, tmp_path: Path) -> None:
    make_database(tmp_path, odd=True)
    states = found(run)
    assert (states["pauses"], states["launches"]) == ("warn", "warn")
    assert "rule:x is paused, but there is no such rule" in told(run, "pauses")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        pytest.param(b"no database at all", "not a usable database", id="another file"),
        pytest.param(b"", "put its data back, or delete it", id="empty"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_once(
    run: Run, fit: None, tmp_path: Path, damage: bytes, sentence: str
) -> None:
    for path in tmp_path.glob("jobhook.db*"):
        path.unlink()
    (tmp_path / "jobhook.db").write_bytes(damage)
    assert found(run)["database"] == "fail"
    assert sentence in told(run, "database")


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-4096]), id="cut"),
        pytest.param(lambda path: path.rename(path.with_name("jobhook.db-wal")), id="its log"),
        pytest.param(flipped, id="one letter of a text"),
    ],
)
def test_the_doctor_and_the_service_say_the_same_of_a_database(
    run: Run, fit: None, tmp_path: Path, harm: Callable[[Path], object]
) -> None:
    make_database(tmp_path, odd=True)
    path = tmp_path / "jobhook.db"
    harm(path)
    with pytest.raises(StoreError) as refused:
        make_database(tmp_path)
    assert found(run)["database"] == "fail"
    assert told(run, "database") in str(refused.value)


def test_deliveries_that_nobody_decides_are_told(run: Run, fit: None, tmp_path: Path) -> None:
    async def receive() -> None:
        async with sqlite_store(tmp_path / "jobhook.db") as store:
            await store.record(make_received(at=now_ms() - 600_000))

    asyncio.run(receive())
    assert found(run)["deliveries"] == "fail"
    assert "1 undecided, the oldest for 10 min; nobody decides" in told(run, "deliveries")


def test_a_log_that_lost_something_is_told(run: Run, fit: None, tmp_path: Path) -> None:
    path = tmp_path / "jobhook.db"
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO memory VALUES ('x', 1)")
        connection.commit()
        connection.execute("INSERT INTO memory VALUES ('y', 1)")
        connection.commit()
        left = {each: each.read_bytes() for each in tmp_path.glob("jobhook.db*")}
    connection.close()
    for each, data in left.items():
        each.write_bytes(data)
    log = path.with_name("jobhook.db-wal")
    log.write_bytes(log.read_bytes()[:100])
    assert "jobhook.db-wal is damaged or cut" in told(run, "database")


def test_a_service_that_did_not_take_the_rules_in_the_folder_is_told(
    run: Run, fit: None, postgres_url: str
) -> None:
    (rule,) = run("rules", "list", "--json").json

    async def lead_by(version: str) -> None:
        async with postgres_store(postgres_url) as store:
            await store.lead("web-1:42:ab", 60_000, version=version)

    for version, state in ((rule["set"], "ok"), ("v2", "warn")):
        asyncio.run(lead_by(version))
        ran = run("doctor", "--json", "--database", postgres_url)
        assert [each["state"] for each in ran.json if each["check"] == "rules in force"] == [state]


def test_on_postgresql_it_is_told_who_leads(run: Run, fit: None, postgres_url: str) -> None:
    async def lead(ttl_ms: int) -> None:
        async with postgres_store(postgres_url) as store:
            await store.lead("web-1:42:ab", ttl_ms, version="v1")

    asyncio.run(lead(60_000))
    ran = run("doctor", "--json", "--database", postgres_url)
    states = {each["check"]: each for each in ran.json}
    assert states["leader"]["told"] == "web-1, process 42, decides and launches"
    assert "service" not in states
    asyncio.run(lead(-1))
    ran = run("doctor", "--json", "--database", postgres_url)
    assert [each["state"] for each in ran.json if each["check"] == "leader"] == ["warn"]


def test_a_damaged_page_is_found(run: Run, fit: None, tmp_path: Path) -> None:
    path = tmp_path / "jobhook.db"
    with sqlite3.connect(path) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE type = 'index' AND tbl_name = 'launch'"
        ).fetchone()
    connection.close()
    content = bytearray(path.read_bytes())
    content[(page - 1) * size : page * size] = b"\xff" * size
    path.write_bytes(content)
    assert f"page {page} is not as it was written" in told(run, "database")
    path.with_name("jobhook.db.sums").unlink()
    assert "is damaged (" in told(run, "database") or "not a usable" in told(run, "database")
    assert found(run)["database"] == "fail"


async def test_damage_is_found_beside_a_running_service(
    run: Run, fit: None, tmp_path: Path
) -> None:
    async def obey(order: Order) -> tuple[Outcome, ...]:
        return ()

    path = tmp_path / "jobhook.db"
    async with sqlite_store(path) as store, taking_orders(path, obey):
        await store.add(make_launch(state=LaunchState.HELD))
        whole = await in_thread(run, "doctor", "--json")
    async with sqlite_store(path), taking_orders(path, obey):
        flipped(path)
        harmed = await in_thread(run, "doctor", "--json")
    told = [
        next(each["told"] for each in ran.json if each["check"] == "database")
        for ran in (whole, harmed)
    ]
    assert "is whole" in told[0]
    assert "is not as it was written): stop, and restore a backup" in told[1]


def test_a_folder_that_is_not_there_is_told(run: Run, fit: None) -> None:
    ran = run("doctor", "--json", "--database", "sqlite:////nowhere/x.db")
    (one,) = [each for each in ran.json if each["check"] == "database"]
    assert (one["state"], "cannot be opened" in one["told"]) == ("fail", True)


@pytest.mark.parametrize("has_defect", [True, False])
def test_an_sqlite_with_a_defect_is_told(
    run: Run, fit: None, monkeypatch: pytest.MonkeyPatch, has_defect: bool
) -> None:
    monkeypatch.setattr(sqlite_health, "has_wal_reset_defect", lambda _: has_defect)
    assert found(run)["SQLite"] == ("warn" if has_defect else "ok")


@pytest.fixture
async def devhub(fit: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AsyncHub]:
    with listen("127.0.0.1", 0) as listener:
        url = url_of(listener)
        monkeypatch.setenv("HF_ENDPOINT", url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        async with running_devhub(DevHub(url), listener), AsyncHub(url, TOKEN) as hub:
            yield hub


async def in_thread(run: Run, *words: str) -> Any:
    return await anyio.to_thread.run_sync(lambda: run(*words))


async def test_all_is_well_once_the_webhook_is_there(
    run: Run, devhub: AsyncHub, tmp_path: Path
) -> None:
    async def obey(order: Order) -> tuple[Outcome, ...]:
        return ()

    first = await in_thread(run, "doctor", "--json")
    assert [each["check"] for each in first.json if each["state"] == "fail"] == ["webhook"]
    assert "`jobhook apply` makes it" in first.json[-2]["told"]
    assert (await in_thread(run, "apply")).code == 0
    async with taking_orders(tmp_path / "jobhook.db", obey):
        second = await in_thread(run, "doctor", "--json")
    states = {each["check"]: each["state"] for each in second.json}
    assert second.code == 0
    assert (states["service"], states["webhook"], states["clock"], states["prices"]) == (
        "ok",
        "ok",
        "ok",
        "ok",
    )
    # The token of a devhub may do everything.
    assert states["token"] == "warn"


async def test_without_a_public_url_no_webhook_is_looked_for(
    run: Run, devhub: AsyncHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JOBHOOK_PUBLIC_URL")
    ran = await in_thread(run, "doctor", "--json")
    states = {each["check"]: each["state"] for each in ran.json}
    assert (ran.code, states["webhook"], states["public URL"]) == (0, "warn", "warn")


@pytest.fixture
def silent(fit: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Hub that takes the connection and says nothing."""
    monkeypatch.setattr(doctor, "_HUB_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HF_ENDPOINT", url_of(server))
        yield


def test_a_hub_that_says_nothing_is_not_waited_for(run: Run, silent: None) -> None:
    assert found(run)["Hub"] == "fail"


@pytest.mark.parametrize(
    ("prices", "sentence"),
    [
        pytest.param(answer(200, []), "the Hub names none", id="none"),
        pytest.param(answer(403, {"error": "no"}), "without prices nothing", id="refused"),
    ],
)
async def test_what_the_hub_refuses_is_told(
    run: Run, fit: None, monkeypatch: pytest.MonkeyPatch, prices: bytes, sentence: str
) -> None:
    async with CannedServer() as server:
        server.answers = [answer(200, {"name": "dev"}), answer(403, {"error": "no"}), prices]
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        ran = await in_thread(run, "doctor", "--json")
    told = {each["check"]: each for each in ran.json}
    assert (told["webhook"]["state"], told["prices"]["state"]) == ("fail", "fail")
    assert sentence in told["prices"]["told"]
    assert told["clock"]["state"] == "warn"
