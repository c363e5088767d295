"""Who asks, and what for: the part of a request that every route reads the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from .wire import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request

    from .accounts import Accounts, Namespace, User

NO_TOKEN = "Invalid username or password."  # noqa: S105 - the Hub's words
WRONG_TOKEN = "Invalid credentials in Authorization header"  # noqa: S105


def asker(request: Request, accounts: Accounts) -> User | None:
    """Return whose token came, None if none came; an unknown one is refused."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if not scheme:
        return None
    user = accounts.of_token(token.strip()) if scheme.lower() == "bearer" else None
    if user is None:
        raise Refusal(401, WRONG_TOKEN)
    return user


def known_asker(request: Request, accounts: Accounts) -> User:
    """Return whose token came; to come without is refused."""
    user = asker(request, accounts)
    if user is None:
        raise Refusal(401, NO_TOKEN)
    return user


def namespace_of(request: Request, accounts: Accounts) -> Namespace:
    """Return the namespace in the path."""
    namespace = accounts.namespace(param(request, "namespace"))
    if namespace is None:
        raise Refusal(404, "There is no such user or organization")
    return namespace


def member(
    request: Request, accounts: Accounts, *, writing: bool = False
) -> tuple[User, Namespace]:
    """Return who asks and the namespace in the path, if they may use its jobs."""
    user = known_asker(request, accounts)
    namespace = namespace_of(request, accounts)
    may = accounts.may_write if writing else accounts.may_read
    if not may(user, namespace.name):
        raise Refusal(403, f"You may not use jobs in the namespace {namespace.name!r}")
    return user, namespace


def label_of(text: str) -> tuple[str, str]:
    """Return key and value of a label in a query."""
    key, equals, value = text.partition("=")
    if not equals:
        raise Refusal(400, f"label: {text[:120]!r} is not written key=value")
    return key, value


def param(request: Request, name: str) -> str:
    """Return one part of the path, as it was before it was quoted."""
    return unquote(request.path_params[name])


def number(request: Request, name: str, default: int) -> int:
    """Return a whole number of the query."""
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Refusal(400, f"{name}: a whole number is needed here")
    return int(text)


def revision_and_path(rest: str) -> tuple[str, str]:
    """
    Split what follows `tree/` or `resolve/` in a path, still quoted, in revision and file.

    A revision with slashes comes quoted; `refs/pr/1` is also understood as it is.
    """
    parts = rest.split("/")
    count = 3 if parts[0] == "refs" and len(parts) > 2 else 1
    return unquote("/".join(parts[:count])), unquote("/".join(parts[count:])).strip("/")
