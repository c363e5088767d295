"""
`POST /webhooks/hub`: what the Hub calls.

A plain ASGI callable. The secret is checked on the headers, before one byte of the body is read;
after that every delivery that could be stored is answered 2xx, whatever it holds, because the Hub
counts anything else towards suspending the webhook.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import orjson
import structlog

from jobhook.core.deliveries import BODY_MAX_BYTES, AcceptedSecrets
from jobhook.core.errors import (
    BodyTooLarge,
    BodyTooSlow,
    DeliveryError,
    EncodingRefused,
    StoreError,
    WrongSecret,
)
from jobhook.failpoints import failpoint
from jobhook.flows.intake import Intake
from jobhook.web.limits import BODY_SECONDS

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

_STATUS = {WrongSecret: 401, BodyTooSlow: 408, BodyTooLarge: 413, EncodingRefused: 415}
_RETRY_AFTER_SECONDS = b"30"

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
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._intake = intake
        self._secrets = secrets
        self._secret_in_query = secret_in_query
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] != "POST":
            await _answer(send, 405, _error("method_not_allowed", "POST only"), allow=b"POST")
            return
        try:
            self._secrets.check(self._given_secrets(scope))
            failpoint("receive.secret_checked")
            _check_encoding(_values(scope, b"content-encoding"), plain=b"identity")
            _check_encoding(_values(scope, b"transfer-encoding"), plain=b"chunked")
            body = await self._read_body(receive)
            ids = _values(scope, b"webhook-id")
            receipt = await self._intake.accept(ids[0] if ids else None, body)
        except DeliveryError as exc:
            await _refuse(send, exc)
        except StoreError as exc:
            log.error("delivery.not_stored", error=str(exc))  # noqa: TRY400 - the text says it all
            await _ask_again(send)
        except SenderGone:
            log.info("delivery.cut_off")
        except Exception:
            # A fault of ours: nothing is acknowledged, and the Hub sends it again.
            log.exception("delivery.broken")
            await _ask_again(send)
        else:
            status = 200 if receipt.duplicate else 202
            told = {"delivery": receipt.delivery, "duplicate": receipt.duplicate}
            await _answer(send, status, orjson.dumps(told))
            failpoint("receive.answered")

    def _given_secrets(self, scope: Scope) -> list[bytes]:
        given = _values(scope, b"x-webhook-secret")
        if self._secret_in_query:
            pairs = parse_qsl(scope["query_string"], keep_blank_values=True)
            given += [value for name, value in pairs if name == b"secret"]
        return given

    async def _read_body(self, receive: Receive) -> bytes:
        try:
            async with asyncio.timeout(self._body_seconds):
                return await _bounded_body(receive)
        except TimeoutError as exc:
            raise BodyTooSlow(f"the body took over {self._body_seconds:g} seconds") from exc


async def _bounded_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise SenderGone
        body += message.get("body", b"")
        failpoint("receive.body_begun")
        if len(body) > BODY_MAX_BYTES:
            raise BodyTooLarge(f"the body is over {BODY_MAX_BYTES:,} bytes")
        if not message.get("more_body", False):
            return bytes(body)


def _values(scope: Scope, name: bytes) -> list[bytes]:
    return [value for key, value in scope["headers"] if key == name]


def _check_encoding(encodings: Sequence[bytes], *, plain: bytes) -> None:
    if any(encoding.strip().lower() not in (b"", plain) for encoding in encodings):
        raise EncodingRefused("the body must not be encoded")


async def _refuse(send: Send, exc: DeliveryError) -> None:
    status = next(_STATUS[kind] for kind in type(exc).__mro__ if kind in _STATUS)
    # The same words for every wrong secret: a stranger learns nothing.
    told = "a valid X-Webhook-Secret is needed" if status == 401 else str(exc)
    code = {401: "unauthorized", 408: "too_slow", 413: "too_large", 415: "encoding_refused"}[status]
    await _answer(send, status, _error(code, told), connection=b"close")


async def _ask_again(send: Send) -> None:
    message = _error("unavailable", "not stored; send it again")
    await _answer(send, 503, message, **{"retry-after": _RETRY_AFTER_SECONDS})


def _error(code: str, message: str) -> bytes:
    return orjson.dumps({"error": {"code": code, "message": message, "details": None}})


async def _answer(send: Send, status: int, body: bytes, **headers: bytes) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                *((name.encode(), value) for name, value in headers.items()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
