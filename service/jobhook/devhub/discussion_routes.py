"""`/api/{models|datasets|spaces}/…/discussions`: discussions and pull requests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints
from starlette.responses import Response
from starlette.routing import Route

from .discussion_store import Discussions
from .repo_access import RepoAccess
from .requests import known_asker, param
from .wire import Json, Refusal, checked, json_object, read_body, read_object

if TYPE_CHECKING:
    from starlette.requests import Request

    from .accounts import Accounts, User
    from .discussions import Discussion, Happening
    from .limits import Limits
    from .repo_store import Repos
    from .repos import Repo

_ALL = "/api/{kind}/{owner}/{name}/discussions"
_ONE = _ALL + "/{num}"
_COMMENT = _ONE + "/comment/{comment}"

_Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=200)]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=65_536)]


class _New(BaseModel):
    title: _Title
    description: Annotated[str, StringConstraints(max_length=65_536)]
    pull_request: Annotated[bool, Field(alias="pullRequest")] = False


class _Comment(BaseModel):
    comment: _Text


class _MaybeComment(BaseModel):
    comment: _Text | None = None


class _Status(_MaybeComment):
    status: Literal["open", "closed"]


class _Content(BaseModel):
    content: _Text


class _Rename(BaseModel):
    title: _Title


class DiscussionRoutes(RepoAccess):
    """The routes of discussions; who may see a repo may write in them."""

    def __init__(self, url: str, accounts: Accounts, repos: Repos, limits: Limits) -> None:
        super().__init__(url, accounts, repos, limits)
        self.discussions = Discussions(url, repos)

    def routes(self) -> list[Route]:
        """Return the routes."""
        posts = {
            "create": (_ALL, self.create),
            "comment": (_ONE + "/comment", self.comment),
            "edit": (_COMMENT + "/edit", self.edit),
            "hide": (_COMMENT + "/hide", self.hide),
            "status": (_ONE + "/status", self.set_status),
            "title": (_ONE + "/title", self.rename),
            "merge": (_ONE + "/merge", self.merge),
        }
        return [
            Route(_ONE, self.show, name="discussions.inspect"),
            *(
                Route(path, answer, methods=["POST"], name=f"discussions.{name}")
                for name, (path, answer) in posts.items()
            ),
        ]

    async def show(self, request: Request) -> Response:
        """Tell a discussion with all that happened in it."""
        _, repo = self.readable(request)
        discussion = repo.discussion(_num(request))
        wire = discussion.to_wire(repo, self.accounts, self.url)
        if discussion.base is not None:
            conflicts = await asyncio.to_thread(self.discussions.conflicts, repo, discussion)
            wire["filesWithConflicts"] = list(conflicts)
            wire["changes"] = {**discussion.changes(), "headCommitId": repo.refs[discussion.ref]}
            wire["diffUrl"] = f"{repo.web_url(self.url)}/discussions/{discussion.num}.diff"
        return Json(wire)

    async def create(self, request: Request) -> Response:
        """Open a discussion or a pull request."""
        user, repo = self._writer(request)
        asked = checked(_New, await read_object(request, self.limits.body_bytes))
        made = await self.discussions.open(
            repo, user, asked.title, asked.description, pull_request=asked.pull_request
        )
        wire: dict[str, Any] = {
            "url": f"{repo.web_url(self.url)}/discussions/{made.num}",
            "num": made.num,
            "pullRequest": asked.pull_request,
        }
        if made.base is not None:
            wire["references"] = made.changes()
        return Json(wire)

    async def comment(self, request: Request) -> Response:
        """Write a comment."""
        user, repo = self._writer(request)
        asked = checked(_Comment, await read_object(request, self.limits.body_bytes))
        comment = await self.discussions.comment(repo, _num(request), user, asked.comment)
        return Json({"newMessage": self._told(repo, comment)}, 201)

    async def edit(self, request: Request) -> Response:
        """Change what one wrote oneself."""
        user, repo = self._writer(request)
        asked = checked(_Content, await read_object(request, self.limits.body_bytes))
        if self._comment(request, repo).author_id != user.namespace.id:
            raise Refusal(403, "Only who wrote a comment can edit it")
        return await self._changed_comment(request, repo, user, asked.content)

    async def hide(self, request: Request) -> Response:
        """Hide a comment: one's own, or any in a repo that one may change."""
        user, repo = self._writer(request)
        self._refuse_others(repo, user, self._comment(request, repo).author_id)
        return await self._changed_comment(request, repo, user, None)

    async def set_status(self, request: Request) -> Response:
        """Open or close it."""
        user, repo, discussion = self._own(request)
        asked = checked(_Status, await read_object(request, self.limits.body_bytes))
        event = await self.discussions.set_status(repo, discussion.num, user, asked.status)
        await self._say(repo, discussion, user, asked.comment)
        return Json({"newStatus": self._told(repo, event)})

    async def rename(self, request: Request) -> Response:
        """Give it another title."""
        user, repo, discussion = self._own(request)
        asked = checked(_Rename, await read_object(request, self.limits.body_bytes))
        event = await self.discussions.rename(repo, discussion.num, user, asked.title)
        return Json({"newTitle": self._told(repo, event)})

    async def merge(self, request: Request) -> Response:
        """Merge a pull request."""
        user, repo = self.changeable(request)
        discussion = repo.discussion(_num(request))
        body = await read_body(request, self.limits.body_bytes)
        asked = checked(_MaybeComment, json_object(body) if body else {})
        await self.discussions.merge(repo, discussion.num, user)
        await self._say(repo, discussion, user, asked.comment)
        return Json({})

    def _writer(self, request: Request) -> tuple[User, Repo]:
        _, repo = self.readable(request)
        return known_asker(request, self.accounts), repo

    def _own(self, request: Request) -> tuple[User, Repo, Discussion]:
        """Return who asks, and the discussion that they have a right to change."""
        user, repo = self._writer(request)
        discussion = repo.discussion(_num(request))
        self._refuse_others(repo, user, discussion.author_id)
        return user, repo, discussion

    def _refuse_others(self, repo: Repo, user: User, author_id: str) -> None:
        if user.namespace.id != author_id:
            self.writable(user, repo)

    def _comment(self, request: Request, repo: Repo) -> Happening:
        return repo.discussion(_num(request)).comment(param(request, "comment"))

    async def _changed_comment(
        self, request: Request, repo: Repo, user: User, text: str | None
    ) -> Response:
        comment = await self.discussions.edit(
            repo, _num(request), param(request, "comment"), user, text=text
        )
        return Json({"updatedComment": self._told(repo, comment)})

    async def _say(self, repo: Repo, discussion: Discussion, user: User, text: str | None) -> None:
        if text is not None:
            await self.discussions.comment(repo, discussion.num, user, text)

    def _told(self, repo: Repo, event: Happening) -> dict[str, Any]:
        return event.to_wire(repo, self.accounts, self.url)


def _num(request: Request) -> int:
    text = param(request, "num")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Refusal(404, "Discussion not found")
    return int(text)
