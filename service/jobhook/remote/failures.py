"""What an answer that is no success means: the codes of `/api/v1` as errors of our tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

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
    NotAllowed,
    NotLaunched,
    NotSignedIn,
    OutcomeUnknown,
    Paused,
    StillRunning,
    StoreUnavailable,
    UsageError,
)
from jobhook.core.texts import without_controls

_SENTENCE_MAX = 2000
_HUB_KINDS: Mapping[str, type[HubError]] = {
    "not_found": HubNotFound,
    "hub_refused": HubRefused,
    "hub_forbidden": HubForbidden,
    "hub_unauthorized": HubUnauthorized,
    "hub_busy": HubBusy,
    "outcome_unknown": OutcomeUnknown,
}
_PLAIN_KINDS: Mapping[str, type[JobHookError]] = {
    "forbidden": NotAllowed,
    "invalid": UsageError,
    "key_reused": KeyReused,
    "malformed": UsageError,
    "name_taken": NameTaken,
    "not_json": UsageError,
    "too_large": UsageError,
    "unavailable": StoreUnavailable,
}
# What a service says that does not know the codes of the one that we are written for.
_KINDS_BY_STATUS: Mapping[int, type[JobHookError]] = {403: NotAllowed, 422: UsageError}


@dataclass(frozen=True, slots=True)
class Told:
    """What a service of ours said went wrong."""

    status: int
    code: str
    message: str
    details: Mapping[str, Any]
    request_id: str | None


def told_in(status: int, headers: Mapping[str, str], body: bytes) -> Told | None:
    """Return what went wrong; None if it is no service of ours that answered."""
    try:
        error = orjson.loads(body)["error"]
        code, message = error["code"], error["message"]
    except (ValueError, TypeError, LookupError):
        return None
    if not isinstance(code, str) or not isinstance(message, str):
        return None
    details = error.get("details")
    return Told(
        status=status,
        code=code,
        message=_sentence(message),
        details=details if isinstance(details, dict) else {},
        request_id=headers.get("x-request-id"),
    )


def failure(told: Told, *, changes: bool) -> JobHookError:
    """Return what was *told* as an error; *changes* if something may have been done."""
    code, message, details = told.code, told.message, told.details
    if told.status == 401:
        return NotSignedIn("the service does not know the token: see JOBHOOK_TOKEN")
    if code in _PLAIN_KINDS:
        return _PLAIN_KINDS[code](message)
    if code in _HUB_KINDS:
        return _of_the_hub(told)
    launch_id = _text(details.get("launch")) or None
    match code:
        case "limit_reached":
            return LimitReached(message, limit=_text(details.get("limit")), launch_id=launch_id)
        case "paused":
            return Paused(message, scope=_text(details.get("scope")), launch_id=launch_id)
        case "not_possible":
            return NotLaunched(message, launch_id=launch_id)
        case "still_running":
            return StillRunning(message, launch_id=launch_id)
    return _unforeseen(told, changes=changes)


def _of_the_hub(told: Told) -> HubError:
    kind, details = _HUB_KINDS[told.code], told.details
    status = details.get("hub_status")
    error = kind(
        told.message,
        status=status if isinstance(status, int) else told.status,
        code=_text(details.get("hub_code")) or None,
        request_id=_text(details.get("hub_request_id")) or None,
    )
    look_for = details.get("look_for")
    if isinstance(error, OutcomeUnknown) and isinstance(look_for, dict):
        error.look_for = look_for
    return error


def _unforeseen(told: Told, *, changes: bool) -> JobHookError:
    """Return the error for a fault of the service's, or a code that is newer than we are."""
    message = told.message
    if told.request_id:
        message = f"{message} (request {_sentence(told.request_id)})"
    if told.status in _KINDS_BY_STATUS:
        return _KINDS_BY_STATUS[told.status](message)
    if told.status == 429:
        return HubBusy(message, status=told.status)
    if 400 <= told.status < 500:
        return HubRefused(message, status=told.status)
    return (OutcomeUnknown if changes else HubBusy)(message, status=told.status)


def odd(url: str, status: int) -> str:
    """Return what is told of an answer that is no service's of ours."""
    return (
        f"{url} answered {status} with something that is no answer of jobhook's, or of another "
        "version: see JOBHOOK_URL"
    )


def unreadable(url: str, what: str, *, changed: bool) -> HubError:
    """Return the error for an answer that is no *what*: of a change the outcome is unknown."""
    return (OutcomeUnknown if changed else HubRefused)(
        f"{url} answered with something that is no {what}: is it a jobhook of another version, or "
        "none? See JOBHOOK_URL"
    )


def _sentence(text: str) -> str:
    # Several lines are several problems, as in `RulesError`.
    return "\n".join(without_controls(line) for line in text[:_SENTENCE_MAX].split("\n"))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
