"""The yardstick: an ASGI callable that answers 202 and reads nothing, served as jobhook is."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import uvloop

from jobhook.web.serving import listen, serving

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

_BODY = b'{"delivery":"d00000000000000000000000000","duplicate":false}'
_START = {
    "type": "http.response.start",
    "status": 202,
    "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(_BODY)).encode()),
    ],
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 202."""
    await send(_START)
    await send({"type": "http.response.body", "body": _BODY})


async def main(port: int) -> None:
    """Serve until the process is ended."""
    with listen("127.0.0.1", port) as listener:
        async with serving(app, listener):
            await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
