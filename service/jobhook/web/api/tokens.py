"""Who may call, over HTTP: tokens, the audit log, and who the caller is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import AwareDatetime, Field

from jobhook.core.access import NAME_PATTERN, Role
from jobhook.core.audits import AuditFilter
from jobhook.core.errors import NoSuchRecord, UsageError
from jobhook.core.viewing import token_view
from jobhook.core.views import AuditView, TokenView
from jobhook.flows.access import drawn_token
from jobhook.web.api.faults import ApiError, Fault
from jobhook.web.api.given import Given, Paged, Text, When, milliseconds
from jobhook.web.api.operations import Call, Operation

_CURSOR_MAX = 19


class WantedAudits(Paged):
    """Which entries of the audit log are wanted."""

    who: Annotated[Text | None, Field(description="What they did.")] = None
    did: Annotated[Text | None, Field(description="What was done, such as `launches.retry`.")] = (
        None
    )
    about: Annotated[Text | None, Field(description="What was done to this id.")] = None
    since: Annotated[When | None, Field(description="Noted then or later.")] = None
    until: Annotated[When | None, Field(description="Noted before then.")] = None


class TokenGiven(Given):
    """What token to make."""

    name: Annotated[str, Field(pattern=NAME_PATTERN, description="Whose it is, for the record.")]
    role: Annotated[Role, Field(description="What may be done with it.")]
    expires_at: Annotated[
        AwareDatetime | None,
        Field(description="From when on it opens nothing; without, it is good until revoked."),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenMade(TokenView):
    """
    A token that was just made.

    Attributes:
        token: Its value, which is told only now.
    """

    token: str


@dataclass(frozen=True, slots=True)
class TokenList:
    """
    Tokens.

    Attributes:
        items: All of them, the newest first.
        next_cursor: Always null: all of them are here.
    """

    items: tuple[TokenView, ...]
    next_cursor: None = None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """
    A page of the audit log.

    Attributes:
        items: The newest first.
        next_cursor: For the next page; null if this is the last.
    """

    items: tuple[AuditView, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Me:
    """
    Who the caller is.

    Attributes:
        who: The name of the token.
        role: What may be done with it.
        token_id: The id of the token; null for the one of the settings.
    """

    who: str
    role: Role
    token_id: str | None


async def _me(call: Call) -> Me:
    caller = call.caller
    return Me(caller.who, caller.role, caller.token_id)


async def _list(call: Call) -> TokenList:
    return TokenList(await call.services.records.tokens())


async def _make(call: Call) -> TokenMade:
    now, asked = call.services.clock(), call.body
    expires_at = milliseconds(asked.expires_at)
    token, value = drawn_token(
        asked.name, asked.role, by=call.caller.who, now=now, expires_at=expires_at
    )
    await call.services.access.add(token)
    shown = token_view(token, now)
    return TokenMade(
        **{name: getattr(shown, name) for name in TokenView.__slots__},
        token=value,
    )


async def _revoke(call: Call) -> TokenView:
    token_id = call.params["token_id"]
    before = await call.services.access.revoke(token_id)
    if before is None:
        raise NoSuchRecord(f"there is no token {token_id}")
    if before.revoked_at is not None:
        raise ApiError(fault=Fault.NOT_POSSIBLE, message="it was revoked before")
    found = await call.services.records.tokens()
    return next(each for each in found if each.id == token_id)


async def _audits(call: Call) -> AuditPage:
    asked = call.query
    wanted = AuditFilter(
        who=asked.who,
        did=asked.did,
        about=asked.about,
        since=milliseconds(asked.since),
        until=milliseconds(asked.until),
    )
    before = _place(asked.cursor)
    # One more than asked for says whether there is a next page.
    found = await call.services.records.audits(wanted, limit=asked.limit + 1, before=before)
    items = found[: asked.limit]
    return AuditPage(items, str(items[-1].seq) if len(found) > asked.limit else None)


def _place(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < _CURSOR_MAX):
        raise UsageError("the cursor is none of this list: give `next_cursor` as it came")
    return int(cursor)


OPERATIONS = (
    Operation(
        name="me.show",
        method="GET",
        path="/me",
        summary="Tell who the caller is.",
        role=Role.VIEWER,
        handle=_me,
        answer=Me,
    ),
    Operation(
        name="tokens.list",
        method="GET",
        path="/tokens",
        summary="List tokens, without their values.",
        role=Role.ADMIN,
        handle=_list,
        answer=TokenList,
    ),
    Operation(
        name="tokens.create",
        method="POST",
        path="/tokens",
        summary="Make a token.",
        description="Its value is in this answer and nowhere else.",
        role=Role.ADMIN,
        handle=_make,
        body=TokenGiven,
        answer=TokenMade,
        status=201,
        faults=(Fault.NAME_TAKEN,),
        example={"name": "ci", "role": "operator", "expires_at": "2027-01-01T00:00:00Z"},
    ),
    Operation(
        name="tokens.revoke",
        method="POST",
        path="/tokens/{token_id}/revoke",
        summary="Let a token open nothing any more.",
        role=Role.ADMIN,
        handle=_revoke,
        answer=TokenView,
        faults=(Fault.NOT_POSSIBLE,),
    ),
    Operation(
        name="audit.list",
        method="GET",
        path="/audit",
        summary="List who changed what.",
        description="The newest come first.",
        role=Role.ADMIN,
        handle=_audits,
        query=WantedAudits,
        answer=AuditPage,
    ),
)
