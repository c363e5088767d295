"""Who may call, who changed what, and which calls came before."""

from __future__ import annotations

from typing import Protocol

from jobhook.core.access import ApiToken
from jobhook.core.audits import ANY_ENTRY, AuditEntry, AuditFilter
from jobhook.core.repeats import Reply, Request, Turn


class AccessReads(Protocol):
    """What can be asked about access, beside whoever writes."""

    async def tokens(self) -> tuple[ApiToken, ...]:
        """Return every token that is kept, the newest first."""

    async def audits(
        self, wanted: AuditFilter = ANY_ENTRY, *, limit: int, before: int | None = None
    ) -> tuple[AuditEntry, ...]:
        """
        Return entries of the audit log, newest first; *limit* 0 means all.

        *before* is the `seq` of the last one seen: those that come meanwhile move nothing.
        """


class AccessStore(AccessReads, Protocol):
    """Keeps tokens, the audit log, and the answers to calls with a key."""

    async def add_token(self, token: ApiToken, *, most: int) -> bool:
        """
        Keep *token*; return False, and keep nothing, if *most* others are still good at its making.

        Those that are good for nothing any more are forgotten, the oldest first, where there would
        be more than *most*.

        Raises:
            NameTaken: One that was not revoked has its name.
        """

    async def revoke_token(self, token_id: str, now: int) -> ApiToken | None:
        """
        Let a token open nothing from *now* on, and return it as it was before.

        Returns None if there is none. One that was revoked stays as it is.
        """

    async def token_used(self, token_id: str, now: int) -> None:
        """Keep when a token was used, unless it is known to within `USED_EVERY_MS`."""

    async def note(self, entry: AuditEntry) -> None:
        """Keep *entry* in the audit log, `fitted`; its number is given to it here."""

    async def begin_request(self, request: Request, now: int, holder: str, *, most: int) -> Turn:
        """
        Return how *request* stands (`turn_of`); if it is the first, it is *holder*'s from now on.

        Of two at once, one is the first. The oldest keys of a caller make room for new ones where
        there would be more than *most*.
        """

    async def answer_request(self, request: Request, holder: str, reply: Reply) -> None:
        """Keep what *request* was answered with, if it is still *holder*'s."""

    async def forget_request(self, request: Request, holder: str) -> None:
        """Let *request* be the first again, if it is still *holder*'s: nothing was done for it."""

    async def prune_access(
        self, *, audits_before: int, audits_most: int, requests_before: int, limit: int
    ) -> int:
        """
        Forget up to *limit* entries of the audit log and as many requests; return how many.

        Entries go that are older than *audits_before*, or have *audits_most* newer ones; requests
        that began before *requests_before*.
        """
