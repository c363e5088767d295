"""What people do in discussions and pull requests, and telling of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .changes import Change
from .discussions import opened
from .events import Event, discussed, refs_changed
from .merging import merge
from .objects import write_commit
from .repos import MAIN
from .wire import Refusal, now

if TYPE_CHECKING:
    from collections.abc import Callable

    from .accounts import User
    from .discussions import Discussion, Happening
    from .repo_store import Changed, Repos
    from .repos import Repo


class Discussions:
    """Changes of the discussions of all *repos*."""

    def __init__(self, url: str, repos: Repos) -> None:
        self._url = url
        self._repos = repos

    async def open(
        self, repo: Repo, user: User, title: str, text: str, *, pull_request: bool
    ) -> Discussion:
        """Open a discussion, or as a draft a pull request that has no commit yet."""
        if pull_request:
            change = Change(summary=title, description=text)
            repo = await self._repos.open_pull(repo, MAIN, change, user, status="draft")
            return repo.discussions[-1]

        def add(repo: Repo) -> Changed:
            discussion = opened(repo, user, title, text)
            repo = repo.with_discussion(discussion)
            (comment,) = discussion.events
            return repo, [discussed(repo, discussion, self._url, action="create", comment=comment)]

        return (await self._repos.update(repo, add)).discussions[-1]

    async def comment(self, repo: Repo, num: int, user: User, text: str) -> Happening:
        """Write a comment, and return it."""

        def add(repo: Repo) -> Changed:
            discussion = repo.discussion(num).with_comment(user, text)
            repo = repo.with_discussion(discussion)
            return repo, [self._commented(repo, discussion, "create", discussion.events[-1])]

        return (await self._repos.update(repo, add)).discussion(num).events[-1]

    async def edit(
        self, repo: Repo, num: int, comment_id: str, user: User, *, text: str | None
    ) -> Happening:
        """Give a comment another *text*, or with None hide it; return it."""

        def change(repo: Repo) -> Changed:
            discussion = repo.discussion(num).with_edited(comment_id, user, text=text)
            repo = repo.with_discussion(discussion)
            comment = discussion.comment(comment_id)
            return repo, [self._commented(repo, discussion, "update", comment)]

        repo = await self._repos.update(repo, change)
        return repo.discussion(num).comment(comment_id)

    async def set_status(self, repo: Repo, num: int, user: User, status: str) -> Happening:
        """Open or close a discussion; one that was merged stays so."""

        def change(discussion: Discussion) -> Discussion:
            if discussion.status == "merged":
                raise Refusal(400, "It was merged already")
            changed = replace(discussion, status=status)
            return changed.with_event(user, "status-change", {"status": status})

        return await self._change(repo, num, change)

    async def rename(self, repo: Repo, num: int, user: User, title: str) -> Happening:
        """Give a discussion another title."""

        def change(discussion: Discussion) -> Discussion:
            changed = replace(discussion, title=title)
            return changed.with_event(user, "title-change", {"from": discussion.title, "to": title})

        return await self._change(repo, num, change)

    async def merge(self, repo: Repo, num: int, user: User) -> None:
        """Put what a pull request changes into its base, as one commit."""
        await self._repos.update(repo, lambda repo: self._merged(repo, num, user))

    def conflicts(self, repo: Repo, pull: Discussion) -> tuple[str, ...]:
        """Return the files that keep an open pull request from being merged."""
        if pull.base is None or not pull.is_open:
            return ()
        objects = self._repos.objects(repo)
        return merge(objects, repo.refs[pull.base], repo.refs[pull.ref]).conflicts

    def _merged(self, repo: Repo, num: int, user: User) -> Changed:
        pull = repo.discussion(num)
        base = pull.base
        if base is None or pull.status != "open":
            raise Refusal(400, "Only an open pull request can be merged")
        objects, tip = self._repos.objects(repo), repo.refs[base]
        merged = merge(objects, tip, repo.refs[pull.ref])
        if merged.conflicts:
            raise Refusal(409, f"There are conflicts in {', '.join(merged.conflicts)[:200]}")
        new = write_commit(
            objects,
            merged.files,
            parents=(tip,),
            author=user.name,
            message=f"{pull.title} (#{num})",
            when=now(),
        )
        pull = replace(pull, status="merged", merge_commit=new)
        pull = pull.with_event(user, "status-change", {"status": "merged"})
        refs = {**repo.refs, base: new}
        repo = replace(repo, refs=refs, modified_at=now()).with_discussion(pull)
        return repo, [
            discussed(repo, pull, self._url, action="update"),
            refs_changed(repo, (base, tip, new)),
        ]

    async def _change(
        self, repo: Repo, num: int, change: Callable[[Discussion], Discussion]
    ) -> Happening:
        """Change a discussion itself, and return what happened in it."""

        def update(repo: Repo) -> Changed:
            discussion = change(repo.discussion(num))
            repo = repo.with_discussion(discussion)
            return repo, [discussed(repo, discussion, self._url, action="update")]

        return (await self._repos.update(repo, update)).discussion(num).events[-1]

    def _commented(
        self, repo: Repo, discussion: Discussion, action: str, comment: Happening
    ) -> Event:
        scope = "discussion.comment"
        return discussed(repo, discussion, self._url, scope=scope, action=action, comment=comment)
