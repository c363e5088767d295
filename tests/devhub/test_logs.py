"""The log of a job: bounded, replayed, followed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest

from jobhook.devhub import Limits
from jobhook.devhub.logs import JobLog

if TYPE_CHECKING:
    from devhub.conftest import Running

pytestmark = pytest.mark.anyio

SMALL = Limits(log_bytes=2000, log_line_bytes=100, keep_alive=0.01)
ROOMY = Limits(log_bytes=10_000_000, keep_alive=0.01)


def begun(folder: Path, limits: Limits = SMALL) -> JobLog:
    log = JobLog(folder / "log", limits)
    log.expect()
    log.start()
    return log


async def read(log: JobLog, tail: int | None = None) -> list[str]:
    """Return the text of every event, without the line that opens the log."""
    stream = b"".join([frame async for frame in log.frames(tail)])
    events = [event for event in stream.decode().split("\n\n") if event]
    texts: list[str] = [orjson.loads(event.removeprefix("data: "))["data"] for event in events]
    assert texts[0].startswith("===== Job started at 20")
    return texts[1:]


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        pytest.param([], [], id="silence"),
        pytest.param([b"a\nb\n"], ["a", "b"], id="lines"),
        pytest.param([b"a", b"b\n", b"c"], ["ab", "c"], id="in-pieces-and-unfinished"),
        pytest.param([b"\n\n"], ["", ""], id="empty-lines"),
        pytest.param([b"a\r\n"], ["a"], id="carriage-return"),
        pytest.param([b"\xff\x00\xfe\n"], ["\ufffd\x00\ufffd"], id="garbage"),
        pytest.param([b"x" * 250], ["x" * 100, "x" * 100, "x" * 50], id="long-unfinished"),
        pytest.param([b"x" * 250 + b"\ny\n"], ["x" * 100, "x" * 100, "x" * 50, "y"], id="long"),
        pytest.param(["é–\u2028\n".encode()], ["é–\u2028"], id="unicode"),
    ],
)
async def test_output_becomes_lines(tmp_path: Path, pieces: list[bytes], lines: list[str]) -> None:
    log = begun(tmp_path)
    for piece in pieces:
        log.write(piece)
    log.end()
    assert await read(log) == lines


async def test_a_log_is_cut_where_it_is_full_and_says_so(tmp_path: Path) -> None:
    log = begun(tmp_path)
    for _ in range(1000):
        log.write(b"line\n" * 10)
    log.end()
    *lines, last = await read(log)
    assert set(lines) == {"line"}
    assert last == "===== devhub keeps 2,000 bytes of a log: cut here ====="
    assert (tmp_path / "log").stat().st_size < 2200


@pytest.mark.parametrize(
    ("tail", "lines"),
    [
        pytest.param(0, [], id="none"),
        pytest.param(1, ["2999"], id="one"),
        pytest.param(2000, [str(number) for number in range(1000, 3000)], id="over-blocks"),
        pytest.param(3000, [str(number) for number in range(3000)], id="all"),
        pytest.param(9999, [str(number) for number in range(3000)], id="more-than-there-are"),
    ],
)
async def test_tail_does_not_count_the_first_line(
    tmp_path: Path, tail: int, lines: list[str]
) -> None:
    log = begun(tmp_path, ROOMY)
    log.write("".join(f"{number}\n" for number in range(3000)).encode())
    log.end()
    assert await read(log, tail) == lines


async def test_a_line_longer_than_a_block_is_read(tmp_path: Path) -> None:
    log = begun(tmp_path, Limits(log_line_bytes=300_000))
    log.write(b"x" * 200_000 + b"\n")
    log.end()
    assert await read(log) == ["x" * 200_000]


async def test_readers_follow_and_a_silent_stream_carries_comments(tmp_path: Path) -> None:
    log = begun(tmp_path)
    stream = log.frames()
    assert b"Job started" in await anext(stream)
    assert await anext(stream) == b": keep-alive\n\n"
    log.write(b"news\n")
    assert b'"data":"news"' in await anext(stream)
    log.write(b"last")
    log.end()
    assert b'"data":"last"' in await anext(stream)
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_reader_may_come_before_the_job_starts(tmp_path: Path) -> None:
    log = JobLog(tmp_path / "log", Limits())
    log.expect()
    reading = asyncio.create_task(read(log, 5))
    await asyncio.sleep(0)
    log.start()
    log.write(b"a\n")
    log.end()
    assert await reading == ["a"]


async def test_nobody_else_may_read_a_log(tmp_path: Path) -> None:
    log = begun(tmp_path)
    log.end()
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


async def test_the_stream_is_framed_as_the_hub_does_it(shared: Running) -> None:
    job = await shared.run("echo", "hello")
    await shared.ended(job["id"])
    answer = await shared.http.get(f"/api/jobs/dev/{job['id']}/logs")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["date"]
    first, second, nothing = answer.text.split("\n\n")
    assert nothing == ""
    for frame in (first, second):
        event = orjson.loads(frame.removeprefix("data: "))
        assert event.keys() == {"data", "timestamp"}
        assert event["timestamp"].endswith("Z")
    assert orjson.loads(second.removeprefix("data: "))["data"] == "hello"


@pytest.mark.parametrize("tail", ["-1", "x", "1.5", "", "²"])
async def test_a_wrong_tail_is_refused(shared: Running, tail: str) -> None:
    job = await shared.run("true")
    url = f"/api/jobs/dev/{job['id']}/logs"
    answer = await shared.http.get(url, params={"tail": tail})
    assert answer.status_code == 400
    assert "tail" in answer.json()["error"]


async def test_without_following_only_what_is_there_is_read(shared: Running) -> None:
    job = await shared.run("sh", "-c", "echo one; echo two; exec sleep 60")
    url = f"/api/jobs/dev/{job['id']}/logs?tail=1"
    async with shared.http.stream("GET", url) as answer:
        lines = (line async for line in answer.aiter_lines() if line)
        seen = [await anext(lines) for _ in range(2)]
        while not any("two" in line for line in seen):
            seen.append(await anext(lines))
        async for line in lines:
            if line == ": keep-alive":
                break
    await shared.http.post(f"/api/jobs/dev/{job['id']}/cancel")


async def test_a_job_that_prints_without_end_stays_within_bounds(shared: Running) -> None:
    job = await shared.run("sh", "-c", "head -c 20000000 /dev/zero; yes | head -c 20000000")
    lines = await shared.log(job["id"])
    assert lines[-1].endswith("of a log: cut here =====")
    assert (await shared.job(job["id"]))["status"]["stage"] == "COMPLETED"
