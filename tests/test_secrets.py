"""
No secret is told (threats T20, T21 and T33), whatever happens to a service.

One service on each store lives through what could make it talk: it is knocked at with its secrets
in the wrong places, its Hub says back what it is told, it is killed with a dump, and started again
on what is damaged. All that can be seen of it is kept, and each kind of it looked through.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import logging
import os
import signal
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

import canaries
from campaign.machines import Machine
from jobhook import failpoints
from jobhook.adapters.control import socket_path
from jobhook.adapters.logs import configure_logs
from jobhook.core.operations import Deed, Order, order_to_json
from jobhook.devhub import DevHub
from jobhook.hub.client import AsyncHub
from jobhook.settings import SETTINGS
from jobhook.web.serving import listen, url_of
from jobhook.wiring import running_devhub
from ports import free_port
from postgres import Cluster
from town import running_town, until
from witness import EchoingHub, dumped, exchange, of_process, processes_below

USERS = [{"name": "ann", "token": canaries.SAVED_HUB}]
FILES = {
    "JOBHOOK_WEBHOOK_SECRETS": f"{canaries.ODD_WEBHOOK},{canaries.OLD_WEBHOOK}",
    "JOBHOOK_SIGNING_KEYS": f"{canaries.SIGNING},{canaries.OLD_SIGNING}",
    "JOBHOOK_ADMIN_TOKEN": canaries.ADMIN,
    "JOBHOOK_SECRET_ODD": canaries.ODD_FOR_JOBS,
    "JOBHOOK_SECRET_PLAIN": canaries.FOR_JOBS,
}
ECHOED = (400, 401, 408, 429, 500)
RULE = """\
id: {name}
watch: [user:ann]
on: [commit.pushed]
repos: ["dataset:ann/{name}"]
verify: "off"
skip_marker: false
run: {{image: python:3.12, command: [{command}], timeout: 60s, env: {{NAME: {name}}}{more}}}
"""
HANDED = ", secrets: [ODD, PLAIN]"


@dataclass
class Seen:
    """All that could be seen of a service, by where."""

    log: bytes = b""
    answers: bytes = b""
    orders: bytes = b""
    database: bytes = b""
    files: bytes = b""
    argv: bytes = b""
    own_environment: bytes = b""
    job_environments: dict[str, bytes] = field(default_factory=dict)
    commands: bytes = b""
    hub: EchoingHub | None = None

    @property
    def asked(self) -> list[Any]:
        assert self.hub
        return self.hub.asked


class Life:
    """A service that takes its secrets from files, and what happens to it."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder
        self.database = database
        self.seen = Seen()
        self.given = folder / "given"
        self.home = folder / "home"
        for path in (self.given, self.home, self.home / "rules"):
            path.mkdir()
        self._rule("bare", 'sleep, "60"')
        self._rule("handed", 'sleep, "60"', HANDED, "pass_webhook_secret: true\n")
        for status in ECHOED:
            self._rule(f"echo-{status}", f"echo-{status}", HANDED)

    def _rule(self, name: str, command: str, more: str = "", last: str = "") -> None:
        text = RULE.format(name=name, command=command, more=more)
        (self.home / "rules" / f"{name}.yaml").write_text(text + last)

    def environment(self, hub: str) -> dict[str, str]:
        """No value of a secret, but the names of files that hold them."""
        files = {**FILES, "JOBHOOK_DATABASE": self.database}
        for name, value in {**files, "token": canaries.SAVED_HUB}.items():
            (self.given / name).write_text(value)
        return {
            "HOME": str(self.home),
            "HF_ENDPOINT": hub,
            "HF_TOKEN_PATH": str(self.given / "token"),
            "JOBHOOK_RULES": str(self.home / "rules"),
            "JOBHOOK_QUERY_SECRET": "on",
            "JOBHOOK_PUBLIC_URL": "http://127.0.0.1:9",
            "JOBHOOK_REGISTER": "on",
            "PYTHONFAULTHANDLER": "1",
            **{f"{name}_FILE": str(self.given / name) for name in files},
        }

    async def live(self) -> Seen:
        users = self.given / "users.json"
        users.write_text(json.dumps(USERS))
        with listen("127.0.0.1", 0) as listener:
            devhub = DevHub(url_of(listener), users=users)
            self.seen.hub = EchoingHub(devhub.app, len(ECHOED))
            devhub.app = self.seen.hub
            async with running_devhub(devhub, listener):
                await self._serve(url_of(listener))
        self.seen.files = b"".join(
            path.name.encode() + path.read_bytes()
            for path in sorted(self.home.rglob("*"))
            if path.is_file()
        )
        return self.seen

    async def _serve(self, hub: str) -> None:
        port = free_port()
        environment = self.environment(hub)
        machine = Machine(["-m", "jobhook", "serve"], port, environment, self.home / "log")
        await machine.start()
        try:
            await machine.ready("/readyz")
            await self._logged("webhook.registered")
            await self._knock(port)
            await self._jobs_start(hub)
            for status in ECHOED:
                await self._logged(f'"rule":"echo-{status}"', f"the Hub answered {status}")
            self._look_around()
            await self._order()
            await self._commands(environment)
            self.seen.database = await self._stored()
            await machine.end(signal.SIGABRT)
            self._damage()
            await machine.start()
            await machine.gone()
        finally:
            await machine.end()
        self.seen.log = (self.home / "log").read_bytes()

    async def _logged(self, *texts: str) -> None:
        async def look() -> bool | None:
            lines = (self.home / "log").read_text(errors="replace").splitlines()
            return any(all(text in line for text in texts) for line in lines) or None

        await until(look)

    async def _knock(self, port: int) -> None:
        first, second = FILES["JOBHOOK_WEBHOOK_SECRETS"].split(",")
        pushes = ["bare", "handed", *(f"echo-{status}" for status in ECHOED)]
        authentic = [_post(_push(name), first, name) for name in pushes]
        wrong = [
            _post(b"{", second, "not JSON"),
            _post(_push("bare"), second, "bare"),
            _post(b"", first + "x", "w"),
            _post(b"", f"{first}\r\nX-Webhook-Secret: {second}", "w"),
            _post(b"x" * (1024 * 1024 + 1), second, "w"),
            _post(b"", f"{second}\r\nContent-Encoding: gzip", "w"),
            _post(b"", "no", "w", f"?secret={second}&secret={second}"),
            _post(b"{}", "no", "w", f"/{second}"),
            _get(f"/payloads/{canaries.SIGNING}"),
            _get(f"/{canaries.FOR_JOBS}", f"Authorization: Bearer {canaries.SAVED_HUB}"),
            _get("/api/v1/audit", f"Authorization: Bearer {canaries.ADMIN}"),
            _get(f"/api/v1/me?token={canaries.ADMIN}", f"Authorization: Basic {canaries.ADMIN}"),
            _get("/readyz", f"Cookie: {canaries.WEBHOOK}", "Transfer-Encoding: gzip"),
            f"{canaries.OLD_WEBHOOK}\r\n\r\n".encode(),
        ]
        self.seen.answers = await exchange("127.0.0.1", port, *authentic, *wrong)

    async def _jobs_start(self, hub: str) -> None:
        async with AsyncHub(hub, canaries.SAVED_HUB, retries=0) as asking:

            async def look() -> bool | None:
                jobs = await asking.list_jobs(namespace="ann")
                return [job.status.stage for job in jobs] == ["RUNNING"] * 2 or None

            await until(look)

    def _look_around(self) -> None:
        for pid in processes_below(os.getpid()):
            command, environment = of_process(pid, "cmdline"), of_process(pid, "environ")
            self.seen.argv += command
            if b"jobhook\0serve\0" in command:
                self.seen.own_environment += environment
            for name in ("bare", "handed"):
                if f"\0NAME={name}\0".encode() in b"\0" + environment:
                    self.seen.job_environments[name] = environment

    async def _order(self) -> None:
        if not self.database.startswith("sqlite"):
            return
        path = socket_path(self.home / "jobhook.db")
        for line in (
            order_to_json(Order(deed=Deed.RETRY, by="ann", ids=("0" * 32,))),
            order_to_json(Order(deed=Deed.RESUME, by="ann")),
            b"{}",
        ):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(line + b"\n")
            self.seen.orders += await asyncio.wait_for(reader.read(), 20)
            writer.close()

    async def _commands(self, environment: dict[str, str]) -> None:
        """What the commands tell of this service that only a whole one has."""
        for words in (("doctor", "--json"), ("launches", "ls", "--json"), ("launches", "ls")):
            process = await asyncio.create_subprocess_exec(
                *(Machine([], 0, {}, self.home)._arguments[0], "-m", "jobhook", *words),
                env={"PATH": os.environ["PATH"], **environment},
                cwd=self.home,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            self.seen.commands += (await process.communicate())[0]

    async def _stored(self) -> bytes:
        if self.database.startswith("postgresql"):
            return await dumped(self.database)
        return b"".join(path.read_bytes() for path in self.home.glob("jobhook.db*") if _read(path))

    def _damage(self) -> None:
        path = self.home / "jobhook.db"
        if path.exists():
            content = bytearray(path.read_bytes())
            content[4096:] = os.urandom(len(content) - 4096)
            path.write_bytes(content)
        else:
            wrong = self.database.replace(canaries.DATABASE, canaries.DATABASE[::-1] + "%20")
            (self.given / "JOBHOOK_DATABASE").write_text(wrong)


def _read(path: Path) -> bool:
    return path.is_file()


def _push(name: str, sha: str = "b" * 40) -> bytes:
    payload = {
        "event": {"action": "update", "scope": "repo.content"},
        "repo": {"type": "dataset", "name": f"ann/{name}", "private": False, "id": "a" * 24},
        "updatedRefs": [{"ref": "refs/heads/main", "oldSha": "a" * 40, "newSha": sha}],
    }
    return json.dumps(payload).encode()


def _post(body: bytes, secret: str, webhook_id: str, query: str = "") -> bytes:
    lines = [
        f"POST /webhooks/hub{query} HTTP/1.1",
        "Host: x",
        "Connection: close",
        f"X-Webhook-Secret: {secret}",
        f"Webhook-Id: {webhook_id}",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _get(path: str, *headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode()


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder = tmp_path_factory.mktemp("secrets")
    url = f"sqlite:///{folder / 'home' / 'jobhook.db'}"
    if request.param == "postgres":
        cluster: Cluster = request.getfixturevalue("postgres")
        url = cluster.url(cluster.create())
    return asyncio.run(Life(folder, url).live())


# What is certainly there, so that nothing is passed by looking at nothing.
PLACES: dict[str, tuple[Callable[[Seen], bytes], tuple[bytes, ...]]] = {
    "log": (
        lambda seen: seen.log,
        (b"service.started", b"webhook.registered", b"the Hub answered 500", b"Fatal Python error"),
    ),
    "answers": (
        lambda seen: seen.answers,
        (b" 200 OK", b" 202 ", b" 401 ", b" 413 ", b" 415 ", b" 404 ", b" 400 "),
    ),
    "database": (lambda seen: seen.database, (b"ann/handed", b"the Hub answered 400")),
    "files": (lambda seen: seen.files, (b"service.started", b"id: handed")),
    "argv": (lambda seen: seen.argv, (b"jobhook\0serve", b"sleep\00060")),
    "environment": (lambda seen: seen.own_environment, (b"JOBHOOK_SECRET_ODD_FILE=",)),
    "commands": (lambda seen: seen.commands, (b"the Hub answered 400", b'"check"')),
    "what the Hub tells": (
        lambda seen: bytes(seen.hub.answered) if seen.hub else b"",
        (b'"secrets":["ODD","PLAIN"', b'"hasSecret"'),
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_is_seen_in(seen: Seen, place: str) -> None:
    look, there = PLACES[place]
    content = look(seen)
    assert [text for text in there if text not in content] == []
    assert not canaries.seen_in(content)


def test_no_secret_is_in_what_is_answered_to_orders(seen: Seen) -> None:
    assert not canaries.seen_in(seen.orders)


def test_a_job_has_the_secrets_that_its_rule_names_and_no_other(seen: Seen) -> None:
    environments = seen.job_environments
    variables = dict(
        line.split("=", 1)
        for line in environments["handed"].decode().split("\0")
        if line and canaries.seen_in(line)
    )
    assert variables == {
        "ODD": canaries.ODD_FOR_JOBS,
        "PLAIN": canaries.FOR_JOBS,
        "WEBHOOK_SECRET": canaries.ODD_WEBHOOK,
    }
    assert b"WEBHOOK_PAYLOAD=" in environments["bare"]
    assert not canaries.seen_in(environments["bare"])


def test_the_hub_gets_secrets_where_it_keeps_them_and_nowhere_else(seen: Seen) -> None:
    told: set[str] = set()
    for asked in seen.asked:
        if canaries.seen_in(asked.headers.pop("authorization", "")):
            told.add("authorization")
        said = asked.said()
        for name in ("secrets", "secret"):
            if canaries.seen_in(json.dumps(said.pop(name, None), ensure_ascii=False)):
                told.add(name)
        rest = json.dumps(said).encode() if asked.is_json else asked.body
        assert not canaries.seen_in(f"{asked.target} {asked.headers}".encode() + rest), asked.target
    assert told == {"authorization", "secrets", "secret"}


# Where somebody has a secret at hand.
FAILING = (
    "receive.secret_checked",
    "store.inserted",
    "routing.begun",
    "dispatch.sending",
    "dispatch.answered",
)


@pytest.mark.anyio
@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR])
async def test_no_traceback_tells_a_secret_at_any_level(tmp_path: Path, level: int) -> None:
    log = io.BytesIO()
    async with running_town(tmp_path) as town:
        rule = RULE.format(name="handed", command="x", more=", secrets: [CANARY]")
        town.rule("handed", rule.partition("\n")[2].replace("ann", "dev"))
        # Nothing is hidden from this log, and libraries tell all that they can.
        configure_logs(stream=log, level=level)
        logging.getLogger().setLevel(level)
        async with town.service() as service:
            url = urlsplit(service.url)
            for number, place in enumerate(FAILING):
                body = _push("handed", f"{number:040x}").replace(b"ann/", b"dev/")
                request = _post(body, canaries.WEBHOOK, place)
                armed = asyncio.Event()
                failpoints.arm(place, partial(_fail, armed))
                await exchange("127.0.0.1", url.port or 0, request)
                await asyncio.wait_for(armed.wait(), 20)
                failpoints.disarm()
    told = log.getvalue()
    assert told.count(b"Traceback (most recent call last)") >= len(FAILING) - 2
    assert not canaries.seen_in(told)


def _fail(armed: asyncio.Event) -> None:
    armed.set()
    raise ZeroDivisionError


@pytest.mark.parametrize("secret", [canaries.ODD_FOR_JOBS, canaries.ODD_WEBHOOK, canaries.HUB])
def test_a_secret_is_seen_in_whatever_form_it_stands(secret: str) -> None:
    raw = secret.encode()
    forms = [secret, json.dumps(secret), repr(repr(secret)), quote(secret), raw.hex()]
    forms += [secret[: len(canaries.WORD) + 3], secret[-len(canaries.WORD) :]]
    for before in ("", "a", "ab"):
        forms += [
            encode(before.encode() + raw).decode() for encode in (b64encode, urlsafe_b64encode)
        ]
    assert [form for form in forms if not canaries.seen_in(form)] == []
    assert not canaries.seen_in(hashlib.sha256(raw).hexdigest())


def test_every_setting_that_is_secret_has_a_canary() -> None:
    secret = {setting.name for setting in SETTINGS if setting.secret}
    assert secret == set(canaries.OF_SETTINGS)
