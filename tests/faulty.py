"""A Hub whose answers get lost: a proxy that carries requests out and then says something else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from jobhook.web.serving import listen, serving, url_of

_HOP_BY_HOP = {"connection", "content-encoding", "content-length", "date", "transfer-encoding"}


class FaultyHub:
    """
    Passes everything on to the Hub behind it.

    Attributes:
        lost: How many answers to job starts still get lost, after the job was started.
    """

    def __init__(self, behind: httpx2.AsyncClient) -> None:
        self._behind = behind
        self.lost = 0
        self.starts = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        answer = await self._behind.request(
            request.method,
            str(request.url).removeprefix(str(request.base_url)[:-1]),
            content=await request.body(),
            headers=[(name, value) for name, value in request.headers.raw if name != b"host"],
        )
        headers = {k: v for k, v in answer.headers.items() if k not in _HOP_BY_HOP}
        response = Response(answer.content, answer.status_code, headers)
        path = request.url.path
        if request.method == "POST" and path.startswith("/api/jobs/") and path.count("/") == 3:
            self.starts += 1
            if self.lost:
                self.lost -= 1
                response = Response("Internal Server Error", 500)
        await response(scope, receive, send)


@asynccontextmanager
async def faulty_hub(url: str) -> AsyncIterator[tuple[FaultyHub, str]]:
    """Run a faulty Hub in front of the one at *url*; gives it and its own URL."""
    with listen("127.0.0.1", 0) as listener:
        async with httpx2.AsyncClient(base_url=url, verify=False) as client:
            hub = FaultyHub(client)
            async with serving(hub, listener):
                yield hub, url_of(listener)
