"""What a job uses, as it is told while it runs."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from jobhook.devhub.metrics import Usage, usage_of

if TYPE_CHECKING:
    from devhub.conftest import Running

pytestmark = pytest.mark.anyio

# Its child does the work: what is told is of all processes of the job.
BUSY = 'python -c "kept = bytearray(50_000_000)\nwhile True: pass" & wait'


async def test_cpu_and_memory_are_those_of_all_processes_of_the_job(shared: Running) -> None:
    job = await shared.run("sh", "-c", BUSY, flavor="cpu-upgrade")
    url = f"/api/jobs/dev/{job['id']}"
    async with asyncio.timeout(20), shared.http.stream("GET", f"{url}/metrics") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.aiter_lines()
        before = ""
        # That it is busy is told sooner or later, and not in the first samples.
        async for line in lines:
            if line.startswith("data: "):
                assert before == "event: metric"
                sample: dict[str, Any] = json.loads(line.removeprefix("data: "))
                if sample["cpu_usage_pct"] and sample["memory_used_bytes"] > 50_000_000:
                    break
            before = line
        await shared.http.post(f"{url}/cancel")
        # And it ends: after the job, and not before.
        async for line in lines:
            assert line == "" or line.startswith(("event: ", "data: "))
    assert sample.keys() == {
        "cpu_usage_pct", "cpu_millicores", "memory_used_bytes", "memory_total_bytes",
        "rx_bps", "tx_bps", "gpus", "replica",
    }  # fmt: skip
    assert (sample["cpu_millicores"], sample["memory_total_bytes"]) == (8000, 32 * 1024**3)
    assert (sample["gpus"], sample["replica"]) == ({}, job["id"][-5:])


async def test_the_official_client_follows_what_a_job_uses(shared: Running) -> None:
    def use() -> None:
        api = shared.api
        job = api.run_job(image="i", command=["sleep", "60"], namespace="dev")
        (now,) = api.fetch_job_metrics(job_id=job.id, namespace="dev")
        assert now["memory_used_bytes"] >= 0
        seen = 0
        for _ in api.fetch_job_metrics(job_id=job.id, namespace="dev", follow=True):
            seen += 1
            if seen == 3:
                api.cancel_job(job_id=job.id, namespace="dev")
        assert seen >= 3
        assert list(api.fetch_job_metrics(job_id=job.id, namespace="dev")) == []

    await shared.call(use)


async def test_of_a_job_that_is_over_there_is_nothing_to_measure(shared: Running) -> None:
    job = await shared.ended((await shared.run("true"))["id"])
    answer = await shared.http.get(f"/api/jobs/dev/{job['id']}/metrics")
    assert answer.status_code == 406
    assert "not running" in answer.json()["error"]


async def test_who_waits_for_a_job_to_begin_sees_that_the_connection_lives(
    devhub: Running,
) -> None:
    running = [await devhub.run("sleep", "60") for _ in range(4)]
    waiting = await devhub.run("sleep", "60")
    url = f"/api/jobs/dev/{waiting['id']}/metrics"
    async with devhub.http.stream("GET", url) as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == ": keep-alive"
        await devhub.http.post(f"/api/jobs/dev/{running[0]['id']}/cancel")
        async for line in lines:
            if line == "event: metric":
                break
    for job in (*running, waiting):
        await devhub.http.post(f"/api/jobs/dev/{job['id']}/cancel")


def test_a_session_that_is_not_there_uses_nothing() -> None:
    assert usage_of(2**22 + 1) == Usage()
    assert usage_of(os.getsid(0)).memory > 0
