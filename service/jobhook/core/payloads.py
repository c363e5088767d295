"""Fit a webhook payload into the one environment variable through which a job reads it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from jobhook.core.deliveries import load_json
from jobhook.core.jobs import ENV_STRING_MAX_BYTES

PAYLOAD_VARIABLE = "WEBHOOK_PAYLOAD"
PAYLOAD_MAX_BYTES = ENV_STRING_MAX_BYTES - len(f"{PAYLOAD_VARIABLE}=\0")

# What people write freely, which is what can be long, and lists that can be.
_FREE_TEXTS = (("comment", "content"), ("discussion", "title"))
_LISTS = ("updatedFiles", "updatedRefs")
# What tells what happened and where; of the rest of a payload that is odd, nothing is kept.
_ROUTING = {
    "event": ("action", "scope"),
    "repo": ("type", "name", "id", "private", "headSha", "url", "owner"),
    "webhook": ("id", "version"),
}


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

    def env(self) -> dict[str, str]:
        """Return the variables that hand the payload to a job."""
        if self.full_sha256 is None:
            return {PAYLOAD_VARIABLE: self.text}
        return {
            PAYLOAD_VARIABLE: self.text,
            "WEBHOOK_PAYLOAD_TRUNCATED": "1",
            "WEBHOOK_PAYLOAD_SHA256": self.full_sha256,
        }


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
            for key in [k for k, v in above.items() if len(_compact(v).encode()) > 4096]:
                del above[key]
    return _compact(payload)


def _shorten(payload: dict[str, Any], holder: dict[str, Any], key: str) -> None:
    whole = holder[key]
    least, most = 0, len(whole)
    while least < most:
        middle = (least + most + 1) // 2
        holder[key] = whole[:middle]
        least, most = (middle, most) if _fits(payload) else (least, middle - 1)
    holder[key] = whole[:least]


def _fits(payload: dict[str, Any]) -> bool:
    return len(_compact(payload).encode()) <= PAYLOAD_MAX_BYTES


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
