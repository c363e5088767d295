"""What one commit changes: reading it from the wire, and carrying it out on a list of files."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .wire import Refusal, json_object

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_MAX_PATH = 1024
_MAX_DEPTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """A file with new content."""

    path: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """A file that goes, or a folder with all that is in it."""

    path: str
    is_folder: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """
    A commit as it is asked for.

    Attributes:
        summary: Its first line.
        description: What follows it.
        parent: The commit that must be the newest one, if it was said.
        operations: What to do, in this order.
    """

    summary: str
    description: str = ""
    parent: str | None = None
    operations: tuple[Put | Drop, ...] = ()

    @property
    def message(self) -> str:
        """Return summary and description as git keeps them."""
        return f"{self.summary}\n\n{self.description}" if self.description else self.summary


def read_change(body: bytes) -> Change:
    """Return the change that *body* is: a JSON object a line, the first one a header."""
    lines = [json_object(line) for line in body.splitlines() if line.strip()]
    if not lines or lines[0].get("key") != "header":
        raise Refusal(400, "The first line of a commit must be its header")
    header = _value(lines[0])
    summary = _text(header, "summary")
    if not summary.strip():
        raise Refusal(400, "summary: a commit needs one")
    return Change(
        summary=summary,
        description=_text(header, "description", default=""),
        parent=_text(header, "parentCommit", default="") or None,
        operations=tuple(_operation(line) for line in lines[1:]),
    )


def carry_out(
    change: Change, files: Mapping[str, str], keep: Callable[[bytes], str]
) -> dict[str, str]:
    """Return *files*, blob ids by path, as they are after *change*; *keep* stores content."""
    after = dict(files)
    for operation in change.operations:
        if isinstance(operation, Put):
            refuse_clash(operation.path, after)
            after[operation.path] = keep(operation.content)
        else:
            _drop(operation, after)
    return after


def _drop(operation: Drop, files: dict[str, str]) -> None:
    prefix = operation.path + "/"
    gone = (
        [path for path in files if path.startswith(prefix)]
        if operation.is_folder
        else [path for path in (operation.path,) if path in files]
    )
    if not gone:
        raise Refusal(
            404, f"A file with this name doesn't exist: {operation.path}", code="EntryNotFound"
        )
    for path in gone:
        del files[path]


def refuse_clash(path: str, files: Mapping[str, str]) -> None:
    """Refuse a file at *path* where *files* has a folder, or a file where it needs a folder."""
    parts = path.split("/")
    for count in range(1, len(parts)):
        if (folder := "/".join(parts[:count])) in files:
            raise Refusal(400, f"path: {folder!r} is a file, so {path!r} cannot be")
    if path not in files and any(other.startswith(path + "/") for other in files):
        raise Refusal(400, f"path: {path!r} is a folder")


def _operation(line: dict[str, Any]) -> Put | Drop:
    key, value = line.get("key"), _value(line)
    if key == "file":
        return Put(path=_path(value), content=_content(value))
    if key in {"deletedFile", "deletedFolder"}:
        return Drop(path=_path(value), is_folder=key == "deletedFolder")
    if key == "lfsFile":
        raise Refusal(400, "lfsFile: devhub keeps every file as a regular one")
    raise Refusal(400, f"key: {str(key)[:40]!r} is no operation that devhub knows")


def _value(line: dict[str, Any]) -> dict[str, Any]:
    value = line.get("value")
    if not isinstance(value, dict):
        raise Refusal(400, "value: every line of a commit needs an object here")
    return value


def _text(value: dict[str, Any], name: str, default: str | None = None) -> str:
    text = value.get(name, default)
    if not isinstance(text, str):
        raise Refusal(400, f"{name}: a text is needed here")
    return text


def _content(value: dict[str, Any]) -> bytes:
    text = _text(value, "content")
    if _text(value, "encoding", default="utf-8") != "base64":
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise Refusal(400, "content: it is not base64") from exc


def _path(value: dict[str, Any]) -> str:
    path = _text(value, "path").removesuffix("/")
    parts = path.split("/")
    if (
        len(path) > _MAX_PATH
        or len(parts) > _MAX_DEPTH
        or not path.isprintable()
        or any(part in {"", ".", ".."} or part.lower() == ".git" for part in parts)
    ):
        raise Refusal(400, f"path: {path[:120]!r} cannot be the path of a file")
    return path
