"""
Requests to the API of a service elsewhere.

Every call has a deadline, answers are capped, redirects are never followed, and the token goes to
the configured address only. What is harmless to repeat is repeated while no answer comes: reads,
and what carries an Idempotency-Key, which the service does once.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import httpcore2
import orjson

from jobhook.core.errors import (
    HubBusy,
    HubError,
    HubNotFound,
    HubRefused,
    JobHookError,
    OutcomeUnknown,
    StillRunning,
    UsageError,
)
from jobhook.core.texts import without_controls
from jobhook.hub.connections import BROKEN, NOT_SENT, RESTING_SECONDS, Connections, Response
from jobhook.hub.patience import pause_before
from jobhook.remote.failures import failure, odd, told_in

PREFIX = "/api/v1"
# A hundred jobs, each with the longest payload in its environment, escaped.
ANSWER_MAX_BYTES = 32 * 1024 * 1024
# The service is patient with the Hub itself, and must be able to say what came of that.
DEADLINE_SECONDS = 90.0
_CONNECT_SECONDS = 10.0
_REPEATS = 4

Query = Sequence[tuple[str, str]]


class _NoAnswer(Exception):
    """Nothing came that could be used; *left* says whether the request may have got there."""

    def __init__(self, why: str, *, left: bool) -> None:
        super().__init__(why)
        self.left = left


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes | None = field(repr=False)

    @property
    def changes(self) -> bool:
        return self.method != "GET"


class ServiceTransport:
    """Requests to the service at *url* with one API token; an async context manager."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        deadline: float = DEADLINE_SECONDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        parts = urlsplit(url)
        self.url = url.rstrip("/")
        self._root = parts.path.rstrip("/")
        self._token = token
        self._deadline = deadline
        self.sleep, self.monotonic = sleep, monotonic
        # Nobody is to read the token between us and our own machine.
        proxied = parts.scheme == "https"
        self._connections = Connections(parts, connect=_CONNECT_SECONDS, proxied=proxied)

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

    async def get(self, path: str, query: Query = (), *, seconds: float | None = None) -> bytes:
        """
        Return the body of an answer; *seconds* is another deadline than that of every call.

        Raises:
            JobHookError: What the service says went wrong.
            HubBusy: It could not be asked.
        """
        asked = self._request("GET", path, query)
        return await self._patiently(asked, seconds or self._deadline)

    async def change(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Query = (),
        seconds: float | None = None,
        once: bool = False,
    ) -> bytes:
        """
        Ask for a change, and return the body of the answer.

        Each call has a key of its own, so that the service does it once however often it is asked;
        what takes no key sets something to what it may be already, or deletes it. Anything else is
        to be asked for *once*.

        Raises:
            JobHookError: What the service says went wrong.
            HubBusy: Nothing was done.
            OutcomeUnknown: Nobody can tell whether it was done.
        """
        key = {"idempotency-key": secrets.token_hex(16)} if method == "POST" else {}
        content = None if body is None else _dumped(body)
        asked = self._request(method, path, query, content=content, headers=key)
        return await self._patiently(
            asked, seconds or self._deadline, repeats=0 if once else _REPEATS
        )

    @contextlib.asynccontextmanager
    async def stream(
        self, path: str, query: Query = (), *, quiet: float, last_event_id: str | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """
        Open a stream of events and give its bytes; it ends when it is silent for *quiet* seconds.

        Raises:
            JobHookError: What the service says went wrong.
            HubBusy: It could not be opened, or broke.
        """
        after = {"last-event-id": last_event_id} if last_event_id is not None else {}
        headers = {**self._headers(), "accept": "text/event-stream", **after}
        try:
            async with self._connections.stream(
                self._target(path, query), headers, quiet=quiet
            ) as response:
                if not response.is_success:
                    raise self._failure(response, await _capped(response), changes=False)
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    raise HubRefused(odd(self.url, response.status))
                yield response.chunks
        except (*NOT_SENT, *BROKEN, _AnswerTooLarge, _NoAnswer) as exc:
            raise HubBusy(f"the stream from the service at {self.url} broke: {_why(exc)}") from exc

    def _request(
        self,
        method: str,
        path: str,
        query: Query,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> _Request:
        kind = {"content-type": "application/json"} if content is not None else {}
        return _Request(
            method=method,
            target=self._target(path, query),
            headers={**self._headers(), **kind, **(headers or {})},
            content=content,
        )

    def _headers(self) -> dict[str, str]:
        return {
            "user-agent": "jobhook",
            "accept": "application/json",
            "authorization": f"Bearer {self._token}",
        }

    def _target(self, path: str, query: Query) -> str:
        return f"{self._root}{PREFIX}{path}" + (f"?{urlencode(query)}" if query else "")

    async def _patiently(
        self, asked: _Request, seconds: float, *, repeats: int = _REPEATS
    ) -> bytes:
        until = self.monotonic() + seconds
        has_left = False
        for turn in range(repeats + 1):
            try:
                return await self._send(asked, until - self.monotonic())
            except _NoAnswer as exc:
                has_left = has_left or exc.left
                failed: HubError | StillRunning = self._lost(asked, exc, has_left=has_left)
            except HubNotFound:
                if has_left and asked.method == "DELETE":
                    return b""  # the call before this one did it
                raise
            except StillRunning as exc:
                # The call before this one has it.
                failed = exc
                if not has_left:
                    raise
            pause = pause_before(turn, failed if isinstance(failed, HubError) else HubBusy(""))
            if turn == repeats or self.monotonic() + pause >= until:
                raise failed
            await self.sleep(pause)
        raise AssertionError("the last turn returns or raises")

    async def _send(self, asked: _Request, seconds: float) -> bytes:
        left = asyncio.Event()
        try:
            async with (
                asyncio.timeout(seconds),
                self._connections.ask(
                    asked.method,
                    asked.target,
                    asked.headers,
                    asked.content,
                    rested=RESTING_SECONDS,
                    leaving=left.set,
                ) as response,
            ):
                body = await _capped(response)
        except httpcore2.LocalProtocolError:
            # Its text may hold what was to be sent.
            raise UsageError("the request holds what HTTP cannot carry; it was not sent") from None
        except NOT_SENT as exc:
            raise _NoAnswer(_why(exc), left=False) from exc
        except (*BROKEN, TimeoutError, _AnswerTooLarge) as exc:
            raise _NoAnswer(_why(exc), left=left.is_set()) from exc
        if response.is_success:
            return body
        raise self._failure(response, body, changes=asked.changes)

    def _lost(self, asked: _Request, exc: _NoAnswer, *, has_left: bool) -> HubError:
        if not has_left:
            return HubBusy(f"cannot reach the service at {self.url}: {exc}")
        what = f"the service at {self.url} gave no answer that could be used ({exc})"
        return OutcomeUnknown(what) if asked.changes else HubBusy(what)

    def _failure(
        self, response: Response, body: bytes, *, changes: bool
    ) -> JobHookError | _NoAnswer:
        status = response.status
        if told := told_in(status, response.headers, body):
            return failure(told, changes=changes)
        if 300 <= status < 400:
            return HubRefused(
                f"the service at {self.url} answered {status} and names another address, to which "
                "the token is not sent: set JOBHOOK_URL to that of the service itself",
                status=status,
            )
        if status in (502, 503, 504):  # a proxy's, before a service that starts anew
            return _NoAnswer(f"a proxy answered {status}", left=True)
        return HubRefused(odd(self.url, status), status=status)


class _AnswerTooLarge(Exception):
    pass


async def _capped(response: Response) -> bytes:
    body = bytearray()
    async for chunk in response.chunks:
        body += chunk
        if len(body) > ANSWER_MAX_BYTES:
            raise _AnswerTooLarge(f"over {ANSWER_MAX_BYTES:,} bytes")
    return bytes(body)


def _dumped(body: Any) -> bytes:
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError as exc:
        raise UsageError("what is asked for holds something that JSON cannot carry") from exc


def _why(exc: BaseException) -> str:
    return without_controls(str(exc))[:200] or type(exc).__name__
