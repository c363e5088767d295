"""A call that comes twice is carried out once."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from fakes import HandClock
from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.core.access import Caller, Role
from jobhook.core.errors import KeyReused, StillRunning, StoreUnavailable
from jobhook.core.repeats import LEASE_MS, Reply, Request, request_of
from jobhook.flows.idempotency import Idempotency

pytestmark = pytest.mark.anyio

ANA = Caller("ana", Role.OPERATOR, "t1")
MADE = Reply(201, b'{"id": "s1"}')


def asked(body: bytes = b"x") -> Request:
    return request_of(ANA, "k", method="POST", path="/schedules", body=body)


class Work:
    """Counts how often it was done, and gives or raises what it is told to."""

    def __init__(self, *gives: Reply | Exception) -> None:
        self.gives = list(gives)
        self.done = 0

    async def __call__(self) -> Reply:
        self.done += 1
        given = self.gives.pop(0)
        if isinstance(given, Exception):
            raise given
        return given


def is_settled(reply: Reply) -> bool:
    return reply.status not in {408, 429, 503}


@pytest.fixture
def calls(store: SqliteStore, clock: HandClock) -> Idempotency:
    return Idempotency(store, clock)


async def test_the_same_call_again_gets_the_same_answer(calls: Idempotency) -> None:
    work = Work(MADE)
    assert await calls.once(asked(), work, keeps=is_settled) == (MADE, False)
    assert await calls.once(asked(), work, keeps=is_settled) == (MADE, True)
    assert work.done == 1


@pytest.mark.parametrize("status", [400, 409, 422, 500, 502])
async def test_a_failure_that_may_have_done_something_is_an_answer_as_well(
    calls: Idempotency, status: int
) -> None:
    failed = Reply(status, b"{}")
    work = Work(failed, MADE)
    assert await calls.once(asked(), work, keeps=is_settled) == (failed, False)
    assert await calls.once(asked(), work, keeps=is_settled) == (failed, True)


@pytest.mark.parametrize("status", [408, 429, 503])
async def test_what_was_clearly_not_done_may_be_asked_for_again(
    calls: Idempotency, status: int
) -> None:
    work = Work(Reply(status, b"{}"), MADE)
    assert (await calls.once(asked(), work, keeps=is_settled))[0].status == status
    assert await calls.once(asked(), work, keeps=is_settled) == (MADE, False)


async def test_the_key_of_another_call_is_refused_and_nothing_done(calls: Idempotency) -> None:
    await calls.once(asked(), Work(MADE), keeps=is_settled)
    other = Work(MADE)
    with pytest.raises(KeyReused, match="draw a new one"):
        await calls.once(asked(b"y"), other, keeps=is_settled)
    assert other.done == 0


async def test_two_at_once_are_one(calls: Idempotency) -> None:
    began, gate = asyncio.Event(), asyncio.Event()

    async def slow() -> Reply:
        began.set()
        await gate.wait()
        return MADE

    first = asyncio.create_task(calls.once(asked(), slow, keeps=is_settled))
    await began.wait()
    second = Work(MADE)
    with pytest.raises(StillRunning, match="ask again later"):
        await calls.once(asked(), second, keeps=is_settled)
    gate.set()
    assert await first == (MADE, False)
    assert await calls.once(asked(), second, keeps=is_settled) == (MADE, True)
    assert second.done == 0


async def test_whoever_failed_in_the_middle_keeps_the_others_out_for_a_while(
    calls: Idempotency, clock: HandClock
) -> None:
    work = Work(RuntimeError("killed"), MADE)
    with pytest.raises(RuntimeError):
        await calls.once(asked(), work, keeps=is_settled)
    with pytest.raises(StillRunning):
        await calls.once(asked(), work, keeps=is_settled)
    clock.now += LEASE_MS
    assert await calls.once(asked(), work, keeps=is_settled) == (MADE, False)


async def test_what_was_done_is_told_even_if_it_cannot_be_kept(
    calls: Idempotency, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(store, "answer_request", full)
    with capture_logs() as logs:
        assert await calls.once(asked(), Work(MADE), keeps=is_settled) == (MADE, False)
    assert [(line["event"], line["status"]) for line in logs] == [("answer.not_kept", 201)]
