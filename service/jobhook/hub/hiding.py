"""What a request carries in confidence, and how it is kept out of what is told of its answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

_HIDDEN = "***"
# A shorter value is no secret worth the name, and would be found in everything.
_HIDE_FROM_LENGTH = 8
# A request in JSON, said back as a text in JSON.
_NESTED = 2


def confidences(headers: Mapping[str, str], body: Any) -> tuple[str, ...]:
    """Return the token in *headers*, and every `secret` and `secrets` at any depth of *body*."""
    token = headers.get("authorization", "").removeprefix("Bearer ")
    return tuple(text for text in (token, *_secrets_in(body)) if len(text) >= _HIDE_FROM_LENGTH)


def without(text: str, hidden: Iterable[str]) -> str:
    """Return *text* with `***` for each of *hidden*, as it is or as a URL or JSON writes it."""
    for secret in sorted(hidden, key=len, reverse=True):
        for form in _forms(secret):
            text = text.replace(form, _HIDDEN)
    return text


def _secrets_in(body: Any) -> Iterator[str]:
    if not isinstance(body, Mapping):
        return
    for name, value in body.items():
        if name == "secret" and isinstance(value, str):
            yield value
        elif name == "secrets" and isinstance(value, Mapping):
            yield from map(str, value.values())
        else:
            yield from _secrets_in(value)


def _forms(secret: str) -> Iterator[str]:
    yield quote(secret, safe="")
    plain, ascii_only = {secret}, {secret}
    for _ in range(_NESTED):
        plain |= {json.dumps(form, ensure_ascii=False)[1:-1] for form in plain}
        ascii_only |= {json.dumps(form)[1:-1] for form in plain | ascii_only}
    yield from sorted(plain | ascii_only, key=len, reverse=True)
