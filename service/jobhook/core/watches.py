"""What the Hub's webhook watches: repos, and everything of a user or org."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from jobhook.core.deliveries import Delivery
from jobhook.core.errors import did_you_mean
from jobhook.core.strict import fault

WATCH_TYPES = ("user", "org", "model", "dataset", "space", "bucket", "kernel")
REPO_TYPES = WATCH_TYPES[2:]
TOKEN_USER = "@me"  # noqa: S105 - a word of the language

_OWNER_NAME = re.compile(r"[^\s/:]+")
_REPO_NAME = re.compile(r"[^\s/:]+/[^\s/:]+")


@dataclass(frozen=True, slots=True, order=True)
class Watch:
    """
    Something the Hub's webhook watches: a repo, or everything of a user or org.

    Attributes:
        type: `user`, `org`, or the type of the repo.
        name: The user or org, or the repo as `owner/name`.
    """

    type: str
    name: str

    def __str__(self) -> str:
        return f"{self.type}:{self.name}"

    @property
    def is_owner(self) -> bool:
        """Whether this is a user or org, and not one repo."""
        return self.type in {"user", "org"}

    def covers(self, delivery: Delivery, me: str | None) -> bool:
        """Whether a delivery comes from here; *me* is the token's user, if it is known."""
        repo = delivery.repo
        if self.is_owner:
            return repo.owner == (me if self.name == TOKEN_USER else self.name)
        return (repo.type, repo.name) == (self.type, self.name)


def _fault(message: str) -> PydanticCustomError:
    return fault(message, code="bad-watch")


def parse_watch(text: object) -> Watch:
    """Return the `Watch` that *text* (`type:name`) means, or raise a fault."""
    kind, colon, name = text.partition(":") if isinstance(text, str) else ("", "", "")
    if not colon:
        raise _fault(f"{text!r} is not `type:name`: write, for instance, `user:@me` or `org:acme`")
    if kind not in WATCH_TYPES:
        raise _fault(f"{kind!r} cannot be watched{did_you_mean(kind, WATCH_TYPES)}")
    if kind in {"user", "org"}:
        if not _OWNER_NAME.fullmatch(name) or (
            name.startswith("@") and (kind, name) != ("user", "@me")
        ):
            raise _fault(f"{name!r} is no name of a {kind}")
    elif not _REPO_NAME.fullmatch(name):
        raise _fault(f"{name!r} is no repo: write `{kind}:owner/name`")
    return Watch(kind, name)


WatchItem = Annotated[
    Watch,
    BeforeValidator(parse_watch),
    WithJsonSchema({"type": "string", "pattern": f"^({'|'.join(WATCH_TYPES)}):"}),
]
