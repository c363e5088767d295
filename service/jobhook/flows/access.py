"""Who calls, and whether they may: API tokens, and the one admin token of the settings."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Mapping
from hmac import compare_digest

from jobhook.core.access import (
    EXPIRES_MAX,
    TOKEN_BYTES,
    USED_EVERY_MS,
    ApiToken,
    Caller,
    Role,
    TokenState,
    check_name,
    digest_of,
    token_from,
)
from jobhook.core.errors import NotAllowed, NotSignedIn, StoreUnavailable, UsageError
from jobhook.ports import AccessStore, Clock

# What no token can be called.
ADMIN_TOKEN = "the admin token"  # noqa: S105 - a name
TOKENS_MAX = 1000
# How long what was read of the tokens is good enough, however many calls come.
_FRESH_MS = 1000
_HEADER_MAX = 1024
# The same for everybody who is not let in, so that nobody learns what was nearly right.
_REFUSAL = "a valid API token is needed, as `Authorization: Bearer jh_…`"


class Access:
    """
    Lets callers in who show a token that is good for something.

    All tokens are in memory and read again after a second, so that neither a call nor a flood of
    wrong tokens costs a look at the database. What is revoked here opens nothing from then on,
    elsewhere for a second more.
    """

    def __init__(
        self, store: AccessStore, clock: Clock, *, admin_digest: str | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._admin_digest = admin_digest
        self._tokens: Mapping[str, ApiToken] = {}
        self._read_at: int | None = None
        self._reading: asyncio.Task[None] | None = None
        self._used: dict[str, int] = {}

    async def caller_of(self, authorization: str | None) -> Caller:
        """
        Return whose token stands in the header *authorization*.

        Raises:
            NotSignedIn: There is none, or it is good for nothing.
            StoreUnavailable: It cannot be known now.
        """
        digest = digest_of(_token_in(authorization))
        if self._admin_digest and compare_digest(digest, self._admin_digest):
            return Caller(ADMIN_TOKEN, Role.ADMIN)
        token = await self._known(digest)
        if token is None or token.state(self._clock()) != TokenState.ACTIVE:
            raise NotSignedIn(_REFUSAL)
        await self._use(token)
        return Caller(token.name, token.role, token.id)

    async def add(self, token: ApiToken) -> None:
        """
        Keep *token*, so that its value lets in.

        Raises:
            UsageError: It can have no such name or expiry, or there are too many.
            NameTaken: One that was not revoked has its name.
        """
        check_name(token.name)
        if token.state(self._clock()) != TokenState.ACTIVE:
            raise UsageError("a token that has expired already opens nothing: say a later time")
        if token.expires_at is not None and token.expires_at > EXPIRES_MAX:
            raise UsageError("no token is good beyond the year 9999: say an earlier time, or none")
        if not await self._store.add_token(token, most=TOKENS_MAX):
            raise UsageError(
                f"there are {TOKENS_MAX:,} tokens already: revoke those that nobody needs"
            )
        self._know(self._tokens)

    async def revoke(self, token_id: str) -> ApiToken | None:
        """Let a token open nothing any more; return it as it was before, or None."""
        before = await self._store.revoke_token(token_id, self._clock())
        self._know({key: each for key, each in self._tokens.items() if each.id != token_id})
        return before

    def _know(self, tokens: Mapping[str, ApiToken]) -> None:
        """Go by *tokens* until they are read again, which the next call does."""
        self._tokens = tokens
        # What is being read now may be from before the change.
        self._reading = self._read_at = None

    async def _known(self, digest: str) -> ApiToken | None:
        if self._read_at is None or abs(self._clock() - self._read_at) >= _FRESH_MS:
            # One reads for all who wait: should it fail, it has failed for all of them.
            self._reading = self._reading or asyncio.create_task(self._read(), name="tokens")
            await asyncio.shield(self._reading)
        return self._tokens.get(digest)

    async def _read(self) -> None:
        this, began = asyncio.current_task(), self._clock()
        try:
            tokens = {each.digest: each for each in await self._store.tokens()}
        finally:
            is_newest = self._reading is this
            if is_newest:
                self._reading = None
        if is_newest:
            self._tokens, self._read_at = tokens, began
            ids = {each.id for each in tokens.values()}
            self._used = {each: at for each, at in self._used.items() if each in ids}

    async def _use(self, token: ApiToken) -> None:
        now = self._clock()
        last = self._used.get(token.id)
        if last is not None and abs(now - last) < USED_EVERY_MS:
            return
        self._used[token.id] = now
        # Whoever may look may do so on a full disk too.
        with contextlib.suppress(StoreUnavailable):
            await self._store.token_used(token.id, now)


def drawn_token(
    name: str, role: Role, *, by: str, now: int, expires_at: int | None = None
) -> tuple[ApiToken, str]:
    """Return a new token, and its value, which is kept nowhere."""
    value = token_from(secrets.token_bytes(TOKEN_BYTES))
    token = ApiToken(
        id=f"t{secrets.token_hex(6)}",
        name=name,
        role=role,
        digest=digest_of(value),
        created_at=now,
        created_by=by,
        expires_at=expires_at,
    )
    return token, value


def check_role(caller: Caller, needed: Role) -> None:
    """Raise `NotAllowed` unless *caller* may do what needs *needed*."""
    if not caller.role.may(needed):
        raise NotAllowed(f"this needs the role {needed}, and {caller.who} is {caller.role}")


def _token_in(authorization: str | None) -> str:
    scheme, _, token = (authorization or "")[: _HEADER_MAX + 1].partition(" ")
    if scheme.lower() != "bearer" or not token or len(authorization or "") > _HEADER_MAX:
        raise NotSignedIn(_REFUSAL)
    return token
