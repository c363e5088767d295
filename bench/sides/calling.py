"""
One client of the Hub: SIDE DEED URL NUMBER, with SIDE `jobhook` or `official`.

`run` starts NUMBER jobs, fifty at once, and prints the seconds and the seconds of processor time
that took. `follow` follows NUMBER logs until it is told to stop (a line on stdin).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

AT_ONCE = 50
JOB = {"image": "python:3.12", "command": ["python", "-V"], "env": {"AB": "1"}, "timeout": "1h"}


def _told(begun: tuple[float, float]) -> None:
    seconds, processor = time.perf_counter() - begun[0], time.process_time() - begun[1]
    print(json.dumps({"seconds": seconds, "processor": processor}), flush=True)  # noqa: T201


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _official(url: str, number: int) -> None:
    from huggingface_hub import HfApi

    api = HfApi(endpoint=url, token="hf_bench")  # noqa: S106 - it opens nothing

    def run(at: int) -> None:
        api.run_job(namespace="acme", name=f"n{at}", **JOB)  # type: ignore[arg-type]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(run, range(AT_ONCE)))
        begun = _now()
        list(pool.map(run, range(number)))
        _told(begun)


async def _ours(url: str, number: int) -> None:
    from jobhook import AsyncHub

    async with AsyncHub(url, "hf_bench") as hub:

        async def run(turns: list[int]) -> None:
            while turns:
                await hub.run_job(namespace="acme", name=f"n{turns.pop()}", **JOB)  # type: ignore[arg-type]

        async def run_all(turns: list[int]) -> None:
            await asyncio.gather(*(run(turns) for _ in range(AT_ONCE)))

        await run_all(list(range(AT_ONCE)))
        begun = _now()
        await run_all(list(range(number)))
        _told(begun)


async def _follow(url: str, number: int) -> None:
    from jobhook import AsyncHub

    async with AsyncHub(url, "hf_bench") as hub:

        async def read(job: int) -> None:
            async for _ in hub.fetch_job_logs(job_id=str(job), namespace="acme", follow=True):
                pass

        readers = [asyncio.create_task(read(job)) for job in range(number)]
        await asyncio.to_thread(sys.stdin.readline)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)


def main() -> None:
    """Do what the arguments say."""
    side, deed, url, number = sys.argv[1:]
    if side == "official":
        _official(url, int(number))
    else:
        import uvloop

        uvloop.run((_ours if deed == "run" else _follow)(url, int(number)))


if __name__ == "__main__":
    main()
