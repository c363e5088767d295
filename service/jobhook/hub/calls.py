"""What all calls of the Hub share: whose namespace is meant, and what an id looks like."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

from jobhook.core.accounts import Account
from jobhook.core.errors import HubBusy, JobHookError, OutcomeUnknown, UsageError
from jobhook.core.jobs import NAMESPACE
from jobhook.core.texts import shown
from jobhook.hub.reading import read_account
from jobhook.hub.transport import CallToken, HubTransport

# Tokens whose user is remembered.
_NAMES_MAX = 64

Read = TypeVar("Read")


class HubCalls:
    """The transport, and the user of each token."""

    transport: HubTransport
    _names: dict[str | None, str]

    async def whoami(self, token: CallToken = None) -> Account:
        """Return the token's user, what the token may do, and the Hub's time."""
        answer = await self.transport.get("/api/whoami-v2", token=token)
        with unreadable("the Hub does not say whose token this is"):
            return read_account(answer.body, answer.headers.get("date"))

    async def _namespace(self, namespace: str | None, token: CallToken) -> str:
        """Return *namespace*, or the token's user; that is asked once for each token."""
        if namespace is not None:
            return a_namespace(namespace)
        key = self.transport.token_of(token)
        if key is None:
            raise UsageError(
                "no namespace is named, and there is no token whose user's it could be: name one, "
                "set HF_TOKEN, or log in with `hf auth login`"
            )
        if key not in self._names:
            if len(self._names) >= _NAMES_MAX:
                self._names.clear()
            self._names[key] = (await self.whoami(token)).name
        return self._names[key]

    async def _pages(
        self,
        path: str,
        query: Iterable[tuple[str, str]],
        read: Callable[[Any], Read],
        *,
        token: CallToken,
        answer_max: int,
        deadline: float | None = None,
    ) -> AsyncGenerator[list[Read], None]:
        pages = self.transport.pages(
            path, list(query), answer_max=answer_max, token=token, deadline=deadline
        )
        async for page in pages:
            with unreadable("the Hub's list cannot be read"):
                if not isinstance(page, list):
                    raise TypeError("no list")
                told = [read(item) for item in page]
            yield told


def a_namespace(value: Any) -> str:
    """Return *value*, which must be able to be the name of a user or org."""
    if not isinstance(value, str) or not NAMESPACE.fullmatch(value):
        raise UsageError(f"namespace {shown(value, 120)} is no name of a user or org")
    return value


def segment(text: str) -> str:
    """Return *text* as one part of a path."""
    return quote(text, safe="")


def now() -> str:
    """Return the time as a clue to what was asked for after it."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@contextmanager
def unreadable(message: str, *, changed: bool = False) -> Iterator[None]:
    """Turn what readers raise into an error of the Hub's: of a change, the outcome is unknown."""
    try:
        yield
    except JobHookError:  # a UsageError is a ValueError
        raise
    except (LookupError, TypeError, AttributeError, ArithmeticError, ValueError) as exc:
        raise (OutcomeUnknown if changed else HubBusy)(message) from exc
