"""The service's HTTP face: the receiver, and what tells a platform that it is well."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from jobhook.core.payloads import PAYLOADS_PATH
from jobhook.core.registration import RECEIVER_PATH
from jobhook.web.payloads import ReadPayload, payloads_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

# Everything that answers without a secret or a token of ours in the header; a test holds the app to
# this list. What a payload's path carries is signed.
PUBLIC_PATHS = ("/", "/healthz", "/readyz", f"{PAYLOADS_PATH}{{token}}")


async def _none(token: str) -> None:
    """Stand for whoever has signed nothing."""


def create_app(
    receiver: ASGIApp | None, *, is_ready: Callable[[], bool], read_payload: ReadPayload = _none
) -> ASGIApp:
    """
    Return the app; *is_ready* tells whether the service works, *read_payload* what a link opens.

    Without a *receiver* deliveries are not found: this process leaves them to others.
    """

    async def ready(_: Request) -> Response:
        return _status(is_ready())

    pages = Starlette(
        routes=[
            Route("/", _front),
            Route("/healthz", _healthy),
            Route("/readyz", ready),
            Route(f"{PAYLOADS_PATH}{{token}}", payloads_of(read_payload)),
        ],
        exception_handlers={HTTPException: _http_error},  # type: ignore[dict-item]
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # The receiver stands before Starlette, whose routing would cost it a third of its time.
        if receiver and scope["type"] == "http" and scope["path"] == RECEIVER_PATH:
            await receiver(scope, receive, send)
        else:
            await pages(scope, receive, send)

    return app


async def _front(_: Request) -> Response:
    # A platform shows this page to whoever opens the app: it says what this is and nothing more.
    return PlainTextResponse("jobhook: Hugging Face Hub webhooks become Hub Jobs.\n")


async def _healthy(_: Request) -> Response:
    return _status(True)


def _status(well: bool) -> Response:
    return JSONResponse({"status": "ok" if well else "unavailable"}, 200 if well else 503)


async def _http_error(_: Request, exc: HTTPException) -> Response:
    code = exc.detail.lower().replace(" ", "_")
    error = {"code": code, "message": exc.detail, "details": None}
    return JSONResponse({"error": error}, exc.status_code, headers=exc.headers)
