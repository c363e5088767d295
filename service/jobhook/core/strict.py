"""What the models of files that colleagues write have in common: nothing is ignored in silence."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError


class Strict(BaseModel):
    """A block of a file; a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def fault(message: str) -> PydanticCustomError:
    """Return the error that a validator raises, with *message* shown as it is."""
    return PydanticCustomError("rule", "{message}", {"message": message})


def tuple_of(description: str, *, least: int = 0) -> Any:
    """Return the field of a list in a file, kept as a tuple."""
    # YAML has lists only; strictness is about what is in them.
    return Field(strict=False, min_length=least, description=description)
