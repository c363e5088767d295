"""
The local files among the words of a command, as `run_uv_job` takes them: whatever is one, is one.

Everything here waits for a disk: call it in a thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from jobhook.core.errors import FilesTooLong, MissingFile, UsageError
from jobhook.core.inlining import FILES_MAX_BYTES, LocalFile, names_in_job

# What is called like this is meant to be a file, unless it has a URL.
_SUFFIXES = frozenset({".py", ".sh", ".yaml", ".yml", ".toml"})
_URLS = ("https://", "http://")
_TOLD_MAX = 5


def local_files(words: Sequence[str]) -> dict[str, str]:
    """
    Return the *words* that are local files, in order, with the names that a job finds them under.

    Raises:
        MissingFile: A word is called like a script or its settings, and is no file.
    """
    found = {word: Path(word).name for word in words if _is_file(word)}
    missing = dict.fromkeys(word for word in words if word not in found and is_meant(word))
    if missing:
        told = ", ".join(word[:200] for word in list(missing)[:_TOLD_MAX])
        raise MissingFile(f"there is no file {told}: give its path from here, or a URL")
    return names_in_job(found)


def with_contents(words: Sequence[str], names: Mapping[str, str]) -> list[str | LocalFile]:
    """
    Return *words* with what the files among them hold, named as in *names*.

    Raises:
        FilesTooLong: They hold more than could be packed; no more than that is read.
        MissingFile: A file has gone meanwhile.
        UsageError: A file cannot be read.
    """
    files: dict[str, LocalFile] = {}
    left = FILES_MAX_BYTES
    for path, name in names.items():
        content = _read(path, left)
        left -= len(content)
        files[path] = LocalFile(name, content)
    return [files.get(word, word) for word in words]


def _read(path: str, most: int) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(most + 1)
    except FileNotFoundError as exc:
        raise MissingFile(f"there is no file {path} any more") from exc
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {exc.strerror}") from exc
    if len(content) > most:
        raise FilesTooLong(f"the files hold more than {FILES_MAX_BYTES:,} bytes")
    return content


def _is_file(word: str) -> bool:
    try:
        return Path(word).is_file()
    except (OSError, ValueError):  # too long a name, a NUL, a folder that is not ours to see
        return False


def is_meant(word: str) -> bool:
    """Whether *word* is called like a script or its settings, and has no URL."""
    return Path(word).suffix in _SUFFIXES and not word.startswith(_URLS)
