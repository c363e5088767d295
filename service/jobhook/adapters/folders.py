"""What lies in a folder, and whether it changed, on every kind of disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def visible_in(folder: Path) -> Iterator[os.DirEntry[str]]:
    """
    Yield what lies in *folder* and below, without what is hidden and what is in hidden folders.

    Hidden are the copies that editors make, git's own files, and the folders to which the links of
    a Kubernetes volume lead. Raises `OSError` if a folder cannot be read.
    """
    folders = [os.fspath(folder)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                yield entry


def state_of(folder: Path) -> int:
    """
    Return a number that is another one whenever a visible file in *folder* was changed.

    It may be another one although nothing was, and tells nothing to another process.
    """
    try:
        return hash(frozenset((entry.path, *_stamp(entry)) for entry in visible_in(folder)))
    except OSError as exc:
        return hash((exc.errno, exc.filename))


def _stamp(entry: os.DirEntry[str]) -> tuple[int, ...]:
    # The number of the file itself is left out: some network disks give another one every time.
    try:
        seen = entry.stat()
    except OSError as exc:
        return (-(exc.errno or 1),)
    return seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size
