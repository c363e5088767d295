"""What goes over a connection, and whether what comes back can be the answer to it."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Header = tuple[bytes, bytes]

STATUS = re.compile(rb"HTTP/1\.1 (\d\d\d) [^\r\n]*\r\n")
_ENDS_OF_HEADS = (b"HTTP/", b"\n\n", b"\n\r\n", b"\r\r")
# The deliberate 503s: what is not stored, a service that stops, a connection too many.
_UNAVAILABLE = re.compile(rb'"(?:unavailable|shutting_down)"|too many connections')
_CHUNK = re.compile(rb"([0-9a-f]+)\r\n")
_STREAM = b"\r\ncontent-type: text/event-stream\r\n"


class Wrong(Exception):
    """An answer that must not be."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request that can be framed rightly, however odd it is."""

    method: bytes
    target: bytes
    headers: tuple[Header, ...] = ()
    body: bytes = b""
    chunked: bool = False

    def framed(self, chance: random.Random) -> bytes:
        """Return its bytes, with the end of its body where it says that it is."""
        lines = [b"%s %s HTTP/1.1" % (self.method, self.target)]
        lines += [b"%s: %s" % header for header in self.headers]
        if self.chunked:
            return _joined([*lines, b"Transfer-Encoding: chunked"], _in_chunks(self.body, chance))
        if self.body or self.method in (b"POST", b"PUT", b"PATCH"):
            lines.append(b"Content-Length: %d" % len(self.body))
        return _joined(lines, self.body)


def _joined(lines: Sequence[bytes], body: bytes) -> bytes:
    return b"\r\n".join([*lines, b"", b""]) + body


def _in_chunks(body: bytes, chance: random.Random) -> bytes:
    chunks = []
    while body:
        size = chance.randint(1, max(1, min(len(body), 1 << chance.randint(0, 14))))
        extension = chance.choice([b"", b"", b";a", b';a="b"'])
        chunks.append(b"%x%s\r\n%s\r\n" % (size, extension, body[:size]))
        body = body[size:]
    return b"".join([*chunks, b"0\r\n", chance.choice([b"", b"", b"A: b\r\n"]), b"\r\n"])


@dataclass(frozen=True, slots=True)
class Resource:
    """
    What a client asks for.

    Attributes:
        callers: The headers of each who asks: with one token, with another, with none.
        bodies: What is sent along, by one request each.
        often: How many times as likely as others it is asked for.
    """

    target: bytes
    methods: tuple[bytes, ...] = (b"GET",)
    callers: tuple[tuple[Header, ...], ...] = ((),)
    bodies: tuple[bytes, ...] = (b"",)
    often: int = 1

    def requests(self) -> list[Request]:
        """Return every request for it that a client would send."""
        ways = itertools.product(self.methods, self.callers, self.bodies)
        host = (b"Host", b"127.0.0.1")
        return [
            Request(method, self.target, (host, *caller), body) for method, caller, body in ways
        ] * self.often


@dataclass(frozen=True, slots=True)
class Sent:
    """
    What goes over one connection.

    Attributes:
        name: What the ids of its deliveries begin with.
        requests: What it holds, if every one of them is framed rightly; None if nobody can say.
        pieces: How it is cut; each is sent by itself.
        half_closes: Whether nothing more is said to come.
        breaks_off: Whether the connection is reset before the answers are read.
        slowly: Whether it is sent a few bytes at a time.
    """

    name: bytes
    requests: tuple[Request, ...] | None
    pieces: tuple[bytes, ...]
    half_closes: bool = False
    breaks_off: bool = False
    slowly: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a status, and the body."""

    status: int
    body: bytes


def judged(sent: Sent, told: bytes, probe: Request) -> list[Answer]:
    """
    Return the answers in *told*.

    Raises:
        Wrong: They cannot be those to what was sent; *probe* is answered 200.
    """
    if sent.requests is None:
        answers = _answers_to_rubbish(b"".join(sent.pieces), told)
    else:
        answers = list(_answers(sent.requests, told))
        _check_order(sent.requests, answers, probe)
    for answer in answers:
        if answer.status >= 500 and not (answer.status == 503 and _UNAVAILABLE.search(answer.body)):
            raise Wrong(f"{answer.status}: {answer.body[:200]!r}")
    return answers


def is_over(sent: Sent, told: bytes) -> bool:
    """Whether nothing more is to come: all is answered, or what comes has no end."""
    if sent.requests is None:
        return False
    if _STREAM in told:
        return True
    if len(STATUS.findall(told)) < len(sent.requests):
        return False
    try:
        return len(list(_answers(sent.requests, told))) == len(sent.requests)
    except Wrong:
        # It is told of when all is judged.
        return True


def _answers_to_rubbish(sent: bytes, told: bytes) -> list[Answer]:
    if told and not told.startswith(b"HTTP/1.1 "):
        raise Wrong(f"no answer: {told[:80]!r}")
    statuses = [int(status) for status in STATUS.findall(told)]
    answers = [Answer(status, told) for status in statuses if status != 100]
    most = 1 + sum(sent.count(end) for end in _ENDS_OF_HEADS)
    if len(answers) > most:
        raise Wrong(f"{len(answers)} answers to at most {most} requests")
    return answers


def _check_order(requests: Sequence[Request], answers: Sequence[Answer], probe: Request) -> None:
    for request, answer in zip(requests, answers, strict=False):
        if request == probe and answer.status != 200:
            raise Wrong(f"the probe was answered {answer.status}: the answers are out of step")


def _answers(requests: Sequence[Request], told: bytes) -> Iterator[Answer]:
    """Yield the answers in *told*, without the last one if it is cut off."""
    at = 0
    methods = iter([request.method for request in requests])
    while at < len(told):
        head, separator, rest = told[at:].partition(b"\r\n\r\n")
        first = STATUS.match(head + b"\r\n")
        if not first:
            raise Wrong(f"no answer: {told[at : at + 80]!r}")
        at += len(head) + len(separator)
        status = int(first[1])
        if status == 100:
            continue
        if not (method := next(methods, None)):
            raise Wrong(f"more than {len(requests)} answers: {head[:200]!r}")
        if not separator:
            return
        names = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        size = _size(method, status, names, rest)
        if size is None:
            return
        yield Answer(status, rest[:size])
        at += size
        if names.get(b"connection") == b"close" and at < len(told):
            raise Wrong(f"something comes after the last answer: {told[at : at + 80]!r}")


def _size(method: bytes, status: int, names: dict[bytes, bytes], rest: bytes) -> int | None:
    """Return how long the body at the beginning of *rest* is; None if not all of it is there."""
    # What is refused for its form is answered before anybody knows that it was a HEAD.
    is_refused = status in (400, 408, 431) and names.get(b"connection") == b"close"
    if (method == b"HEAD" and not (is_refused and rest)) or status in (204, 304):
        return 0
    if names.get(b"transfer-encoding") == b"chunked":
        return _size_of_chunks(rest)
    size = int(names.get(b"content-length", b"-1"))
    if size < 0:
        raise Wrong(f"an answer without a length: {names}")
    return size if len(rest) >= size else None


def _size_of_chunks(rest: bytes) -> int | None:
    at = 0
    while found := _CHUNK.match(rest, at):
        size = int(found[1], 16)
        at = found.end() + size + 2
        if not size:
            return at if len(rest) >= at else None
    if b"\r\n" in rest[at:]:
        raise Wrong(f"no chunk: {rest[at : at + 80]!r}")
    return None
