"""All repos of a devhub, and changing them."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from .changes import carry_out
from .discussions import opened
from .events import Event, discussed, refs_changed
from .objects import Objects, read_files, write_commit
from .repos import MAIN, Repo, no_repo, no_revision
from .wire import Refusal, new_id, now

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from .accounts import Namespace, User
    from .changes import Change
    from .storage import Workspace

# A repo after a change, and what there is to tell of it.
Changed = tuple[Repo, "Sequence[Event]"]


class Repos:
    """All repos; one change at a time, and each tells *emit* what happened."""

    def __init__(self, url: str, workspace: Workspace, emit: Callable[[Event], None]) -> None:
        self._url = url
        self._workspace = workspace
        self._shelf = workspace.shelf("repos")
        self._emit = emit
        self._repos: dict[tuple[str, str], Repo] = {}
        self._changing = asyncio.Lock()

    def open(self) -> None:
        """Read what an earlier devhub kept."""
        for repo in self._shelf.read(Repo.from_stored):
            self._repos[repo.type, repo.full_name] = repo

    def find(self, repo_type: str, full_name: str) -> Repo | None:
        """Return the repo of this type and name."""
        return self._repos.get((repo_type, full_name))

    def objects(self, repo: Repo) -> Objects:
        """Return the content of *repo*."""
        return Objects(self._workspace.folder("git", repo.id, "objects"))

    def commit_of(self, repo: Repo, revision: str) -> str:
        """Return the commit that a branch, a tag, a full ref or a (short) commit id means."""
        for ref in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
            if ref in repo.refs:
                return repo.refs[ref]
        commit = self.objects(repo).commit_called(revision)
        if commit is None:
            raise no_revision(revision)
        return commit

    async def create(
        self,
        repo_type: str,
        owner: Namespace,
        name: str,
        *,
        private: bool,
        sdk: str | None = None,
    ) -> Repo:
        """Make a repo, with the first commit that the Hub puts in each."""
        async with self._changing:
            when = now()
            repo = Repo(
                id=new_id(),
                type=repo_type,
                owner=owner,
                name=name,
                private=private,
                created_at=when,
                modified_at=when,
                refs={},
                sdk=sdk,
            )
            if known := self.find(repo_type, repo.full_name):
                raise Refusal(
                    409,
                    f"You already created this {repo_type} repo: {repo.full_name}",
                    extra={"url": known.web_url(self._url), "id": known.id},
                )
            repo = self._keep(replace(repo, refs={MAIN: _first_commit(self.objects(repo), when)}))
        self._emit(Event(repo=repo, scope="repo", action="create"))
        return repo

    async def delete(self, repo: Repo) -> None:
        """Remove a repo and its content."""
        async with self._changing:
            repo = self._current(repo)
            del self._repos[repo.type, repo.full_name]
            self._shelf.drop(repo.id)
            content = self._workspace.folder("git", repo.id)
            await asyncio.to_thread(shutil.rmtree, content, ignore_errors=True)
        self._emit(Event(repo=repo, scope="repo", action="delete"))

    async def configure(self, repo: Repo, private: bool | None) -> Repo:
        """Change the settings of a repo; only whether it is private is known here."""

        def change(repo: Repo) -> Changed:
            if private is not None:
                repo = replace(repo, private=private)
            parts = {"updatedConfig": {} if private is None else {"private": private}}
            return repo, [Event(repo=repo, scope="repo.config", action="update", parts=parts)]

        return await self.update(repo, change)

    async def commit(self, repo: Repo, ref: str, change: Change, author: User) -> str:
        """Put a commit on *ref*, and return its id."""

        def put(repo: Repo) -> Changed:
            old = repo.refs.get(ref)
            if old is None:
                raise no_revision(ref)
            new = self._write(repo, old, change, author)
            if (pull := repo.pull_at(ref)) is not None:
                data = {"subject": change.summary, "oid": new}
                repo = repo.with_discussion(pull.with_event(author, "commit", data))
            repo = replace(repo, refs={**repo.refs, ref: new}, modified_at=now())
            return repo, [refs_changed(repo, (ref, old, new))]

        return (await self.update(repo, put)).refs[ref]

    async def set_ref(self, repo: Repo, ref: str, commit: str | None) -> None:
        """Make *ref*, a new branch or tag, or with None remove it."""

        def change(repo: Repo) -> Changed:
            old = repo.refs.get(ref)
            if commit is not None and old is not None:
                raise Refusal(409, f"Reference {ref} already exists")
            if commit is None and old is None:
                raise no_revision(ref)
            refs = {name: target for name, target in repo.refs.items() if name != ref}
            if commit is not None:
                refs[ref] = commit
            repo = replace(repo, refs=refs)
            return repo, [refs_changed(repo, (ref, old, commit))]

        await self.update(repo, change)

    async def open_pull(
        self, repo: Repo, base: str, change: Change, author: User, *, status: str = "open"
    ) -> Repo:
        """
        Open a pull request on the branch *base*, with one commit or, where that is empty, none.

        Return the repo, whose last discussion it is.
        """

        def put(repo: Repo) -> Changed:
            if base not in repo.refs:
                raise no_revision(base)
            tip = new = repo.refs[base]
            pull = opened(
                repo, author, change.summary, change.description, status=status, base=base
            )
            (comment,) = pull.events
            if change.operations:
                new = self._write(repo, tip, change, author)
                pull = pull.with_event(author, "commit", {"subject": change.summary, "oid": new})
            repo = replace(repo, refs={**repo.refs, pull.ref: new}).with_discussion(pull)
            return repo, [
                discussed(repo, pull, self._url, action="create", comment=comment),
                refs_changed(repo, (pull.ref, None, new)),
            ]

        return await self.update(repo, put)

    async def update(self, repo: Repo, change: Callable[[Repo], Changed]) -> Repo:
        """
        Keep what *change* makes of *repo* as it is now, tell of it, and return it.

        It is called in a thread, as it may write much.
        """
        async with self._changing:
            repo, events = await asyncio.to_thread(change, self._current(repo))
            self._keep(repo)
        for event in events:
            self._emit(event)
        return repo

    def _write(self, repo: Repo, tip: str, change: Change, author: User) -> str:
        """Write the commit that *change* makes of *tip*."""
        if change.parent not in {None, tip}:
            raise Refusal(412, "A commit has happened since. Please refresh and try again.")
        objects = self.objects(repo)
        files = carry_out(
            change, read_files(objects, tip), lambda content: objects.put("blob", content)
        )
        return write_commit(
            objects,
            files,
            parents=(tip,),
            author=author.name,
            message=change.message,
            when=now(),
        )

    def _current(self, repo: Repo) -> Repo:
        """Return *repo* as it is now that it is our turn."""
        current = self.find(repo.type, repo.full_name)
        if current is None or current.id != repo.id:
            raise no_repo()
        return current

    def _keep(self, repo: Repo) -> Repo:
        self._repos[repo.type, repo.full_name] = repo
        self._shelf.put(repo.id, repo.to_stored())
        return repo


def _first_commit(objects: Objects, when: datetime) -> str:
    return write_commit(
        objects,
        {".gitattributes": objects.put("blob", b"")},
        parents=(),
        author="system",
        message="initial commit",
        when=when,
    )
