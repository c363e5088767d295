"""Every command, here and through a service elsewhere: it prints and ends the same."""

from __future__ import annotations

import asyncio
import io
import re
import shlex
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from commands import Ran, Run
from jobhook.adapters.logs import configure_logs
from jobhook.cli import following
from jobhook.hub.client import AsyncHub
from jobhook.wiring import Service
from town import Town, running_town, until

ADMIN_TOKEN = "jh_" + "a" * 43
RULE = """
watch: [user:dev]
on: [commit.pushed]
verify: "off"
skip_marker: false
run: {image: i, command: [python3, -c, pass]}
"""
HELLO = ("python:3.12", "python3", "-c", "print('a'); print('b\\tc')")
# What differs between two things that were made one after the other.
_OWN = re.compile(r"\b[0-9a-f]{24}\b|\d{4}-\d\d-\d\dT[\d:.]+Z|\d\d-\d\d \d\d:\d\d:\d\d|_secs\W+\d+")


@dataclass(frozen=True)
class Sides:
    """A service beside a devhub, as it is asked on its own machine and from elsewhere."""

    here: Mapping[str, str]
    elsewhere: Mapping[str, str]
    ids: Mapping[str, str]


@asynccontextmanager
async def both_sides(town: Town) -> AsyncIterator[Sides]:
    town.rule("retrain", RULE)
    async with town.service(JOBHOOK_ADMIN_TOKEN=ADMIN_TOKEN) as service, town.hub() as hub:
        yield Sides(
            here=town.environment(),
            elsewhere={"JOBHOOK_URL": service.url, "JOBHOOK_TOKEN": ADMIN_TOKEN},
            ids=await prepared(town, service, hub),
        )


async def prepared(town: Town, service: Service, hub: AsyncHub) -> dict[str, str]:
    """Let things happen, and return what they are known by."""
    await town.push()

    async def over() -> str | None:
        found = await service.store.launches(limit=0)
        return next((each.id for each in found if each.state.is_final), None)

    launch = await until(over)
    (delivery, _), *_ = await service.store.deliveries(limit=1)
    job = await hub.run_job(
        image="python:3.12",
        command=["python3", "-c", "print('a'); print('b')"],
        env={"AA": "1"},
        secrets={"SECRET": "x"},
        labels={"team": "data"},
    )
    await hub.wait_for_job(job.id)
    schedule = await hub.create_scheduled_job(
        image="python:3.12", command=["true"], schedule="@monthly", labels={"team": "data"}
    )
    (webhook, *_) = await hub.list_webhooks()
    return {
        "JOB": job.id,
        "SCHEDULE": schedule.id,
        "WEBHOOK": webhook.id,
        "DELIVERY": delivery.id,
        "LAUNCH": launch,
        "NONE": "0" * 24,
    }


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    folder = tmp_path_factory.mktemp("town")
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(running_town(folder)) as town,
        portal.wrap_async_context_manager(both_sides(town)) as both,
    ):
        yield both


@pytest.fixture
def both(sides: Sides, run: Run, monkeypatch: pytest.MonkeyPatch) -> Both:
    # The service runs in this process: what it logs is no output of a command.
    configure_logs(stream=io.BytesIO())
    monkeypatch.setattr(following, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr("jobhook.flows.stopping._LOOK_AGAIN_SECONDS", 0)
    return Both(sides, run, monkeypatch)


class Both:
    """Runs a command on both sides."""

    def __init__(self, sides: Sides, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        self._sides, self._run, self._monkeypatch = sides, run, monkeypatch

    def here(self, words: str) -> Ran:
        return self._ran(self._sides.here, words)

    def elsewhere(self, words: str, **environment: str) -> Ran:
        return self._ran({**self._sides.elsewhere, **environment}, words)

    def steps(self, side: Callable[[str], Ran], steps: list[str]) -> list[tuple[int, str]]:
        """What each of *steps* printed and how it ended, without what is its own."""
        told, last = [], ""
        for step in steps:
            ran = side(step.replace("LAST", last))
            last = last or ran.out.strip()
            told.append((ran.code, _OWN.sub("…", f"{ran.out}{ran.err}")))
        return told

    def _ran(self, environment: Mapping[str, str], words: str) -> Ran:
        with self._monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            return self._run(*(self._sides.ids.get(word, word) for word in shlex.split(words)))


READS = [
    "jobs ls -a",
    "jobs ls --json",
    "jobs ls -a -q --label team=data",
    "jobs ls --status completed --json",
    "jobs inspect JOB",
    "jobs inspect JOB --json",
    "jobs logs JOB",
    "jobs logs -n 1 JOB",
    "jobs stats JOB",
    "jobs wait JOB",
    "jobs wait JOB JOB --json --timeout 5",
    "jobs hardware",
    "jobs hardware --json",
    "schedules ls",
    "schedules ls -a --json",
    "schedules inspect SCHEDULE",
    "schedules inspect SCHEDULE --json",
    "webhooks ls",
    "webhooks info WEBHOOK",
    "deliveries ls",
    "deliveries ls --json --limit 0",
    "deliveries ls --state conflict",
    "deliveries show DELIVERY",
    "deliveries show DELIVERY --json",
    "deliveries show DELIVERY --raw",
    "launches ls",
    "launches ls --json --rule retrain",
    "launches ls --delivery DELIVERY",
    "launches show LAUNCH",
    "launches show LAUNCH --json",
    "rules list",
    "rules list --json",
    "rules explain DELIVERY",
    "rules explain DELIVERY --rule retrain --offline",
    "token ls --json",
    "audit ls",
    "audit ls --json --limit 3",
    "pause --list",
    "pause --list --json",
    "jobs run --dry-run python:3.12 true",
]
# What cannot be: the sentence is the same as well.
REFUSED = [
    "jobs inspect NONE",
    "jobs inspect 'no id'",
    "jobs logs NONE",
    "jobs ls --namespace nobody",
    "jobs run --timeout 0 python:3.12 true",
    "jobs uv run not-there.py",
    "schedules inspect NONE",
    "schedules run never python:3.12 true",
    "webhooks info NONE",
    "webhooks create --url https://x.test --watch planet:mars",
    "deliveries show nothing",
    "launches show launched",
    "launches show DELIVERY",
    "launches retry nothing --yes",
    "launches release LAUNCH --yes --json",
    "launches cancel LAUNCH NONE --yes",
    "deliveries replay nothing --yes",
    "resume",
]
# One after the other on either side: each step has what the one before it printed as LAST.
CHANGES = [
    [
        "jobs run -d --label a=b -e AA=1 -s SECRET=x python:3.12 sleep 60",
        "jobs labels LAST --name n",
        "jobs expose LAST 8000 --public 9000",
        "jobs cancel LAST",
        "jobs wait LAST -q",
    ],
    [f"jobs run {shlex.join(HELLO)}"],
    ["jobs run -q python:3.12 sh -c 'exit 3'"],
    ["jobs uv run --env AA=1 hello.py 1 2"],
    ["jobs rerun JOB"],
    [
        "schedules run -q @daily python:3.12 true",
        "schedules suspend LAST",
        "schedules resume LAST",
        "schedules reschedule LAST @weekly",
        "schedules labels LAST --label a=b",
        "schedules trigger LAST",
        "schedules delete LAST",
        "schedules inspect LAST",
    ],
    ["schedules uv run -q '0 6 * * 1' hello.py", "schedules delete LAST -q"],
    [
        "webhooks create -q --url https://x.test --watch user:dev --secret 0123456789abcdef",
        "webhooks update LAST --watch model:dev/m",
        "webhooks disable LAST",
        "webhooks enable LAST --json",
        "webhooks delete LAST --yes",
    ],
    ["pause --reason 'for a while'", "resume --json"],
    ["pause --rule retrain --json", "resume --rule retrain"],
    ["token revoke nothing"],
    ["stop-all --yes --json", "resume"],
]


@pytest.mark.parametrize("words", READS)
def test_what_is_told_is_the_same_byte_for_byte(both: Both, words: str) -> None:
    here, elsewhere = both.here(words), both.elsewhere(words)
    assert here.code == 0, here.err
    assert (elsewhere.code, elsewhere.out) == (here.code, here.out), elsewhere.err


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_done_ends_in_the_same_way(both: Both, words: str) -> None:
    here, elsewhere = both.here(words), both.elsewhere(words)
    assert here.code != 0
    assert (elsewhere.code, elsewhere.out, elsewhere.err) == (here.code, here.out, here.err)


@pytest.mark.parametrize("steps", CHANGES, ids=lambda steps: steps[0])
def test_what_is_changed_is_told_in_the_same_words(
    both: Both, tmp_path: Path, steps: list[str]
) -> None:
    (tmp_path / "hello.py").write_text("import sys\nprint(sys.argv[1:])\n")
    here, elsewhere = both.steps(both.here, steps), both.steps(both.elsewhere, steps)
    assert elsewhere == here


def test_a_token_is_made_and_revoked_in_the_same_words(both: Both) -> None:
    told = [made_and_revoked(side) for side in (both.here, both.elsewhere)]
    assert told[0] == told[1]
    assert told[0][1][0] == "ID: ci is revoked: it opens nothing any more\n"


def made_and_revoked(side: Callable[[str], Ran]) -> tuple[list[str], list[str]]:
    """The keys of what is told of a token, and what is told of revoking it, twice."""
    made = side("token create ci --role viewer --expires 30d --json").json
    revoked = [side(f"token revoke {made['id']}") for _ in range(2)]
    assert [ran.code for ran in revoked] == [0, 1]
    return list(made), [ran.out.replace(made["id"], "ID") for ran in revoked]


def test_what_a_role_may_not_do_is_told_in_one_sentence(both: Both) -> None:
    token = both.here("token create watcher --role viewer").out.strip()
    assert both.elsewhere("jobs ls", JOBHOOK_TOKEN=token).code == 0
    ran = both.elsewhere("pause", JOBHOOK_TOKEN=token)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "jobhook: this needs the role operator, and the token is a viewer\n"


def test_a_run_whose_answer_is_lost_starts_one_job(both: Both, sides: Sides) -> None:
    relay = LossyRelay(sides.elsewhere["JOBHOOK_URL"])
    with start_blocking_portal() as portal:
        url = portal.call(relay.start)
        words = "jobs run -d --label lost=answer python:3.12 true"
        ran = both.elsewhere(words, JOBHOOK_URL=url)
        portal.call(relay.stop)
    assert (ran.code, relay.lost) == (0, 1), ran.err
    assert both.here("jobs ls -a -q --label lost=answer").out == ran.out


class LossyRelay:
    """Stands before a service, and loses its first answer to a POST."""

    def __init__(self, url: str) -> None:
        self._port = int(url.rpartition(":")[2])
        self.lost = 0

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_service, to_service = await asyncio.open_connection("127.0.0.1", self._port)
        asked = await reader.readuntil(b"\r\n\r\n")
        to_service.write(asked)
        passing = asyncio.create_task(passed_on(reader, to_service))
        while told := await from_service.read(65536):
            if asked.startswith(b"POST") and not self.lost:
                self.lost += 1
                break
            writer.write(told)
        passing.cancel()
        to_service.close()
        writer.close()


async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while told := await reader.read(65536):
        writer.write(told)
    writer.close()
