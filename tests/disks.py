"""
A disk whose faults are chosen: what SQLite writes stays unsafe until it is synced, and may be lost.

SQLite reaches it through apsw; `Disk.connect` gives a connection that looks like the small part of
`sqlite3.Connection` that the store uses. Files are real ones, so that locks and shared memory work;
beside them it is kept what of each would outlast a power cut.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any, cast

import apsw

_SECTOR = 512
_KINDS = {
    apsw.SQLITE_OPEN_MAIN_DB: "db",
    apsw.SQLITE_OPEN_WAL: "wal",
    apsw.SQLITE_OPEN_MAIN_JOURNAL: "journal",
}
_numbers = itertools.count()

# Called before each operation with its name and the kind of file; what it raises is the fault.
Strike = Callable[[str, str], None]


def full(*_: str) -> None:
    """There is no room."""
    raise apsw.FullError


def broken(operation: str, _: str) -> None:
    """The device fails."""
    codes = {
        "sync": apsw.SQLITE_IOERR_FSYNC,
        "truncate": apsw.SQLITE_IOERR_TRUNCATE,
        "write": apsw.SQLITE_IOERR_WRITE,
    }
    exc: Any = apsw.IOError("disk I/O error")
    exc.extendedresult = codes[operation]
    raise exc


def read_only(*_: str) -> None:
    """The file system was remounted, or a permission was taken away."""
    raise apsw.ReadOnlyError


class Disk:
    """
    Attributes:
        strike: What happens before each `write`, `truncate`, `sync` and `open`.
        instead: Statements that are carried out in place of others.
    """

    def __init__(self) -> None:
        self.strike: Strike = lambda operation, kind: None
        self.instead: dict[str, str] = {}
        self._files: dict[int, _Content] = {}
        self._lock = threading.RLock()
        self._vfs = _Vfs(self, f"disk-{next(_numbers)}")

    def connect(self, path: Path, mode: str) -> sqlite3.Connection:
        """Stand in for `sqlite_files.connect`."""
        return cast(sqlite3.Connection, _Connection(self, self._vfs.name, path, mode))

    def after_a_power_cut(self, folder: Path, choose: Random) -> dict[str, bytes]:
        """What *folder* holds when the power is cut now: of what was not synced, any part."""
        with self._lock:
            survival = choose.choice((0.0, 0.5, 0.9, 1.0))
            found = {}
            for path in sorted(folder.iterdir()):
                # The index is memory, and the lock is not data.
                if path.name.endswith(("-shm", ".lock")):
                    continue
                content = self._files.get(path.stat().st_ino)
                kept = content.survivor(choose, survival) if content else path.read_bytes()
                found[path.name] = kept
            return found

    def begin(self, path: Path) -> _Content:
        with self._lock:
            content = self._files.get(path.stat().st_ino)
            if content is None:
                content = self._files[path.stat().st_ino] = _Content(path.read_bytes())
            return content

    def forget(self, path: Path) -> None:
        with self._lock:
            if path.exists():
                self._files.pop(path.stat().st_ino, None)

    def do(self, operation: str, kind: str, content: _Content, act: Callable[[], object]) -> None:
        """Carry out an operation, unless it is struck; a sync that failed made nothing safe."""
        with self._lock:
            try:
                self.strike(operation, kind)
            except apsw.Error:
                if operation == "sync":
                    content.pending.clear()
                raise
            act()


class _Content:
    """What of a file is safe, and what was done to it since; an int is a truncation."""

    def __init__(self, safe: bytes) -> None:
        self.safe = bytearray(safe)
        self.pending: list[tuple[int, bytes] | int] = []

    def sync(self) -> None:
        for change in self.pending:
            _apply(self.safe, change)
        self.pending.clear()

    def survivor(self, choose: Random, survival: float) -> bytes:
        kept = bytearray(self.safe)
        for change in self.pending:
            if isinstance(change, tuple):
                offset, data = change
                for start in range(0, len(data), _SECTOR):
                    if choose.random() < survival:
                        _apply(kept, (offset + start, data[start : start + _SECTOR]))
            elif choose.random() < survival:
                _apply(kept, change)
        return bytes(kept)


def _apply(to: bytearray, change: tuple[int, bytes] | int) -> None:
    if isinstance(change, int):
        del to[change:]
        to.extend(bytes(change - len(to)))
        return
    offset, data = change
    to.extend(bytes(max(0, offset + len(data) - len(to))))
    to[offset : offset + len(data)] = data


class _Vfs(apsw.VFS):
    def __init__(self, disk: Disk, name: str) -> None:
        self.disk = disk
        self.name = name
        super().__init__(name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        kind = next((kind for flag, kind in _KINDS.items() if flags[0] & flag), "other")
        self.disk.strike("open", kind)
        return _File(self.disk, kind, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        self.disk.forget(Path(filename))
        super().xDelete(filename, syncdir)


class _File(apsw.VFSFile):
    def __init__(
        self, disk: Disk, kind: str, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        super().__init__("", name, flags)
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._disk = disk
        self._kind = kind
        self._content = disk.begin(Path(path)) if path else _Content(b"")

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802
        kept = bytes(data)

        def act() -> None:
            super(_File, self).xWrite(data, offset)
            self._content.pending.append((offset, kept))

        self._disk.do("write", self._kind, self._content, act)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        def act() -> None:
            super(_File, self).xTruncate(newsize)
            self._content.pending.append(newsize)

        self._disk.do("truncate", self._kind, self._content, act)

    def xSync(self, flags: int) -> None:  # noqa: N802
        # The real file need not be synced: its power is never cut.
        self._disk.do("sync", self._kind, self._content, self._content.sync)


class _Row:
    def __init__(self, names: tuple[str, ...], values: tuple[Any, ...]) -> None:
        self._names = names
        self._values = values

    def __getitem__(self, key: int | str) -> Any:
        return self._values[key if isinstance(key, int) else self._names.index(key)]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def keys(self) -> list[str]:
        return list(self._names)


class _Cursor:
    def __init__(self, cursor: apsw.Cursor, rowcount: int) -> None:
        self._cursor = cursor
        self.rowcount = rowcount

    def fetchone(self) -> Any:
        with _as_sqlite3():
            return self._cursor.fetchone()

    def fetchall(self) -> list[Any]:
        with _as_sqlite3():
            return self._cursor.fetchall()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.fetchall())


class _Connection:
    def __init__(self, disk: Disk, vfs: str, path: Path, mode: str) -> None:
        self._instead = disk.instead
        flag = apsw.SQLITE_OPEN_READONLY if mode == "ro" else apsw.SQLITE_OPEN_READWRITE
        with _as_sqlite3():
            self._real = apsw.Connection(str(path.absolute()), flags=flag, vfs=vfs)
            self._real.set_busy_timeout(5000)
            self._real.set_row_trace(
                lambda cursor, row: _Row(tuple(d[0] for d in cursor.get_description()), row)
            )

    @property
    def in_transaction(self) -> bool:
        return self._real.in_transaction

    def execute(self, statement: str, parameters: Any = ()) -> _Cursor:
        with _as_sqlite3():
            cursor = self._real.execute(self._instead.get(statement, statement), parameters)
        is_change = statement.lstrip()[:6].upper() in ("INSERT", "UPDATE", "DELETE")
        return _Cursor(cursor, self._real.changes() if is_change else -1)

    def executemany(self, statement: str, rows: Iterable[Any]) -> _Cursor:
        with _as_sqlite3():
            return _Cursor(self._real.executemany(statement, rows), -1)

    def close(self) -> None:
        # As in sqlite3, what goes wrong while closing is nobody's business any more.
        with contextlib.suppress(apsw.Error):
            self._real.close()


class _as_sqlite3:  # noqa: N801 - it reads as a verb
    """Raise what the stdlib's module would."""

    def __enter__(self) -> None:
        return

    def __exit__(self, _: object, exc: BaseException | None, __: object) -> None:
        if not isinstance(exc, apsw.Error):
            return
        code = getattr(exc, "extendedresult", apsw.SQLITE_ERROR)
        kinds: dict[type[Exception], type[sqlite3.Error]] = {
            apsw.ConstraintError: sqlite3.IntegrityError,
            apsw.MismatchError: sqlite3.IntegrityError,
            apsw.CorruptError: sqlite3.DatabaseError,
            apsw.NotADBError: sqlite3.DatabaseError,
        }
        told = kinds.get(type(exc), sqlite3.OperationalError)(str(exc))
        told.sqlite_errorcode = code
        raise told from exc


def put(folder: Path, files: dict[str, bytes]) -> None:
    """Make *folder* with *files* in it."""
    folder.mkdir()
    for name, data in files.items():
        with (folder / name).open("wb") as file:
            file.write(data)
            file.flush()
        os.chmod(folder / name, 0o600)  # noqa: PTH101
