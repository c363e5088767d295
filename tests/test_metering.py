"""What a whole service says of itself."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from factories import NOON
from fakes import HandClock
from jobhook.adapters.counts import Counts
from jobhook.core.errors import StoreUnavailable
from jobhook.core.figures import Figures
from jobhook.core.launches import LaunchState
from jobhook.flows.worker import Worker
from jobhook.hub.endpoints import OTHER
from jobhook.metering import KEPT_MS, Metering
from jobhook.ports import Reads
from jobhook.wiring import Service
from town import SECRET, Town, running_town, until

pytestmark = pytest.mark.anyio

RULE = """\
watch: ["user:@me"]
on: [commit.pushed]
repos: ["dataset:dev/*"]
run:
  image: python:3.12
  command: [python, -c, "print('done')"]
"""


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with running_town(tmp_path) as town:
        town.rule("print", RULE)
        yield town


class Scraped:
    """The samples of one scrape."""

    def __init__(self, text: bytes) -> None:
        self._samples = [
            sample
            for family in text_string_to_metric_families(text.decode())
            for sample in family.samples
        ]

    def sum(self, name: str, **labels: str) -> float:
        return sum(
            sample.value
            for sample in self._samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def values(self, label: str) -> set[str]:
        return {sample.labels[label] for sample in self._samples if label in sample.labels}


async def scrape(service: Service) -> Scraped:
    text, _ = await service.metrics("")
    return Scraped(text)


async def test_what_fails_in_any_part_of_a_service_is_counted(town: Town) -> None:
    town.devhub.chaos.add("whoami status=503 count=1")
    async with town.service() as service:
        reader, writer = await asyncio.open_connection("127.0.0.1", httpx2.URL(service.url).port)
        writer.write(b"GET / HTTP/0.9\r\n\r\n")
        await reader.read()
        writer.close()
        told = await scrape(service)
    assert told.sum("jobhook_connections_refused_total", status="400") == 1
    assert told.sum("jobhook_hub_calls_total", status="503") == 1
    assert told.sum("jobhook_worker_failures_total", worker="Identity", kind="failed") == 1


async def test_a_push_moves_every_part_of_the_service(town: Town) -> None:
    async with town.service() as service:
        sha = await town.push()

        async def ended() -> bool | None:
            launches = await service.store.launches(limit=1)
            return (launches and launches[0].state == LaunchState.COMPLETED) or None

        await until(ended)
        async with httpx2.AsyncClient() as client:
            for secret in ("wrong", SECRET):
                await client.post(
                    f"{service.url}/webhooks/hub",
                    headers={"x-webhook-secret": secret},
                    content=b"not json",
                )

        async def all_decided() -> Scraped | None:
            told = await scrape(service)
            return told if told.sum("jobhook_matching_decided_total", state="unparsed") else None

        told = await until(all_decided)
    assert (
        told.sum("jobhook_ready") == told.sum("jobhook_leading") == told.sum("jobhook_rules") == 1
    )
    assert told.sum("jobhook_intake_answered_total", outcome="unauthorized") == 1
    assert told.sum("jobhook_intake_answered_total", outcome="stored") >= 2
    assert told.sum("jobhook_intake_received_total") == told.sum("jobhook_intake_answered_total")
    assert told.sum("jobhook_matching_decided_total", state="matched") == 1
    assert told.sum("jobhook_matching_seconds_count") >= 2
    for state in ("ready", "sending", "launched", "completed"):
        assert told.sum("jobhook_launches_moved_total", state=state) == 1
    jobs = "/api/jobs/{namespace}"
    assert told.sum("jobhook_hub_calls_total", method="POST", endpoint=jobs, status="200") == 1
    assert told.sum("jobhook_hub_call_seconds_count") == told.sum("jobhook_hub_calls_total")
    assert told.sum("jobhook_commit_writes_sum") >= 2
    assert told.sum("jobhook_limit_dollars") == 20
    assert OTHER not in told.values("endpoint")
    (process,) = told.values("process")
    assert process == f"{socket.gethostname()}:{httpx2.URL(service.url).port}"
    for value in set().union(*(told.values(label) for label in ("endpoint", "reason", "state"))):
        assert not {"corpus", sha, "dev", "print"} & set(value.split("/"))


class FailingReads:
    """Figures that are told, or cannot be."""

    def __init__(self) -> None:
        self.asked = 0
        self.fails = False

    async def figures(self, now: int) -> Figures:
        self.asked += 1
        if self.fails:
            raise StoreUnavailable("gone")
        return Figures(pauses=self.asked)


def metering(reads: Any, clock: HandClock) -> Metering:
    return Metering(
        cast(Reads, reads),
        Counts(),
        clock,
        process="host:1",
        is_ready=lambda: True,
        rules=lambda: 0,
        limit_usd=1.0,
    )


async def pauses(told: Metering) -> float:
    text, _ = await told.exposition()
    return Scraped(text).sum("jobhook_pauses")


async def test_the_store_is_asked_once_in_a_while_however_often_somebody_scrapes() -> None:
    reads, clock = FailingReads(), HandClock()
    told = metering(reads, clock)
    assert [await pauses(told), await pauses(told)] == [1, 1]
    clock.now += KEPT_MS
    assert await pauses(told) == 2
    clock.now = NOON - 1
    assert await pauses(told) == 3


async def test_a_store_that_fails_is_told_of_and_asked_again_later() -> None:
    reads, clock = FailingReads(), HandClock()
    told = metering(reads, clock)
    reads.fails = True
    text, _ = await told.exposition()
    assert Scraped(text).sum("jobhook_store_readable") == 0
    assert b"jobhook_pauses" not in text
    reads.fails = False
    clock.now += KEPT_MS
    assert await pauses(told) == 2


async def test_a_receiver_leads_nothing_and_knows_no_quota() -> None:
    text, _ = await metering(FailingReads(), HandClock()).exposition()
    assert Scraped(text).sum("jobhook_leading") == 0
    assert b"jobhook_hub_quota_calls_left{" not in text


class Failing(Worker):
    """Fails in the way that it is told to, once."""

    def __init__(self, failure: Exception) -> None:
        super().__init__()
        self._failure = failure

    async def step(self) -> bool:
        self.stop()
        raise self._failure


@pytest.mark.parametrize(
    ("failure", "kind"), [(StoreUnavailable("full"), "failed"), (KeyError("x"), "broken")]
)
async def test_a_step_that_fails_is_counted(failure: Exception, kind: str) -> None:
    counts = Counts()
    worker = Failing(failure)
    worker.meter = counts
    await worker.run()
    assert counts.failures == {("Failing", kind): 1}


def test_nothing_of_prometheus_is_loaded_before_it_is_asked_for() -> None:
    code = "import sys, jobhook.wiring; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
