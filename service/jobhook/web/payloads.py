"""`GET /payloads/{token}`: the whole of a payload that was too long for its job's environment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from jobhook.core.errors import StoreUnavailable

# Gives the payload that a token opens; None if the token is not ours, or too old.
ReadPayload = Callable[[str], Awaitable[bytes | None]]

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def payloads_of(read: ReadPayload) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers; whoever has no token of ours learns nothing."""

    async def answer(request: Request) -> Response:
        try:
            body = await read(request.path_params["token"])
        except StoreUnavailable as exc:
            raise HTTPException(503, headers={"Retry-After": "5"}) from exc
        if body is None:
            raise HTTPException(404)
        return Response(body, media_type="application/json", headers=_HEADERS)

    return answer
