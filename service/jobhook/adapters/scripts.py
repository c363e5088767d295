"""Read the scripts that rules name: files of the rules folder, and nothing outside of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jobhook.core.errors import UsageError
from jobhook.core.inlining import FILES_MAX_BYTES
from jobhook.core.uv import Scripts, is_url


def scripts_of(rule: Any, folder: Path) -> Scripts:
    """Return what the scripts hold that *rule*, plain data of any shape, names; or why not."""
    return {name: _read(name, folder) for name in _names(rule)}


def scripts_among(rule: Any, files: Mapping[str, str]) -> Scripts:
    """Return what the scripts that *rule* names hold among *files*, texts by name; or why not."""
    return {name: _among(name, files) for name in _names(rule)}


def _among(name: str, files: Mapping[str, str]) -> bytes | UsageError:
    if name not in files:
        return UsageError(f"there is no file {name} among those that were given")
    return _within_bounds(name, files[name].encode(errors="surrogatepass"))


def _names(rule: Any) -> Iterator[str]:
    runs = rule.get("run") if isinstance(rule, dict) else None
    for run in runs if isinstance(runs, list) else [runs]:
        uv = run.get("uv") if isinstance(run, dict) else None
        script = uv.get("script") if isinstance(uv, dict) else None
        if isinstance(script, str) and not is_url(script):
            yield script


def _read(name: str, folder: Path) -> bytes | UsageError:
    if Path(name).is_absolute() or ".." in Path(name).parts:
        return UsageError(f"{name} is no path within the rules folder: write it as seen from there")
    try:
        path = (folder / name).resolve(strict=True)
        # A link may lead to where the files of the folder truly lie, and no further.
        if not path.is_relative_to(folder.resolve()):
            return UsageError(f"{name} is a link that leads out of the rules folder")
        if not path.is_file():
            return UsageError(f"{name} is no regular file")
        with path.open("rb") as file:
            content = file.read(FILES_MAX_BYTES + 1)
    except FileNotFoundError:
        return UsageError(f"there is no file {name} in the rules folder {folder}")
    except (OSError, RuntimeError, ValueError) as exc:
        return UsageError(f"{name} cannot be read: {getattr(exc, 'strerror', None) or exc}")
    return _within_bounds(name, content)


def _within_bounds(name: str, content: bytes) -> bytes | UsageError:
    if len(content) > FILES_MAX_BYTES:
        return UsageError(f"{name} is over {FILES_MAX_BYTES:,} bytes")
    return content
