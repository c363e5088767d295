"""What the models of files that colleagues write have in common: nothing is ignored in silence."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError


class Strict(BaseModel):
    """A block of a file; a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def fault(
    message: str,
    *,
    code: str = "bad-value",
    at: tuple[str | int, ...] = (),
    within: tuple[int, int] | None = None,
) -> PydanticCustomError:
    """
    Return the error that a validator raises, with *message* shown as it is.

    *code* is one of `jobhook.core.codes`. *at* are the keys, within what the validator looks at, of
    what is wrong; *within* is its line and column in that text, from 1.
    """
    context = {"message": message, "code": code, "at": at, "within": within}
    return PydanticCustomError("rule", "{message}", context)


def tuple_of(description: str, *, least: int = 0) -> Any:
    """Return the field of a list in a file, kept as a tuple."""
    # YAML has lists only; strictness is about what is in them.
    return Field(strict=False, min_length=least, description=description)
