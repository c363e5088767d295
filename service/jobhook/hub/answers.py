"""What an answer of the Hub means: the kinds of failure, the sentence in it, the next page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from jobhook.core.errors import (
    HubBusy,
    HubError,
    HubForbidden,
    HubNotFound,
    HubRefused,
    HubUnauthorized,
    OutcomeUnknown,
)
from jobhook.core.texts import without_controls
from jobhook.hub.connections import Headers, Response
from jobhook.hub.hiding import without
from jobhook.hub.quota import retry_after

_REFUSALS: Mapping[int, type[HubRefused]] = {
    401: HubUnauthorized,
    403: HubForbidden,
    404: HubNotFound,
}
# The Hub may have started on the request before it gave this answer.
_AMBIGUOUS_REFUSAL = 408
# An address, and the parameters after it.
_LINK = re.compile(r"<([^<>]*)>([^<]*)")
_RELATION = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))', re.IGNORECASE)
_REQUEST_IDS = ("x-request-id", "x-amzn-trace-id", "x-amz-cf-id")


def failure(
    response: Response, body: bytes, *, changes: bool, hidden: Iterable[str] = ()
) -> HubError:
    """
    Return what went wrong, as *response* says it without what is *hidden*.

    *changes* if something may have been done.
    """
    status, headers = response.status, response.headers
    facts: dict[str, Any] = {
        "status": status,
        "code": headers.get("x-error-code"),
        "request_id": next((headers[name] for name in _REQUEST_IDS if name in headers), None),
    }
    message = f"the Hub answered {status}: {_sentence(response, body, hidden)}"
    if status == 429:
        return HubBusy(message, retry_after=retry_after(headers), **facts)
    if 400 <= status < 500 and status != _AMBIGUOUS_REFUSAL:
        return _REFUSALS.get(status, HubRefused)(message, **facts)
    if not changes:
        return HubBusy(message, retry_after=retry_after(headers), **facts)
    return OutcomeUnknown(message, **facts)


def next_link(headers: Headers) -> str | None:
    """Return the address of the page after this one, if there is one."""
    for address, parameters in _LINK.findall(headers.get("link", "")):
        relation = _RELATION.search(parameters)
        if relation and "next" in (relation[1] or relation[2] or "").lower().split():
            return str(address)
    return None


def _sentence(response: Response, body: bytes, hidden: Iterable[str]) -> str:
    """Return what the Hub says, in any of the forms in which it says it, on one line."""
    told = response.headers.get("x-error-message")
    if not told and "html" not in response.headers.get("content-type", ""):
        told = _told_in(body)
    # Before anything is cut: a piece of a secret would not be known for one.
    told = without(told or response.reason or "no reason given", hidden)
    sentence = " ".join(told[:4096].split())
    return without_controls(sentence[:500])


def _told_in(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return text
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, dict):
        error = error.get("message")
    if isinstance(error, str) and isinstance(more := answer.get("error_description"), str):
        error = f"{error}: {more}"
    if isinstance(error, list):
        error = ", ".join(each for each in error if isinstance(each, str))
    return error if isinstance(error, str) and error else text
