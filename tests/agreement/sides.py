"""One call, made through the official client and through ours in both its forms."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterable, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

import jobhook
from agreement.environment import HfApi
from agreement.recorder import Asked, Recorder
from jobhook.hub.blocking import Hub
from jobhook.hub.client import AsyncHub

TOKEN = "hf_given"
SAVED = "hf_saved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """
    What a call asked the Hub for, and what came of it.

    Attributes:
        asked: All requests but those for whose token it is.
        tokens_asked_about: The `Authorization` of those.
    """

    asked: tuple[Asked, ...]
    tokens_asked_about: tuple[str | None, ...]
    result: Any = None
    error: Exception | None = None


class Side(Protocol):
    """A client whose functions are called by name, and their results read to the end."""

    def call(self, function: str, args: Mapping[str, Any]) -> Any: ...

    def close(self) -> None: ...


class Official:
    """`huggingface_hub`."""

    def __init__(self, url: str, token: str | None = TOKEN) -> None:
        self._api = HfApi(endpoint=url, token=token)

    def call(self, function: str, args: Mapping[str, Any]) -> Any:
        result = getattr(self._api, function)(**args)
        return list(result) if isinstance(result, Iterator) else result

    def close(self) -> None:
        """Its session is that of the whole process."""


class Blocking:
    """`jobhook.Hub`."""

    def __init__(self, url: str, token: str | None = TOKEN) -> None:
        self._hub = Hub(url, token)
        self._hub.asynchronous.transport.sleep = _at_once

    def call(self, function: str, args: Mapping[str, Any]) -> Any:
        result = getattr(self._hub, function)(**in_our_words(args))
        return list(result) if isinstance(result, Iterator) else result

    def close(self) -> None:
        self._hub.close()


class Asynchronous:
    """`jobhook.AsyncHub`, in a loop of its own."""

    def __init__(self, url: str, token: str | None = TOKEN) -> None:
        self._runner = asyncio.Runner()
        self._hub = AsyncHub(url, token)
        self._hub.transport.sleep = _at_once

    def call(self, function: str, args: Mapping[str, Any]) -> Any:
        return self._runner.run(self._call(function, in_our_words(args)))

    async def _call(self, function: str, args: Mapping[str, Any]) -> Any:
        result = getattr(self._hub, function)(**args)
        if isinstance(result, Awaitable):
            return await result
        assert isinstance(result, AsyncIterable)
        return [each async for each in result]

    def close(self) -> None:
        self._runner.run(self._hub.__aexit__(None, None, None))
        self._runner.close()


async def _at_once(seconds: float) -> None:
    await asyncio.sleep(0)


SIDES: Mapping[str, Callable[[str], Side]] = {"Hub": Blocking, "AsyncHub": Asynchronous}


def in_our_words(value: Any) -> Any:
    """Put what is made with the official client's classes into ours of the same names."""
    if isinstance(value, Mapping):
        return {key: in_our_words(each) for key, each in value.items()}
    if isinstance(value, list):
        return [in_our_words(each) for each in value]
    if isinstance(value, Enum):
        return getattr(jobhook, type(value).__name__)(value.value)
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return getattr(jobhook, type(value).__name__)(**fields)
    return value


def outcome(side: Side, recorder: Recorder, function: str, args: Mapping[str, Any]) -> Outcome:
    """Call *function* and return all that there is to compare."""
    before = len(recorder.asked)
    result, error = None, None
    try:
        result = side.call(function, args)
    except Exception as exc:  # noqa: BLE001
        error = exc
    asked = recorder.asked[before:]
    return Outcome(
        asked=tuple(each for each in asked if each.path != "/api/whoami-v2"),
        tokens_asked_about=tuple(
            each.authorization for each in asked if each.path == "/api/whoami-v2"
        ),
        result=result,
        error=error,
    )
