"""
What can go wrong with a call, as codes that a program can act on.

Each code is listed here once, with its status and what it means; the documentation and the OpenAPI
document are made from this list. An answer holds the code and one sentence for a person.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from jobhook.core.errors import (
    HubBusy,
    HubError,
    HubForbidden,
    HubNotFound,
    HubRefused,
    HubUnauthorized,
    JobHookError,
    KeyReused,
    LimitReached,
    NameTaken,
    NoSuchRecord,
    NotLaunched,
    NotSignedIn,
    OutcomeUnknown,
    Paused,
    RulesError,
    SettingsError,
    StillRunning,
    StoreError,
    TooManyCallers,
    UsageError,
)


@dataclass(frozen=True, slots=True)
class Code:
    """What a code stands for: the HTTP status that it comes with, and what it means."""

    status: int
    meaning: str


class Fault(Enum):
    """Every code of an error, by its name in capitals."""

    MALFORMED = Code(400, "The request is no HTTP, or its body is no JSON.")
    UNAUTHORIZED = Code(401, "A valid API token is needed, as `Authorization: Bearer jh_…`.")
    FORBIDDEN = Code(403, "The token's role may not do this.")
    NOT_FOUND = Code(404, "There is no such thing, or nothing that we may see.")
    METHOD_NOT_ALLOWED = Code(405, "The path is right and the method is not; see `Allow`.")
    TOO_LATE = Code(408, "The body did not come in time.")
    NOT_POSSIBLE = Code(409, "What was asked for cannot be done as things stand; nothing was done.")
    PAUSED = Code(409, "Somebody has paused what this would start; nothing was done.")
    NAME_TAKEN = Code(409, "Something else has that name; nothing was made.")
    STILL_RUNNING = Code(409, "The call with this Idempotency-Key is not over; ask again later.")
    OUTCOME_UNKNOWN = Code(
        409,
        "The Hub did not say whether it did it: look before asking again. A call with the same "
        "Idempotency-Key is safe.",
    )
    TOO_LARGE = Code(413, "The body is over 1 MiB.")
    NOT_JSON = Code(415, "The body must be `application/json`, and not encoded.")
    INVALID = Code(422, "A value cannot be; `details` says which.")
    KEY_REUSED = Code(422, "The Idempotency-Key was used for something else before.")
    HUB_REFUSED = Code(422, "The Hub said no; `details` has its status. Nothing was done.")
    HUB_FORBIDDEN = Code(403, "The Hub does not let our token do this. Nothing was done.")
    HEADERS_TOO_LARGE = Code(431, "The header block is over 16 KiB or 64 lines.")
    LIMIT_REACHED = Code(429, "A limit on launches or dollars is used up; nothing was done.")
    INTERNAL = Code(500, "A fault of ours; the log has it under the request's id.")
    HUB_UNAUTHORIZED = Code(503, "The Hub does not know the service's own token.")
    HUB_BUSY = Code(503, "The Hub did not do it, and may later; see `Retry-After`.")
    UNAVAILABLE = Code(503, "The service cannot do it now; see `Retry-After`.")

    @property
    def code(self) -> str:
        """The name by which a program knows it."""
        return self.name.lower()

    @property
    def status(self) -> int:
        """The HTTP status that it comes with."""
        return self.value.status


@dataclass(slots=True, kw_only=True)
class ApiError(Exception):
    """
    A call that is answered with a fault.

    Attributes:
        retry_after: Seconds after which the same call may succeed.
        headers: What the answer carries besides.
    """

    fault: Fault
    message: str
    details: Any = None
    retry_after: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Return the JSON of the answer."""
        told = {"code": self.fault.code, "message": self.message, "details": self.details}
        return {"error": told}

    def all_headers(self) -> Iterator[tuple[str, str]]:
        """Yield the headers of the answer that are its own."""
        yield from self.headers.items()
        if self.retry_after is not None:
            yield "retry-after", str(max(1, math.ceil(self.retry_after)))


# In the order in which they are looked for: the narrower kind comes first.
_FAULTS: tuple[tuple[type[JobHookError], Fault], ...] = (
    (NotSignedIn, Fault.UNAUTHORIZED),
    (NoSuchRecord, Fault.NOT_FOUND),
    (NameTaken, Fault.NAME_TAKEN),
    (KeyReused, Fault.KEY_REUSED),
    (StillRunning, Fault.STILL_RUNNING),
    (LimitReached, Fault.LIMIT_REACHED),
    (Paused, Fault.PAUSED),
    (NotLaunched, Fault.NOT_POSSIBLE),
    (HubNotFound, Fault.NOT_FOUND),
    (HubForbidden, Fault.HUB_FORBIDDEN),
    (HubUnauthorized, Fault.HUB_UNAUTHORIZED),
    (HubRefused, Fault.HUB_REFUSED),
    (HubBusy, Fault.HUB_BUSY),
    (OutcomeUnknown, Fault.OUTCOME_UNKNOWN),
    (RulesError, Fault.INVALID),
    (TooManyCallers, Fault.UNAVAILABLE),
    (StoreError, Fault.UNAVAILABLE),
    (SettingsError, Fault.UNAVAILABLE),
    (UsageError, Fault.INVALID),
)
_MAY_SUCCEED_LATER = {
    Fault.STILL_RUNNING,
    Fault.LIMIT_REACHED,
    Fault.HUB_BUSY,
    Fault.HUB_UNAUTHORIZED,
    Fault.UNAVAILABLE,
}
_ASK_AGAIN_SECONDS = 30.0


def fault_of(exc: JobHookError) -> ApiError | None:
    """Return how *exc* is answered; None if it is a fault of ours."""
    fault = next((fault for kind, fault in _FAULTS if isinstance(exc, kind)), None)
    if fault is None:
        return None
    return ApiError(
        fault=fault,
        message=str(exc),
        details=_details(exc),
        retry_after=_retry_after(exc) if fault in _MAY_SUCCEED_LATER else None,
        headers={"www-authenticate": "Bearer"} if fault == Fault.UNAUTHORIZED else {},
    )


def _details(exc: JobHookError) -> Any:
    if isinstance(exc, OutcomeUnknown):
        return {"look_for": dict(exc.look_for)}
    if isinstance(exc, NotLaunched | StillRunning):
        which = {name: getattr(exc, name) for name in ("limit", "scope") if hasattr(exc, name)}
        return {"launch": exc.launch_id, **which}
    if isinstance(exc, RulesError):
        return [asdict(problem) for problem in exc.problems]
    if isinstance(exc, HubError):
        return {"hub_status": exc.status, "hub_code": exc.code, "hub_request_id": exc.request_id}
    return None


def _retry_after(exc: JobHookError) -> float:
    told = getattr(exc, "retry_after", None)
    return _ASK_AGAIN_SECONDS if told is None else float(told)
