"""Merging a pull request: its changes, and those of them that are not to be had."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .changes import refuse_clash
from .objects import history, read_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .objects import Objects


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """
    What becomes of a branch when a pull request is merged into it.

    Attributes:
        files: Blob ids by path; as they are on the branch where there are *conflicts*.
        conflicts: The files that both have changed, each in its own way.
    """

    files: Mapping[str, str]
    conflicts: tuple[str, ...]


def merge(objects: Objects, tip: str, head: str) -> Merge:
    """Return what becomes of the branch at *tip* with the changes that lead to *head*."""
    ours, theirs = read_files(objects, tip), read_files(objects, head)
    before = read_files(objects, _fork(objects, tip, head))
    changed = {
        path for path in before.keys() | theirs.keys() if before.get(path) != theirs.get(path)
    }
    conflicts = tuple(
        path
        for path in sorted(changed)
        if ours.get(path) not in (before.get(path), theirs.get(path))
    )
    if conflicts:
        return Merge(files=ours, conflicts=conflicts)
    files = {path: oid for path, oid in ours.items() if path not in changed}
    for path in sorted(changed & theirs.keys()):
        refuse_clash(path, files)
        files[path] = theirs[path]
    return Merge(files=files, conflicts=())


def _fork(objects: Objects, tip: str, head: str) -> str:
    known = {commit.id for commit in history(objects, tip)}
    return next(commit.id for commit in history(objects, head) if commit.id in known)
