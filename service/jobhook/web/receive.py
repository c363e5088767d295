"""
`POST /webhooks/hub`: what the Hub calls.

A plain ASGI callable. The secret is checked on the headers, before one byte of the body is read;
after that every delivery that could be stored is answered 2xx, whatever it holds, because the Hub
counts anything else towards suspending the webhook.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import orjson
import structlog

from jobhook.core.deliveries import BODY_MAX_BYTES, AcceptedSecrets
from jobhook.core.errors import (
    BodyTooLarge,
    DeliveryError,
    EncodingRefused,
    StoreError,
    WrongSecret,
)
from jobhook.core.records import Receipt
from jobhook.failpoints import failpoint
from jobhook.flows.intake import Intake
from jobhook.ports import NO_METER, Meter
from jobhook.web.answers import CLOSE, Answer, Header, answer_in_two, answerer
from jobhook.web.limits import BODY_IS_HERE

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from jobhook.ports.meter import Answered

_REFUSALS: dict[type[DeliveryError], tuple[int, Answered]] = {
    WrongSecret: (401, "unauthorized"),
    BodyTooLarge: (413, "too_large"),
    EncodingRefused: (415, "encoding_refused"),
}
_SECRET, _WEBHOOK_ID, _TRANSFER = b"x-webhook-secret", b"webhook-id", b"transfer-encoding"
_ENCODINGS = {b"content-encoding": b"identity", _TRANSFER: b"chunked"}
_READ = frozenset({_SECRET, _WEBHOOK_ID, *_ENCODINGS})
_JSON: Header = (b"content-type", b"application/json")
_RETRY_AFTER: Header = (b"retry-after", b"30")
_TELL_EVERY_SECONDS = 60.0

_Headers = dict[bytes, list[bytes]]

log = structlog.get_logger()


class SenderGone(Exception):
    """The sender closed the connection before its request was complete."""


class Receiver:
    """The ASGI app behind the one URL that is registered on the Hub."""

    def __init__(
        self,
        intake: Intake,
        secrets: AcceptedSecrets,
        *,
        secret_in_query: bool = False,
        meter: Meter = NO_METER,
    ) -> None:
        self._intake = intake
        self._meter = meter
        self._secrets = secrets
        self._secret_in_query = secret_in_query
        self._refusals: Counter[type[DeliveryError]] = Counter()
        self._tell_next = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began = self._meter.received()
        outcome: Answered = "cut_off"
        try:
            outcome = await self._answer(scope, receive, send)
        finally:
            self._meter.answered(outcome, began)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> Answered:
        if scope["method"] != "POST":
            # The answer to HEAD has no body, which `send` knows.
            message = _error("method_not_allowed", "POST only")
            await answer_in_two(send, 405, message, (_JSON, (b"allow", b"POST")))
            return "method_not_allowed"
        headers = _headers(scope)
        answer = answerer(scope, send)
        try:
            self._secrets.check(self._given_secrets(scope, headers))
            failpoint("receive.secret_checked")
            _check_encoding(headers)
            receipt = await self._take_in(receive, headers)
        except DeliveryError as exc:
            self._tell_refused(type(exc))
            await _refuse(answer, exc, may_go_on=_is_drained(scope, headers))
            return _REFUSALS[type(exc)][1]
        except StoreError as exc:
            log.error("delivery.not_stored", error=str(exc))  # noqa: TRY400 - the text says it all
            await _ask_again(answer)
            return "not_stored"
        except SenderGone:
            log.info("delivery.cut_off")
            return "cut_off"
        except Exception:
            # A fault of ours: nothing is acknowledged, and the Hub sends it again.
            log.exception("delivery.broken")
            await _ask_again(answer)
            return "broken"
        status = 200 if receipt.duplicate else 202
        told = {"delivery": receipt.delivery, "duplicate": receipt.duplicate}
        await answer(status, orjson.dumps(told), (_JSON,))
        failpoint("receive.answered")
        return "repeated" if receipt.duplicate else "stored"

    async def _take_in(self, receive: Receive, headers: _Headers) -> Receipt:
        body = _Body(self._meter)
        try:
            whole = await body.read(receive)
            ids = headers.get(_WEBHOOK_ID)
            return await self._intake.accept(ids[0] if ids else None, whole)
        finally:
            self._meter.holding(-body.size)

    def _tell_refused(self, kind: type[DeliveryError]) -> None:
        """Log refusals once in a while: a stranger must not fill the disk with them."""
        self._refusals[kind] += 1
        now = time.monotonic()
        if now >= self._tell_next:
            told = {_REFUSALS[each][1]: count for each, count in self._refusals.items()}
            log.warning("delivery.refused", since_last_told=told)
            self._refusals.clear()
            self._tell_next = now + _TELL_EVERY_SECONDS

    def _given_secrets(self, scope: Scope, headers: _Headers) -> list[bytes]:
        given = headers.get(_SECRET, [])
        if self._secret_in_query:
            pairs = parse_qsl(scope["query_string"], keep_blank_values=True)
            given = given + [value for name, value in pairs if name == b"secret"]
        return given


class _Body:
    """
    What is read of a body, bounded.

    Attributes:
        size: The bytes that came, and that the meter was told of.
    """

    def __init__(self, meter: Meter) -> None:
        self.size = 0
        self._meter = meter

    async def read(self, receive: Receive) -> bytes:
        pieces: list[bytes] = []
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise SenderGone
            body = message.get("body", b"")
            failpoint("receive.body_begun")
            self.size += len(body)
            self._meter.holding(len(body))
            if self.size > BODY_MAX_BYTES:
                raise BodyTooLarge(f"the body is over {BODY_MAX_BYTES:,} bytes")
            pieces.append(body)
            if not message.get("more_body", False):
                return b"".join(pieces)


def _headers(scope: Scope) -> _Headers:
    """Return the values of the headers that are read here, in one pass over all of them."""
    found: _Headers = {}
    for name, value in scope["headers"]:
        if name in _READ:
            found.setdefault(name, []).append(value)
    return found


def _check_encoding(headers: _Headers) -> None:
    for header, plain in _ENCODINGS.items():
        for encoding in headers.get(header, ()):
            if encoding.strip().lower() not in (b"", plain):
                raise EncodingRefused("the body must not be encoded")


def _is_drained(scope: Scope, headers: _Headers) -> bool:
    """Whether nothing of the request is to come that could be read as the next one."""
    is_here = scope.get("extensions", {}).get(BODY_IS_HERE)
    return _TRANSFER not in headers and is_here is not None and is_here()


async def _refuse(answer: Answer, exc: DeliveryError, *, may_go_on: bool) -> None:
    status, code = _REFUSALS[type(exc)]
    message = _UNAUTHORIZED if status == 401 else _error(code, str(exc))
    await answer(status, message, (_JSON,) if may_go_on else (_JSON, CLOSE))


async def _ask_again(answer: Answer) -> None:
    message = _error("unavailable", "not stored; send it again")
    await answer(503, message, (_JSON, _RETRY_AFTER))


def _error(code: str, message: str) -> bytes:
    return orjson.dumps({"error": {"code": code, "message": message, "details": None}})


# The same words for every wrong secret: a stranger learns nothing.
_UNAUTHORIZED = _error("unauthorized", "a valid X-Webhook-Secret is needed")
