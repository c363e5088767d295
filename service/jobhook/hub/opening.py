"""What a hub is opened with: its address, a token, and how long a call may take."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from jobhook.core.errors import UsageError
from jobhook.hub.login import PRINTABLE

_LONGEST_SECONDS = 86_400


def parts_of(endpoint: str) -> SplitResult:
    """Return the parts of the address of a Hub; `UsageError` if it is none."""
    try:
        parts = urlsplit(endpoint)
        is_url = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except (ValueError, TypeError, AttributeError):
        is_url = False
    if not is_url or not endpoint.isascii():
        raise UsageError(f"{str(endpoint)[:120]!r} is no http(s) URL of a Hub")
    if "@" in parts.netloc:
        raise UsageError("the address of a Hub holds no user and no password: give a token")
    return parts


def check_patience(deadline: object, retries: object) -> None:
    """Raise `UsageError` if a call cannot take *deadline* seconds or be repeated so often."""
    if not isinstance(deadline, int | float) or not 0 < deadline <= _LONGEST_SECONDS:
        raise UsageError(f"deadline must be seconds, more than 0 and up to {_LONGEST_SECONDS:,}")
    if type(retries) is not int or retries < 0:
        raise UsageError("retries must be a whole number, 0 or more")


def checked_token(token: object) -> str | None:
    """Return *token*, None where it is none; what a header cannot hold is told of, but not told."""
    if token is None or token is False or token == "":
        return None
    if not isinstance(token, str) or not PRINTABLE.fullmatch(token):
        raise UsageError("the token is no token: it must be printable ASCII without a space")
    return token
