"""Files from anywhere on the web: without a token, bounded, and not in the clear."""

from __future__ import annotations

import asyncio
import contextlib
from urllib.parse import SplitResult, urljoin, urlsplit

from jobhook.core.errors import UsageError
from jobhook.hub.connections import BROKEN, NOT_SENT, Connections, Response

_CONNECT_SECONDS = 10.0
_QUIET_SECONDS = 10.0
_DEADLINE_SECONDS = 60.0
_REDIRECTS_MAX = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def is_private(url: str) -> bool:
    """Whether nobody on the way reads or changes what comes from *url*: https, or this machine."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    return False


async def download(url: str, *, most: int) -> bytes:
    """
    Return what stands at *url*, at most so many bytes; redirects are followed.

    Raises:
        UsageError: It cannot be had; the sentence names the URL.
    """
    try:
        async with asyncio.timeout(_DEADLINE_SECONDS):
            return await _followed(url, most)
    except (*NOT_SENT, *BROKEN, OSError, ValueError) as exc:
        if isinstance(exc, UsageError):
            raise
        why = str(exc) or type(exc).__name__
        raise _refusal(url, why) from exc


def redirected(url: str, location: str) -> str:
    """Return where *location* leads from *url*; `UsageError` if that is out of https."""
    target = urljoin(url, location)
    # Nobody on the web is to lead us to what only this machine is told.
    if url.startswith("https:") and not target.startswith("https:"):
        raise _refusal(url, f"it leads to {_shown(target)}")
    return target


async def _followed(url: str, most: int) -> bytes:
    for _ in range(_REDIRECTS_MAX + 1):
        parts = _private_parts(url)
        async with contextlib.aclosing(Connections(parts, connect=_CONNECT_SECONDS)) as origin:
            target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
            headers = {"user-agent": "jobhook"}
            async with origin.stream(target, headers, quiet=_QUIET_SECONDS) as response:
                if response.status not in _REDIRECTS:
                    return await _content(url, response, most)
                url = redirected(url, response.headers.get("location", ""))
    raise _refusal(url, "it leads on and on")


def _private_parts(url: str) -> SplitResult:
    parts = urlsplit(url)
    if not is_private(url) or not parts.hostname or parts.username or parts.password:
        raise _refusal(url, "write an https URL without a user")
    return parts


async def _content(url: str, response: Response, most: int) -> bytes:
    if not response.is_success:
        raise _refusal(url, f"{response.status} {response.reason}")
    content = bytearray()
    async for chunk in response.chunks:
        content += chunk
        if len(content) > most:
            raise _refusal(url, f"it is over {most:,} bytes")
    return bytes(content)


def _refusal(url: str, why: str) -> UsageError:
    return UsageError(f"{_shown(url)} cannot be fetched: {why}")


def _shown(url: str) -> str:
    """Return *url* without what may open something: who asks, and what is signed."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "what is no URL"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"[:200]
