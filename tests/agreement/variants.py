"""The Hub's answers with something missing, null, empty, added, or written otherwise."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from agreement.answers import Wire

DATES = (
    "2026-01-02T03:04:05Z",
    "2026-01-02T03:04:05.6Z",
    "2026-01-02T03:04:05.678901Z",
    "2026-01-02T03:04:05.123456789Z",
    "2026-01-02T03:04:05+00:00",
    "yesterday",
    "",
    1767323045,
)


def variants(whole: Wire) -> Iterator[tuple[str, Wire]]:
    """Yield *whole* in every such way, each with a name."""
    yield "whole", whole
    yield "with more keys", _with_more(whole)
    for path in _paths(whole):
        name = ".".join(map(str, path))
        value = _at(whole, path)
        yield f"without {name}", _changed(whole, path, _GONE)
        yield f"null {name}", _changed(whole, path, None)
        yield f"empty {name}", _changed(whole, path, type(value)())
        if isinstance(value, str) and value.endswith("Z"):
            for date in DATES:
                yield f"{name} {date!r}", _changed(whole, path, date)


Path = tuple[str | int, ...]


class _Gone:
    """Stands for a key that is taken away."""


_GONE = _Gone()


def _paths(value: Any, above: Path = ()) -> Iterator[Path]:
    children = value.items() if isinstance(value, dict) else ()
    for key, child in children:
        yield (*above, key)
        yield from _paths(child, (*above, key))
        if isinstance(child, list) and child and isinstance(child[0], dict):
            yield from _paths(child[0], (*above, key, 0))


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def _changed(whole: Wire, path: Path, value: Any) -> Wire:
    changed = copy.deepcopy(whole)
    holder = _at(changed, path[:-1])
    if value is _GONE:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return changed


def _with_more(value: Any) -> Any:
    if isinstance(value, dict):
        more = {key: _with_more(each) for key, each in value.items()}
        return more | {"ofTomorrow": {"a": [1]}, "_id": None}
    if isinstance(value, list):
        return [_with_more(each) for each in value]
    return value
