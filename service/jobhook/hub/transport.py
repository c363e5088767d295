"""
The only place that opens sockets to the Hub.

Every call has a total deadline, redirects are never followed, the token goes to the configured
origin only, and answers are capped. What a failure means is decided here, once: a clear no
(`HubRefused`), a clear no for now (`HubBusy`), or a request that may have been carried out
(`OutcomeUnknown`, only for requests that change something).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2

from jobhook.core.errors import (
    HubBusy,
    HubError,
    HubForbidden,
    HubNotFound,
    HubRefused,
    HubUnauthorized,
    ListTooLong,
    OutcomeUnknown,
    UsageError,
)
from jobhook.core.pacing import Quota
from jobhook.hub.quota import read_quota, retry_after

ANSWER_MAX_BYTES = 5 * 1024 * 1024
# The Hub puts about a hundred on a page. Of 1,000 calls in five minutes a list must leave some.
PAGES_MAX = 100
DEADLINE_SECONDS = 30.0
_CONNECT_SECONDS = 10.0
_REFUSALS: Mapping[int, type[HubRefused]] = {
    401: HubUnauthorized,
    403: HubForbidden,
    404: HubNotFound,
}
# The Hub may have started on the request before it gave this answer.
_AMBIGUOUS_REFUSAL = 408

# Raised before a byte of the request left.
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)

Query = Sequence[tuple[str, str]]
Token = str | None | Callable[[], str | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer: its parsed JSON (None if the body is empty) and its headers."""

    body: Any
    headers: httpx2.Headers


class HubTransport:
    """
    Requests to one Hub with one token.

    *token* may be a function: it is asked before every request, so that a token that was replaced
    while the service runs is used from then on.
    """

    def __init__(
        self,
        endpoint: str,
        token: Token,
        *,
        deadline: float = DEADLINE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        parts = urlsplit(endpoint)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise UsageError(f"{endpoint!r} is no http(s) URL of a Hub")
        self.endpoint = endpoint.rstrip("/")
        self._token = token
        self._deadline = deadline
        self._monotonic = monotonic
        self._quota, self._quota_at = Quota(), monotonic()
        # A request that must not be sent twice never meets a connection that the Hub is just
        # closing: those get a fresh one each (F11).
        tls = httpx2.create_ssl_context()
        self._pooled = self._client(tls, keepalive=20)
        self._fresh = self._client(tls, keepalive=0)

    def _client(self, tls: ssl.SSLContext, *, keepalive: int) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            verify=tls,
            timeout=httpx2.Timeout(self._deadline, connect=min(_CONNECT_SECONDS, self._deadline)),
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=100, max_keepalive_connections=keepalive),
        )

    def _headers(self) -> dict[str, str]:
        token = self._token() if callable(self._token) else self._token
        bearer = {"authorization": f"Bearer {token}"} if token else {}
        return {"user-agent": "jobhook", **bearer}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._pooled.aclose()
        await self._fresh.aclose()

    @property
    def quota(self) -> Quota:
        """What the last answers said of the calls that are left, as it is now."""
        return self._quota.aged(self._monotonic() - self._quota_at)

    async def get(
        self, path: str, query: Query = (), *, answer_max: int = ANSWER_MAX_BYTES
    ) -> Answer:
        """
        Read something of at most *answer_max* bytes; it is safe to ask again.

        Raises:
            HubRefused: The Hub said no.
            HubBusy: It could not be read this time.
        """
        return await self._send("GET", path, query=query, answer_max=answer_max)

    async def change(
        self,
        method: str,
        path: str,
        *,
        json_body: Any = None,
        content: bytes | None = None,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """
        Ask for a change, once, on a connection of its own.

        Raises:
            HubRefused: The Hub said no; nothing was done.
            HubBusy: It never got there, or the Hub is busy; nothing was done.
            OutcomeUnknown: Nobody can tell whether it was done.
        """
        sent = dict(headers or {})
        if json_body is not None:
            content = json.dumps(json_body, ensure_ascii=False, separators=(",", ":")).encode()
        if content is not None:
            sent["content-type"] = content_type
        return await self._send(method, path, content=content, headers=sent)

    async def pages(
        self, path: str, query: Query = (), *, answer_max: int = ANSWER_MAX_BYTES
    ) -> AsyncIterator[Any]:
        """
        Yield the body of every page of a list, following `Link` within the same origin.

        A page may have *answer_max* bytes.

        Raises:
            ListTooLong: There are more than `PAGES_MAX`; these were yielded before.
        """
        for _ in range(PAGES_MAX):
            answer = await self.get(path, query, answer_max=answer_max)
            yield answer.body
            following = _next_link(answer.headers)
            if following is None:
                return
            path, query = self._own_path(following), ()
        raise ListTooLong(f"the Hub's list goes on after {PAGES_MAX} pages and was read no further")

    @contextlib.asynccontextmanager
    async def stream(
        self, path: str, query: Query = (), *, quiet: float
    ) -> AsyncIterator[AsyncIterator[str]]:
        """
        Open a stream of lines, given up when it is silent for *quiet* seconds.

        Raises:
            HubRefused: The Hub said no.
            HubBusy: The stream could not be opened, or broke.
        """
        timeout = httpx2.Timeout(quiet, connect=min(_CONNECT_SECONDS, self._deadline))
        request = self._pooled.build_request(
            "GET", self._url(path), params=list(query), headers=self._headers(), timeout=timeout
        )
        try:
            response = await self._pooled.send(request, stream=True)
            async with contextlib.aclosing(response):
                self._note_quota(response)
                if not response.is_success:
                    raise self._failure(response, await _capped(response), changes=False)
                yield response.aiter_lines()
        except httpx2.TransportError as exc:
            raise HubBusy(f"the stream from {self.endpoint} broke: {_why(exc)}") from exc

    async def _send(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        answer_max: int = ANSWER_MAX_BYTES,
    ) -> Answer:
        changes = method != "GET"
        client = self._fresh if changes else self._pooled
        request = client.build_request(
            method,
            self._url(path),
            params=list(query) or None,
            content=content,
            headers={**self._headers(), **(headers or {})},
        )
        what = f"{method} {request.url.path}"
        try:
            async with asyncio.timeout(self._deadline):
                response = await _opened(client, request)
                self._note_quota(response)
                async with contextlib.aclosing(response):
                    body = await _capped(response, answer_max)
        except _NOT_SENT as exc:
            raise HubBusy(f"cannot reach the Hub at {self.endpoint}: {_why(exc)}") from exc
        except (httpx2.HTTPError, TimeoutError, _AnswerTooLarge) as exc:
            raise _lost(f"{what}: no answer that could be used ({_why(exc)})", changes) from exc
        if not response.is_success:
            raise self._failure(response, body, changes=changes)
        try:
            return Answer(json.loads(body) if body else None, response.headers)
        except (ValueError, RecursionError) as exc:
            raise _lost(f"{what}: the answer is not JSON", changes) from exc

    def _note_quota(self, response: httpx2.Response) -> None:
        known = self.quota
        self._quota = read_quota(known, response.status_code, response.headers)
        self._quota_at = self._monotonic()

    def _failure(self, response: httpx2.Response, body: bytes, *, changes: bool) -> HubError:
        status = response.status_code
        facts: dict[str, Any] = {
            "status": status,
            "code": response.headers.get("x-error-code"),
            "request_id": response.headers.get("x-request-id"),
        }
        message = f"the Hub answered {status}: {_sentence(response, body)}"
        if status == 429:
            return HubBusy(message, retry_after=retry_after(response.headers), **facts)
        if 400 <= status < 500 and status != _AMBIGUOUS_REFUSAL:
            return _REFUSALS.get(status, HubRefused)(message, **facts)
        return _lost(message, changes, **facts)

    def _url(self, path: str) -> str:
        return f"{self.endpoint}{path}"

    def _own_path(self, link: str) -> str:
        if not link.startswith(f"{self.endpoint}/"):
            raise HubRefused("the Hub named a next page on another host; it was not asked")
        return link.removeprefix(self.endpoint)


class _AnswerTooLarge(Exception):
    pass


async def _opened(client: httpx2.AsyncClient, request: httpx2.Request) -> httpx2.Response:
    try:
        return await client.send(request, stream=True)
    except (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError):
        # A connection that rested may be closed by the time it is used again. What only reads is
        # asked once more; anything else has a connection of its own.
        if request.method != "GET":
            raise
        return await client.send(request, stream=True)


async def _capped(response: httpx2.Response, most: int = ANSWER_MAX_BYTES) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > most:
            raise _AnswerTooLarge(f"over {most:,} bytes")
    return bytes(body)


def _lost(message: str, changes: bool, **facts: Any) -> HubError:
    kind = OutcomeUnknown if changes else HubBusy
    return kind(message, **facts)


def _why(exc: BaseException) -> str:
    return str(exc) or type(exc).__name__


def _sentence(response: httpx2.Response, body: bytes) -> str:
    """Return what the Hub says, in any of the forms in which it says it, on one line."""
    told = response.headers.get("x-error-message")
    if not told and "html" not in response.headers.get("content-type", ""):
        told = _told_in(body)
    return " ".join((told or response.reason_phrase or "no reason given").split())[:500]


def _told_in(body: bytes) -> str:
    text = body[:4096].decode("utf-8", "replace")
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return text
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, dict):
        error = error.get("message")
    return ", ".join(map(str, error)) if isinstance(error, list) else str(error or text)


def _next_link(headers: httpx2.Headers) -> str | None:
    match = re.search(r'<([^>]*)>\s*;\s*rel="?next"?', headers.get("link", ""))
    return match[1] if match else None
