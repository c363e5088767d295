"""What callers may give: the kinds of values that stand in queries and bodies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from jobhook.core.watches import REPO_TYPES

LIMIT, LIMIT_MAX = 100, 1000
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", re.IGNORECASE)
_WORDS = {"true": True, "false": False}


class Given(BaseModel):
    """What callers send: nothing that is not known, and no value of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class NoQuery(Given):
    """No parameters."""


def _flag(text: Any) -> Any:
    if text not in _WORDS:
        raise ValueError("true or false")
    return _WORDS[text]


def _digits(text: Any) -> Any:
    if not (isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 9):
        raise ValueError("a whole number, in digits")
    return int(text)


def _time(text: Any) -> Any:
    try:
        if isinstance(text, str) and _TIME.fullmatch(text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("a time such as 2026-11-25T08:00:00Z")


# Of queries, where everything is a text.
Digits = BeforeValidator(_digits)
Flag = Annotated[bool, BeforeValidator(_flag)]
When = Annotated[datetime, BeforeValidator(_time)]
Text = Annotated[str, Field(min_length=1, max_length=500)]


class Paged(Given):
    """A page of a list."""

    limit: Annotated[
        int,
        Field(ge=1, le=LIMIT_MAX, description="How many items a page has at most."),
        Digits,
    ] = LIMIT
    cursor: Annotated[
        str | None,
        Field(max_length=500, description="`next_cursor` of the page before; the first without."),
    ] = None


def said(name: str, kind: str) -> dict[str, Any]:
    """Return the schema of bodies that say *name*, as a value of *kind*."""
    return {"required": [name], "properties": {name: {"type": kind}}}


def unsaid(*names: str) -> dict[str, Any]:
    """Return the schema of bodies that leave *names* out, or null."""
    return {"properties": {name: {"type": "null"} for name in names}}


@dataclass(frozen=True, slots=True)
class Named:
    """A map from names of one pattern and length, in the words that generated clients know."""

    longest: int | None = None

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = handler(core_schema)
        ((pattern, values),) = schema.pop("patternProperties").items()
        names = {"pattern": pattern} | ({"maxLength": self.longest} if self.longest else {})
        return {**schema, "propertyNames": names, "additionalProperties": values}


_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}"
Repo = Annotated[str, Field(pattern=rf"^([a-z]+:)?{_NAME}(/{_NAME})?$", max_length=200)]
TypedRepo = Annotated[
    str, Field(pattern=rf"^({'|'.join(REPO_TYPES)}):{_NAME}(/{_NAME})?$", max_length=200)
]


def repo_parts(text: str | None) -> tuple[str | None, str | None]:
    """Return the type and the name of a repo, as far as *text* says them."""
    kind, _, name = (text or "").rpartition(":")
    return kind or None, name or None


def milliseconds(when: datetime | None) -> int | None:
    """Return a time as filters have it."""
    return None if when is None else round(when.timestamp() * 1000)
