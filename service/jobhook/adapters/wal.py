"""
What SQLite's write-ahead log holds, read without SQLite.

SQLite takes a damaged frame for the end of the log, as after a power cut, and goes on without what
follows it. Whoever promised that nothing is lost must tell the two apart before SQLite opens it.
The formats are those of https://www.sqlite.org/walformat.html, which never change.
"""

from __future__ import annotations

import struct
from itertools import pairwise

_HEADER = 32
_FRAME_HEADER = 24
_VERSION = 3007000
_MAGIC = 0x377F0682
_INDEX_BYTES = 100
_MASK = 0xFFFFFFFF


def has_wal_reset_defect(version: tuple[int, ...]) -> bool:
    """
    Return whether that SQLite can lose commits when two connections commit or checkpoint at once.

    It does us no harm, because one connection does both and the others can do neither.
    """
    if version[:2] == (3, 44):
        return version < (3, 44, 6)
    if version[:2] == (3, 50):
        return version < (3, 50, 7)
    return (3, 7, 0) <= version < (3, 51, 3)


def has_lost_commits(log: bytes, index: bytes) -> bool:
    """
    Return whether *log* was damaged after it was on disk; *index* is its `-shm`, b"" if it is gone.

    A power cut can damage only what was written after the last sync, and each commit is synced
    before anything is written behind it. So behind a damaged frame no commit can be found that
    another frame was built upon; and what the index counts, which it does after the sync, is there.
    """
    indexed_salt, indexed = _indexed(index)
    if len(log) <= _HEADER:
        return indexed > 0
    magic, version, page, _, _, _, *checksum = struct.unpack(">8I", log[:_HEADER])
    order, salt = ">" if magic & 1 else "<", log[16:24]
    if magic & ~1 != _MAGIC or version != _VERSION:
        return True
    if checksum != _checksum(log[: _HEADER - 8], [0, 0], order):
        return True
    size = _FRAME_HEADER + page
    frames = [_Frame(log[at : at + size]) for at in range(_HEADER, len(log) - size + 1, size)]
    whole = 0
    for frame in frames:
        if frame.salt != salt or frame.checksum != frame.checked(checksum, order):
            break
        whole, checksum = whole + 1, frame.checksum
    if indexed_salt == salt and indexed > whole:
        return True
    return any(
        frame.is_commit
        and frame.salt == behind.salt == salt
        and behind.checksum == behind.checked(frame.checksum, order)
        for frame, behind in pairwise(frames[whole:])
    )


class _Frame:
    """A page as it was written, with its header."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.is_commit = data[4:8] != bytes(4)
        self.salt = data[8:16]
        self.checksum = list(struct.unpack(">2I", data[16:24]))

    def checked(self, before: list[int], order: str) -> list[int]:
        """Return the checksum that it ought to have, if that of the frame before it is *before*."""
        between = _checksum(self._data[:8], before, order)
        return _checksum(self._data[_FRAME_HEADER:], between, order)


def _checksum(data: bytes, before: list[int], order: str) -> list[int]:
    s0, s1 = before
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for x0, x1 in zip(words[::2], words[1::2], strict=True):
        s0 = (s0 + x0 + s1) & _MASK
        s1 = (s1 + x1 + s0) & _MASK
    return [s0, s1]


def _indexed(index: bytes) -> tuple[bytes, int]:
    """The salt that the index is for, and how many frames it counts that are only in the log."""
    # Two copies of the header; while they differ, one is being written.
    if len(index) < _INDEX_BYTES or index[:48] != index[48:96]:
        return b"", 0
    (version,) = struct.unpack("=I", index[:4])
    (frames,) = struct.unpack("=I", index[16:20])
    (copied,) = struct.unpack("=I", index[96:100])
    if version != _VERSION or frames <= copied:
        return b"", 0
    return index[32:40], frames
