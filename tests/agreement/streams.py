"""Logs as the Hub streams them: what it sends, and the lines that are in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agreement.answers import STREAM
from agreement.recorder import Reply

KEEP_ALIVE = b": keep-alive\n\n"
START = "===== Job started at 2026-01-02 03:04:05 ====="


def event(text: str, second: float | None = None, *, end: str = "\n", raw: bool = False) -> bytes:
    """One line of a log, logged so many seconds after the start."""
    content: dict[str, Any] = {"data": text}
    if second is not None:
        content["timestamp"] = f"2026-01-02T03:04:{5 + second:06.3f}Z"
    return f"data: {json.dumps(content, ensure_ascii=not raw)}{end}{end}".encode()


def log(*texts: str, first: int = 1) -> bytes:
    """Lines that follow one another by a second."""
    return b"".join(event(text, first + n) for n, text in enumerate(texts))


def stream(*parts: bytes, broken: bool = False) -> Reply:
    """A connection that ends when all was said, or in the middle of it."""
    return Reply(body=b"".join(parts), headers=STREAM, broken=broken)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """
    A log, connection by connection.

    Attributes:
        lines: What whoever reads it must get.
        stage: Where the job stands when all connections have ended; before, it is running.
        official: Why the official client gives something else, or empty.
    """

    streams: Sequence[Reply]
    lines: Sequence[str]
    args: Mapping[str, Any] = field(default_factory=lambda: {"follow": True})
    stage: str = "COMPLETED"
    official: str = ""


_START = event(START, 0)
_TAIL = {"follow": True, "tail": 2}

LOGS: Mapping[str, Told] = {
    "nothing": Told(streams=[stream()], lines=[]),
    "whole": Told(streams=[stream(_START, log("a", "", "c"))], lines=["a", "", "c"]),
    "not followed": Told(
        streams=[stream(_START, log("a", "b"))], lines=["a", "b"], args={"follow": False}
    ),
    "not followed, and running": Told(
        streams=[stream(_START, log("a"))], lines=["a"], args={}, stage="RUNNING"
    ),
    "keep-alives": Told(
        streams=[stream(KEEP_ALIVE, _START, KEEP_ALIVE, log("a"), b"data:\n\n", KEEP_ALIVE)],
        lines=["a"],
    ),
    "a job that failed": Told(streams=[stream(_START, log("a"))], lines=["a"], stage="ERROR"),
    "a job that was cancelled": Told(streams=[stream(_START)], lines=[], stage="CANCELED"),
    "a job that was deleted": Told(streams=[stream(log("a"))], lines=["a"], stage="DELETED"),
    "two attempts": Told(
        streams=[stream(_START, log("a"), event(START, 5), log("a", first=6))], lines=["a", "a"]
    ),
    "no timestamps": Told(streams=[stream(event("a"), event("b"))], lines=["a", "b"]),
    "no milliseconds": Told(
        streams=[stream(b'data: {"data":"a","timestamp":"2026-01-02T03:04:05Z"}\n\n')],
        lines=["a"],
    ),
    "more keys": Told(streams=[stream(b'data: {"data":"a","stream":"err"}\n\n')], lines=["a"]),
    "the same line again and again": Told(
        streams=[stream(log("a", "a"), event("a", 2), event("a", 2))], lines=["a"] * 4
    ),
    "line ends of two characters": Told(
        streams=[stream(event("a", 1, end="\r\n"), event("b", 2, end="\r\n"))], lines=["a", "b"]
    ),
    "text of all kinds": Told(
        streams=[stream(log("ü😀 \t\x1b[1m", '{"data": "x"}', "data: {", ": x"))],
        lines=["ü😀 \t\x1b[1m", '{"data": "x"}', "data: {", ": x"],
    ),
    "characters that some take for line ends": Told(
        streams=[stream(event("a\u2028b\u2029c\x85d", 1, raw=True), log("e", first=2))],
        lines=["a\u2028b\u2029c\x85d", "e"],
        official="its lines end at such characters, and half a line is no JSON",
    ),
    "a drop, and all again": Told(
        streams=[
            stream(_START, log("a", "b"), broken=True),
            stream(_START, log("a", "b", "c")),
        ],
        lines=["a", "b", "c"],
    ),
    "a drop in the middle of a line": Told(
        streams=[
            stream(_START, log("a"), log("b", first=2)[:-20], broken=True),
            stream(_START, log("a", "b")),
        ],
        lines=["a", "b"],
    ),
    "a stream that ends in the middle of a line": Told(
        streams=[
            stream(_START, log("a"), log("b", first=2)[:-20]),
            stream(_START, log("a", "b")),
        ],
        lines=["a", "b"],
        official="half a line is no JSON",
    ),
    "a drop before anything": Told(
        streams=[stream(broken=True), stream(_START, log("a"))], lines=["a"]
    ),
    "many drops": Told(
        streams=[
            *(stream(_START, log(*"abcdefgh"[:n]), broken=True) for n in range(1, 8)),
            stream(_START, log(*"abcdefgh")),
        ],
        lines=[*"abcdefgh"],
    ),
    "ends, though the job runs": Told(
        streams=[stream(_START, log("a")), stream(_START, log("a", "b"))], lines=["a", "b"]
    ),
    "a drop, and the same lines": Told(
        streams=[
            stream(_START, log("a", "a"), broken=True),
            stream(_START, log("a", "a", "a")),
        ],
        lines=["a", "a", "a"],
    ),
    "a drop, without timestamps": Told(
        streams=[
            stream(event("a"), event("b"), broken=True),
            stream(event("a"), event("b"), event("c")),
        ],
        lines=["a", "b", "c"],
    ),
    "a drop, and less again": Told(
        streams=[
            stream(_START, log("a", "b", "c"), broken=True),
            stream(_START, log("c", "d", first=3)),
        ],
        lines=["a", "b", "c", "d"],
        official="it counts the lines it has had, and skips so many",
    ),
    "a drop, and nothing of it again": Told(
        streams=[
            stream(_START, log("a", "b", "c"), broken=True),
            stream(_START, log("d", "e", first=4)),
        ],
        lines=["a", "b", "c", "d", "e"],
        official="it counts the lines it has had, and skips so many",
    ),
    "the tail": Told(
        streams=[stream(_START, log("b", "c", first=2))], lines=["b", "c"], args=_TAIL
    ),
    "no tail": Told(
        streams=[stream(_START, log("c", first=3))], lines=["c"], args={"follow": True, "tail": 0}
    ),
    "the tail, not followed": Told(
        streams=[stream(_START, log("b", "c", first=2))], lines=["b", "c"], args={"tail": 2}
    ),
    "the tail, a drop, and all again": Told(
        streams=[
            stream(_START, log("b", "c", first=2), broken=True),
            stream(_START, log("a", "b", "c", "d")),
        ],
        lines=["b", "c", "d"],
        args=_TAIL,
    ),
    "the tail, a drop, and all but the last again": Told(
        streams=[
            stream(_START, log("b", "c", first=2), broken=True),
            stream(_START, log("a", "b"), log("d", first=4)),
        ],
        lines=["b", "c", "d"],
        args=_TAIL,
    ),
    "the tail of equal lines, a drop, and all again": Told(
        streams=[
            stream(_START, event("b", 2), event("b", 2), broken=True),
            stream(_START, event("a", 1), event("b", 2), event("b", 2), event("d", 4)),
        ],
        lines=["b", "b", "d"],
        args=_TAIL,
        official="it goes on after the first line that equals the last one it had",
    ),
}
