"""How two outcomes differ, each difference by a name."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from huggingface_hub.errors import HfHubHTTPError

from agreement.recorder import Asked
from agreement.sides import Outcome
from jobhook.core.errors import HubError

# Code that is written for the official client may catch these.
_CAUGHT = (ValueError, FileNotFoundError, TimeoutError, TypeError)


def disagreements(theirs: Outcome, ours: Outcome) -> Iterator[tuple[str, str]]:
    """
    Yield what differs, as `body.labels.name`, and how.

    Where one side refuses and the other does not, that is all there is to say.
    """
    if ours.error and not theirs.error:
        yield "refused", f"only ours says {ours.error!r}"
    elif theirs.error and not ours.error:
        yield "accepted", f"only theirs says {theirs.error!r}"
    else:
        if theirs.error and ours.error:
            yield from _errors(theirs.error, ours.error)
        yield from _accounts(theirs, ours)
        yield from _requests(theirs.asked, ours.asked)
        if not theirs.error:
            yield from values("result", theirs.result, ours.result)


def _errors(theirs: Exception, ours: Exception) -> Iterator[tuple[str, str]]:
    if isinstance(theirs, HfHubHTTPError):
        status = ours.status if isinstance(ours, HubError) else None
        if status != theirs.response.status_code:
            yield "error", f"{theirs!r}, {ours!r}"
    else:
        caught = [kind for kind in _CAUGHT if isinstance(theirs, kind)]
        if not caught or not isinstance(ours, tuple(caught)):
            yield "error", f"{theirs!r}, {ours!r}"


def _accounts(theirs: Outcome, ours: Outcome) -> Iterator[tuple[str, str]]:
    told = f"{theirs.tokens_asked_about}, {ours.tokens_asked_about}"
    if not {*ours.tokens_asked_about} <= {*theirs.tokens_asked_about}:
        yield "whoami.token", told
    elif len(theirs.tokens_asked_about) != len(ours.tokens_asked_about):
        yield "whoami.often", told


def _requests(theirs: tuple[Asked, ...], ours: tuple[Asked, ...]) -> Iterator[tuple[str, str]]:
    if len(theirs) != len(ours):
        yield "requests", f"{theirs}, {ours}"
        return
    for one, other in zip(theirs, ours, strict=True):
        yield from values("method", one.method, other.method)
        yield from values("path", one.path, other.path)
        yield from values("query", one.query, other.query)
        yield from values("token", one.authorization, other.authorization)
        yield from values("body", one.body, other.body)


def values(name: str, theirs: Any, ours: Any) -> Iterator[tuple[str, str]]:
    """Yield the parts in which *ours* is not what *theirs* is."""
    if dataclasses.is_dataclass(theirs):
        for field in dataclasses.fields(theirs):
            mine = getattr(ours, field.name, _MISSING)
            yield from values(f"{name}.{field.name}", getattr(theirs, field.name), mine)
    elif isinstance(theirs, dict) and isinstance(ours, Mapping):
        for key in {**theirs, **ours}:
            pair = theirs.get(key, _MISSING), ours.get(key, _MISSING)
            yield from values(f"{name}.{key}", *pair)
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for pair in zip(theirs, ours, strict=True):
            yield from values(name, *pair)
    elif _simple(theirs) != _simple(ours):
        yield name, f"{theirs!r}, {ours!r}"


def _simple(value: Any) -> tuple[type, Any]:
    value = value.value if isinstance(value, Enum) else value
    return type(value), value


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


_MISSING = _Missing()
