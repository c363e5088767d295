"""The ASGI app: paths as they were sent, one shape for errors, the Hub's headers."""

from __future__ import annotations

import secrets
import uuid
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException

from .wire import Refusal, refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_EXPOSED = (
    "X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,X-Total-Count,ETag,Link,"
    "Accept-Ranges,Content-Range,RateLimit,RateLimit-Policy"
)


def make_app(routes: Sequence[Route], middleware: Sequence[Middleware] = ()) -> ASGIApp:
    """Return the app that answers *routes* as the Hub would, behind *middleware*."""
    handlers = {Refusal: _answer, HTTPException: _answer, Exception: _answer}
    app = Starlette(routes=routes, middleware=middleware, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return _Front(app)


class _Front:
    """What is done to every request before it is routed, and to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope).get("x-amzn-trace-id", ""))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers["X-Powered-By"] = "jobhook-devhub"
                headers["Access-Control-Expose-Headers"] = _EXPOSED
            await send(message)

        await self._app({**scope, "path": _sent_path(scope)}, receive, send_with_headers)


def _sent_path(scope: Scope) -> str:
    """Return the path still quoted: `refs%2Fpr%2F1` is one part of it, and not three."""
    raw = scope.get("raw_path")
    return raw.decode("ascii", "replace") if raw else quote(scope["path"])


def _request_id(trace: str) -> str:
    """Return an id in the Hub's shape, which ends with what the client sent."""
    known = trace if 0 < len(trace) <= 100 and trace.isprintable() else str(uuid.uuid4())
    return f"Root=1-{secrets.token_hex(4)}-{secrets.token_hex(12)};{known}"


async def _answer(request: Request, exc: Exception) -> Response:
    """Return the error that *exc* means; of one that nobody foresaw only our log tells."""
    if isinstance(exc, Refusal):
        return refused(exc)
    if isinstance(exc, HTTPException):
        return refused(Refusal(exc.status_code, str(exc.detail), headers=exc.headers))
    return refused(Refusal(500, "devhub failed at this: its log says why"))
