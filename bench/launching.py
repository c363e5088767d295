"""The rows about the whole service: how soon, how many at once, how fast it launches and starts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable
from pathlib import Path

from bench.load import Load, drive
from bench.payload import body, requests
from bench.processes import ServerFailed
from bench.service import (
    count,
    old_database,
    rule_that_fires,
    rules_that_rest,
    service_environ,
    serving,
    wait_for,
)
from bench.stub_hub import StubHub
from bench.table import Row, Scale

_PAUSE = 0.03
_PATIENCE = 60.0


def launching(folder: Path, scale: Scale) -> Iterable[Row]:
    """Yield the rows; *folder* is for databases and rules."""
    rule_that_fires(folder / "firing")
    rules_that_rest(folder / "resting", 10)
    yield _idle(folder, scale)
    yield _burst(folder, scale)
    yield _launches(folder, scale)
    yield from _start(folder, scale)


def _idle(folder: Path, scale: Scale) -> Row:
    with StubHub() as hub:
        environ, database = _home(folder, "idle", "firing", hub.url)
        old_database(database)
        with serving(environ) as server:
            waits = [_wait_for_launch(server.port, hub) for _ in range(scale.idle_deliveries)]
    p50, p95 = statistics.median(waits) * 1000, statistics.quantiles(waits, n=20)[18] * 1000
    return Row(
        "accepted → launch POST on the wire, idle",
        "p95 ≤ 50 ms",
        f"p95 {p95:.1f} ms (median {p50:.1f})",
        p95 <= 50,
    )


def _wait_for_launch(port: int, hub: StubHub) -> float:
    time.sleep(_PAUSE)
    before = len(hub.started)
    _send(port, 1, 1)
    answered = time.perf_counter()
    while len(hub.started) == before:
        if time.perf_counter() > answered + _PATIENCE:
            raise ServerFailed("a delivery did not lead to a launch")
        time.sleep(0.001)
    return hub.started[-1] - answered


def _burst(folder: Path, scale: Scale) -> Row:
    with StubHub() as hub:
        environ, database = _home(folder, "burst", "resting", hub.url)
        with serving(environ) as server:
            load = _send(server.port, scale.burst, scale.connections)
            stored = count(database, "SELECT count(*) FROM delivery")
            memory = server.memory("VmHWM")
    lost = load.statuses[202] - stored
    return Row(
        f"burst of {scale.burst:,} deliveries, {scale.connections} connections, 10 rules",
        "all stored ≤ 3 s, none lost, RSS < 150 MiB",
        f"{load.seconds:.2f} s, {scale.burst - stored} not stored, {lost} lost, {memory:.0f} MiB",
        load.seconds <= 3 and stored == scale.burst and memory < 150,
    )


def _launches(folder: Path, scale: Scale) -> Row:
    wanted = scale.launches
    with StubHub() as hub:
        environ, database = _home(folder, "launches", "firing", hub.url)
        old_database(database)
        with serving({**environ, "JOBHOOK_PAUSE": "on"}) as server:
            _send(server.port, wanted, scale.connections)
            ready = "SELECT count(*) FROM launch WHERE state = 'ready'"
            wait_for(database, ready, wanted, seconds=_PATIENCE)
        with serving(environ) as server:
            launched = "SELECT count(*) FROM launch WHERE job_id IS NOT NULL"
            wait_for(database, launched, wanted, seconds=_PATIENCE)
            cpu = server.cpu_seconds() * 1e6 / max(len(hub.started), 1)
    seconds = hub.started[-1] - hub.started[0]
    rate = (len(hub.started) - 1) / seconds
    return Row(
        f"launches against a stub Hub, every state committed ({wanted:,} due)",
        "≥ 300/s on one core",
        f"{rate:,.0f}/s, {len(hub.started) - wanted} too many, {cpu:,.0f} µs CPU each",
        rate >= 300 and len(hub.started) == wanted,
    )


def _start(folder: Path, scale: Scale) -> Iterable[Row]:
    waits, memory = [], []
    with StubHub() as hub:
        environ, database = _home(folder, "start", "resting", hub.url)
        old_database(database)
        for _ in range(scale.starts):
            begun = time.perf_counter()
            with serving(environ) as server:
                waits.append(time.perf_counter() - begun)
                time.sleep(_PAUSE * 10)
                memory.append(server.memory("VmRSS"))
    cold, idle = statistics.median(waits), statistics.median(memory)
    yield Row("cold start to ready", "≤ 0.6 s", f"{cold:.2f} s", cold <= 0.6)
    yield Row("memory when idle", "≤ 60 MiB", f"{idle:.0f} MiB", idle <= 60)


def _home(folder: Path, name: str, rules: str, hub_url: str) -> tuple[dict[str, str], Path]:
    home = folder / name
    home.mkdir()
    return service_environ(home, folder / rules, hub_url), home / "service.db"


def _send(port: int, number: int, connections: int) -> Load:
    # Each for a repo of its own: launches on one would look as if they set one another off.
    next_request = requests("/webhooks/hub", make_body=lambda n: body(repo=f"acme/model-{n}"))
    return drive(port, next_request, connections=connections, count=number)
