"""The service's HTTP face: the receiver, the API, and what tells a platform that it is well."""

from __future__ import annotations

import asyncio
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
PUBLIC_PAGES = ("/", "/healthz", "/readyz", f"{PAYLOADS_PATH}{{token}}")
PUBLIC_DOCUMENTS = DOCUMENT_PATH, DOCS_PATH = "/api/v1/openapi.json", "/api/docs"
PUBLIC_PATHS = (*PUBLIC_PAGES, *PUBLIC_DOCUMENTS)
_API, METRICS_PATH = "/api/", "/metrics"


async def _none(token: str) -> None:
    """Stand for whoever has signed nothing."""


def create_app(
    receiver: ASGIApp | None,
    *,
    is_ready: Callable[[], bool],
    read_payload: ReadPayload = _none,
    load_api: Callable[[], ASGIApp] | None = None,
) -> ASGIApp:
    """
    Return the app; *is_ready* tells whether the service works, *read_payload* what a link opens.

    Without a *receiver* deliveries are not found: this process leaves them to others. *load_api*
    returns what answers under `/api/` and at `/metrics`, once somebody asks.
    """
    api = OnDemand(load_api) if load_api else None

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
        path = scope.get("path", "")
        if receiver and scope["type"] == "http" and path == RECEIVER_PATH:
            await receiver(scope, receive, send)
        elif api and (path.startswith(_API) or path == METRICS_PATH):
            await api(scope, receive, send)
        else:
            await pages(scope, receive, send)

    return app


class OnDemand:
    """
    An app that is loaded when it is first asked for.

    What the API is made of takes as long to load as all the rest, and half as much memory: a
    service that nobody asks has neither.
    """

    def __init__(self, load: Callable[[], ASGIApp]) -> None:
        self._load = load
        self._loading: asyncio.Task[ASGIApp] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._loading is None:
            self._loading = asyncio.create_task(asyncio.to_thread(self._load), name="loading")
        try:
            app = await asyncio.shield(self._loading)
        except Exception:
            # Whatever was in the way may be gone for the next one.
            self._loading = None
            raise
        await app(scope, receive, send)


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
