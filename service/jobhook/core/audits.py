"""Who changed what, when and from where, as it is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jobhook.core.access import Role
from jobhook.core.texts import without_controls

# Where an order comes from that is given on the machine of the service.
LOCAL = "local"
DONE = "done"
AUDITS_KEPT_MS = 400 * 86_400_000
AUDITS_MAX = 1_000_000
_TEXT_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """
    One change that somebody made, or tried to make.

    Attributes:
        at: Milliseconds since 1970, UTC.
        who: A token by its name, or the user of the machine.
        role: What they were then.
        source: The address that it came from, or `local`.
        did: The name of what was asked for, such as `launches.retry`.
        about: The id of what it was done to; empty if there is none.
        outcome: `done`, or `refused: ` and the code of why.
        request_id: What the log has it under; empty for what came by no request.
        seq: Its number, given when it is kept; later ones are higher.
    """

    at: int
    who: str
    role: Role
    source: str
    did: str
    about: str = ""
    outcome: str = DONE
    request_id: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """
    Which entries are meant; what is None is not looked at.

    Attributes:
        since: Noted at this time or later, in milliseconds since 1970.
        until: Noted before it.
    """

    who: str | None = None
    did: str | None = None
    about: str | None = None
    since: int | None = None
    until: int | None = None


ANY_ENTRY = AuditFilter()


def refused(code: str) -> str:
    """Return the outcome of what was not done because of *code*."""
    return f"refused: {code}"


def fitted(entry: AuditEntry) -> AuditEntry:
    """Return *entry* as it is kept: no text is over 200 characters, and none spans lines."""
    return replace(
        entry,
        who=_fit(entry.who),
        source=_fit(entry.source),
        did=_fit(entry.did),
        about=_fit(entry.about),
        outcome=_fit(entry.outcome),
        request_id=_fit(entry.request_id),
    )


def _fit(text: str) -> str:
    return without_controls(text[:_TEXT_MAX])
