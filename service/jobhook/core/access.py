"""Who may ask for what: roles, API tokens, and whoever calls."""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from enum import StrEnum

from jobhook.core.errors import UsageError
from jobhook.core.texts import shown

_TOKEN = re.compile(r"jh_[A-Za-z0-9_-]{43}")
NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$"
_NAME = re.compile(NAME_PATTERN.strip("^$"))
TOKEN_BYTES = 32
# The last moment that can be shown: the end of the year 9999, in milliseconds since 1970.
EXPIRES_MAX = 253_402_300_799_999
# To within what it is known when a token was last used.
USED_EVERY_MS = 60_000


class Role(StrEnum):
    """What a caller is: each may do what those before it may, and more."""

    VIEWER = "viewer"  # sees everything but who else may call
    OPERATOR = "operator"  # starts and stops
    ADMIN = "admin"  # webhooks, tokens, and who did what

    def may(self, needed: Role) -> bool:
        """Whether a caller of this role may do what needs *needed*."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(needed)


class TokenState(StrEnum):
    """What a token is good for."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """
    A token, as far as it is kept: nobody can call with what stands here.

    Times are milliseconds since 1970, UTC.

    Attributes:
        id: What it is called by where it must not be shown.
        digest: What its value is recognised by, see `digest_of`.
        expires_at: From when on it opens nothing; None for never.
        last_used_at: To within a minute; None if nobody has called with it.
    """

    id: str
    name: str
    role: Role
    digest: str
    created_at: int
    created_by: str
    expires_at: int | None = None
    last_used_at: int | None = None
    revoked_at: int | None = None

    def state(self, now: int) -> TokenState:
        """Return whether somebody can call with it at *now*, and if not, why."""
        if self.revoked_at is not None:
            return TokenState.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return TokenState.EXPIRED
        return TokenState.ACTIVE


@dataclass(frozen=True, slots=True)
class Caller:
    """
    Somebody who has shown who they are.

    Attributes:
        who: For the record.
        token_id: Of the token that was shown; None for the one of the settings.
    """

    who: str
    role: Role
    token_id: str | None = None


def check_name(name: str) -> None:
    """Raise `UsageError` unless *name* can be a token's."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{shown(name)} is no name for a token: write letters, digits, `.`, `_`, `@` and `-`, "
            "64 at most, and begin with a letter or digit"
        )


def token_from(drawn: bytes) -> str:
    """Return the token that 32 bytes drawn by lot stand for."""
    if len(drawn) != TOKEN_BYTES:
        raise ValueError(f"a token is made of {TOKEN_BYTES} bytes, not {len(drawn)}")
    return "jh_" + urlsafe_b64encode(drawn).decode().rstrip("=")


def is_token(text: str) -> bool:
    """Whether *text* has the shape of a token of ours."""
    return _TOKEN.fullmatch(text) is not None


def digest_of(token: str) -> str:
    """
    Return what *token* is recognised by.

    One round of SHA-256 is enough, because nobody can guess 256 bits: it is passwords that need
    slow hashes.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
