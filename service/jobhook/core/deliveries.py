"""
What a delivery is: check its secret, name it, and read it whatever it holds.

The wire is the Hub's webhook payload, version 3. The Hub adds fields and scopes without notice, so
only the fields that route an event are modelled and everything else is left alone.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticUseDefault

from jobhook.core.errors import WrongSecret
from jobhook.core.texts import holds_half_a_character

BODY_MAX_BYTES = 1024 * 1024
SECRET_MAX_BYTES = 1024
SECRET_MIN_BYTES = 16
WEBHOOK_ID_MAX_BYTES = 256
_DEPTH_MAX = 64
_INT_DIGITS_MAX = 19  # what a 64-bit integer can hold


class DeliveryState(StrEnum):
    """What became of a delivery."""

    STORED = "stored"  # acknowledged, not looked at yet
    ENRICHING = "enriching"  # read; a rule depends on what the Hub is being asked
    MATCHED = "matched"  # at least one rule fired
    IGNORED = "ignored"  # read, and no rule fired
    UNPARSED = "unparsed"  # authentic, but not a payload we can read
    QUARANTINED = "quarantined"  # looking at it failed
    CONFLICT = "conflict"  # its id was used before, for another body


class AcceptedSecrets:
    """The webhook secrets that open the receiver; several at once, so that they can be rotated."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._digests = [hashlib.sha256(secret.encode()).digest() for secret in secrets if secret]
        if not self._digests:
            raise WrongSecret("no webhook secret is configured: nothing can be accepted")

    def check(self, given: Sequence[bytes]) -> None:
        """
        Accept the one value in *given* (every header of that name), or raise `WrongSecret`.

        Digests are compared, so that neither length nor content shows in the time it takes, and
        every accepted secret is compared each time.
        """
        if len(given) != 1 or not 0 < len(given[0]) <= SECRET_MAX_BYTES:
            raise WrongSecret("the webhook secret is missing, repeated or too long")
        digest = hashlib.sha256(given[0]).digest()
        matches = [hmac.compare_digest(digest, accepted) for accepted in self._digests]
        if not any(matches):
            raise WrongSecret("the webhook secret is wrong")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryKey:
    """
    What makes two deliveries the same one.

    Attributes:
        value: The `Webhook-Id`, or a hash of the body when the header is absent.
        webhook_id: The header as it came, its hash if it is over 256 bytes, or None.
    """

    value: str
    webhook_id: str | None

    @property
    def is_weak(self) -> bool:
        """Whether only the body tells: equal bodies are one delivery for a short while."""
        return self.webhook_id is None


def delivery_key(webhook_id: bytes | None, body: bytes) -> DeliveryKey:
    """Return the key of a delivery; *webhook_id* is opaque and chosen by the sender."""
    if not webhook_id:
        return DeliveryKey(value=f"body:{hashlib.sha256(body).hexdigest()}", webhook_id=None)
    text = webhook_id.decode("latin-1")
    if len(webhook_id) > WEBHOOK_ID_MAX_BYTES:
        text = f"sha256:{hashlib.sha256(webhook_id).hexdigest()}"
    return DeliveryKey(value=text, webhook_id=text)


def delivery_id(source: str, key: str) -> str:
    """Return our id for a delivery: the same for every copy, so that no look-up is needed."""
    return "d" + short_digest(source, key)


def short_digest(*parts: str) -> str:
    """Return 25 lower-case characters (125 bits) that stand for exactly these *parts*."""
    # Each part is counted: ("ab", "c") and ("a", "bc") must not meet.
    packed = b"".join([b"%d:%s" % (len(part), part) for part in map(str.encode, parts)])
    # Base 32, ten bits at a time: every delivery has one, and `base64` takes twice as long.
    bits = int.from_bytes(hashlib.sha256(packed).digest()[:16], "big") >> 3
    return "".join([_BASE_32[bits >> shift & 1023] for shift in _SHIFTS]) + _BASE_32[bits & 31][1]


_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_BASE_32 = [first + second for first in _LETTERS for second in _LETTERS]
_SHIFTS = range(115, 0, -10)


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


def _or_default(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError as exc:
        raise PydanticUseDefault from exc


T = TypeVar("T")
# A field that only shades an event: null, or a shape that is new to us, does not make the whole
# delivery unreadable.
Lenient = Annotated[T, WrapValidator(_or_default)]


class EventField(_Wire):
    """`event` of the payload."""

    scope: str = Field(min_length=1, max_length=256)
    action: str = Field(max_length=64)


class AuthorField(_Wire):
    """Who wrote or owns something: the Hub tells the id only, never the name."""

    id: Lenient[str] = ""


class RepoField(_Wire):
    """`repo` of the payload; *name* is `owner/name`. What is None did not come."""

    type: str = Field(max_length=64)
    name: str = Field(min_length=1, max_length=512)
    id: Lenient[str] = ""
    private: Lenient[bool | None] = None
    head_sha: Lenient[str] = Field(default="", alias="headSha")
    tags: Lenient[tuple[str, ...] | None] = Field(default=None, strict=False)

    @property
    def owner(self) -> str:
        """The part of the name before the slash."""
        return self.name.partition("/")[0]

    @property
    def whole_name(self) -> str:
        """The name with its type, `type:owner/name`: the Hub has a model and a data set of one."""
        return f"{self.type}:{self.name}"


class RefField(_Wire):
    """One of `updatedRefs`; a null *old_sha* means created, a null *new_sha* deleted."""

    ref: str = Field(max_length=4096)
    old_sha: str | None = Field(default=None, alias="oldSha")
    new_sha: str | None = Field(default=None, alias="newSha")


class DiscussionField(_Wire):
    """`discussion` of the payload."""

    title: Lenient[str] = ""
    num: Lenient[int] = 0
    status: Lenient[str] = ""
    is_pull_request: Lenient[bool] = Field(default=False, alias="isPullRequest")
    author: Lenient[AuthorField] = AuthorField()


class CommentField(_Wire):
    """`comment` of the payload; a hidden one has no *content*."""

    id: Lenient[str] = ""
    content: Lenient[str] = ""
    hidden: Lenient[bool] = False
    author: Lenient[AuthorField] = AuthorField()


class Delivery(_Wire):
    """A payload as far as it routes events; of *updated_files* the Hub may have left some out."""

    event: EventField
    repo: RepoField
    updated_refs: tuple[RefField, ...] | None = Field(
        default=None, alias="updatedRefs", strict=False
    )
    updated_files: Lenient[list[Any]] = Field(default=[], alias="updatedFiles")
    updated_files_truncated: Lenient[bool] = Field(default=False, alias="updatedFilesTruncated")
    updated_config: Lenient[dict[str, Any]] = Field(default={}, alias="updatedConfig")
    discussion: DiscussionField | None = None
    comment: CommentField | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A body that is no payload we know, and why."""

    reason: str


def read_delivery(body: bytes) -> Delivery | Unreadable:
    """Read *body*; whatever it holds, the answer is a `Delivery` or a reason, never an error."""
    try:
        payload = load_json(body)
    except (ValueError, RecursionError) as exc:
        return Unreadable(f"the body is not JSON that can be trusted: {_short(exc)}")
    if not isinstance(payload, dict):
        return Unreadable("the body is JSON, but not an object")
    if isinstance(payload.get("event"), str):
        return Unreadable("a legacy payload (version 2): the Hub sends version 3 to new webhooks")
    try:
        return Delivery.model_validate(payload)
    except ValidationError as exc:
        error = exc.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part) for part in error["loc"])
        return Unreadable(f"not a webhook payload: {path[:100]}: {error['msg'].lower()}")


def load_json(body: bytes) -> Any:
    """
    Parse strict JSON that every reader understands alike; integers over 64 bits become text.

    Raises:
        ValueError: If it is not UTF-8, has a duplicate key, NaN, an infinite number, a NUL or a
            lone surrogate, or is nested more than 64 levels.
        RecursionError: If it is nested so deeply that the parser gives up first.
    """
    text = body.decode("utf-8")
    value = json.loads(
        text,
        object_pairs_hook=_unique_keys,
        parse_constant=_refuse_constant,
        parse_int=_small_int,
        parse_float=_finite_float,
    )
    _check_tree(value)
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return result


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _small_int(digits: str) -> int | str:
    # Over 64 bits it stays text: int() of very many digits is slow, and no field of ours is one.
    if len(digits) <= _INT_DIGITS_MAX + 1 and -(2**63) <= int(digits) < 2**63:
        return int(digits)
    return digits


def _finite_float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _check_tree(value: Any) -> None:
    level: list[Any] = [[value]]  # in a list, so that a lone text is looked at as well
    for _ in range(_DEPTH_MAX + 1):
        below: list[Any] = []
        for holder in level:
            for item in holder if isinstance(holder, list) else [*holder, *holder.values()]:
                if isinstance(item, str):
                    _check_text(item)
                elif isinstance(item, dict | list):
                    below.append(item)
        if not below:
            return
        level = below
    raise ValueError(f"nested over {_DEPTH_MAX} levels")


def _check_text(text: str) -> None:
    if text.isascii():
        if "\0" in text:
            raise ValueError("a text holds a NUL")
    elif "\0" in text or holds_half_a_character(text):
        raise ValueError("a text holds a NUL or half a character")


def _short(exc: BaseException) -> str:
    return (str(exc) or type(exc).__name__)[:120]
