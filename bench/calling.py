"""The rows about the client: what a call costs, what following logs costs, what importing costs."""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from bench.processes import ROOT, SERVER_CORE, Server, ServerFailed, pin
from bench.stub_hub import StubHub
from bench.table import Row, Scale

_SIDES = ("jobhook", "official")
_IMPORTS = {
    "bare": "pass",
    "jobhook": "import jobhook",
    "official": "from huggingface_hub import run_job",
    "run_job": "from jobhook import run_job",
}


def calling(_folder: Path, scale: Scale) -> Iterable[Row]:
    """Yield the rows."""
    yield from _runs(scale)
    yield _streams(scale)
    yield _imports(scale)


def _runs(scale: Scale) -> Iterable[Row]:
    turns: dict[str, list[tuple[float, float]]] = {side: [] for side in _SIDES}
    with StubHub() as hub:
        for _ in range(scale.rounds):
            for side in random.sample(_SIDES, len(_SIDES)):
                turns[side].append(run_jobs(side, hub.url, scale.calls))
    ours, theirs = turns["jobhook"], turns["official"]
    rates = [b[0] / a[0] for a, b in zip(ours, theirs, strict=True)]
    costs = [a[1] / b[1] for a, b in zip(ours, theirs, strict=True)]
    detail = (_absolute("jobhook", ours, scale.calls), _absolute("official", theirs, scale.calls))
    what = f"{scale.calls:,} run_job, 50 at once, against huggingface_hub in 50 threads"
    rate, cost = statistics.median(rates), statistics.median(costs)
    yield Row(
        what,
        "≥ 1.4 × its rate",
        f"{rate:.2f} × ({min(rates):.2f} – {max(rates):.2f})",
        rate >= 1.4,
        detail,
    )
    yield Row(
        f"{what}: CPU per call",
        "≤ 0.7 ×",
        f"{cost:.2f} × ({min(costs):.2f} – {max(costs):.2f})",
        cost <= 0.7,
        detail,
    )


def run_jobs(side: str, url: str, calls: int) -> tuple[float, float]:
    """Start so many jobs; return the seconds and the seconds of processor time that took."""
    with _started(side, "run", url, calls) as process:
        told = json.loads(process.communicate(timeout=120)[0])
    return told["seconds"], told["processor"]


def _streams(scale: Scale) -> Row:
    with StubHub() as hub, _started("jobhook", "follow", hub.url, scale.streams) as process:
        server = Server(process, 0)
        _wait_until_open(hub, scale.streams)
        # What a process takes once, at its first calls, is no growth.
        time.sleep(scale.seconds * 2)
        before, used, begun = server.memory("VmRSS"), server.cpu_seconds(), time.perf_counter()
        time.sleep(scale.seconds * 5)
        seconds = time.perf_counter() - begun
        core = (server.cpu_seconds() - used) / seconds
        grown = server.memory("VmRSS") - before
        process.communicate(b"\n", timeout=60)
    return Row(
        f"{scale.streams} logs followed by one process, a keep-alive a second each, when idle",
        "< 25 % of a core, flat memory",
        f"{core * 100:.1f} % of a core, {grown:+.1f} MiB in {seconds:.0f} s ({before:.0f} MiB)",
        core < 0.25 and grown < 1,
    )


def _wait_until_open(hub: StubHub, streams: int) -> None:
    patience = time.perf_counter() + 60
    while hub.streams < streams:
        if time.perf_counter() > patience:
            raise ServerFailed(f"only {hub.streams} of {streams} logs were opened")
        time.sleep(0.05)


def _imports(scale: Scale) -> Row:
    waits: dict[str, list[float]] = {name: [] for name in _IMPORTS}
    for _ in range(scale.starts * 3):
        for name, code in _IMPORTS.items():
            begun = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            waits[name].append(time.perf_counter() - begun)
    took = {name: statistics.median(each) * 1000 for name, each in waits.items()}
    over = {name: milliseconds - took["bare"] for name, milliseconds in took.items()}
    return Row(
        "`import jobhook`, over a bare interpreter",
        "≤ 80 ms",
        f"{over['jobhook']:.0f} ms",
        over["jobhook"] <= 80,
        (
            f"`from jobhook import run_job`: {over['run_job']:.0f} ms",
            f"`from huggingface_hub import run_job`: {over['official']:.0f} ms",
        ),
    )


def _started(side: str, deed: str, url: str, number: int) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.sides.calling", side, deed, url, str(number)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    pin(process.pid, SERVER_CORE)
    return process


def _absolute(side: str, turns: list[tuple[float, float]], calls: int) -> str:
    rate = statistics.median(calls / seconds for seconds, _ in turns)
    cost = statistics.median(processor / calls for _, processor in turns)
    return f"{side}: {rate:,.0f}/s, {cost * 1e6:.0f} µs CPU"
