"""
The API as an ASGI app: who calls, what is asked for, may they, and what is answered.

The order is that of trust. Nothing is read of a request before its token is known, whether a path
exists is told to callers only, and whether a thing exists to those who may see it.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import structlog
from structlog.contextvars import bound_contextvars

from jobhook.core.errors import JobHookError
from jobhook.web.api.answering import UNTAGGED, Answer, refusal, tagged, whole
from jobhook.web.api.changing import Change
from jobhook.web.api.faults import ApiError, Fault, fault_of
from jobhook.web.api.operations import EVENTS, Call, Operation
from jobhook.web.api.reading import CallerGone, Headers, check_named, read_body, read_query
from jobhook.web.api.routing import Routes
from jobhook.web.api.services import Services
from jobhook.web.api.streaming import Stream, Streams
from jobhook.web.app import METRICS_PATH
from jobhook.web.limits import BODY_IS_HERE

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

_FORWARDED_MAX = 100
_ALWAYS = (("x-content-type-options", "nosniff"),)

log = structlog.get_logger()


class Api:
    """Everything under `/api/`."""

    def __init__(
        self,
        services: Services,
        operations: Iterable[Operation],
        *,
        public: Mapping[str, Callable[[], Awaitable[Answer]]],
        cors: Cors,
        streams: Streams,
    ) -> None:
        self._services = services
        self._routes = Routes(operations)
        self._public, self._cors, self._streams = public, cors, streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope)
        request_id = headers.request_id() or secrets.token_hex(12)
        more = (*_ALWAYS, ("x-request-id", request_id), *self._cors.headers(headers))
        with bound_contextvars(request_id=request_id):
            try:
                answer = await self._answered(scope, headers, receive, request_id)
            except CallerGone:
                return
            except Exception as exc:  # noqa: BLE001 - it is logged there, if nobody foresaw it
                answer = refusal(_fault(exc))
            if isinstance(answer, Stream):
                await answer.send(receive, send, more)
            else:
                await answer.send(scope, send, more, close=not _is_drained(scope))

    async def _answered(
        self, scope: Scope, headers: Headers, receive: Receive, request_id: str
    ) -> Answer | Stream:
        method, path = scope["method"], scope["path"]
        if path in self._public and method in ("GET", "HEAD"):
            return tagged(await self._public[path](), headers.several("if-none-match"))
        if self._cors.is_preflight(method, headers):
            return Answer(status=204, headers=self._cors.preflight())
        let_in = partial(self._services.access.caller_of, headers.one("authorization"))
        caller = await let_in()
        if path == METRICS_PATH and method in ("GET", "HEAD"):
            text, media = await self._services.metrics(headers.several("accept"))
            return Answer(status=200, body=text, media=media, headers=UNTAGGED)
        operation, named = self._routes.find(method, path)
        if not caller.role.may(operation.role):
            raise ApiError(
                fault=Fault.FORBIDDEN,
                message=f"this needs the role {operation.role}, and the token is a {caller.role}",
            )
        check_named(named)
        query = read_query(operation, scope["query_string"])
        body, raw = await read_body(operation, headers, receive)
        call = Call(
            services=self._services,
            caller=caller,
            params=named,
            query=query,
            body=body,
            request_id=request_id,
            source=_source(scope, headers),
            key=headers.one("idempotency-key") if operation.takes_key else None,
            last_event_id=headers.one("last-event-id"),
        )
        if operation.changes:
            asked = f"{path}?{scope['query_string'].decode('latin-1')}"
            return await Change(operation, call, path=asked, body=raw).answer()
        if operation.is_told_by_hub:
            self._services.spare_hub()
            found = await self._streams.unless_ended(operation.handle(call), receive)
        else:
            found = await operation.handle(call)
        if operation.media == EVENTS:
            return await self._streams.begin(found, let_in)
        answer = whole(operation, found)
        is_get = operation.method == "GET"
        return tagged(answer, headers.several("if-none-match")) if is_get else answer


class Cors:
    """Which pages of other origins may call; none, unless they are set."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origins)

    def headers(self, headers: Headers) -> tuple[tuple[str, str], ...]:
        """Return what lets the page that calls see the answer."""
        if not self._origins:
            return ()
        origin, varies = headers.several("origin"), ("vary", "Origin")
        if origin not in self._origins:
            return (varies,)
        return (
            varies,
            ("access-control-allow-origin", origin),
            ("access-control-expose-headers", "ETag, Retry-After, X-Request-Id"),
        )

    def is_preflight(self, method: str, headers: Headers) -> bool:
        """Whether a browser asks if a page may call."""
        return method == "OPTIONS" and headers.several("origin") in self._origins

    def preflight(self) -> tuple[tuple[str, str], ...]:
        """Return what a page may send."""
        return (
            ("access-control-allow-methods", "GET, POST, PUT, DELETE"),
            (
                "access-control-allow-headers",
                "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, "
                "X-Request-Id",
            ),
            ("access-control-max-age", "600"),
        )


def _fault(exc: Exception) -> ApiError:
    """Return how *exc* is answered; what nobody foresaw is logged."""
    if isinstance(exc, ApiError):
        return exc
    known = fault_of(exc) if isinstance(exc, JobHookError) else None
    if known is None:
        log.error("api.broken", exc_info=exc)
        return ApiError(fault=Fault.INTERNAL, message="a fault of ours; the log has it")
    return known


def _source(scope: Scope, headers: Headers) -> str:
    """Return the address of the caller, and whom a proxy says that it calls for."""
    client = scope.get("client")
    address = client[0] if client else "unknown"
    forwarded = headers.several("x-forwarded-for")
    if not forwarded or len(forwarded) > _FORWARDED_MAX or not forwarded.isprintable():
        return address
    return f"{address} for {forwarded}"


def _is_drained(scope: Scope) -> bool:
    """Whether nothing of the request is to come that could be read as the next one."""
    is_here = scope.get("extensions", {}).get(BODY_IS_HERE)
    return is_here is not None and is_here()
