"""The rows about runs that the API is asked for: what they cost beside those of the client."""

from __future__ import annotations

import itertools
import json
import random
import statistics
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.calling import run_jobs
from bench.load import drive
from bench.processes import Server, ServerFailed
from bench.service import ADMIN_TOKEN, count, old_database, service_environ, serving, wait_for
from bench.sides.calling import AT_ONCE, JOB
from bench.stub_hub import StubHub
from bench.table import Row, Scale

_GOAL = 1.3
_PATIENCE = 120.0
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class _Turn:
    """Microseconds of processor time for each run, until it was answered and to follow it."""

    client: float
    plain: float
    keyed: float
    following: float


def directing(folder: Path, scale: Scale) -> Iterable[Row]:
    """Yield the rows; *folder* is for databases."""
    (folder / "rules").mkdir()
    turns = [_turn(folder, f"turn-{n}", scale) for n in range(scale.rounds)]
    what = f"{scale.calls:,} runs through the API, {AT_ONCE} at once, against run_job of the client"
    yield _row(f"{what}: CPU per run", turns, [each.plain for each in turns])
    yield _row(f"{what}: with an Idempotency-Key", turns, [each.keyed for each in turns])
    yield Row(
        "the same until each is known to run",
        "",
        f"{statistics.median(each.following for each in turns):,.0f} µs more",
    )


def _turn(folder: Path, name: str, scale: Scale) -> _Turn:
    home = folder / name
    home.mkdir()
    costs: dict[str, float] = {}
    with ExitStack() as stack:
        hub = stack.enter_context(StubHub())
        environ = service_environ(home, folder / "rules", hub.url)
        old_database(home / "service.db")
        server = stack.enter_context(serving(environ))
        # What the service looks at meanwhile is counted when all is answered.
        hub.lists.clear()
        _runs(server, AT_ONCE, is_keyed=False)
        _runs(server, AT_ONCE, is_keyed=True)
        sides: dict[str, Callable[[], float]] = {
            "client": lambda: run_jobs("jobhook", hub.url, scale.calls)[1],
            "plain": lambda: _runs(server, scale.calls, is_keyed=False),
            "keyed": lambda: _runs(server, scale.calls, is_keyed=True),
        }
        for side in random.sample(sorted(sides), len(sides)):
            # The client has a processor to itself as well.
            (server.rest if side == "client" else server.go_on)()
            costs[side] = sides[side]() * 1e6 / scale.calls
        server.go_on()
        costs["following"] = _following(server, hub, home / "service.db")
    return _Turn(**costs)


def _runs(server: Server, number: int, *, is_keyed: bool) -> float:
    """Ask for so many runs; return the seconds of processor time that the service took for them."""
    begun = server.cpu_seconds()
    load = drive(server.port, _requests(is_keyed=is_keyed), connections=AT_ONCE, count=number)
    if load.broken or set(load.statuses) != {201}:
        raise ServerFailed(f"runs were answered {dict(load.statuses)}, {load.broken} broken")
    return server.cpu_seconds() - begun


def _following(server: Server, hub: StubHub, database: Path) -> float:
    begun = server.cpu_seconds()
    number = count(database, "SELECT count(*) FROM launch")
    hub.lists.set()
    running = "SELECT count(*) FROM launch WHERE state = 'running'"
    if not wait_for(database, running, number, seconds=_PATIENCE):
        raise ServerFailed("not every run was followed")
    return (server.cpu_seconds() - begun) * 1e6 / number


def _requests(*, is_keyed: bool) -> Callable[[], bytes]:
    head = (
        "POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {ADMIN_TOKEN}\r\n"
    )

    def next_request() -> bytes:
        number = next(_numbers)
        body = json.dumps({**JOB, "namespace": "acme", "name": f"n{number}"})
        key = f"Idempotency-Key: bench-{number}\r\n" if is_keyed else ""
        return f"{head}{key}Content-Length: {len(body)}\r\n\r\n{body}".encode()

    return next_request


def _row(what: str, turns: Sequence[_Turn], ours: Sequence[float]) -> Row:
    client = [each.client for each in turns]
    ratios = [a / max(b, 1) for a, b in zip(ours, client, strict=True)]
    ratio = statistics.median(ratios)
    return Row(
        what,
        f"≤ {_GOAL:g} ×",
        f"{ratio:.2f} × ({min(ratios):.2f} – {max(ratios):.2f})",
        ratio <= _GOAL,
        (
            f"service: {statistics.median(ours):,.0f} µs CPU",
            f"`AsyncHub.run_job`: {statistics.median(client):,.0f} µs CPU",
        ),
    )
