"""The same call once more: what an Idempotency-Key stands for, and what became of it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

from jobhook.core.access import Caller
from jobhook.core.errors import UsageError

# How long a key stands for the call that it came with.
KEPT_MS = 24 * 3_600_000
# How long a call without an answer keeps others out; longer than a request to the Hub may take.
LEASE_MS = 180_000
ANSWER_MAX_BYTES = 64 * 1024
# Of one caller; the oldest make room.
KEYS_MAX = 10_000
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a call was answered with; its *body* is empty if it was too long to be kept."""

    status: int
    body: bytes

    def kept(self) -> Reply:
        """Return it as it is kept."""
        return self if len(self.body) <= ANSWER_MAX_BYTES else Reply(self.status, b"")


@dataclass(frozen=True, slots=True)
class Request:
    """
    A call that carries a key.

    Attributes:
        caller: Whose key it is: two callers may draw the same.
        digest: What tells the call from any other.
    """

    caller: str
    key: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """
    What is known of a key.

    Attributes:
        began_at: When its call was last begun with, in milliseconds since 1970.
        reply: None until there is one.
    """

    digest: str
    began_at: int
    reply: Reply | None = None


class Standing(StrEnum):
    """Where a call with a key stands."""

    FIRST = "first"  # it is to be carried out
    ANSWERED = "answered"
    RUNNING = "running"
    OTHER = "other"  # the key stands for another call


@dataclass(frozen=True, slots=True)
class Turn:
    """What beginning with a call gave; *reply* is there when it was answered before."""

    standing: Standing
    reply: Reply | None = None


def turn_of(request: Request, kept: Kept | None, now: int) -> Turn:
    """
    Return how *request* stands at *now*, if *kept* is known of its key.

    What lies in the future by as much as in the past is over too: the clock was set back.
    """
    if kept is None or abs(now - kept.began_at) >= KEPT_MS:
        return Turn(Standing.FIRST)
    if kept.digest != request.digest:
        return Turn(Standing.OTHER)
    if kept.reply:
        return Turn(Standing.ANSWERED, kept.reply)
    is_leased = abs(now - kept.began_at) < LEASE_MS
    return Turn(Standing.RUNNING if is_leased else Standing.FIRST)


def check_key(key: str) -> None:
    """Raise `UsageError` unless *key* can be an Idempotency-Key."""
    if not _KEY.fullmatch(key):
        raise UsageError("an Idempotency-Key has 1 to 255 characters of printable ASCII")


def request_of(
    caller: Caller, key: str, *, method: str, path: str, body: bytes, holds_secrets: bool = False
) -> Request:
    """
    Return the call of *caller* that carries *key*.

    Of a body that *holds_secrets* the digest takes a twentieth of a second to make, so that nobody
    who has the database finds a weak secret by making the digests of many.
    """
    owner = caller.token_id or caller.who
    head = f"{method}\0{path}\0".encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(head + body).digest()
    if holds_secrets:
        salt = f"{owner}\0{key}".encode("utf-8", "surrogatepass")
        digest = hashlib.scrypt(digest, salt=salt, n=2**14, r=8, p=1, dklen=32)
    return Request(owner, key, digest.hex())
