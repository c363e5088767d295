"""
Ratios between servers: all of them are up at once and take turns in an order that is shuffled anew
each round; a ratio is the median of what each round gave, so that a slow moment of the machine
hits both sides. Whoever has no turn is stopped: it may still have work from its last one.
"""

from __future__ import annotations

import random
import shutil
import statistics
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field

from bench.load import drive
from bench.payload import SECRET, requests
from bench.processes import Server, ServerFailed, free_port, running
from bench.table import Row, Scale, left_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """
    A server and what is sent to it.

    Attributes:
        argv: The command; `{port}` stands for the port that it is to take.
        answer: The status that every answer must have.
        missing: Why it cannot be run here, if it cannot.
    """

    name: str
    argv: Sequence[str] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    ready: str = "/readyz"
    path: str = "/webhooks/hub"
    secret: str = SECRET
    answer: int = 202
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A row: how many times what *other* does *ours* is to do."""

    what: str
    goal: float
    ours: Side
    other: Side


@dataclass(frozen=True, slots=True)
class _Turn:
    per_second: float
    cpu_us: float
    p99_ms: float


def compare(comparisons: Sequence[Comparison], scale: Scale) -> Iterable[Row]:
    """Run every side of *comparisons* in turns and return a row for each."""
    sides = {side.name: side for c in comparisons for side in (c.ours, c.other)}
    missing = {side.name: side.missing for side in sides.values() if side.missing}
    with ExitStack() as stack:
        servers: dict[str, Server] = {}
        for side in sides.values():
            if side.name not in missing:
                try:
                    servers[side.name] = stack.enter_context(_up(side))
                except ServerFailed as exc:
                    missing[side.name] = str(exc)
        turns = _take_turns([sides[name] for name in servers], servers, scale)
    for comparison in comparisons:
        gap = missing.get(comparison.ours.name) or missing.get(comparison.other.name)
        if gap:
            yield left_out(comparison.what, _goal(comparison), gap)
        else:
            yield _row(comparison, turns[comparison.ours.name], turns[comparison.other.name])


def installed(program: str) -> str:
    """Return why *program* cannot be run here, or an empty text."""
    return "" if shutil.which(program) else f"the program `{program}` is not installed"


def _up(side: Side) -> AbstractContextManager[Server]:
    port = free_port()
    argv = [part.replace("{port}", str(port)) for part in side.argv]
    return running(argv, port=port, ready=side.ready, environ=side.environ)


def _take_turns(
    sides: Sequence[Side], servers: Mapping[str, Server], scale: Scale
) -> dict[str, list[_Turn]]:
    turns: dict[str, list[_Turn]] = {side.name: [] for side in sides}
    for side in sides:
        servers[side.name].rest()
    for side in sides:
        _turn(side, servers[side.name], scale.connections, scale.seconds / 4)
    for _ in range(scale.rounds):
        for side in random.sample(sides, len(sides)):
            turn = _turn(side, servers[side.name], scale.connections, scale.seconds)
            turns[side.name].append(turn)
    return turns


def _turn(side: Side, server: Server, connections: int, seconds: float) -> _Turn:
    server.go_on()
    begun = server.cpu_seconds()
    load = drive(
        server.port,
        requests(side.path, secret=side.secret),
        connections=connections,
        seconds=seconds,
    )
    used = server.cpu_seconds() - begun
    server.rest()
    if load.broken or set(load.statuses) != {side.answer}:
        raise ServerFailed(f"{side.name} answered {dict(load.statuses)}, {load.broken} broken")
    return _Turn(load.per_second, used * 1e6 / load.answers, load.milliseconds(99))


def _row(comparison: Comparison, ours: Sequence[_Turn], other: Sequence[_Turn]) -> Row:
    ratios = [a.per_second / b.per_second for a, b in zip(ours, other, strict=True)]
    ratio = statistics.median(ratios)
    cpu = statistics.median(b.cpu_us / max(a.cpu_us, 1) for a, b in zip(ours, other, strict=True))
    return Row(
        comparison.what,
        _goal(comparison),
        f"{ratio:.2f} × ({min(ratios):.2f} – {max(ratios):.2f}); by CPU {cpu:.2f} ×",
        ratio >= comparison.goal,
        (_absolute(comparison.ours, ours), _absolute(comparison.other, other)),
    )


def _goal(comparison: Comparison) -> str:
    return f"≥ {comparison.goal:g} ×"


def _absolute(side: Side, turns: Sequence[_Turn]) -> str:
    return (
        f"{side.name}: {statistics.median(t.per_second for t in turns):,.0f}/s, "
        f"{statistics.median(t.cpu_us for t in turns):.0f} µs CPU, "
        f"p99 {statistics.median(t.p99_ms for t in turns):.1f} ms"
    )
