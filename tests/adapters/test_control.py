from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from jobhook.adapters import control
from jobhook.adapters.control import (
    LINE_MAX_BYTES,
    NoService,
    give_order,
    socket_path,
    taking_orders,
)
from jobhook.core.errors import StoreError, StoreUnavailable
from jobhook.core.operations import Deed, Order, Outcome

pytestmark = pytest.mark.anyio

ORDER = Order(deed=Deed.CANCEL, by="ana", ids=("l1", "l2"))


async def obey(order: Order) -> tuple[Outcome, ...]:
    return tuple(Outcome(each, done=True, told=f"{order.deed} by {order.by}") for each in order.ids)


def failing(failure: Exception) -> Callable[[Order], Awaitable[tuple[Outcome, ...]]]:
    async def fail(_: Order) -> tuple[Outcome, ...]:
        raise failure

    return fail


async def say(path: Path, line: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(socket_path(path)))
    try:
        writer.write(line)
        async with asyncio.timeout(10):
            return await reader.readline()
    finally:
        writer.close()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "jobhook.db"


async def test_an_order_is_carried_out_by_whoever_has_the_database(database: Path) -> None:
    async with taking_orders(database, obey):
        outcomes = await give_order(database, ORDER)
    assert outcomes == (
        Outcome("l1", done=True, told="cancel by ana"),
        Outcome("l2", done=True, told="cancel by ana"),
    )


async def test_only_the_owner_may_give_orders_and_nothing_is_left_behind(database: Path) -> None:
    async with taking_orders(database, obey):
        assert stat.S_IMODE(socket_path(database).stat().st_mode) == 0o600
    assert list(database.parent.iterdir()) == []


async def test_nothing_is_left_behind_by_a_service_that_fails(database: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with taking_orders(database, obey):
            raise ZeroDivisionError
    assert list(database.parent.iterdir()) == []


async def test_without_a_service_that_is_said(database: Path) -> None:
    with pytest.raises(NoService, match="no service is running"):
        await give_order(database, ORDER)


async def test_what_a_dead_service_left_is_no_service_and_in_nobodys_way(database: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(socket_path(database)))
    with pytest.raises(NoService):
        await give_order(database, ORDER)
    async with taking_orders(database, obey):
        assert len(await give_order(database, ORDER)) == 2


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        pytest.param(StoreUnavailable("the disk is full"), "the disk is full", id="the store"),
        pytest.param(ZeroDivisionError(), "jobhook failed on it", id="a fault of ours"),
    ],
)
async def test_what_went_wrong_is_told_and_the_next_order_is_taken(
    database: Path, failure: Exception, message: str
) -> None:
    async with taking_orders(database, failing(failure)):
        for _ in range(2):
            with pytest.raises(StoreError, match=message):
                await give_order(database, ORDER)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"\n", id="nothing"),
        pytest.param(b"GET / HTTP/1.1\r\n", id="another protocol"),
        pytest.param(b"\xff\x00\n", id="no text"),
        pytest.param(b"[" * 500_000 + b"\n", id="nested too deep"),
        pytest.param(b"x" * (LINE_MAX_BYTES + 5), id="a line without an end"),
    ],
)
async def test_garbage_is_answered_and_hurts_nobody(database: Path, line: bytes) -> None:
    async with taking_orders(database, obey):
        with capture_logs() as logs:
            assert b"that is no order" in await say(database, line)
        assert len(await give_order(database, ORDER)) == 2
    assert logs == []


async def test_whoever_hangs_up_hurts_nobody(database: Path) -> None:
    async with taking_orders(database, obey):
        _, writer = await asyncio.open_unix_connection(str(socket_path(database)))
        writer.transport.abort()
        assert len(await give_order(database, ORDER)) == 2


async def test_whoever_says_nothing_does_not_hold_up_the_end(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_LINE_SECONDS", 0.05)
    async with asyncio.timeout(10):
        async with taking_orders(database, obey):
            _, writer = await asyncio.open_unix_connection(str(socket_path(database)))
            await give_order(database, ORDER)  # whoever came before has been let in by now
        writer.close()


async def test_an_order_that_is_being_carried_out_is_finished_first(database: Path) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slowly(order: Order) -> tuple[Outcome, ...]:
        begun.set()
        await may_end.wait()
        return await obey(order)

    async def run() -> None:
        async with taking_orders(database, slowly):
            await begun.wait()

    running = asyncio.create_task(run())
    while not socket_path(database).exists():  # noqa: ASYNC110
        await asyncio.sleep(0)
    giving = asyncio.create_task(give_order(database, ORDER))
    await begun.wait()
    for _ in range(100):  # the service wants to end by now
        await asyncio.sleep(0)
    assert not running.done()
    may_end.set()
    await running
    assert len(await giving) == 2


@pytest.mark.parametrize(
    ("said", "message"),
    [
        pytest.param(b"", "stopped meanwhile", id="nothing"),
        pytest.param(b'{"outcomes": [["l1"', "stopped meanwhile", id="half an answer"),
        pytest.param(b"x" * (LINE_MAX_BYTES + 5), "stopped meanwhile", id="too much"),
        pytest.param(None, "did not answer", id="silence"),
    ],
)
async def test_a_service_that_does_not_answer_properly_is_told(
    database: Path, monkeypatch: pytest.MonkeyPatch, said: bytes | None, message: str
) -> None:
    monkeypatch.setattr(control, "_ANSWER_SECONDS", 0.2 if said is None else 10)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        if said is None:
            await reader.read()
        else:
            writer.write(said)
        writer.close()
        ended.set()

    ended = asyncio.Event()
    async with await asyncio.start_unix_server(answer, str(socket_path(database))):
        with pytest.raises(StoreError, match=message):
            await give_order(database, ORDER)
        await ended.wait()


async def test_a_path_that_is_longer_than_a_sockets_address_will_do(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 200)
    folder.mkdir()
    with pytest.raises(NoService):
        await give_order(folder / "jobhook.db", ORDER)
    async with taking_orders(folder / "jobhook.db", obey):
        assert len(await give_order(folder / "jobhook.db", ORDER)) == 2
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["f" * 150, "folder.db"])
async def test_where_no_socket_can_be_made_that_is_said(tmp_path: Path, name: str) -> None:
    socket_path(tmp_path / "folder.db").mkdir()
    with pytest.raises(StoreError, match="orders cannot be taken on"):
        async with taking_orders(tmp_path / name, obey):
            pass


async def test_a_socket_of_somebody_else_is_not_taken_for_no_service(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        await give_order(tmp_path / ("f" * 150), ORDER)
    assert not isinstance(caught.value, NoService)
