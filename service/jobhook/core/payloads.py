"""Fit a webhook payload into the one environment variable through which a job reads it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from jobhook.core.deliveries import load_json
from jobhook.core.jobs import ENV_STRING_MAX_BYTES, JobSpec

PAYLOAD_VARIABLE = "WEBHOOK_PAYLOAD"
# The one secret of the service's own that a job can be given, by the name that it has there.
WEBHOOK_SECRET = "WEBHOOK_SECRET"  # noqa: S105 - a name
# Where the service answers with a whole payload, followed by a signed token.
PAYLOADS_PATH = "/payloads/"
PAYLOAD_MAX_BYTES = ENV_STRING_MAX_BYTES - len(f"{PAYLOAD_VARIABLE}=\0")

# How long a link to a payload opens it: so long after the job is stopped, for it may wait before it
# runs; and so long in any case.
_LINK_BEYOND_MS = 6 * 3_600_000
_LINK_LEAST_MS = 24 * 3_600_000

# What people write freely, which is what can be long, and lists that can be.
_FREE_TEXTS = (("comment", "content"), ("discussion", "title"))
_LISTS = ("updatedFiles", "updatedRefs")
_SCALAR_MAX_BYTES = 4096
# What tells what happened and where; of the rest of a payload that is odd, nothing is kept.
_ROUTING = {
    "event": ("action", "scope"),
    "repo": ("type", "name", "id", "private", "headSha", "url", "owner"),
    "webhook": ("id", "version"),
}
# The same without anything that people write freely, and without what only the Hub's pages need.
_MINIMAL = {
    "event": ("action", "scope"),
    "repo": ("type", "name", "id", "private", "headSha"),
    "movedTo": ("name",),
    "updatedConfig": ("private",),
    "discussion": ("id", "num", "status", "isPullRequest"),
    "comment": ("id", "hidden"),
    "webhook": ("id", "version"),
}
_REF = ("ref", "oldSha", "newSha")


class Payload(StrEnum):
    """How much of a delivery its job is given."""

    FULL = "full"
    MINIMAL = "minimal"  # what routes the event, and no free text
    NONE = "none"


@dataclass(frozen=True, slots=True)
class FittedPayload:
    """
    A payload that fits.

    Attributes:
        text: JSON of at most `PAYLOAD_MAX_BYTES` bytes in UTF-8.
        full_sha256: The hash of the whole body if *text* was cut, else None.
    """

    text: str
    full_sha256: str | None

    def env(self, url: str | None = None) -> dict[str, str]:
        """Return the variables that hand the payload to a job; *url* is where all of it is."""
        if self.full_sha256 is None:
            return {PAYLOAD_VARIABLE: self.text}
        whole = {"WEBHOOK_PAYLOAD_URL": url} if url else {}
        return {
            PAYLOAD_VARIABLE: self.text,
            "WEBHOOK_PAYLOAD_TRUNCATED": "1",
            "WEBHOOK_PAYLOAD_SHA256": self.full_sha256,
            **whole,
        }


def link_expires_at(spec: JobSpec, now: int) -> int:
    """Return until when a job with *spec*, started *now*, can read the whole of its payload."""
    return now + max(_LINK_LEAST_MS, spec.seconds * 1000 + _LINK_BEYOND_MS)


def payload_env(body: bytes, payload: Payload, url: str | None = None) -> dict[str, str]:
    """Return the variables that hand as much of *body* to a job as *payload* says."""
    match payload:
        case Payload.FULL:
            return fit_payload(body).env(url)
        case Payload.MINIMAL:
            return {PAYLOAD_VARIABLE: _minimal(load_json(body))}
    return {}


def fit_payload(body: bytes) -> FittedPayload:
    """Return *body*, the bytes of a readable delivery, as it is or cut until it fits."""
    if len(body) <= PAYLOAD_MAX_BYTES:
        return FittedPayload(body.decode(), None)
    return FittedPayload(_cut(load_json(body)), hashlib.sha256(body).hexdigest())


def _cut(payload: dict[str, Any]) -> str:
    holders = [
        (payload[above], key)
        for above, key in _FREE_TEXTS
        if isinstance(payload.get(above), dict) and isinstance(payload[above].get(key), str)
    ]
    holders.sort(key=lambda place: len(place[0][place[1]]), reverse=True)
    holders += [(payload, key) for key in _LISTS if isinstance(payload.get(key), list)]
    for holder, key in holders:
        if _fits(payload):
            break
        _shorten(payload, holder, key)
    if not _fits(payload):
        # Something that the Hub does not send is huge: keep what routes the event.
        payload = {
            above: {key: payload[above][key] for key in keys if key in payload[above]}
            for above, keys in _ROUTING.items()
            if isinstance(payload.get(above), dict)
        }
        for above in payload.values():
            for key in [k for k, v in above.items() if _size(v) > _SCALAR_MAX_BYTES]:
                del above[key]
    return _compact(payload)


def _minimal(payload: dict[str, Any]) -> str:
    kept: dict[str, Any] = {
        above: _scalars(payload[above], keys)
        for above, keys in _MINIMAL.items()
        if isinstance(payload.get(above), dict)
    }
    if isinstance(refs := payload.get("updatedRefs"), list):
        kept["updatedRefs"] = [_scalars(ref, _REF) for ref in refs if isinstance(ref, dict)]
        _shorten(kept, kept, "updatedRefs")
    return _compact(kept)


def _scalars(holder: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {
        key: holder[key]
        for key in keys
        if key in holder
        and not isinstance(holder[key], dict | list)
        and _size(holder[key]) <= _SCALAR_MAX_BYTES
    }


def _shorten(payload: dict[str, Any], holder: dict[str, Any], key: str) -> None:
    whole = holder[key]
    least, most = 0, len(whole)
    while least < most:
        middle = (least + most + 1) // 2
        holder[key] = whole[:middle]
        least, most = (middle, most) if _fits(payload) else (least, middle - 1)
    holder[key] = whole[:least]


def _fits(payload: dict[str, Any]) -> bool:
    return _size(payload) <= PAYLOAD_MAX_BYTES


def _size(value: Any) -> int:
    return len(_compact(value).encode())


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
