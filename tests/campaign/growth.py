"""
What no client would send: requests grown from real ones, and bytes grown from these.

Everything comes from the `random.Random` that is handed in, so that a seed gives the same again.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from campaign import rubbish
from campaign.exchanges import Request, Sent


@dataclass(frozen=True, slots=True)
class Grower:
    """
    Grows connections from *seeds*, which are requests that a client would send.

    *probe* is one of them whose answer is known, to be put between the others.
    """

    seeds: Sequence[Request]
    probe: Request

    def grow(self, chance: random.Random) -> Sent:
        """Return what goes over one connection, framed rightly or broken."""
        name = b"f%016x" % chance.getrandbits(64)
        is_broken = chance.random() < 0.4
        # After the place where one is broken, little is read.
        many = chance.randint(1, 3 if is_broken else 16)
        requests = tuple(self._request(b"%s-%02d" % (name, nth), chance) for nth in range(many))
        sent = b"".join(request.framed(chance) for request in requests)
        if not is_broken:
            pieces = _cut(sent, chance) if chance.random() < 0.2 else (sent,)
            return Sent(name, requests, pieces)
        for _ in range(chance.randint(1, 4)):
            sent = chance.choice(_BREAKS)(sent, chance)
        return Sent(
            name,
            None,
            _cut(sent, chance) if chance.random() < 0.3 else (sent,),
            half_closes=True,
            breaks_off=chance.random() < 0.05,
            slowly=chance.random() < 0.002,
        )

    def _request(self, name: bytes, chance: random.Random) -> Request:
        if chance.random() < 0.15:
            return self.probe
        request = _named(chance.choice(self.seeds), name, chance)
        for _ in range(chance.choice([0, 1, 1, 1, 2, 3])):
            request = chance.choice(_GROWTH)(request, chance)
        return request


def _named(request: Request, name: bytes, chance: random.Random) -> Request:
    """Return *request* as a delivery of its own, where it is one, but for a few."""
    if chance.random() < 0.1:
        return request
    headers = ((n, name if n == b"Webhook-Id" else value) for n, value in request.headers)
    return replace(request, headers=tuple(headers))


def _other_method(request: Request, chance: random.Random) -> Request:
    return replace(request, method=chance.choice(rubbish.METHODS))


def _other_target(request: Request, chance: random.Random) -> Request:
    target = request.target
    at = chance.randint(1, len(target))
    odd = chance.choice(rubbish.IN_TARGETS)
    return replace(
        request,
        target=chance.choice(
            [
                target[:at] + odd + target[at:],
                target + odd,
                target + b"/",
                b"/" + odd + target,
                target.replace(b"/", b"//"),
                target[:at],
                target.upper(),
                b"http://h" + target,
                b"https://u:p@[::1]:1" + target,
            ]
        ),
    )


def _more_headers(request: Request, chance: random.Random) -> Request:
    more = [
        (chance.choice(rubbish.NAMES), chance.choice(rubbish.VALUES))
        for _ in range(chance.choice([1, 1, 2, 5]))
    ]
    headers = [*request.headers, *more]
    chance.shuffle(headers)
    return replace(request, headers=tuple(headers))


def _fewer_headers(request: Request, chance: random.Random) -> Request:
    kept = tuple(header for header in request.headers if chance.random() < 0.6)
    return replace(request, headers=kept)


def _other_header(request: Request, chance: random.Random) -> Request:
    if not request.headers:
        return request
    at = chance.randrange(len(request.headers))
    name, value = request.headers[at]
    odd = chance.choice(
        [chance.choice(rubbish.VALUES), value + value, value[:-1], value + b",x", b"x"]
    )
    headers = [*request.headers]
    headers[at : at + 1] = chance.choice([[(name, odd)], [(name, value), (name, odd)]])
    return replace(request, headers=tuple(headers))


def _in_chunks_too(request: Request, chance: random.Random) -> Request:
    return replace(request, chunked=True)


def _raw_body(request: Request, chance: random.Random) -> Request:
    body = chance.choice(
        [
            chance.choice(rubbish.RAW_BODIES),
            chance.randbytes(chance.randint(1, 300)),
            request.body[:-1],
        ]
    )
    return replace(request, body=body)


def _flipped_body(request: Request, chance: random.Random) -> Request:
    return replace(request, body=_flipped(request.body, chance) if request.body else b"x")


def _huge_body(request: Request, chance: random.Random) -> Request:
    if chance.random() < 0.97:
        return request
    size = chance.choice([1024 * 1024, 1024 * 1024 + 1, 1_200_000])
    return replace(request, body=(request.body or b" ").ljust(size))


def _other_json(request: Request, chance: random.Random) -> Request:
    try:
        value = json.loads(request.body)
    except (ValueError, RecursionError):
        return request
    for _ in range(chance.randint(1, 3)):
        value = _mutated(value, chance)
    return replace(request, body=json.dumps(value, ensure_ascii=True).encode())


def _mutated(value: Any, chance: random.Random) -> Any:
    """Return *value* with something else somewhere in it."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        name = chance.choice(list(value))
        match chance.randrange(8):
            case 0:
                return {key: each for key, each in value.items() if key != name}
            case 1:
                return {
                    **value,
                    str(chance.choice(rubbish.SCALARS))[:100]: chance.choice(rubbish.SCALARS),
                }
            case 2:
                return {**value, name: [value[name]] * chance.choice([1, 2, 30])}
        return {**value, name: _mutated(value[name], chance)}
    if isinstance(value, list) and value and chance.random() < 0.85:
        at = chance.randrange(len(value))
        return [*value[:at], _mutated(value[at], chance), *value[at + 1 :]]
    return chance.choice(rubbish.SCALARS)


_GROWTH: tuple[Callable[[Request, random.Random], Request], ...] = (
    _other_method,
    _other_target,
    _more_headers,
    _fewer_headers,
    _other_header,
    _in_chunks_too,
    _raw_body,
    _flipped_body,
    _huge_body,
    _other_json,
    _other_json,
    _other_json,
)


def _flipped(sent: bytes, chance: random.Random) -> bytes:
    flipped = bytearray(sent)
    for _ in range(chance.randint(1, 4)):
        flipped[chance.randrange(len(flipped))] = chance.randrange(256)
    return bytes(flipped)


def _flip(sent: bytes, chance: random.Random) -> bytes:
    return _flipped(sent, chance) if sent else b"\0"


def _drop(sent: bytes, chance: random.Random) -> bytes:
    at = chance.randint(0, len(sent))
    return sent[:at] + sent[at + chance.choice([1, 1, 2, 10, 500]) :]


def _repeat(sent: bytes, chance: random.Random) -> bytes:
    at = chance.randint(0, len(sent))
    return sent[:at] + sent[max(0, at - chance.choice([1, 2, 30])) :]


def _insert(sent: bytes, chance: random.Random) -> bytes:
    at = chance.randint(0, len(sent))
    odd = [b"\r\n", b"\n", b"\r", b"\0", b" ", b"\xff", chance.randbytes(chance.randint(1, 40))]
    return sent[:at] + chance.choice([*odd, *rubbish.BAD_CHUNKS]) + sent[at:]


def _end_early(sent: bytes, chance: random.Random) -> bytes:
    return sent[: chance.randint(0, len(sent))]


def _bad_line(sent: bytes, chance: random.Random) -> bytes:
    lines = sent.split(b"\r\n")
    at = chance.randint(0, min(len(lines), 12))
    lines[at : at + chance.randint(0, 1)] = [chance.choice(rubbish.BAD_LINES)]
    return b"\r\n".join(lines)


def _bad_start(sent: bytes, chance: random.Random) -> bytes:
    _, separator, rest = sent.partition(b"\r\n")
    return chance.choice([*rubbish.BAD_STARTS, *rubbish.ODD_METHODS]) + separator + rest


def _bare_newlines(sent: bytes, chance: random.Random) -> bytes:
    return sent.replace(b"\r\n", chance.choice([b"\n", b"\r", b"\n\r"]), chance.choice([1, 3, -1]))


def _bad_chunks(sent: bytes, chance: random.Random) -> bytes:
    head = b"POST /webhooks/hub HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + chance.choice(rubbish.BAD_CHUNKS) + sent


def _random_bytes(_: bytes, chance: random.Random) -> bytes:
    return chance.randbytes(chance.randint(1, 2000))


_BREAKS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip,
    _drop,
    _repeat,
    _insert,
    _end_early,
    _bad_line,
    _bad_line,
    _bad_line,
    _bad_start,
    _bad_start,
    _bare_newlines,
    _bad_chunks,
    _random_bytes,
)


def _cut(sent: bytes, chance: random.Random) -> tuple[bytes, ...]:
    cuts = sorted(chance.randint(0, len(sent)) for _ in range(chance.randint(1, 6)))
    edges = [0, *cuts, len(sent)]
    return tuple(sent[a:b] for a, b in itertools.pairwise(edges) if a < b)
