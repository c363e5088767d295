"""How values are written as JSON: with the names of the Python fields, and times as text in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def in_json(value: Any) -> Any:
    """Return *value*, such as a view or what the Hub told, as plain JSON."""
    if is_dataclass(value) and not isinstance(value, type):
        told = {each.name: in_json(getattr(value, each.name)) for each in fields(value)}
        return told if "url" in told or not hasattr(value, "url") else {**told, "url": value.url}
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, Mapping):
        return {str(key): in_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [in_json(each) for each in value]
    return value.value if isinstance(value, Enum) else value


def moment_of(milliseconds: int) -> datetime:
    """Return the time that is so many *milliseconds* after 1970, in UTC."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def iso(moment: datetime) -> str:
    """Return *moment* as people and programs read it: ISO 8601 in UTC, with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
