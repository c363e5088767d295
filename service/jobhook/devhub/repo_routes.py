"""`/api/repos` and `/api/{models|datasets|spaces}`: making repos and telling about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, StringConstraints
from starlette.responses import Response
from starlette.routing import Route

from .cards import CardError, read_head, tags_of
from .objects import Entry, read_tree, tree_of
from .repo_access import RepoAccess
from .repos import TYPES
from .requests import known_asker, number, param, revision_and_path
from .wire import Json, Refusal, checked, next_link, page, read_object, stamp

if TYPE_CHECKING:
    from starlette.requests import Request

    from .accounts import Namespace, User
    from .repos import Repo

_ONE = "/api/{kind}/{owner}/{name}"
_YES = {"1", "true", "True"}
# What is told of a repo whatever else is asked for.
_ALWAYS = {"_id", "id"}


class _Named(BaseModel):
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,95}$")]
    organization: str | None = None
    type: str = "model"


class _Settings(BaseModel):
    private: bool | None = None
    visibility: Literal["public", "private", "protected"] | None = None

    @property
    def hidden(self) -> bool | None:
        """Return whether the repo is to be private, None if that was not said."""
        return self.private if self.visibility is None else self.visibility == "private"


class _NewRepo(_Named, _Settings):
    sdk: str | None = None


class RepoRoutes(RepoAccess):
    """The routes of repos, except for their content."""

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/api/repos/create", self.create, methods=["POST"], name="repos.create"),
            Route("/api/repos/delete", self.delete, methods=["DELETE"], name="repos.delete"),
            Route("/api/validate-yaml", self.validate, methods=["POST"], name="repos.validate"),
            Route(_ONE, self.show, name="repos.inspect"),
            Route(_ONE + "/revision/{revision:path}", self.show, name="repos.revision"),
            Route(_ONE + "/refs", self.refs, name="repos.refs"),
            Route(_ONE + "/tree/{rest:path}", self.tree, name="repos.tree"),
            Route(_ONE + "/settings", self.configure, methods=["PUT"], name="repos.configure"),
        ]

    async def create(self, request: Request) -> Response:
        """Make a repo."""
        user = known_asker(request, self.accounts)
        asked = checked(_NewRepo, await read_object(request, self.limits.body_bytes))
        owner = self._owner(user, asked)
        repo = await self.repos.create(
            asked.type, owner, asked.name, private=bool(asked.hidden), sdk=asked.sdk
        )
        return Json({"url": repo.web_url(self.url), "name": repo.full_name, "id": repo.id})

    async def validate(self, request: Request) -> Response:
        """Say whether a README could be committed: the official client asks before it does."""
        asked = await read_object(request, self.limits.commit_bytes)
        try:
            read_head(str(asked.get("content")).encode())
        except CardError as exc:
            return Json({"errors": [{"message": str(exc)}], "warnings": []}, 400)
        return Json({"errors": [], "warnings": []})

    async def delete(self, request: Request) -> Response:
        """Remove a repo."""
        user = known_asker(request, self.accounts)
        asked = checked(_Named, await read_object(request, self.limits.body_bytes))
        name = f"{asked.organization or user.name}/{asked.name}"
        await self.repos.delete(self.writable(user, self.visible(user, asked.type, name)))
        return Json({})

    async def configure(self, request: Request) -> Response:
        """Change the settings of a repo."""
        _, repo = self.changeable(request)
        asked = checked(_Settings, await read_object(request, self.limits.body_bytes))
        repo = await self.repos.configure(repo, asked.hidden)
        return Json({"private": repo.private})

    async def show(self, request: Request) -> Response:
        """Tell one repo, as of one of its revisions."""
        _, repo = self.readable(request)
        revision = param(request, "revision") if "revision" in request.path_params else "main"
        sha = self.repos.commit_of(repo, revision)
        entries = [entry for entry in self._entries(repo, sha) if not entry.is_folder]
        with_blobs = request.query_params.get("blobs") in _YES
        siblings = [self._sibling(repo, entry, with_blobs=with_blobs) for entry in entries]
        wire = _told(repo, sha, siblings, self._tags(repo, entries))
        query = request.query_params
        if wanted := {*query.getlist("expand"), *query.getlist("expand[]")}:
            wire = {key: value for key, value in wire.items() if key in wanted | _ALWAYS}
        return Json(wire)

    async def refs(self, request: Request) -> Response:
        """Tell the branches and tags, and when asked for the pull requests."""
        _, repo = self.readable(request)
        wire = {
            "branches": _refs(repo, "refs/heads/"),
            "tags": _refs(repo, "refs/tags/"),
            "converts": _refs(repo, "refs/convert/"),
        }
        if request.query_params.get("include_prs") in _YES:
            wire["pullRequests"] = _refs(repo, "refs/pr/")
        return Json(wire)

    async def tree(self, request: Request) -> Response:
        """Tell what is in a folder, and when asked for in those below it."""
        _, repo = self.readable(request)
        revision, path = revision_and_path(request.path_params["rest"])
        entries = list(self._entries(repo, self.repos.commit_of(repo, revision)))
        if path and not any(entry.path == path and entry.is_folder for entry in entries):
            raise Refusal(404, f"{path[:200]} does not exist on {revision!r}", code="EntryNotFound")
        prefix = f"{path}/" if path else ""
        recursive = request.query_params.get("recursive") in _YES
        found = [
            entry
            for entry in entries
            if entry.path.startswith(prefix)
            and (recursive or "/" not in entry.path.removeprefix(prefix))
        ]
        items, end = page(found, number(request, "cursor", 0), self.limits.tree_page_items)
        headers = next_link(request, self.url, str(end)) if end else {}
        return Json([self._item(repo, entry) for entry in items], headers=headers)

    def _owner(self, user: User, asked: _NewRepo) -> Namespace:
        """Return who is to own the repo that is asked for."""
        if asked.type not in TYPES:
            raise Refusal(400, f"type: devhub has only repos of type {', '.join(TYPES)}")
        owner = self.accounts.namespace(asked.organization or user.name)
        if owner is None:
            raise Refusal(404, "organization: there is no such user or organization")
        if not self.accounts.may_write(user, owner.name):
            raise Refusal(
                403,
                f"You don't have the rights to create a {asked.type}"
                f" under the namespace {owner.name!r}",
            )
        return owner

    def _entries(self, repo: Repo, commit: str) -> list[Entry]:
        objects = self.repos.objects(repo)
        return list(read_tree(objects, tree_of(objects, commit)))

    def _tags(self, repo: Repo, entries: list[Entry]) -> list[str]:
        readme = next((entry.oid for entry in entries if entry.path == "README.md"), None)
        text = self.repos.objects(repo).get("blob", readme) if readme else None
        return tags_of(text or b"", repo.type)

    def _sibling(self, repo: Repo, entry: Entry, *, with_blobs: bool) -> dict[str, Any]:
        if not with_blobs:
            return {"rfilename": entry.path}
        size = self.repos.objects(repo).size(entry.oid)
        return {"rfilename": entry.path, "blobId": entry.oid, "size": size}

    def _item(self, repo: Repo, entry: Entry) -> dict[str, Any]:
        size = 0 if entry.is_folder else self.repos.objects(repo).size(entry.oid)
        kind = "directory" if entry.is_folder else "file"
        return {"type": kind, "oid": entry.oid, "size": size, "path": entry.path}


def _told(repo: Repo, sha: str, siblings: list[dict[str, Any]], tags: list[str]) -> dict[str, Any]:
    wire: dict[str, Any] = {
        "_id": repo.id,
        "id": repo.full_name,
        "author": repo.owner.name,
        "sha": sha,
        "lastModified": stamp(repo.modified_at),
        "createdAt": stamp(repo.created_at),
        "private": repo.private,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": tags,
        "siblings": siblings,
    }
    if repo.type == "model":
        wire["modelId"] = repo.full_name
    if repo.sdk:
        wire["sdk"] = repo.sdk
    return wire


def _refs(repo: Repo, prefix: str) -> list[dict[str, str]]:
    return [
        {"name": ref.removeprefix(prefix), "ref": ref, "targetCommit": commit}
        for ref, commit in repo.refs.items()
        if ref.startswith(prefix)
    ]
