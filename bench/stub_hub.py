"""A Hub that answers at once: every job starts, and runs for ever."""

from __future__ import annotations

import asyncio
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import orjson
import uvloop

from jobhook.web.serving import listen, serving, url_of

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

_COMMITS = [{"id": "1" * 40, "title": "More data", "message": "", "authors": [{"user": "ana"}]}]
_RUNNING = {
    "id": "0",
    "status": {"stage": "RUNNING", "message": None},
    "owner": {"id": "1", "name": "acme", "type": "org"},
}
_HARDWARE = [{"name": "cpu-basic", "unitCostMicroUSD": 1, "unitLabel": "minute"}]


class StubHub:
    """
    Runs in a thread of the bench, so that both read the same clock.

    Attributes:
        started: When each job was asked for, by `time.perf_counter`.
        streams: How many logs were opened.
        lists: Cleared, it lets whoever asks for the list of jobs wait.
    """

    def __init__(self) -> None:
        self.url = ""
        self.started: list[float] = []
        self.streams = 0
        self.lists = threading.Event()
        self.lists.set()
        self._jobs: list[dict[str, Any]] = []
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: uvloop.run(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._up.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.lists.set()
        self._loop.call_soon_threadsafe(self._down.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._down = asyncio.get_running_loop(), asyncio.Event()
        with listen("127.0.0.1", 0) as listener:
            self.url = url_of(listener)
            async with serving(self, listener):
                self._up.set()
                await self._down.wait()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        begun = time.perf_counter()
        body = b""
        more = scope["method"] == "POST"
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if scope["path"].endswith("/logs"):
            await self._log(send)
            return
        if scope["method"] == "GET" and scope["path"].endswith("/acme"):
            await asyncio.to_thread(self.lists.wait)
        told = orjson.dumps(self._told(scope["method"], scope["path"], body, begun))
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(told))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": told})

    async def _log(self, send: Send) -> None:
        """Send one line, and then only that the connection lives, every second."""
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        self.streams += 1
        frame = b'data: {"data":"begun","timestamp":"2026-11-25T00:00:00Z"}\n\n'
        while not self._down.is_set():
            await send({"type": "http.response.body", "body": frame, "more_body": True})
            frame = b": keep-alive\n\n"
            await asyncio.sleep(1)

    def _told(self, method: str, path: str, body: bytes, begun: float) -> Any:
        if path.endswith("/whoami-v2"):
            return {"name": "acme"}
        if path.endswith("/hardware"):
            return _HARDWARE
        if method == "POST":
            return self._start(orjson.loads(body), begun)
        if "/commits/" in path:
            return _COMMITS
        job_id = path.rpartition("/")[2]
        if job_id.isdigit():
            return self._jobs[int(job_id)] if int(job_id) < len(self._jobs) else _RUNNING
        return self._jobs

    def _start(self, spec: dict[str, Any], begun: float) -> dict[str, Any]:
        self.started.append(begun)
        job = {
            **_RUNNING,
            "id": str(len(self._jobs)),
            "labels": spec["labels"],
        }
        self._jobs.append(job)
        return job
