"""What a devhub says about itself, and who one is on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from .accounts import ORG, OTHER_TOKEN, OTHER_USER, TOKEN, USER
from .requests import asker, known_asker, namespace_of, number
from .wire import Json, Refusal, next_link, page

if TYPE_CHECKING:
    from starlette.requests import Request

    from .accounts import Accounts

_MEMBERS, _MEMBERS_MIN, _MEMBERS_MAX = 500, 10, 10_000
_TEXT = f"""\
This is a jobhook devhub: a small Hugging Face Hub on this machine, for trying things out.

It is not a sandbox. Jobs run right here, as the user who started it, and images are not used.

    export HF_ENDPOINT={{url}}
    export HF_TOKEN={TOKEN}

That token is of the user {USER}, admin of the organization {ORG}.
{OTHER_TOKEN} is of the user {OTHER_USER}, who may do nothing to either.
"""


_ALL_METHODS = ["GET", "POST", "PUT", "DELETE"]


class PageRoutes:
    """The routes that are about no thing in particular."""

    def __init__(self, url: str, accounts: Accounts) -> None:
        self._url = url
        self._accounts = accounts

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/", self.page, name="page"),
            Route("/api/whoami-v2", self.whoami, name="whoami"),
            Route("/api/organizations/{namespace}/members", self.members, name="orgs.members"),
            Route("/api/buckets/{rest:path}", self.buckets, methods=_ALL_METHODS, name="buckets"),
        ]

    async def page(self, request: Request) -> Response:
        """Say what this is."""
        return PlainTextResponse(_TEXT.format(url=self._url))

    async def whoami(self, request: Request) -> Response:
        """Say whose token came."""
        user = known_asker(request, self._accounts)
        return Json(self._accounts.whoami(user, self._url))

    async def buckets(self, request: Request) -> Response:
        """Say that there are none; the official client sends local scripts through one."""
        known_asker(request, self._accounts)
        raise Refusal(
            501,
            "devhub has no buckets yet, through which huggingface_hub sends local scripts and "
            "folders: give a URL or a command",
        )

    async def members(self, request: Request) -> Response:
        """Tell who is in an organization, and to its members with which role."""
        user, org = asker(request, self._accounts), namespace_of(request, self._accounts)
        if org.type != "org":
            raise Refusal(404, "There is no such organization")
        size = number(request, "limit", _MEMBERS)
        if not _MEMBERS_MIN <= size <= _MEMBERS_MAX:
            raise Refusal(400, f"limit: from {_MEMBERS_MIN} to {_MEMBERS_MAX}")
        found = self._accounts.members(
            org.name, self._url, search=request.query_params.get("search", ""), asker=user
        )
        items, end = page(found, number(request, "cursor", 0), size)
        return Json(items, headers=next_link(request, self._url, str(end)) if end else {})
