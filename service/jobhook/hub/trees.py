"""
What differs between two commits, read folder by folder.

Git names a folder by a hash of all that is in it, and the Hub tells it (`oid`): only folders whose
hash differs are read. The Hub's own comparison (`compare/{a..b}`) is one text for people, of any
length and without the sizes of large files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

from jobhook.core.errors import HubBusy, ListTooLong
from jobhook.core.findings import ChangedFile
from jobhook.hub.transport import HubTransport
from jobhook.hub.wire import items, text

CALLS_MAX = 60
FILES_MAX = 10_000
# A path may be as long as whoever pushes likes.
CHARACTERS_MAX = 2_000_000
# What expressions can count to.
SIZE_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file or folder; *content* is the same where nothing in it differs."""

    path: str
    is_folder: bool
    content: tuple[str, str]
    size: int | None

    @classmethod
    def of(cls, wire: Any) -> Self:
        size, lfs = wire.get("size"), wire.get("lfs") or {}
        return cls(
            path=text(wire["path"]),
            # Whatever else there is (a submodule, say) is one thing that changes as a whole.
            is_folder=wire["type"] == "directory",
            content=(text(wire["oid"]), str(lfs.get("oid"))),
            size=size if type(size) is int and 0 <= size <= SIZE_MAX else None,
        )


class TreeComparison:
    """One comparison of the commits *old* and *new*; *base* is the path of the repo's `tree`."""

    def __init__(self, transport: HubTransport, base: str, *, old: str | None, new: str) -> None:
        self._transport = transport
        self._base = base
        self._old, self._new = old, new
        self._calls = self._characters = 0
        self._changes: list[ChangedFile] = []

    async def run(self) -> tuple[ChangedFile, ...]:
        """
        Return what differs, in the order of the paths.

        Raises:
            ListTooLong: It takes over `CALLS_MAX` calls, or more changed than may be kept.
        """
        if self._old is None:
            self._note("add", await self._list(self._new, "", recursive=True))
        else:
            await self._compare(self._old, "")
        return tuple(sorted(self._changes, key=lambda change: change.path))

    async def _compare(self, old: str, folder: str) -> None:
        before = {entry.path: entry for entry in await self._list(old, folder)}
        after = {entry.path: entry for entry in await self._list(self._new, folder)}
        for path in sorted(before.keys() | after.keys()):
            was, now = before.get(path), after.get(path)
            if was is None or now is None or was.is_folder != now.is_folder:
                await self._whole("delete", old, was)
                await self._whole("add", self._new, now)
            elif was.content != now.content:
                if now.is_folder:
                    await self._compare(old, path)
                else:
                    self._note("edit", [now])

    async def _whole(self, action: str, revision: str, entry: _Entry | None) -> None:
        if entry is not None and entry.is_folder:
            self._note(action, await self._list(revision, entry.path, recursive=True))
        elif entry is not None:
            self._note(action, [entry])

    def _note(self, action: str, entries: Iterable[_Entry]) -> None:
        for entry in entries:
            if not entry.is_folder:
                size = None if action == "delete" else entry.size
                self._changes.append(ChangedFile(entry.path, action, size))
                self._characters += len(entry.path)
                if len(self._changes) > FILES_MAX or self._characters > CHARACTERS_MAX:
                    raise ListTooLong(f"over {FILES_MAX:,} files changed, or their paths are long")

    async def _list(self, revision: str, folder: str, *, recursive: bool = False) -> list[_Entry]:
        path = f"{self._base}/{revision}" + (f"/{quote(folder, safe='')}" if folder else "")
        found: list[_Entry] = []
        async for page in self._transport.pages(path, [("recursive", "true")] * recursive):
            self._calls += 1
            if self._calls > CALLS_MAX:
                raise ListTooLong(f"what changed is not known after {CALLS_MAX} calls of the Hub")
            found += _entries(page)
        return found


def _entries(page: Any) -> list[_Entry]:
    try:
        return [_Entry.of(wire) for wire in items(page)]
    except (LookupError, TypeError, AttributeError) as exc:
        raise HubBusy("the Hub's list of files cannot be read") from exc
