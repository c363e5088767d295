"""The content of repos: commits, branches, tags, and files as they are."""

from __future__ import annotations

import asyncio
from html import escape
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Route

from .changes import read_change
from .objects import history, read_files
from .repo_access import RepoAccess
from .repos import MAIN, no_revision, valid_ref
from .requests import known_asker, number, param, revision_and_path
from .wire import Json, Refusal, json_object, next_link, page, read_body, read_object, stamp

if TYPE_CHECKING:
    from starlette.requests import Request

    from .accounts import User
    from .objects import Commit
    from .repos import Repo

_COMMITS, _COMMITS_MAX = 50, 1000
_ONE = "/api/{kind}/{owner}/{name}"


class ContentRoutes(RepoAccess):
    """The routes of what is in repos."""

    def routes(self) -> list[Route]:
        """Return the routes."""
        branch, tag = _ONE + "/branch/{branch:path}", _ONE + "/tag/{tag:path}"
        files = [
            Route(f"{prefix}/{{owner}}/{{name}}/{verb}/{{rest:path}}", self.file, name="repos.file")
            for prefix in ("/{kind}", "")
            for verb in ("resolve", "raw")
        ]
        return [
            Route(
                _ONE + "/preupload/{revision:path}",
                self.preupload,
                methods=["POST"],
                name="repos.preupload",
            ),
            Route(
                _ONE + "/commit/{revision:path}", self.commit, methods=["POST"], name="repos.commit"
            ),
            Route(_ONE + "/commits/{revision:path}", self.commits, name="repos.commits"),
            Route(branch, self.create_branch, methods=["POST"], name="repos.branch"),
            Route(branch, self.delete_branch, methods=["DELETE"], name="repos.unbranch"),
            Route(tag, self.create_tag, methods=["POST"], name="repos.tag"),
            Route(tag, self.delete_tag, methods=["DELETE"], name="repos.untag"),
            *files,
        ]

    async def preupload(self, request: Request) -> Response:
        """Tell how to send files: always within the commit, and which are here already."""
        _, repo = self.readable(request)
        known_asker(request, self.accounts)
        asked = await read_object(request, self.limits.commit_bytes)
        commit = self.repos.commit_of(repo, param(request, "revision"))
        here = read_files(self.repos.objects(repo), commit)
        files = asked.get("files")
        if not isinstance(files, list) or not all(_is_file(file) for file in files):
            raise Refusal(400, "files: a list of objects, each with a path, is needed here")
        return Json({"commitOid": commit, "files": [_upload(file["path"], here) for file in files]})

    async def commit(self, request: Request) -> Response:
        """Put a commit on a branch, or open a pull request with it."""
        _, repo = self.readable(request)
        user = known_asker(request, self.accounts)
        ref = _ref(repo, param(request, "revision"))
        proposing = request.query_params.get("create_pr") in {"1", "true"}
        if not proposing and not _is_own_pull(repo, ref, user):
            self.writable(user, repo)
        body = await read_body(request, self.limits.commit_bytes)
        change = await asyncio.to_thread(read_change, body)
        web = repo.web_url(self.url)
        wire: dict[str, Any] = {"success": True, "hookOutput": ""}
        if proposing:
            repo = await self.repos.open_pull(repo, ref, change, user)
            pull = repo.discussions[-1]
            sha = repo.refs[pull.ref]
            wire["pullRequestUrl"] = f"{web}/discussions/{pull.num}"
        else:
            sha = await self.repos.commit(repo, ref, change, user)
        return Json({**wire, "commitOid": sha, "commitUrl": f"{web}/commit/{sha}"})

    async def commits(self, request: Request) -> Response:
        """Tell the commits of a revision, newest first, in pages."""
        _, repo = self.readable(request)
        tip = self.repos.commit_of(repo, param(request, "revision"))
        size = min(max(number(request, "limit", _COMMITS), 1), _COMMITS_MAX)
        at = number(request, "p", 0)
        objects = self.repos.objects(repo)
        found = await asyncio.to_thread(lambda: list(history(objects, tip)))
        items, end = page(found, at * size, size)
        headers = {"X-Total-Count": str(len(found))}
        if end:
            headers |= next_link(request, self.url, str(at + 1), name="p")
        formatted = "formatted" in request.query_params.getlist("expand[]")
        return Json([_told(item, formatted=formatted) for item in items], headers=headers)

    async def create_branch(self, request: Request) -> Response:
        """Make a branch, from `main` when nothing else is said."""
        _, repo = self.changeable(request)
        ref = _new_ref("refs/heads/", param(request, "branch"))
        body = await read_body(request, self.limits.body_bytes)
        start = str((json_object(body) if body else {}).get("startingPoint") or "main")
        await self.repos.set_ref(repo, ref, self.repos.commit_of(repo, start))
        return Json({})

    async def delete_branch(self, request: Request) -> Response:
        """Remove a branch; `main` stays."""
        _, repo = self.changeable(request)
        ref = f"refs/heads/{param(request, 'branch')}"
        if ref == MAIN:
            raise Refusal(403, "The branch main cannot be removed")
        await self.repos.set_ref(repo, ref, None)
        return Json({})

    async def create_tag(self, request: Request) -> Response:
        """Tag the revision in the path."""
        _, repo = self.changeable(request)
        body = await read_object(request, self.limits.body_bytes)
        ref = _new_ref("refs/tags/", str(body.get("tag") or ""))
        commit = self.repos.commit_of(repo, param(request, "tag"))
        await self.repos.set_ref(repo, ref, commit)
        return Json({})

    async def delete_tag(self, request: Request) -> Response:
        """Remove a tag."""
        _, repo = self.changeable(request)
        await self.repos.set_ref(repo, f"refs/tags/{param(request, 'tag')}", None)
        return Json({})

    async def file(self, request: Request) -> Response:
        """Give the content of a file."""
        _, repo = self.readable(request)
        revision, path = revision_and_path(request.path_params["rest"])
        commit = self.repos.commit_of(repo, revision)
        headers = {"X-Repo-Commit": commit}
        objects = self.repos.objects(repo)
        oid = read_files(objects, commit).get(path)
        content = None if oid is None else await asyncio.to_thread(objects.get, "blob", oid)
        if content is None:
            raise Refusal(404, "Entry not found", code="EntryNotFound", headers=headers)
        headers |= {
            "ETag": f'"{oid}"',
            # Somebody wrote this file, and a browser must not take it for a page of ours.
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
        }
        return Response(content, headers=headers, media_type=_media_type(content))


def _told(commit: Commit, *, formatted: bool) -> dict[str, Any]:
    wire: dict[str, Any] = {
        "id": commit.id,
        "title": commit.title,
        "message": commit.message,
        "authors": [{"user": commit.author}],
        "date": stamp(commit.when),
    }
    if formatted:
        wire["formatted"] = {"title": escape(commit.title), "message": escape(commit.message)}
    return wire


def _is_file(file: object) -> bool:
    return isinstance(file, dict) and isinstance(file.get("path"), str)


def _upload(path: str, here: dict[str, str]) -> dict[str, Any]:
    wire: dict[str, Any] = {"path": path, "uploadMode": "regular", "shouldIgnore": False}
    if path in here:
        wire["oid"] = here[path]
    return wire


def _ref(repo: Repo, revision: str) -> str:
    """Return the ref that a commit to *revision* goes to: a branch, or an open pull request."""
    ref = revision if revision.startswith("refs/") else f"refs/heads/{revision}"
    if ref not in repo.refs or not ref.startswith(("refs/heads/", "refs/pr/")):
        raise no_revision(revision)
    return ref


def _is_own_pull(repo: Repo, ref: str, user: User) -> bool:
    pull = repo.pull_at(ref)
    return pull is not None and pull.author_id == user.namespace.id


def _new_ref(prefix: str, name: str) -> str:
    if not valid_ref(name) or name.startswith("refs/"):
        raise Refusal(400, f"Invalid reference for a branch or tag: {name[:200]!r}")
    return prefix + name


def _media_type(content: bytes) -> str:
    """Return what text is and what is not, as a look at the first bytes tells."""
    return "application/octet-stream" if b"\0" in content[:8000] else "text/plain; charset=utf-8"
