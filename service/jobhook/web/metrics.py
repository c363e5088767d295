"""`GET /metrics`: what Prometheus scrapes. Whoever mounts it asks for a token first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

METRICS_PATH = "/metrics"

# Given what `Accept` says, returns the text and its type.
Exposition = Callable[[str], Awaitable[tuple[bytes, str]]]


def metrics_of(exposition: Exposition) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers at `METRICS_PATH`."""

    async def metrics(request: Request) -> Response:
        text, kind = await exposition(request.headers.get("accept", ""))
        return Response(text, headers={"content-type": kind, "cache-control": "no-store"})

    return metrics
