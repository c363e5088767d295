"""A job's log: a bounded file that any number of readers follow from the start."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, BinaryIO

import orjson

from .limits import KIB, Limits
from .wire import now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

_BLOCK = 64 * KIB


class JobLog:
    """
    The log of one job, on disk as it goes over the wire: one JSON object a line.

    Memory does not grow with the output: what is over the limits is cut, and the log says so.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path = path
        self._limits = limits
        self._file: BinaryIO | None = None
        self._size = 0
        self._full = False
        self._rest = b""
        self._ended = True
        self._news = asyncio.Event()

    def expect(self) -> None:
        """Let readers wait for what will be written."""
        self._ended = False

    def start(self) -> None:
        """Open the log with the line that the Hub puts first."""
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file = os.fdopen(handle, "wb")
        self.note(f"===== Job started at {now():%Y-%m-%d %H:%M:%S} =====")

    def note(self, text: str) -> None:
        """Write one line of our own."""
        self._keep([text.encode()])

    def write(self, output: bytes) -> None:
        """Write what a job printed, in whatever pieces it came."""
        if self._full:
            return
        longest = self._limits.log_line_bytes
        *lines, rest = (self._rest + output).split(b"\n")
        *begun, self._rest = _cut(rest, longest)
        self._keep([*(piece for line in lines for piece in _cut(line, longest)), *begun])

    def end(self) -> None:
        """Write what is left, and let the readers go once they have read everything."""
        if self._rest:
            self._keep([self._rest])
            self._rest = b""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._ended = True
        self._wake()

    async def frames(self, tail: int | None = None) -> AsyncIterator[bytes]:
        """
        Yield the log as server-sent events, from the start until its end.

        With *tail*, that many of the lines there are now, after the first line, and then all new
        ones. A silent stream carries comments, so that the connection is seen to live.
        """
        offset = 0
        if tail is not None:
            first, offset = self._tail(tail)
            yield _events(first)
        while True:
            # Taken before reading: what is written from here on sets this very event.
            news, ended = self._news, self._ended
            block = self._read(offset)
            if block:
                offset += len(block)
                yield _events(block)
            elif ended:
                return
            else:
                try:
                    async with asyncio.timeout(self._limits.keep_alive):
                        await news.wait()
                except TimeoutError:
                    yield b": keep-alive\n\n"

    def _keep(self, lines: list[bytes]) -> None:
        if self._file is None or self._full or not lines:
            return
        # Whole seconds: one who does not follow takes a line that is later than the `Date` header,
        # which servers renew once a second, for one that came after they asked.
        when = f"{now():%Y-%m-%dT%H:%M:%SZ}"
        for line in lines:
            frame = _frame(line, when)
            if self._size + len(frame) > self._limits.log_bytes:
                self._full = True
                text = (
                    f"===== devhub keeps {self._limits.log_bytes:,} bytes of a log: cut here ====="
                )
                self._file.write(_frame(text.encode(), when))
                break
            self._size += len(frame)
            self._file.write(frame)
        self._file.flush()
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _read(self, offset: int) -> bytes:
        """Return whole lines from *offset* on, about a block of them."""
        if not self._path.exists():
            return b""
        with self._path.open("rb") as file:
            file.seek(offset)
            block = file.read(_BLOCK)
            if b"\n" not in block:
                block += file.readline()
        return block[: block.rfind(b"\n") + 1]

    def _tail(self, count: int) -> tuple[bytes, int]:
        """Return the first line, and where the last *count* of the others begin."""
        if not self._path.exists():
            return b"", 0
        with self._path.open("rb") as file:
            first = file.readline()
            starts = _last_lines(file, len(first), count)
        return first, starts


def _frame(line: bytes, when: str) -> bytes:
    text = line.removesuffix(b"\r").decode("utf-8", "replace")
    return orjson.dumps({"data": text, "timestamp": when}) + b"\n"


def _events(lines: bytes) -> bytes:
    return b"".join(b"data: " + line + b"\n\n" for line in lines.splitlines())


def _cut(line: bytes, longest: int) -> Iterator[bytes]:
    yield line[:longest]
    for start in range(longest, len(line), longest):
        yield line[start : start + longest]


def _last_lines(file: BinaryIO, start: int, count: int) -> int:
    """Return the offset at which the last *count* lines begin, no earlier than *start*."""
    position = file.seek(0, 2)
    if count == 0:
        return position
    found = 0
    while position > start:
        size = min(_BLOCK, position - start)
        file.seek(position - size)
        block = file.read(size)
        end = len(block)
        while (end := block.rfind(b"\n", 0, end)) >= 0:
            # The line feed at the very end closes the last line; every earlier one opens another.
            found += 1
            if found > count:
                return position - size + end + 1
        position -= size
    return start
