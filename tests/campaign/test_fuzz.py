"""`fuzz` in short, and what its oracle takes for wrong."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from pathlib import Path

import pytest

from campaign.exchanges import Request, Sent, Wrong, is_over, judged
from campaign.fuzz import PROBE, RESOURCES, fuzz, fuzzed_service, grower_of
from campaign.heard import Heard

SEED = 11
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
LAST = OK.replace(b"\r\n", b"\r\nconnection: close\r\n", 1)
LATE = OK.replace(b"200", b"404")
CHUNKS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n0\r\n\r\n0\r\n\r\n"
POST = Request(b"POST", b"/webhooks/hub")
CONNECTION = b"f0123456789abcdef"


@pytest.mark.anyio
async def test_nothing_that_comes_in_makes_the_service_fail(tmp_path: Path) -> None:
    async with fuzzed_service(tmp_path) as target:
        report = await fuzz(target, requests=20_000, seed=SEED, seconds=240)
    assert report.holds, str(report)
    # It was reached through every kind of answer that it gives.
    expected = {200, 202, 204, 304, 400, 401, 403, 404, 405, 413, 415, 422, 431}
    assert expected <= set(report.statuses)


def test_a_seed_gives_the_same_requests_again() -> None:
    grower = grower_of(RESOURCES)

    def grown() -> list[Sent]:
        return [grower.grow(random.Random(f"{SEED}:{number}")) for number in range(200)]  # noqa: S311

    first = grown()
    assert first == grown()
    assert {sent.requests is None for sent in first} == {True, False}


@pytest.mark.parametrize(
    ("requests", "told"),
    [
        pytest.param((PROBE,), OK + OK, id="an answer too many"),
        pytest.param((PROBE,), b"ok", id="no answer"),
        pytest.param((PROBE,), OK + b"rest", id="more than an answer"),
        pytest.param((POST, PROBE), OK + LATE, id="answers out of step"),
        pytest.param((POST, PROBE), LAST + OK, id="an answer after the last"),
        pytest.param((POST,), OK.replace(b"200", b"500"), id="a failure"),
        pytest.param((POST,), OK.replace(b"200", b"503"), id="a 503 that nobody meant"),
        pytest.param((POST,), b"HTTP/1.1 200 OK\r\n\r\nok", id="no length"),
        pytest.param((POST,), CHUNKS.replace(b"\r\n3\r\n", b"\r\nx\r\n"), id="no chunk"),
        pytest.param(None, b"rubbish", id="rubbish to rubbish"),
        pytest.param(None, OK * 9, id="too many answers to rubbish"),
        pytest.param(None, OK.replace(b"200", b"500"), id="a failure after rubbish"),
    ],
)
def test_an_answer_that_must_not_be_is_seen(
    requests: tuple[Request, ...] | None, told: bytes
) -> None:
    with pytest.raises(Wrong):
        judged(Sent(b"f", requests, (b"GET / HTTP/1.1\r\n\r\n",)), told, PROBE)


@pytest.mark.parametrize(
    ("requests", "told"),
    [
        pytest.param((PROBE, POST), OK + LATE, id="each in its turn"),
        pytest.param((PROBE, POST), OK, id="the other closed"),
        pytest.param((PROBE, POST), OK + LATE[:-1], id="the last cut off"),
        pytest.param((PROBE, POST), OK + LATE[:30], id="the head of the last cut off"),
        pytest.param((Request(b"HEAD", b"/"), PROBE), OK[:-2] + OK, id="no body to HEAD"),
        pytest.param(
            (Request(b"HEAD", b"//["),),
            b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno",
            id="HEAD refused for its form",
        ),
        pytest.param((POST, PROBE), CHUNKS + OK, id="in chunks"),
        pytest.param((POST,), b"HTTP/1.1 100 Continue\r\n\r\n" + OK, id="asked to go on"),
        pytest.param(
            (POST,),
            b'HTTP/1.1 503 Service Unavailable\r\ncontent-length: 13\r\n\r\n"unavailable"',
            id="a deliberate 503",
        ),
        pytest.param((POST,), b"", id="closed"),
        pytest.param(None, OK.replace(b"200 OK", b"400 Bad Request"), id="rubbish refused"),
    ],
)
def test_an_answer_that_may_be_passes(requests: tuple[Request, ...] | None, told: bytes) -> None:
    judged(Sent(b"f", requests, (b"GET / HTTP/1.1\r\n\r\n",)), told, PROBE)


@pytest.mark.parametrize(
    ("told", "over"),
    [
        pytest.param(OK, False, id="one of two"),
        pytest.param(OK + LATE, True, id="both"),
        pytest.param(OK + LATE[:-1], False, id="a part of the second"),
        pytest.param(OK + b"rubbish" + LATE, True, id="wrong"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n", True, id="without end"
        ),
    ],
)
def test_no_more_is_waited_for_than_can_come(told: bytes, over: bool) -> None:
    assert is_over(Sent(CONNECTION, (PROBE, POST), ()), told) is over


@pytest.mark.parametrize(
    ("stored", "told", "problem"),
    [
        pytest.param(["d1"], ["d1"], None, id="told"),
        pytest.param(["d1"], ["d1", "d2"], "acknowledged and not stored: ['d2']", id="lost"),
        pytest.param(["d1", "d2"], ["d1"], "stored and not acknowledged", id="not told"),
    ],
)
def test_a_delivery_that_is_not_as_it_was_told_is_seen(
    tmp_path: Path, stored: list[str], told: list[str], problem: str | None
) -> None:
    webhook_id = f"{CONNECTION.decode()}-00"
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db")) as database, database:
        database.execute("CREATE TABLE delivery (id, webhook_id)")
        database.executemany(
            "INSERT INTO delivery VALUES (?, ?)", [(delivery, webhook_id) for delivery in stored]
        )
    heard = Heard()
    answers = "".join(f'{{"delivery":"{delivery}","duplicate":false}}' for delivery in told)
    heard.note(Sent(CONNECTION, (POST,), ()), answers.encode(), whole=True)
    problems = list(heard.problems(tmp_path / "a.db"))
    assert len(problems) == (problem is not None)
    assert problem is None or problem in problems[0]
