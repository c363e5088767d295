"""
The only place that opens sockets to the Hub.

Every call has a total deadline, redirects are never followed, the token goes to the configured
origin only, and answers are capped. What a failure means is decided once (`answers.py`): a clear no
(`HubRefused`), a clear no for now (`HubBusy`), or a request that may have been carried out
(`OutcomeUnknown`, only for requests that change something).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urljoin

import httpcore2

from jobhook.core.errors import (
    HubBusy,
    HubError,
    HubNotFound,
    HubRefused,
    ListTooLong,
    OutcomeUnknown,
    UsageError,
)
from jobhook.core.pacing import Quota
from jobhook.hub import login
from jobhook.hub.answers import failure, next_link
from jobhook.hub.connections import (
    BROKEN,
    NOT_SENT,
    RESTING_SECONDS,
    Connections,
    Headers,
    Response,
)
from jobhook.hub.endpoints import endpoint_of, status_class
from jobhook.hub.hiding import confidences, without
from jobhook.hub.opening import check_patience, checked_token, parts_of
from jobhook.hub.patience import RETRIES, pause_before
from jobhook.hub.quota import read_quota

ANSWER_MAX_BYTES = 5 * 1024 * 1024
# The Hub puts about a hundred on a page. Of 1,000 calls in five minutes a list must leave some.
PAGES_MAX = 100
DEADLINE_SECONDS = 30.0
_CONNECT_SECONDS = 10.0
# Of a short deadline, so that it is told whether a connection was missing or an answer.
_CONNECT_SHARE = 0.8
# No Hub closes a connection that was in use a moment ago.
_MOMENT_SECONDS = 1.0

Query = Sequence[tuple[str, str]]
# False and None are no token.
Token = str | bool | None | Callable[[], str | None]
# What a single call may say of the token: another one, none (False), or that of the transport.
CallToken = bool | str | None
# Is told of each call its method, its endpoint, its status (`NO_ANSWER` if there was none), and how
# many seconds it took.
OnAnswer = Callable[[str, str, str, float], None]
NO_ANSWER = "none"


class StreamQuiet(HubBusy):
    """Nothing came through a stream for as long as it was waited for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer: its parsed JSON (None if the body is empty) and its headers."""

    body: Any
    headers: Headers


@dataclass(frozen=True, slots=True)
class Page:
    """The parsed JSON of one page of a list, and the path of the next one, with its query."""

    body: Any
    following: str | None


@dataclass(frozen=True, slots=True)
class Opened:
    """A stream that has begun: what the Hub said first, and the bytes as they come."""

    headers: Headers
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    method: str
    path: str
    query: Query = ()
    content: bytes | None = None
    # What *content* says, if that is JSON.
    said: Any = None
    headers: Mapping[str, str]
    answer_max: int = ANSWER_MAX_BYTES
    rested: float = RESTING_SECONDS

    @property
    def changes(self) -> bool:
        return self.method != "GET"

    @property
    def confidences(self) -> tuple[str, ...]:
        """What it carries that must not come back in a message."""
        return confidences(self.headers, self.said)


class HubTransport:
    """
    Requests to one Hub with one token.

    *token* may be a function: it is asked before every request, so that a token that was replaced
    while the service runs is used from then on. What is harmless to repeat is repeated up to
    *retries* times within the *deadline* of a call, in seconds. *on_answer* is told of
    each request.
    """

    def __init__(
        self,
        endpoint: str,
        token: Token,
        *,
        deadline: float = DEADLINE_SECONDS,
        retries: int = RETRIES,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        on_answer: OnAnswer | None = None,
    ) -> None:
        parts = parts_of(endpoint)
        if not callable(token):
            checked_token(token)
        check_patience(deadline, retries)
        self.endpoint = endpoint.rstrip("/")
        self._root = parts.path.rstrip("/")
        self._token = token
        self._deadline = deadline
        self._retries = retries
        self.monotonic, self.sleep = monotonic, sleep
        self._on_answer = on_answer
        self._quota, self._quota_at = Quota(), monotonic()
        connect = min(_CONNECT_SECONDS, deadline * _CONNECT_SHARE)
        self._connections = Connections(parts, connect=connect)

    def token_of(self, token: CallToken = None) -> str | None:
        """
        Return the token that a call is made with.

        Raises:
            UsageError: It is no token; or the saved one is wanted (*token* is True) and there is
                none.
        """
        if token is None:
            return checked_token(self._token() if callable(self._token) else self._token)
        if token is not True:
            return checked_token(token)
        saved = login.token()
        if not saved:
            raise UsageError("there is no token: set HF_TOKEN, or log in with `hf auth login`")
        return checked_token(saved)

    def _headers(self, token: CallToken) -> dict[str, str]:
        bearer = self.token_of(token)
        return {
            "user-agent": "jobhook",
            **({"authorization": f"Bearer {bearer}"} if bearer else {}),
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections that rest."""
        await self._connections.aclose()

    @property
    def quota(self) -> Quota:
        """What the last answers said of the calls that are left, as it is now."""
        return self._quota.aged(self.monotonic() - self._quota_at)

    async def get(
        self,
        path: str,
        query: Query = (),
        *,
        answer_max: int = ANSWER_MAX_BYTES,
        token: CallToken = None,
        deadline: float | None = None,
    ) -> Answer:
        """
        Read something of at most *answer_max* bytes; it is asked for again while that may help.

        *deadline* is another than that of every call, in seconds.

        Raises:
            HubRefused: The Hub said no.
            HubBusy: It could not be read this time.
        """
        asked = _Request(
            method="GET",
            path=path,
            query=query,
            headers=self._headers(token),
            answer_max=answer_max,
        )
        return await self._patiently(asked, deadline)

    async def change(
        self,
        method: str,
        path: str,
        *,
        json_body: Any = None,
        content: bytes | None = None,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        token: CallToken = None,
        harmless: bool = False,
        own_connection: bool = False,
    ) -> Answer:
        """
        Ask for a change: once, or again if repeating it is *harmless*.

        It meets a connection that was in use a moment ago, or one of its own.

        Raises:
            HubRefused: The Hub said no; nothing was done.
            HubBusy: It never got there, or the Hub is busy; nothing was done.
            OutcomeUnknown: Nobody can tell whether it was done.
        """
        sent = {**self._headers(token), **(headers or {})}
        if json_body is not None:
            content = json.dumps(json_body, ensure_ascii=False, separators=(",", ":")).encode()
        if content is not None:
            sent["content-type"] = content_type
        rested = 0 if own_connection else _MOMENT_SECONDS
        asked = _Request(
            method=method,
            path=path,
            content=content,
            said=json_body,
            headers=sent,
            rested=rested,
        )
        return await (self._patiently(asked) if harmless else self._send(asked, self._deadline))

    async def delete(self, path: str, *, token: CallToken = None) -> None:
        """Have something deleted; raises what `change` raises."""
        asked = _Request(method="DELETE", path=path, headers=self._headers(token))
        await self._patiently(asked)

    async def pages(
        self,
        path: str,
        query: Query = (),
        *,
        answer_max: int = ANSWER_MAX_BYTES,
        token: CallToken = None,
        deadline: float | None = None,
    ) -> AsyncIterator[Any]:
        """
        Yield the body of every page of a list, following `Link` within the same origin.

        A page may have *answer_max* bytes, and take *deadline* seconds.

        Raises:
            ListTooLong: There are more than `PAGES_MAX`; these were yielded before.
        """
        for _ in range(PAGES_MAX):
            told = await self.page(
                path, query, answer_max=answer_max, token=token, deadline=deadline
            )
            yield told.body
            if told.following is None:
                return
            path, query = told.following, ()
        raise ListTooLong(f"the Hub's list goes on after {PAGES_MAX} pages and was read no further")

    async def page(
        self,
        path: str,
        query: Query = (),
        *,
        answer_max: int = ANSWER_MAX_BYTES,
        token: CallToken = None,
        deadline: float | None = None,
    ) -> Page:
        """Read one page of a list; raises what `get` raises."""
        answer = await self.get(path, query, answer_max=answer_max, token=token, deadline=deadline)
        following = next_link(answer.headers)
        return Page(answer.body, following and self._own_path(following, path))

    @contextlib.asynccontextmanager
    async def stream(
        self, path: str, query: Query = (), *, quiet: float, token: CallToken = None
    ) -> AsyncIterator[Opened]:
        """
        Open a stream, given up when it is silent for *quiet* seconds.

        Raises:
            HubRefused: The Hub said no.
            StreamQuiet: Nothing came for that long.
            HubBusy: The stream could not be opened, or broke.
        """
        target, headers = self._target(path, query), self._headers(token)
        is_open = False
        tell = self._telling("GET", path)
        try:
            async with self._connections.stream(target, headers, quiet=quiet) as response:
                tell(response)
                self._note_quota(response)
                if not response.is_success:
                    body, hidden = await _capped(response), confidences(headers, None)
                    raise failure(response, body, changes=False, hidden=hidden)
                is_open = True
                yield Opened(response.headers, response.chunks)
        except httpcore2.LocalProtocolError:
            raise UsageError("the request holds what HTTP cannot carry; it was not sent") from None
        except httpcore2.ReadTimeout as exc:
            if not is_open:
                tell(None)
                raise HubBusy(f"{self.endpoint} did not answer for {quiet:g} seconds") from exc
            raise StreamQuiet(f"nothing came from {self.endpoint} for {quiet:g} seconds") from exc
        except (*NOT_SENT, *BROKEN, _AnswerTooLarge) as exc:
            if not is_open:
                tell(None)
            raise HubBusy(f"the stream from {self.endpoint} broke: {_why(exc)}") from exc

    async def _patiently(self, asked: _Request, deadline: float | None = None) -> Answer:
        """Send what is harmless to repeat until it is answered, within the deadline of one call."""
        until = self.monotonic() + (deadline or self._deadline)
        unclear = False
        for turn in range(self._retries + 1):
            try:
                return await self._send(asked, until - self.monotonic())
            except HubNotFound:
                # The Hub has done before what it did not answer.
                if unclear and asked.method == "DELETE":
                    return Answer(None, {})
                raise
            except (HubBusy, OutcomeUnknown) as exc:
                unclear = unclear or isinstance(exc, OutcomeUnknown)
                pause = pause_before(turn, exc)
                is_last = turn == self._retries or self.monotonic() + pause >= until
                if is_last or _is_redirect(exc):
                    raise
            await self.sleep(pause)
        raise AssertionError("the last turn returns or raises")

    async def _send(self, asked: _Request, seconds: float) -> Answer:
        lost = functools.partial(_lost, f"{asked.method} {asked.path}", asked.changes)
        target = self._target(asked.path, asked.query)
        left = asyncio.Event()
        tell = self._telling(asked.method, asked.path)
        try:
            async with (
                asyncio.timeout(seconds),
                self._connections.ask(
                    asked.method,
                    target,
                    asked.headers,
                    asked.content,
                    rested=asked.rested,
                    leaving=left.set,
                ) as response,
            ):
                self._note_quota(response)
                body = await _capped(response, asked.answer_max)
                tell(response)
        except httpcore2.LocalProtocolError:
            # Its text may hold what was to be sent.
            raise UsageError("the request holds what HTTP cannot carry; it was not sent") from None
        except NOT_SENT as exc:
            tell(None)
            raise HubBusy(f"cannot reach the Hub at {self.endpoint}: {_why(exc)}") from exc
        except (*BROKEN, TimeoutError, _AnswerTooLarge) as exc:
            tell(None)
            if not left.is_set():
                raise HubBusy(f"{asked.method} {asked.path}: it was not its turn in time") from exc
            why = without(_why(exc), asked.confidences)
            raise lost(f"no answer that could be used ({why})") from exc
        if not response.is_success:
            raise failure(response, body, changes=asked.changes, hidden=asked.confidences)
        try:
            return Answer(json.loads(body) if body else None, response.headers)
        except (ValueError, RecursionError) as exc:
            raise lost("the answer is not JSON") from exc

    def _telling(self, method: str, path: str) -> Callable[[Response | None], None]:
        """Return what tells of an answer, or that there was none, and how long that took."""
        began = self.monotonic()

        def tell(response: Response | None) -> None:
            if self._on_answer is None:
                return
            status = status_class(response.status) if response else NO_ANSWER
            self._on_answer(method, endpoint_of(path), status, self.monotonic() - began)

        return tell

    def _note_quota(self, response: Response) -> None:
        known = self.quota
        self._quota = read_quota(known, response.status, response.headers)
        self._quota_at = self.monotonic()

    def _target(self, path: str, query: Query) -> str:
        return f"{self._root}{path}" + (f"?{urlencode(query)}" if query else "")

    def _own_path(self, link: str, page: str) -> str:
        """Return the path of what *page* links to, which must be on the same host."""
        try:
            whole = urljoin(f"{self.endpoint}{page}", link)
        except ValueError:  # it is no address
            whole = ""
        if not whole.startswith(f"{self.endpoint}/"):
            raise HubRefused("the Hub named a next page on another host; it was not asked")
        if not login.PRINTABLE.fullmatch(whole):
            raise HubRefused("the Hub named a next page by what is no address; it was not asked")
        return whole.removeprefix(self.endpoint)


class _AnswerTooLarge(Exception):
    pass


async def _capped(response: Response, most: int = ANSWER_MAX_BYTES) -> bytes:
    body = bytearray()
    async for chunk in response.chunks:
        body += chunk
        if len(body) > most:
            raise _AnswerTooLarge(f"over {most:,} bytes")
    return bytes(body)


def _is_redirect(failed: HubError) -> bool:
    return failed.status is not None and 300 <= failed.status < 400


def _lost(what: str, changes: bool, why: str) -> HubError:
    return (OutcomeUnknown if changes else HubBusy)(f"{what}: {why}")


def _why(exc: BaseException) -> str:
    return str(exc) or type(exc).__name__
