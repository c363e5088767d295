"""
The Hub for code that does not await: the same methods, each waiting for its answer.

The coroutines run in one thread of their own, which all hubs of a process share. Nothing is written
twice: what a method takes and gives is what its coroutine says.
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from jobhook.core.errors import UsageError
from jobhook.hub.client import AsyncHub
from jobhook.hub.patience import RETRIES
from jobhook.hub.streams import Stream
from jobhook.hub.transport import DEADLINE_SECONDS, Token

P = ParamSpec("P")
T = TypeVar("T")


class _Background:
    """An event loop in a thread, started when it is first needed, and anew after a fork."""

    def __init__(self) -> None:
        # Garbage may be collected, and so a stream be left, while it is held.
        self._lock = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """
        Return what *coroutine* does; it is cancelled if waiting for it is broken off.

        Raises:
            UsageError: The caller is a coroutine of the loop, which would wait for itself.
        """
        loop = self._running()
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise UsageError("a hub that waits cannot be asked by what another one calls")
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def start(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Have *coroutine* done some time; whoever collects garbage must not wait."""
        asyncio.run_coroutine_threadsafe(coroutine, self._running())

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._pid != os.getpid():
                _of_parents.append(self._loop)
                self._loop, self._pid = asyncio.new_event_loop(), os.getpid()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="jobhook-hub", daemon=True
                )
                self._thread.start()
            return self._loop


# What a process has from the one that it was forked from. A connection that is collected takes
# itself off the selector, which is the same for both.
_of_parents: list[object] = []
_background = _Background()


def _waited(
    method: Callable[Concatenate[AsyncHub, P], Awaitable[T]],
) -> Callable[Concatenate[Hub, P], T]:
    """Return *method* as one that waits for its answer."""

    @functools.wraps(method)
    def wait(self: Hub, /, *args: P.args, **kwargs: P.kwargs) -> T:
        hub = self.asynchronous

        async def answered() -> T:
            return await method(hub, *args, **kwargs)

        return _background.run(answered())

    return wait


def _iterated(
    method: Callable[Concatenate[AsyncHub, P], Stream[T]],
) -> Callable[Concatenate[Hub, P], Iterator[T]]:
    """Return *method* as one whose stream is iterated over."""

    @functools.wraps(method)
    def iterate(self: Hub, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return _items(method(self.asynchronous, *args, **kwargs))

    return iterate


def _items(stream: Stream[T]) -> Generator[T, None, None]:
    try:
        # What came together crosses between the threads together.
        while batch := _background.run(stream.batch()):
            yield from batch
    finally:
        _background.start(stream.aclose())


class Hub:
    """
    The Hub, asked by methods that wait; a context manager, and safe to use from several threads.

    Its methods have the names, the keyword arguments and the results of the functions of
    `huggingface_hub` 2.4; what each promises is said at `AsyncHub`, whose arguments these are.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        token: Token = None,
        *,
        deadline: float = DEADLINE_SECONDS,
        retries: int = RETRIES,
    ) -> None:
        self._make = functools.partial(
            AsyncHub, endpoint, token, deadline=deadline, retries=retries
        )
        self._made: AsyncHub | None = None
        self._pid = 0
        self._lock = threading.RLock()

    @property
    def asynchronous(self) -> AsyncHub:
        """The hub whose coroutines are waited for; its connections are of this process."""
        with self._lock:
            if self._made is None or self._pid != os.getpid():
                _of_parents.append(self._made)
                self._made, self._pid = self._make(), os.getpid()
            return self._made

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if self._made is not None and self._pid == os.getpid():
            _background.run(self._made.aclose())

    whoami = _waited(AsyncHub.whoami)

    run_job = _waited(AsyncHub.run_job)
    run_uv_job = _waited(AsyncHub.run_uv_job)
    inspect_job = _waited(AsyncHub.inspect_job)
    list_jobs = _waited(AsyncHub.list_jobs)
    fetch_job_logs = _iterated(AsyncHub.fetch_job_logs)
    fetch_job_metrics = _iterated(AsyncHub.fetch_job_metrics)
    wait_for_job = _waited(AsyncHub.wait_for_job)
    cancel_job = _waited(AsyncHub.cancel_job)
    rerun_job = _waited(AsyncHub.rerun_job)
    update_job_labels = _waited(AsyncHub.update_job_labels)
    update_job_expose = _waited(AsyncHub.update_job_expose)
    list_jobs_hardware = _waited(AsyncHub.list_jobs_hardware)
    sync_job_volume = _waited(AsyncHub.sync_job_volume)

    create_scheduled_job = _waited(AsyncHub.create_scheduled_job)
    create_scheduled_uv_job = _waited(AsyncHub.create_scheduled_uv_job)
    list_scheduled_jobs = _waited(AsyncHub.list_scheduled_jobs)
    inspect_scheduled_job = _waited(AsyncHub.inspect_scheduled_job)
    suspend_scheduled_job = _waited(AsyncHub.suspend_scheduled_job)
    resume_scheduled_job = _waited(AsyncHub.resume_scheduled_job)
    trigger_scheduled_job = _waited(AsyncHub.trigger_scheduled_job)
    update_scheduled_job_schedule = _waited(AsyncHub.update_scheduled_job_schedule)
    update_scheduled_job_labels = _waited(AsyncHub.update_scheduled_job_labels)
    delete_scheduled_job = _waited(AsyncHub.delete_scheduled_job)

    create_webhook = _waited(AsyncHub.create_webhook)
    get_webhook = _waited(AsyncHub.get_webhook)
    list_webhooks = _waited(AsyncHub.list_webhooks)
    update_webhook = _waited(AsyncHub.update_webhook)
    enable_webhook = _waited(AsyncHub.enable_webhook)
    disable_webhook = _waited(AsyncHub.disable_webhook)
    delete_webhook = _waited(AsyncHub.delete_webhook)
