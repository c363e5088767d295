"""A Hub on this machine, for trying things out: an ASGI app that speaks as the Hub does."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .accounts import ORG, OTHER_TOKEN, OTHER_USER, TOKEN, USER
    from .fault_specs import KEYS as FAULT_KEYS
    from .hub import DevHub
    from .limits import Limits

__all__ = ["FAULT_KEYS", "ORG", "OTHER_TOKEN", "OTHER_USER", "TOKEN", "USER", "DevHub", "Limits"]

_HOMES = {
    "DevHub": ("hub", "DevHub"),
    "FAULT_KEYS": ("fault_specs", "KEYS"),
    "Limits": ("limits", "Limits"),
    **{name: ("accounts", name) for name in ("ORG", "OTHER_TOKEN", "OTHER_USER", "TOKEN", "USER")},
}


def __getattr__(name: str) -> Any:
    # Loaded by whoever needs it: a service that runs none starts a sixth of a second sooner, and is
    # smaller by some MiB.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
