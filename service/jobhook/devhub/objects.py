"""The content of one repo, by hash: loose objects as git writes them."""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .storage import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_FILE, _FOLDER = b"100644", b"40000"
_AUTHOR = re.compile(r"(?m)^author (.*) <.*> (\d+) \+0000$")
_PARENT = re.compile(r"(?m)^parent ([0-9a-f]{40})$")
_SHORT_ID = re.compile(r"[0-9a-f]{7,40}")


class Objects:
    """Blobs, trees and commits in a folder, each named by the SHA-1 that git gives it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, kind: str, content: bytes) -> str:
        """Keep *content*, and return its id."""
        whole = b"%s %d\0%s" % (kind.encode(), len(content), content)
        # Git's own names; nothing here rests on their being unforgeable.
        oid = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
        path = self._path(oid)
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(path, zlib.compress(whole, level=1))
        return oid

    def get(self, kind: str, oid: str) -> bytes | None:
        """Return what `put` kept, None if there is no such object of this *kind*."""
        try:
            whole = zlib.decompress(self._path(oid).read_bytes())
        except FileNotFoundError:
            return None
        head, _, content = whole.partition(b"\0")
        return content if head.split(b" ")[0] == kind.encode() else None

    def size(self, oid: str) -> int:
        """Return how long the content of an object is, without reading it all."""
        with self._path(oid).open("rb") as file:
            head = zlib.decompressobj().decompress(file.read(128), 64)
        return int(head.partition(b"\0")[0].split(b" ")[1])

    def commit_called(self, name: str) -> str | None:
        """Return the commit whose id is *name* or begins with it, if there is just one."""
        if not _SHORT_ID.fullmatch(name):
            return None
        found = [
            oid
            for path in (self._folder / name[:2]).glob(f"{name[2:]}*")
            if self.get("commit", oid := name[:2] + path.name) is not None
        ]
        return found[0] if len(found) == 1 else None

    def _path(self, oid: str) -> Path:
        return self._folder / oid[:2] / oid[2:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file or folder in a listing."""

    path: str
    oid: str
    is_folder: bool


def write_tree(objects: Objects, files: Mapping[str, str]) -> str:
    """Keep the folder that *files*, blob ids by path, are; return its id."""
    folders: dict[str, dict[str, str]] = {}
    rows: list[tuple[bytes, bytes, str]] = []
    for path, oid in files.items():
        name, slash, rest = path.partition("/")
        if slash:
            folders.setdefault(name, {})[rest] = oid
        else:
            rows.append((name.encode(), _FILE, oid))
    rows += [(name.encode(), _FOLDER, write_tree(objects, folders[name])) for name in folders]
    # Git sorts a folder as if its name ended with a slash.
    rows.sort(key=lambda row: row[0] + b"/" if row[1] == _FOLDER else row[0])
    return objects.put(
        "tree",
        b"".join(b"%s %s\0%s" % (mode, name, bytes.fromhex(oid)) for name, mode, oid in rows),
    )


def read_tree(objects: Objects, oid: str, prefix: str = "") -> Iterator[Entry]:
    """Yield everything in the folder *oid* and below, each folder before what is in it."""
    content = objects.get("tree", oid) or b""
    while content:
        head, _, rest = content.partition(b"\0")
        mode, _, name = head.partition(b" ")
        entry_id, content = rest[:20].hex(), rest[20:]
        path = prefix + name.decode()
        yield Entry(path=path, oid=entry_id, is_folder=mode == _FOLDER)
        if mode == _FOLDER:
            yield from read_tree(objects, entry_id, f"{path}/")


def read_files(objects: Objects, commit: str) -> dict[str, str]:
    """Return the blob ids of all files of *commit*, by path."""
    tree = tree_of(objects, commit)
    return {entry.path: entry.oid for entry in read_tree(objects, tree) if not entry.is_folder}


def write_commit(
    objects: Objects,
    files: Mapping[str, str],
    *,
    parents: Iterable[str],
    author: str,
    message: str,
    when: datetime,
) -> str:
    """Keep a commit, and return its id."""
    who = f"{author} <{author}@devhub.invalid> {int(when.timestamp())} +0000"
    head = [
        f"tree {write_tree(objects, files)}",
        *(f"parent {parent}" for parent in parents),
        f"author {who}",
        f"committer {who}",
    ]
    return objects.put("commit", "\n".join([*head, "", message, ""]).encode())


def tree_of(objects: Objects, commit: str) -> str:
    """Return the id of the top folder of *commit*."""
    return (objects.get("commit", commit) or b"")[5:45].decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit in a history, with the times and names that git keeps."""

    id: str
    author: str
    when: datetime
    title: str
    message: str


def history(objects: Objects, commit: str) -> Iterator[Commit]:
    """Yield *commit* and what came before it, newest first."""
    oid: str | None = commit
    while oid:
        head, _, message = (objects.get("commit", oid) or b"").decode().partition("\n\n")
        author, parent = _AUTHOR.search(head), _PARENT.search(head)
        if author is None:
            return
        title, _, rest = message.strip().partition("\n")
        yield Commit(
            id=oid,
            author=author[1],
            when=datetime.fromtimestamp(int(author[2]), UTC),
            title=title,
            message=rest.strip(),
        )
        oid = parent[1] if parent else None
