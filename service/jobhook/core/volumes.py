"""
What `-v` says: a volume of the Hub, or a folder of this machine.

`hf://[TYPE/]OWNER/NAME[@REVISION][/PATH]:/MOUNT[:ro|:rw]`, or `FOLDER:/MOUNT[:ro|:rw]`.

A revision that holds a slash is written with `%2F`, except those of the Hub's own (`refs/pr/1`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from jobhook.core.errors import UsageError, did_you_mean
from jobhook.core.jobs import Volume
from jobhook.core.names import is_repo

_HUB = "hf://"
_TYPES = {"models": "model", "datasets": "dataset", "spaces": "space", "buckets": "bucket"}
_SHAPE = "hf://[models|datasets|spaces|buckets/]OWNER/NAME[@REVISION][/PATH]:/MOUNT[:ro|:rw]"
_MOUNT = re.compile(r"(?P<what>.*):(?P<mount>/.*?)(?::(?P<mode>ro|rw))?", re.DOTALL)
_SOURCE = re.compile(
    r"(?P<name>[^/@]+/[^/@]+)"
    r"(?:@(?P<revision>refs/pr/\d+|refs/convert/[\w.-]+|[^/]+))?"
    r"(?:/(?P<path>.+))?",
    re.DOTALL,
)
_ESCAPED = re.compile("(?:%[0-9A-Fa-f]{2})+")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFolder:
    """A folder of this machine that the job is to find at *mount_path*."""

    source: str
    mount_path: str
    read_only: bool = True


def read_volume(text: str) -> Volume | LocalFolder:
    """
    Return what *text* says; where it says neither `ro` nor `rw`, the Hub decides.

    Raises:
        UsageError: It is no volume; the sentence names what is wrong.
    """
    found = _MOUNT.fullmatch(text)
    if not found or not found["what"]:
        _refuse(text, f"write {_SHAPE}, or a folder and :/MOUNT")
    if found["mount"] == "/":
        _refuse(text, "nothing can be mounted at `/`")
    read_only = found["mode"] == "ro" if found["mode"] else None
    if text.startswith(_HUB):
        return _of_the_hub(text, found["what"].removeprefix(_HUB), found["mount"], read_only)
    return LocalFolder(
        source=found["what"], mount_path=found["mount"], read_only=read_only is not False
    )


def _of_the_hub(text: str, what: str, mount: str, read_only: bool | None) -> Volume:
    kind, name = _typed(text, what.strip("/"))
    found = _SOURCE.fullmatch(name)
    if not found or not is_repo(found["name"]):
        _refuse(text, f"write {_SHAPE}")
    revision, path = found["revision"], found["path"]
    if kind == "bucket" and revision:
        _refuse(text, "a bucket has no revisions")
    if path and "//" in f"/{path}":
        _refuse(text, "a part of its path is empty")
    return Volume(
        type=kind,
        source=found["name"],
        mount_path=mount,
        revision=_unescaped(revision) if revision else None,
        read_only=read_only,
        path=path,
    )


def _typed(text: str, what: str) -> tuple[str, str]:
    first, slash, rest = what.partition("/")
    if first in _TYPES:
        return _TYPES[first], rest
    # OWNER/NAME alone is a model.
    if first in (*_TYPES.values(), "kernel", "kernels") and slash:
        hint = did_you_mean(first, _TYPES)
        _refuse(text, f"the type is one of {', '.join(_TYPES)}{hint}")
    return "model", what


def _unescaped(revision: str) -> str:
    return _ESCAPED.sub(
        lambda found: bytes.fromhex(found[0].replace("%", "")).decode(errors="replace"), revision
    )


def _refuse(text: str, why: str) -> NoReturn:
    raise UsageError(f"volume {text[:200]!r}: {why}")
