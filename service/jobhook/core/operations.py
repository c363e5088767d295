"""What a person may ask for: orders, and what came of each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from jobhook.core.errors import UsageError
from jobhook.core.records import EVERYTHING


class Deed(StrEnum):
    """What can be asked for."""

    RELEASE = "release"  # held launches go in spite of what held them
    RETRY = "retry"  # launches that are over are launched once more
    CANCEL = "cancel"  # launches do not go, or their jobs are stopped
    REPLAY = "replay"  # deliveries are decided again
    PAUSE = "pause"
    RESUME = "resume"
    LOOK_FIRST = "look-first"  # the database was put back: what it does not know is looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """
    One person's word.

    Attributes:
        by: Who asks, for the record.
        ids: The launches or deliveries that it is about, if it is about some.
        scope: What is paused or resumed, see `Pause`.
        reason: Why it is paused.
    """

    deed: Deed
    by: str
    ids: tuple[str, ...] = ()
    scope: str = EVERYTHING
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an order for one id (or scope), in one line."""

    id: str
    done: bool
    told: str


def order_to_json(order: Order) -> bytes:
    """Return *order* as one line."""
    return json.dumps(asdict(order)).encode()


def order_from_json(line: bytes) -> Order:
    """Return what `order_to_json` wrote; raises `UsageError` for anything else."""
    refusal = "that is no order of this version of jobhook"
    try:
        told: dict[str, Any] = json.loads(line)
        order = Order(**{**told, "deed": Deed(told["deed"]), "ids": tuple(told["ids"])})
    except (ValueError, TypeError, KeyError, RecursionError) as exc:
        raise UsageError(refusal) from exc
    if not all(isinstance(word, str) for word in (order.by, order.scope, order.reason, *order.ids)):
        raise UsageError(refusal)
    return order
