"""What is answered, as bytes: JSON with the names of the Python fields, and errors of one shape."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from jobhook.web.answers import CLOSE, Header, answer_in_two, answerer
from jobhook.web.api.faults import ApiError
from jobhook.web.api.operations import BYTES, JSON, Operation

if TYPE_CHECKING:
    from starlette.types import Scope, Send

# What must be asked for again each time.
UNTAGGED = (("cache-control", "no-store"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One whole answer."""

    status: int
    body: bytes = b""
    media: str = JSON
    headers: tuple[tuple[str, str], ...] = ()

    async def send(
        self, scope: Scope, send: Send, more: tuple[tuple[str, str], ...], *, close: bool
    ) -> None:
        """Answer the request of *scope*, with *more* headers; *close* ends the connection."""
        media = (("content-type", self.media),) if self.body else ()
        headers = encoded((*media, *self.headers, *more)) + ((CLOSE,) if close else ())
        if self.status in (204, 304):
            head = {"type": "http.response.start", "status": self.status, "headers": [*headers]}
            await send(head)
            await send({"type": "http.response.body"})
        elif scope["method"] == "HEAD":
            await answer_in_two(send, self.status, self.body, headers)
        else:
            await answerer(scope, send)(self.status, self.body, headers)


def encoded(headers: tuple[tuple[str, str], ...]) -> tuple[Header, ...]:
    """Return *headers* as ASGI has them."""
    return tuple((name.encode(), value.encode("latin-1", "replace")) for name, value in headers)


def whole(operation: Operation, done: Any) -> Answer:
    """Return the answer that tells what an operation has *done*."""
    headers = () if operation.method == "GET" else UNTAGGED
    if operation.media == BYTES:
        return Answer(status=operation.status, body=done, media=BYTES, headers=headers)
    body = b"" if operation.answer is None else dumped(done)
    return Answer(status=operation.status, body=body, headers=headers)


def refusal(exc: ApiError) -> Answer:
    """Return what a call that went wrong is answered."""
    return Answer(
        status=exc.fault.status, body=dumped(exc.body()), headers=tuple(exc.all_headers())
    )


def tagged(answer: Answer, known: str) -> Answer:
    """Return *answer* with its ETag, or that nothing has changed since the caller *known* it."""
    tag = f'"{hashlib.sha256(answer.body).hexdigest()[:32]}"'
    headers = (("etag", tag), ("cache-control", "private, no-cache"))
    if (
        tag in {each.strip().removeprefix("W/") for each in known.split(",")}
        or known.strip() == "*"
    ):
        return Answer(status=304, headers=headers)
    return Answer(
        status=answer.status,
        body=answer.body,
        media=answer.media,
        headers=(*answer.headers, *headers),
    )


def dumped(value: Any) -> bytes:
    """Return *value* as JSON: dataclasses as objects, times in UTC with milliseconds and `Z`."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON")
