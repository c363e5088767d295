"""
Whatever comes in on a socket, the service answers it or closes the connection, and works on.

A connection is made from the seed and its number alone. To fuzz another resource, add it to
`RESOURCES`, or hand it to `fuzzed_service` with what the service needs for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import re
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from campaign.api import API, KNOWN_WEBHOOK_ID, SETTINGS, let_in
from campaign.exchanges import Answer, Request, Resource, Sent, Wrong, is_over, judged
from campaign.growth import Grower
from campaign.heard import Heard
from campaign.looking import ask, connections_of, memory_of
from campaign.machines import DevHubMachine, Machine, push, service
from factories import DELIVERIES

# No canary: what is broken may well put a header into a body, which is then kept as it came.
SECRET = b"the-secret-of-a-service-that-is-fuzzed"
_AUTHENTIC = ((b"X-Webhook-Secret", SECRET), (b"Webhook-Id", b"another-for-each"))
_STRANGER = ((b"X-Webhook-Secret", b"x" * 40),)
_BODIES = tuple(path.read_bytes() for path in sorted(DELIVERIES.glob("*.json")))
_RECEIVER = b"/webhooks/hub"

PROBE = Request(b"GET", b"/healthz", ((b"Host", b"127.0.0.1"),))
RESOURCES = (
    Resource(_RECEIVER, (b"POST",), (_AUTHENTIC,), (*_BODIES, *map(push, range(20)))),
    Resource(_RECEIVER, (b"GET", b"POST"), (_STRANGER, ()), (b"{}",), often=4),
    Resource(_RECEIVER + b"?secret=" + SECRET, (b"POST",), bodies=_BODIES[:1], often=8),
    *(
        Resource(path, often=4)
        for path in (b"/", b"/healthz", b"/readyz", b"/payloads/abc.0.xyz", b"/x")
    ),
    *API,
)

_AT_ONCE = 48
_ANSWER_SECONDS = 60.0
_SLOW_PIECES, _SLOW_SECONDS = 20, 0.05
# What the last connections leave behind has been put away by then.
_SETTLE_SECONDS, _LOOK_AGAIN = 600.0, 0.25
_WRONG_MAX = 20
_TELLS = 20
# Of what the service says about itself, this is never the fault of whoever sends something.
_FAULTS = re.compile(
    rb'Traceback|"level":"(?:error|critical)"|"event":"(?:worker\.failed|[a-z]+\.broken)"'
)


@dataclass
class Report:
    """What a service made of hostile requests."""

    seed: int
    requests: int = 0
    connections: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    grown_mib: float = 0.0

    @property
    def holds(self) -> bool:
        return not self.wrong

    def __str__(self) -> str:
        answered = ", ".join(
            f"{count:,} × {status}" for status, count in sorted(self.statuses.items())
        )
        told = f"seed {self.seed}: {self.requests:,} requests on {self.connections:,} connections, "
        told += f"answered {answered}; grown by {self.grown_mib:.0f} MiB; {len(self.wrong)} wrong"
        return "; ".join([told, *self.wrong[:10]])


@dataclass(frozen=True, slots=True)
class Target:
    """
    A service that is fuzzed, and how to look into it.

    Attributes:
        growth_max: How many MiB its memory may grow while it is fuzzed, after a tenth of it.
    """

    machine: Machine
    grower: Grower
    database: Path
    growth_max: float = 48.0


def grower_of(resources: Sequence[Resource]) -> Grower:
    """Return what grows hostile requests from those that a client would make of *resources*."""
    return Grower([each for resource in resources for each in resource.requests()], PROBE)


@asynccontextmanager
async def fuzzed_service(
    folder: Path, resources: Sequence[Resource] = RESOURCES, **environ: str
) -> AsyncIterator[Target]:
    """Run a service beside a devhub that launches nothing, to be fuzzed."""
    hub = DevHubMachine(folder)
    database = folder / "fuzz.db"
    environ = {
        "JOBHOOK_PAUSE": "on",
        "JOBHOOK_WEBHOOK_SECRETS": SECRET.decode(),
        **SETTINGS,
        **environ,
    }
    machine = service(folder, hub, f"sqlite:///{database}", **environ)
    await let_in(database)
    try:
        for each in (hub, machine):
            await each.start()
            await each.ready("/")
        assert (await _delivered(machine, KNOWN_WEBHOOK_ID)).status == 202
        yield Target(machine, grower_of(resources), database)
    finally:
        for each in (machine, hub):
            await each.end()


async def fuzz(
    target: Target,
    *,
    requests: int,
    seed: int,
    seconds: float,
    tell: Callable[[str], None] = lambda _: None,
) -> Report:
    """Send so many requests in so many *seconds* at most, and tell what came of them."""
    report, heard = Report(seed), Heard()
    connections = connections_of(target.machine)
    numbers = itertools.count()
    warm: float | None = None
    tells = 0

    async def send_on() -> None:
        nonlocal warm, tells
        while report.requests < requests and len(report.wrong) < _WRONG_MAX:
            await _connection(target, report, heard, next(numbers))
            if report.requests * _TELLS // requests <= tells:
                continue
            tells += 1
            now = memory_of(target.machine)
            if warm is None and report.requests >= requests // 10:
                warm = now
            report.grown_mib = now - (warm or now)
            tell(str(report))

    try:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(send_on())
    except TimeoutError:
        report.wrong.append(f"{seconds:.0f} seconds were not enough for {requests:,} requests")
    report.wrong += [problem async for problem in _afterwards(target, report, connections)]
    report.wrong += heard.problems(target.database)
    return report


async def _connection(target: Target, report: Report, heard: Heard, number: int) -> None:
    sent = target.grower.grow(random.Random(f"{report.seed}:{number}"))  # noqa: S311
    report.connections += 1
    report.requests += len(sent.requests or (None,))
    told = bytearray()
    try:
        whole = await asyncio.wait_for(_exchange(target.machine.url, sent, told), _ANSWER_SECONDS)
        heard.note(sent, bytes(told), whole=whole)
        for answer in judged(sent, bytes(told), PROBE):
            report.statuses[answer.status] += 1
    except TimeoutError:
        report.wrong.append(f"connection {number}: neither answered nor closed")
    except Wrong as exc:
        report.wrong.append(f"connection {number}: {exc}")


async def _exchange(url: str, sent: Sent, told: bytearray) -> bool:
    """Send, and put what comes back into *told*; return whether nothing of it can be missing."""
    host, _, port = url.removeprefix("http://").partition(":")
    try:
        reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 20)
    except OSError as exc:
        raise Wrong(f"no connection: {exc}") from exc
    try:
        # Pieces that follow at once may be read as one all the same.
        for piece in _slow(sent.pieces) if sent.slowly else sent.pieces:
            if writer.transport.is_closing():
                break
            writer.write(piece)
            await asyncio.sleep(_SLOW_SECONDS if sent.slowly else 0)
        if sent.breaks_off:
            _reset(writer)
            return False
        if sent.half_closes:
            writer.write_eof()
        while chunk := await reader.read(1 << 16):
            told += chunk
            if is_over(sent, bytes(told)):
                break
    except OSError:
        # Closed on its side, with something of ours unread.
        return False
    else:
        return True
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _slow(pieces: Sequence[bytes]) -> Iterator[bytes]:
    sent = b"".join(pieces)
    step = max(1, len(sent) // _SLOW_PIECES)
    return (sent[at : at + step] for at in range(0, len(sent), step))


def _reset(writer: asyncio.StreamWriter) -> None:
    plug: socket.socket = writer.get_extra_info("socket")
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _afterwards(target: Target, report: Report, connections: int) -> AsyncIterator[str]:
    """Yield what is wrong with the service now that all is over."""
    machine = target.machine
    if not machine.runs:
        yield f"the service has ended: {machine.tail()}"
        return
    if report.grown_mib > target.growth_max:
        yield f"its memory has grown by {report.grown_mib:.0f} MiB"
    answer = await _delivered(machine, "the-last")
    if answer.status != 202:
        yield f"a valid delivery is answered {answer.status} {answer.body!r}"
    if left := await _settled(target, connections):
        yield left
    found = _FAULTS.search(content := machine.log.read_bytes())
    if found:
        yield f"its log: {content[max(0, found.start() - 300) : found.end() + 1500].decode()}"


async def _delivered(machine: Machine, webhook_id: str) -> Answer:
    """Return the answer to a valid delivery."""
    caller = ((b"X-Webhook-Secret", SECRET), (b"Webhook-Id", webhook_id.encode()))
    (request,) = Resource(_RECEIVER, (b"POST",), (caller,), (push(1),)).requests()
    sent = Sent(b"", (request,), (request.framed(random.Random(0)),))  # noqa: S311
    told = bytearray()
    await _exchange(machine.url, sent, told)
    return next(iter(judged(sent, bytes(told), PROBE)), Answer(0, b""))


async def _settled(target: Target, connections: int) -> str:
    """Wait until connections are closed and deliveries decided; return what is left of them."""
    left = _left(target, connections)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SETTLE_SECONDS):
            while left:
                await asyncio.sleep(_LOOK_AGAIN)
                left = _left(target, connections)
    return left


def _left(target: Target, connections: int) -> str:
    states = dict(ask(target.database, "SELECT state, count(*) FROM delivery GROUP BY state"))
    odd = {state: states[state] for state in ("stored", "quarantined") if state in states}
    if odd:
        return f"deliveries are {odd}"
    if (now := connections_of(target.machine)) > connections:
        return f"{now} connections are open, which were {connections}"
    return ""
