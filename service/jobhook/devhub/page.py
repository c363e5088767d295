"""What a devhub says about itself, and who one is on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from .accounts import ORG, OTHER_TOKEN, OTHER_USER, TOKEN, USER
from .requests import known_asker
from .wire import Json

if TYPE_CHECKING:
    from starlette.requests import Request

    from .accounts import Accounts

_TEXT = f"""\
This is a jobhook devhub: a small Hugging Face Hub on this machine, for trying things out.

It is not a sandbox. Jobs run right here, as the user who started it, and images are not used.

    export HF_ENDPOINT={{url}}
    export HF_TOKEN={TOKEN}

That token is of the user {USER}, admin of the organization {ORG}.
{OTHER_TOKEN} is of the user {OTHER_USER}, who may do nothing to either.
"""


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
        ]

    async def page(self, request: Request) -> Response:
        """Say what this is."""
        return PlainTextResponse(_TEXT.format(url=self._url))

    async def whoami(self, request: Request) -> Response:
        """Say whose token came."""
        user = known_asker(request, self._accounts)
        return Json(self._accounts.whoami(user, self._url))
