"""
A checksum of every page of a SQLite database, kept beside it: SQLite itself has none.

Only a checkpoint writes to the database, and what it copies stays in the log until something is
written after it. So the sums of what was copied are written in between: whatever is lost in a
crash, a page is as its sum says, or it is in the log, whose frames have checksums of SQLite's own.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

# As many as SQLite itself would let come together.
CHECKPOINT_PAGES = 1000
_SUM_BYTES = 4
# With the size of a page, in place of the sum of the page that there is not.
_AT_REST = 1 << 31
_BLOCK_BYTES = 1 << 20
_PAGE_SIZES = frozenset(1 << power for power in range(9, 17))
_SALT = slice(16, 24)
_LOG_HEADER = 32
_FRAME_HEADER = 24
# The number of the page, how large the database is after the commit that it ends, and the salt.
_HEAD = struct.Struct(">2I8s")
# How many are read at once.
_FRAMES = 256


def sums_of(path: Path) -> Path:
    """Return where the sums of the database at *path* are kept."""
    return path.with_name(f"{path.name}.sums")


def write_sums(path: Path) -> None:
    """Take the sums of the whole database, which is not in use; 0.5 s for each GB."""
    draft = path.with_name(f"{path.name}.sums.new")
    with path.open("rb") as file:
        size = _page_size(file)
        sums = [size, *(_sum(page) for page in _pages(file, size, path.stat().st_size))]
    draft.touch(0o600)
    with draft.open("wb") as file:
        file.write(struct.pack(f"<{len(sums)}I", *sums))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(sums_of(path))


def mark(path: Path, *, at_rest: bool) -> None:
    """Note beside the database whether it is closed in order, with nothing left in its log."""
    with contextlib.suppress(FileNotFoundError), sums_of(path).open("r+b", buffering=0) as file:
        (size,) = struct.unpack("<I", file.read(_SUM_BYTES))
        file.seek(0)
        file.write(struct.pack("<I", size & ~_AT_REST | (_AT_REST if at_rest else 0)))
        os.fdatasync(file.fileno())


def is_outdated(path: Path) -> bool:
    """
    Whether there are sums that are of no use: another program has copied the log into the database.

    That is what `sqlite3` does when it is closed after it has looked at what a killed process
    left. Nobody can tell damage from what it copied then.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        return False
    if not sums_of(path).exists():
        return False
    with sums_of(path).open("rb") as file:
        data = file.read(_SUM_BYTES)
    return len(data) == _SUM_BYTES and not int.from_bytes(data, "little") & _AT_REST


def damage_told(path: Path, file: BinaryIO, *, limit: int | None = None) -> str | None:
    """
    Return what is not as it was written in *file*, or None; the sums must be there.

    *file* is the database at *path*, opened by the caller: closing it takes the locks of every
    connection of this process away. Only the first *limit* bytes are read, and the length. Pages
    that are in the log are not looked at, nor those that SQLite never wrote.
    """
    sums = _sums(sums_of(path).read_bytes())
    size, length = sums[0] & ~_AT_REST if sums else 0, os.fstat(file.fileno()).st_size
    if size not in _PAGE_SIZES:
        return f"{sums_of(path).name} is damaged itself"
    logged = LogPages(path).pages()
    file.seek(0)
    upto = length if limit is None else min(length, limit)
    for number, page in enumerate(_pages(file, size, upto), 1):
        if number >= len(sums):
            break
        if sums[number] not in (0, _sum(page)) and number not in logged:
            return f"page {number} is not as it was written"
    cut = range(length // size + 1, len(sums))
    if any(sums[number] and number not in logged for number in cut):
        return "its end is missing"
    return None


class LogPages:
    """Which pages the write-ahead log of the database at *path* holds, and where."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.name}-wal")
        self._salt = b""
        self._frames = 0

    def has(self, frames: int) -> bool:
        """Return whether it was written that far since it was begun anew."""
        with self._opened() as (log, salt, page):
            return bool(page) and _frame(log, frames - 1, page)[8:16] == salt

    def pages(self) -> set[int]:
        """Return the pages of which it holds a commit, or what a power cut left of one."""
        found: set[int] = set()
        begun: set[int] = set()
        with self._opened() as (log, salt, page):
            for number, committed, its_salt, _ in _frames(log, page, 0):
                if its_salt != salt:
                    break
                begun.add(number)
                if committed:
                    found |= begun
                    begun.clear()
        return found

    def new_sums(self, upto: int) -> Mapping[int, int]:
        """Return the sums of what it holds, as far as SQLite counts frames, but once only."""
        found: dict[int, int] = {}
        with self._opened() as (log, salt, page):
            if salt != self._salt:
                self._salt, self._frames = salt, 0
            for start in range(self._frames, upto, _FRAMES):
                frames = _frames(log, page, start, min(_FRAMES, upto - start))
                # Most pages are written over and over: only the last copy is summed up.
                last = {number: content for number, _, _, content in frames}
                found |= {number: _sum(content) for number, content in last.items()}
            self._frames = max(self._frames, upto)
        return found

    @contextlib.contextmanager
    def _opened(self) -> Iterator[tuple[int, bytes, int]]:
        """Give the log, its salt and the size of a page, which is 0 while there is nothing."""
        try:
            log = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            yield -1, b"", 0
            return
        try:
            header = os.pread(log, _LOG_HEADER, 0)
            page = int.from_bytes(header[8:12], "big")
            yield log, header[_SALT], page if page in _PAGE_SIZES else 0
        finally:
            os.close(log)


class PageSums:
    """Copies the log into the database, and keeps the sums up to that; for its one writer."""

    def __init__(self, path: Path, pages: int = CHECKPOINT_PAGES) -> None:
        self._sums = sums_of(path)
        self._log = LogPages(path)
        self._pages = pages

    def checkpoint_if_due(self, connection: sqlite3.Connection) -> None:
        """Checkpoint when so many pages are in the log; raises only errors of SQLite."""
        if self._log.has(self._pages):
            self.checkpoint(connection)

    def checkpoint(self, connection: sqlite3.Connection) -> None:
        """Copy as much as nobody is reading, and keep the sums before anything is written again."""
        _, frames, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        try:
            self._keep(self._log.new_sums(frames))
        except OSError:
            # Old sums of new pages would be taken for damage: better none, until the next start.
            self._sums.unlink(missing_ok=True)

    def _keep(self, sums: Mapping[int, int]) -> None:
        if not sums or not self._sums.exists():
            return
        with self._sums.open("r+b", buffering=0) as file:
            for number, run in _runs(sums):
                os.pwrite(file.fileno(), run, number * _SUM_BYTES)
            os.fdatasync(file.fileno())


def _runs(sums: Mapping[int, int]) -> Iterator[tuple[int, bytes]]:
    """Yield the sums of pages in a row together, with the number of the first."""
    start, run = 0, bytearray()
    for number in sorted(sums):
        if number != start + len(run) // _SUM_BYTES:
            if run:
                yield start, bytes(run)
            start, run = number, bytearray()
        run += sums[number].to_bytes(_SUM_BYTES, "little")
    yield start, bytes(run)


def _sums(data: bytes) -> tuple[int, ...]:
    return struct.unpack(
        f"<{len(data) // _SUM_BYTES}I", data[: len(data) // _SUM_BYTES * _SUM_BYTES]
    )


def _sum(page: bytes | memoryview) -> int:
    # 0 stands for a page that was never written.
    return zlib.crc32(page) or 1


def _pages(file: BinaryIO, size: int, upto: int) -> Iterator[memoryview]:
    for start in range(0, upto, _BLOCK_BYTES):
        block = memoryview(file.read(min(_BLOCK_BYTES, upto - start)))
        for at in range(0, len(block) - size + 1, size):
            yield block[at : at + size]


def _page_size(file: BinaryIO) -> int:
    size = int.from_bytes(file.read(100)[16:18], "big")
    file.seek(0)
    return size if size > 1 else 1 << 16


def _frame(log: int, at: int, page: int) -> bytes:
    return os.pread(log, _FRAME_HEADER, _LOG_HEADER + at * (_FRAME_HEADER + page))


def _frames(
    log: int, page: int, start: int, count: int | None = None
) -> Iterator[tuple[int, int, bytes, memoryview]]:
    """Yield page number, size of the database if it ends a commit, salt and content of frames."""
    size = _FRAME_HEADER + page
    left = count
    while page and left != 0:
        some = _FRAMES if left is None else min(left, _FRAMES)
        data = memoryview(os.pread(log, some * size, _LOG_HEADER + start * size))
        for at in range(0, len(data) - size + 1, size):
            number, committed, salt = _HEAD.unpack_from(data, at)
            yield number, committed, salt, data[at + _FRAME_HEADER : at + size]
        if len(data) < some * size:
            return
        start += some
        left = None if left is None else left - some
