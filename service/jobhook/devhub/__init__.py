"""A Hub on this machine, for trying things out: an ASGI app that speaks as the Hub does."""

from __future__ import annotations

from .accounts import ORG, OTHER_TOKEN, OTHER_USER, TOKEN, USER
from .fault_specs import KEYS as FAULT_KEYS
from .hub import DevHub
from .limits import Limits

__all__ = ["FAULT_KEYS", "ORG", "OTHER_TOKEN", "OTHER_USER", "TOKEN", "USER", "DevHub", "Limits"]
