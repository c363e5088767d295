"""A Hub on this machine, for trying things out: an ASGI app that speaks as the Hub does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .accounts import ORG, OTHER_TOKEN, OTHER_USER, TOKEN, USER
from .fault_specs import KEYS as FAULT_KEYS
from .limits import Limits

if TYPE_CHECKING:
    from .hub import DevHub

__all__ = ["FAULT_KEYS", "ORG", "OTHER_TOKEN", "OTHER_USER", "TOKEN", "USER", "DevHub", "Limits"]


def __getattr__(name: str) -> Any:
    # Its parts are loaded by whoever runs one: a service that has none starts a sixth of a second
    # sooner and is some MiB smaller.
    if name == "DevHub":
        from .hub import DevHub

        return DevHub
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
