"""The bench runs and tells every row; what it measures is not judged here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from factories import ROOT

ROWS = [
    "durable accept on SQLite, against raw ASGI 202",
    "the same while 20 rules are matched in the process",
    "durable accept with 2 ms more per fsync, against a commit per request",
    "durable accept on PostgreSQL, against raw ASGI 202",
    "durable accept, against adnanh/webhook (Go), which stores nothing",
    "durable accept, against WebhooksServer, which stores nothing",
    "refuse a wrong secret, against raw ASGI 202",
    "20 run_job, 50 at once, against huggingface_hub in 50 threads",
    "20 run_job, 50 at once, against huggingface_hub in 50 threads: CPU per call",
    "5 logs followed by one process, a keep-alive a second each, when idle",
    "`import jobhook`, over a bare interpreter",
    "20 runs through the API, 50 at once, against run_job of the client: CPU per run",
    "20 runs through the API, 50 at once, against run_job of the client: with an Idempotency-Key",
    "the same until each is known to run",
    "5 open feeds, idle (without HTTP)",
    "memory that they take more after 100 further changes, half of them reading",
    "5 open feeds of a service, idle",
    "memory that they take more after 100 further changes, all of them reading",
    "accepted → launch POST on the wire, idle",
    "burst of 100 deliveries, 8 connections, 10 rules",
    "launches against a stub Hub, every state committed (20 due)",
    "cold start to ready",
    "memory when idle",
    "1,000 stored: a page of 100 deliveries on SQLite, any of 128 filters",
    "1,000 stored: a page of 100 launches on SQLite, any of 384 filters",
    "1,000 stored: a page of 100 deliveries on SQLite over HTTP, the 16 slowest filters",
    "1,000 stored: a page of 100 launches on SQLite over HTTP, the 16 slowest filters",
    "1,000 stored: a page of 100 deliveries on PostgreSQL, any of 128 filters",
    "1,000 stored: a page of 100 launches on PostgreSQL, any of 384 filters",
    "1,000 stored: a page of 100 deliveries on PostgreSQL over HTTP, the 16 slowest filters",
    "1,000 stored: a page of 100 launches on PostgreSQL over HTTP, the 16 slowest filters",
    "match one event against 200 rules, of which three fire: typical mix",
    "match one event against 200 rules, of which three fire: half wildcards",
    "typical mix, until it is known which commit to look up",
    "growth from 10 to 200 rules",
    "load 200 rule files, an `if` in every tenth",
    "explain one delivery against 20 rules",
]


@pytest.mark.skipif(sys.platform != "linux", reason="the bench reads /proc")
def test_the_bench_runs_and_tells_every_row(tmp_path: Path) -> None:
    output = tmp_path / "results.md"
    argv = [sys.executable, "-m", "bench", "--quick", "--output", str(output)]
    ran = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    table = output.read_text()
    assert ran.stdout in table
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")]
    assert [row[0].removeprefix("| ") for row in rows[2:]] == ROWS
    assert all(row[2] for row in rows)
    assert ", 0 too many, " in table
    assert ", 0 lost, " in table
