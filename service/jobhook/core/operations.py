"""What a person may ask for: orders, and what came of each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from jobhook.core.access import ApiToken, Role
from jobhook.core.errors import UsageError
from jobhook.core.records import EVERYTHING

# What is told of an id that is none.
NO_DELIVERY = "there is no delivery with this id: `jobhook deliveries ls` lists them"
NO_LAUNCH = "there is no launch with this id: `jobhook launches ls` lists them"
NO_TOKEN = "there is no token with this id: `jobhook token ls` lists them"  # noqa: S105


class Deed(StrEnum):
    """What can be asked for."""

    RELEASE = "release"  # held launches go in spite of what held them
    RETRY = "retry"  # launches that are over are launched once more
    CANCEL = "cancel"  # launches do not go, or their jobs are stopped
    REPLAY = "replay"  # deliveries are decided again
    PAUSE = "pause"
    RESUME = "resume"
    LOOK_FIRST = "look-first"  # the database was put back: what it does not know is looked for
    CREATE_TOKEN = "create-token"  # noqa: S105 - a name, as is the next
    REVOKE_TOKEN = "revoke-token"  # noqa: S105


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """
    One person's word.

    Attributes:
        by: Who asks, for the record.
        ids: The launches, deliveries or tokens that it is about, if it is about some.
        scope: What is paused or resumed, see `Pause`.
        reason: Why it is paused.
        token: The one to be made; its value stays with whoever drew it.
    """

    deed: Deed
    by: str
    ids: tuple[str, ...] = ()
    scope: str = EVERYTHING
    reason: str = ""
    token: ApiToken | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What came of an order for one id or scope.

    Attributes:
        id: The delivery, the launch or the scope that the order was about.
        done: Whether it was done.
        told: What was done, or why not, in one line.
    """

    id: str
    done: bool
    told: str


def revoked(name: str) -> str:
    """Return what is told of a token that was called *name*."""
    return f"{name} is revoked: it opens nothing any more"


def order_to_json(order: Order) -> bytes:
    """Return *order* as one line."""
    return json.dumps(asdict(order)).encode()


def order_from_json(line: bytes) -> Order:
    """Return what `order_to_json` wrote; raises `UsageError` for anything else."""
    refusal = "that is no order of this version of jobhook"
    try:
        told: dict[str, Any] = json.loads(line)
        read = {"deed": Deed(told["deed"]), "ids": tuple(told["ids"])}
        order = Order(**{**told, **read, "token": _token_in(told)})
    except (ValueError, TypeError, KeyError, RecursionError) as exc:
        raise UsageError(refusal) from exc
    if not all(isinstance(word, str) for word in (order.by, order.scope, order.reason, *order.ids)):
        raise UsageError(refusal)
    return order


def _token_in(told: dict[str, Any]) -> ApiToken | None:
    token = told.get("token")
    if token is None:
        return None
    read = ApiToken(**{**token, "role": Role(token["role"])})
    texts = (read.id, read.name, read.digest, read.created_by)
    times = (read.expires_at, read.last_used_at, read.revoked_at)
    is_right = (
        all(isinstance(each, str) for each in texts)
        and all(isinstance(each, int | None) for each in times)
        and isinstance(read.created_at, int)
    )
    if not is_right:
        raise TypeError("that is no token")
    return read
