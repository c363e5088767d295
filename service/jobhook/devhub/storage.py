"""Where a devhub keeps things: a folder that outlives it, or one that does not."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from jobhook.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


Value = TypeVar("Value")


def write_atomically(path: Path, content: bytes) -> None:
    """Write *content*, all or nothing, so that no other user may read it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


class Workspace:
    """
    The folder of one devhub, closed to other users.

    With *data* it is kept, and no second devhub may use it meanwhile; without, it is a temporary
    one that `close` removes.
    """

    def __init__(self, data: Path | None) -> None:
        self._data = data
        self._root: Path | None = None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._lock = -1

    @property
    def lasting(self) -> bool:
        """Whether what is written is read again by a later devhub."""
        return self._data is not None

    @property
    def root(self) -> Path:
        """Return the folder; there is one from `open` to `close`."""
        if self._root is None:
            raise UsageError("this devhub is not running: enter it with `async with` first")
        return self._root

    def open(self) -> None:
        """
        Make the folder ours.

        Raises:
            UsageError: If it cannot be made, or another devhub uses it.
        """
        if self._data is None:
            self._temporary = tempfile.TemporaryDirectory(
                prefix="devhub-", ignore_cleanup_errors=True
            )
            self._root = Path(self._temporary.name).resolve()
            return
        try:
            self._data.mkdir(parents=True, exist_ok=True)
            self._data.chmod(0o700)
            self._lock = os.open(self._data / "lock", os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            self.close()
            problem = "another devhub uses it" if exc.errno == errno.EWOULDBLOCK else exc.strerror
            raise UsageError(f"cannot keep data in {self._data}: {problem}") from exc
        self._root = self._data.resolve()

    def close(self) -> None:
        """Give the folder up, and remove it if it was a temporary one."""
        if self._temporary is not None:
            self._temporary.cleanup()
        if self._lock >= 0:
            os.close(self._lock)
        self._temporary, self._root, self._lock = None, None, -1

    def folder(self, *names: str) -> Path:
        """Return a folder of this workspace, made if there is none."""
        path = self.root
        for name in names:
            # One by one: `parents=True` would leave those above open to others.
            path = path / name
            path.mkdir(mode=0o700, exist_ok=True)
        return path

    def shelf(self, name: str) -> Shelf:
        """Return a place for small values of one kind."""
        return Shelf(self, name)


class Shelf:
    """Small JSON values by id, a file each; a workspace that does not last keeps none."""

    def __init__(self, workspace: Workspace, name: str) -> None:
        self._workspace = workspace
        self._name = name

    def put(self, key: str, value: dict[str, Any]) -> None:
        """Keep *value*, in the place of what was kept as *key*."""
        if self._workspace.lasting:
            write_atomically(self._path(key), orjson.dumps(value))

    def drop(self, key: str) -> None:
        """Keep nothing as *key*."""
        if self._workspace.lasting:
            self._path(key).unlink(missing_ok=True)

    def read(self, parse: Callable[[dict[str, Any]], Value]) -> Iterator[Value]:
        """
        Yield what *parse* makes of all that is kept, in the order of the keys.

        Raises:
            UsageError: If a file does not hold what `put` wrote.
        """
        if not self._workspace.lasting:
            return
        for path in sorted(self._workspace.folder(self._name).glob("*.json")):
            try:
                yield parse({**orjson.loads(path.read_bytes())})
            except (ValueError, TypeError, KeyError) as exc:
                raise UsageError(
                    f"{path} is damaged: remove it, or give another data folder"
                ) from exc

    def _path(self, key: str) -> Path:
        return self._workspace.folder(self._name) / f"{key}.json"
