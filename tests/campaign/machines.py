"""Real processes of a campaign: a devhub, services that are killed, and what the Hub delivers."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

import canaries
from jobhook.devhub import TOKEN
from ports import free_port

SECRET = canaries.WEBHOOK
# The limits have tests of their own: here nothing may wait for a day.
NO_LIMITS = {
    "JOBHOOK_RULE_REPO_PER_HOUR": "999999999",
    "JOBHOOK_RULE_REPO_PER_DAY": "999999999",
    "JOBHOOK_RULE_USD_PER_DAY": "999999999",
    "JOBHOOK_USD_PER_DAY": "999999999",
    "JOBHOOK_CHAIN_DEPTH": "999999999",
    "JOBHOOK_ROOT_FANOUT": "999999999",
}
# What each job does; a delivery chooses by the name of its repo.
QUICK_JOBS, LONG_JOBS = "corpus", "novel"
_RULE = """\
id: {name}
on: [commit.pushed]
repos: ["dataset:acme/{name}-*"]
run: {{image: python:3.12, command: [sleep, "{seconds}"], timeout: 60s}}
"""
TESTS = Path(__file__).parent.parent
_READY_SECONDS = 60.0
_LOOK_AGAIN = 0.02


class Machine:
    """One process that is started, killed and started again."""

    def __init__(self, arguments: Sequence[str], port: int, environ: dict[str, str], log: Path):
        self.url = f"http://127.0.0.1:{port}"
        self.log = log
        self._arguments = [sys.executable, *arguments, "--port", str(port)]
        # Nothing of whoever runs this; the coverage of child processes is of no use here.
        self._environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(TESTS), **environ}
        self._process: asyncio.subprocess.Process | None = None

    def doomed(self, place: str, action: str, nth: int = 1) -> Machine:
        """Return the same machine, but one that dies or fails at a fail-point."""
        twin = copy.copy(self)
        python, _, _, *command = self._arguments
        twin._arguments = [python, "-m", "campaign.doomed", place, action, str(nth), *command]
        twin._process = None
        return twin

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._arguments, env=self._environ, stdout=log, stderr=log
            )

    async def ready(self, path: str = "/healthz") -> None:
        """Wait until it answers; fails if it ends instead."""
        end = time.monotonic() + _READY_SECONDS
        async with httpx2.AsyncClient(base_url=self.url, verify=False) as client:
            while time.monotonic() < end and self.runs:
                with contextlib.suppress(httpx2.HTTPError):
                    if (await client.get(path)).is_success:
                        return
                await asyncio.sleep(_LOOK_AGAIN)
        raise AssertionError(f"{self.url} is not ready:\n{self.tail()}")

    async def gone(self, seconds: float = _READY_SECONDS) -> None:
        """Wait until it has ended by itself."""
        assert self._process is not None
        async with asyncio.timeout(seconds):
            await self._process.wait()

    async def tell(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
            await self._process.wait()

    def tail(self) -> str:
        return self.log.read_bytes()[-3000:].decode(errors="replace") if self.log.exists() else ""


class DevHubMachine(Machine):
    """A devhub of its own, with its faults and its ledger."""

    def __init__(self, folder: Path) -> None:
        arguments = ["-m", "jobhook", "devhub"]
        super().__init__(arguments, free_port(), {"HOME": str(folder)}, folder / "devhub.log")

    async def faults(self, *faults: str, seed: int) -> None:
        await self._admin("POST", "chaos", json={"faults": faults, "seed": seed})

    async def no_faults(self) -> Any:
        return await self._admin("DELETE", "chaos")

    async def ledger(self) -> list[dict[str, Any]]:
        """Every job that was ever taken on, whatever the faults tell of it."""
        entries: list[dict[str, Any]] = await self._admin("GET", "ledger")
        return entries

    async def _admin(self, method: str, path: str, **given: Any) -> Any:
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with httpx2.AsyncClient(verify=False, timeout=60, headers=headers) as client:
            answer = await client.request(method, f"{self.url}/_devhub/{path}", **given)
            assert answer.is_success, answer.text
            return answer.json()


def service(
    folder: Path, hub: DevHubMachine, database: str, name: str = "service", **environ: str
) -> Machine:
    """A service on *database* whose jobs run on *hub*."""
    rules = folder / "rules"
    rules.mkdir(exist_ok=True)
    for jobs, seconds in ((QUICK_JOBS, "0"), (LONG_JOBS, "20")):
        (rules / f"{jobs}.yaml").write_text(_RULE.format(name=jobs, seconds=seconds))
    settings = {
        "HOME": str(folder),
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": TOKEN,
        "JOBHOOK_DATABASE": database,
        "JOBHOOK_RULES": str(rules),
        "JOBHOOK_WEBHOOK_SECRETS": SECRET,
        **canaries.FOR_EVERY_SERVICE,
        **NO_LIMITS,
        **environ,
    }
    return Machine(["-m", "jobhook", "serve"], free_port(), settings, folder / f"{name}.log")


def push(number: int, name: str = QUICK_JOBS) -> bytes:
    """The body of a delivery that sets the rule *name* off, like no other one."""
    payload = {
        "event": {"action": "update", "scope": "repo.content"},
        "repo": {"type": "dataset", "name": f"acme/{name}-{number % 50}", "private": False},
        "updatedRefs": [
            {"ref": "refs/heads/main", "oldSha": f"{number:040x}", "newSha": f"{number + 1:040x}"}
        ],
    }
    return json.dumps(payload).encode()


@dataclass
class Deliveries:
    """
    What the Hub would do: send each until it is acknowledged, and some of them again.

    Attributes:
        again: How likely it is that one is sent once more, each time.
        name: The rule that they set off.
        fires: One of so many does; the others set nothing off.
        acknowledged: The body of every delivery that was answered 2xx, by its id.
    """

    urls: Sequence[str]
    chance: random.Random
    again: float = 0.3
    name: str = QUICK_JOBS
    fires: int = 1
    acknowledged: dict[str, bytes] = field(default_factory=dict)
    sent: int = 0

    @property
    def owed(self) -> set[str]:
        """The ids of those acknowledged that have to lead to a launch."""
        return {webhook_id for webhook_id in self.acknowledged if self._fires(int(webhook_id[1:]))}

    def _fires(self, number: int) -> bool:
        return number % self.fires == 0

    async def send(self, count: int, *, per_second: float) -> None:
        """Send *count* new ones, not faster than so many a second."""
        async with self._client() as client, asyncio.TaskGroup() as group:
            for number in range(self.sent, self.sent + count):
                group.create_task(self._deliver(client, number))
                await asyncio.sleep(self.chance.expovariate(per_second))
        self.sent += count

    async def send_all_again(self) -> None:
        """Send whatever was acknowledged once more, as after a loss of the database."""
        room = asyncio.Semaphore(16)

        async def once(client: httpx2.AsyncClient, webhook_id: str, body: bytes) -> None:
            async with room:
                await self._until_acknowledged(client, webhook_id, body)

        async with self._client() as client, asyncio.TaskGroup() as group:
            for webhook_id, body in list(self.acknowledged.items()):
                group.create_task(once(client, webhook_id, body))

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[httpx2.AsyncClient]:
        async with httpx2.AsyncClient(
            verify=False, timeout=15, limits=httpx2.Limits(max_keepalive_connections=0)
        ) as client:
            yield client

    async def _deliver(self, client: httpx2.AsyncClient, number: int) -> None:
        name = self.name if self._fires(number) else "of-nobody"
        webhook_id, body = f"w{number}", push(number, name)
        await self._until_acknowledged(client, webhook_id, body)
        self.acknowledged[webhook_id] = body
        while self.chance.random() < self.again:
            await asyncio.sleep(self.chance.random())
            await self._until_acknowledged(client, webhook_id, body)

    async def _until_acknowledged(
        self, client: httpx2.AsyncClient, webhook_id: str, body: bytes
    ) -> None:
        while not await self._answered_2xx(client, webhook_id, body):  # noqa: ASYNC110
            await asyncio.sleep(0.05 + self.chance.random() / 5)

    async def _answered_2xx(self, client: httpx2.AsyncClient, webhook_id: str, body: bytes) -> bool:
        url = f"{self.chance.choice(self.urls)}/webhooks/hub"
        headers = {"x-webhook-secret": SECRET, "webhook-id": webhook_id}
        try:
            answer = await client.post(url, content=body, headers=headers)
        except httpx2.HTTPError:
            return False
        # Nothing but a full, deliberate refusal may come instead.
        assert answer.status_code in (200, 202, 503), (answer.status_code, answer.text)
        return answer.is_success
