"""
What rules ask about that no delivery tells: which look-ups it takes, and what they gave.

A look-up is named by what it is about, so that rules that ask for the same cause one call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, TypeVar

from jobhook.core.deliveries import Delivery
from jobhook.core.events import TAGS as TAG_REFS
from jobhook.core.events import Event
from jobhook.core.findings import (
    ChangedFile,
    Commit,
    Discussion,
    Findings,
    Kind,
    Lookup,
    Repo,
    Unavailable,
)

# What can be looked up, in the words that expressions have for it.
FILES, COMMIT, ACTOR, ROLE = "files", "commit", "actor", "actor.role"
TAGS, HEAD_SHA = "repo.tags", "discussion.headSha"
# Whether what the delivery tells of is really there.
CLAIM = "claim"

_MAIN = "refs/heads/main"
_WITHOUT_COMMITS = {"bucket", "kernel"}
# After these there is nothing left to see under the name that the delivery has.
_GONE = (".deleted", ".moved")
_NOBODY = Discussion("")
T = TypeVar("T")


class LookedUp:
    """What the Hub was asked about one event of a delivery, and what is still to be asked."""

    def __init__(self, delivery: Delivery, event: Event, findings: Findings) -> None:
        self.delivery = delivery
        self.event = event
        self.findings = findings
        # All rules ask for the same few things.
        self._lookups: dict[str, tuple[Lookup, ...]] = {}
        self._open: dict[frozenset[str], frozenset[Lookup]] = {}

    def knows(self, names: Iterable[str]) -> bool:
        """Whether all of *names* can be told."""
        return all(self.findings.get(lookup) is not None for lookup in self._of(names))

    def asks_about(self, names: Iterable[str]) -> bool:
        """Whether there is anything to ask the Hub to tell *names*."""
        return any(True for _ in self._of(names))

    def open(self, names: frozenset[str]) -> frozenset[Lookup]:
        """Return what it takes to tell *names* and nobody has tried yet."""
        if names not in self._open:
            self._open[names] = self.findings.open(self._of(names))
        return self._open[names]

    def failure(self, names: Iterable[str]) -> Unavailable | None:
        """Return why one of *names* cannot be told, or None."""
        return self.findings.failure(self._of(names))

    def _of(self, names: Iterable[str]) -> Iterator[Lookup]:
        for name in names:
            yield from self._of_one(name)

    def _of_one(self, name: str) -> tuple[Lookup, ...]:
        if name not in self._lookups:
            self._lookups[name] = _LOOKUPS[name](self)
        return self._lookups[name]

    @cached_property
    def files(self) -> tuple[ChangedFile, ...] | None:
        """The files that changed; None if they are not known."""
        if self.event.name == "files.changed":
            return tuple(_told(self.delivery.updated_files))
        return self._found(FILES, tuple, ())

    @property
    def commit(self) -> Commit | None:
        """The commit that was pushed; None if there is none, or it is not known."""
        return self._found(COMMIT, Commit, None)

    @property
    def tags(self) -> tuple[str, ...] | None:
        """The repo's tags; None if they are not known."""
        if self.delivery.repo.tags is not None:
            return self.delivery.repo.tags
        repo = self._found(TAGS, Repo, None)
        return None if repo is None else repo.tags

    @property
    def is_same_repo(self) -> bool:
        """Whether the Hub was not seen to have another repo of this name."""
        repo = self.findings.get(Lookup(Kind.REPO))
        return not isinstance(repo, Repo) or repo.id in {"", self.delivery.repo.id}

    @property
    def head_sha(self) -> str | None:
        """The newest commit of the pull request; empty if this is none, None if not known."""
        discussion = self._found(HEAD_SHA, Discussion, _NOBODY)
        return None if discussion is None else discussion.head_sha

    @cached_property
    def actors(self) -> tuple[str, ...] | None:
        """The names of who did it, none if nobody tells; None if they are not known."""
        if commit := self.commit:
            return commit.authors
        discussion = None if self._commit() else self._found(ACTOR, Discussion, _NOBODY)
        if discussion is None:
            return None
        name = discussion.author
        if self.delivery.comment and self.event.scope == "discussion.comment":
            name = discussion.commenters.get(self.delivery.comment.id, "")
        return (name,) if name else ()

    @property
    def role(self) -> str | None:
        """What the first of `actors` is to the repo's owner; None if that is not known."""
        if self.actors is None:
            return None
        if self.actors[:1] == (self.delivery.repo.owner,):
            return "owner"
        return self._found(ROLE, str, "")

    def _found(self, name: str, kind: type[T], nothing: T | None) -> T | None:
        lookups = self._of_one(name)
        if not lookups:
            return nothing
        found = self.findings.get(lookups[-1])
        return found if isinstance(found, kind) else None

    def _commit(self) -> tuple[Lookup, ...]:
        return self._pushed(Kind.COMMIT)

    def _pushed(self, kind: Kind, *older: str) -> tuple[Lookup, ...]:
        sha = self.event.new_sha
        if sha is None or self.delivery.repo.type in _WITHOUT_COMMITS:
            return ()
        return (Lookup(kind, (*older, sha)),)

    def _files(self) -> tuple[Lookup, ...]:
        event, ref = self.event, self.event.ref or ""
        # A new branch or pull request comes from `main`, and changes what differs from there.
        is_new_line = event.old_sha is None and ref != _MAIN and not ref.startswith(TAG_REFS)
        head = self.delivery.repo.head_sha if is_new_line else ""
        return self._pushed(Kind.FILES, event.old_sha or head)

    def _discussion(self) -> tuple[Lookup, ...]:
        discussion = self.delivery.discussion
        return (Lookup(Kind.DISCUSSION, (str(discussion.num),)),) if discussion else ()

    def _pull_request(self) -> tuple[Lookup, ...]:
        discussion = self.delivery.discussion
        return self._discussion() if discussion and discussion.is_pull_request else ()

    def _repo(self) -> tuple[Lookup, ...]:
        return (Lookup(Kind.REPO),)

    def _tags(self) -> tuple[Lookup, ...]:
        return self._repo() if self.delivery.repo.tags is None else ()

    def _actor(self) -> tuple[Lookup, ...]:
        return self._commit() or self._discussion()

    def _role(self) -> tuple[Lookup, ...]:
        owner = self.delivery.repo.owner
        if self.actors is None:
            return self._actor()
        if self.actors and self.actors[0] != owner:
            return (Lookup(Kind.ROLE, (owner, self.actors[0])),)
        return ()

    def _claim(self) -> tuple[Lookup, ...]:
        if self.event.name.endswith(_GONE):
            return ()
        has_repo = self.delivery.repo.type not in _WITHOUT_COMMITS
        return self._commit() or self._discussion() or (self._repo() if has_repo else ())


_LOOKUPS: Mapping[str, Callable[[LookedUp], tuple[Lookup, ...]]] = {
    FILES: LookedUp._files,
    COMMIT: LookedUp._commit,
    ACTOR: LookedUp._actor,
    ROLE: LookedUp._role,
    TAGS: LookedUp._tags,
    HEAD_SHA: LookedUp._pull_request,
    CLAIM: LookedUp._claim,
}


def _told(rows: Iterable[Any]) -> Iterator[ChangedFile]:
    """Yield the changed files that the delivery itself names, as those of a bucket."""
    for row in rows:
        if isinstance(row, dict) and isinstance(path := row.get("path"), str):
            size = row.get("size")
            action = "delete" if row.get("action") == "delete" else "add"
            # To Python `true` is a whole number as well, and to expressions it is not.
            yield ChangedFile(path, action, size if type(size) is int else None)
