"""What a rule is asked about: one event of a delivery, with all that came along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from jobhook.core.deliveries import Delivery
from jobhook.core.events import BRANCHES, OPENED, PULL_REQUESTS, TAGS, Event, events_of
from jobhook.core.expressions import context_of, list_of
from jobhook.core.findings import NOTHING_FOUND, Commit, Findings
from jobhook.core.lookups import LookedUp

# Without a colon it is of no type.
_PINNED = "id/"


# Not frozen: each delivery makes one or more, and to freeze them would take three times as long.
@dataclass(eq=False)
class Occasion:
    """
    One event, as rules see it.

    Attributes:
        names: What `on` may call it: its name, its scope, and the scope with the action.
        repo_names: What `repos` may call the repo: `type:owner/name`, and its id as `pinned`.
        happened: What happened, and where, for a person.
        events: All that the delivery says happened; *event* is one of them.
        lists: What expressions read as lists, made once for all events of the delivery.
        said: What expressions say that say the same of all these events.
        me: The name of the token's user, for `user:@me`; None if it is not known.
        now: When it is looked at, in milliseconds since 1970.
        findings: What the Hub was asked about the delivery so far.
    """

    delivery: Delivery
    event: Event
    names: frozenset[str]
    repo_names: tuple[str, str]
    happened: str
    events: tuple[Event, ...]
    lists: dict[str, list[Any]]
    said: dict[str, bool | str]
    me: str | None
    now: int
    findings: Findings = NOTHING_FOUND

    @property
    def others(self) -> tuple[str, ...]:
        """The names of all the events of the delivery."""
        return tuple(dict.fromkeys(event.name for event in self.events))

    @cached_property
    def hub(self) -> LookedUp:
        """What rules ask about that only the Hub can tell."""
        return LookedUp(self.delivery, self.event, self.findings)

    @property
    def subject(self) -> str | None:
        """
        What a rule runs for once, although it may come in more deliveries than one.

        That is a commit on a ref; and that a pull request was opened, of which both a discussion
        and a new ref tell.
        """
        event, discussion = self.event, self.delivery.discussion
        if event.name == "pr.opened" and discussion:
            return f"{PULL_REQUESTS}{discussion.num}@{OPENED}"
        if event.name == "pr.ref_created":
            return f"{event.ref}@{OPENED}"
        return f"{event.ref}@{event.new_sha}" if event.new_sha else None

    @cached_property
    def context(self) -> Mapping[str, Any]:
        """What expressions are evaluated on: all of them on the same."""
        if "refs" not in self.lists:
            # A stranger pushes as many as they like, and each is an event as well.
            refs = self.delivery.updated_refs or ()
            named = [_ref(ref.ref, ref.old_sha, ref.new_sha) for ref in refs]
            self.lists["refs"] = list_of("refs", named)
        return context_of(self.parts, now=self.now, lists=self.lists)

    @cached_property
    def parts(self) -> Mapping[str, Any]:
        """All that is known of it but `refs`, in the words of expressions."""
        event = {
            "name": self.event.name,
            "scope": self.event.scope,
            "action": self.event.action,
        }
        parts = {"event": event, "repo": self._repo(), **self._people()}
        if self.event.ref is not None:
            parts["ref"] = _ref(self.event.ref, self.event.old_sha, self.event.new_sha)
        return {**parts, **self._looked_up()}

    def _repo(self) -> Mapping[str, Any]:
        repo = self.delivery.repo
        return {
            "id": repo.id,
            "type": repo.type,
            "name": repo.name,
            "owner": repo.owner,
            "private": bool(repo.private),
            "headSha": repo.head_sha,
            "tags": self.hub.tags or (),
        }

    def _people(self) -> Mapping[str, Any]:
        parts: dict[str, Any] = {}
        if discussion := self.delivery.discussion:
            parts["discussion"] = {
                "title": discussion.title,
                "num": discussion.num,
                "status": discussion.status,
                "isPullRequest": discussion.is_pull_request,
                "authorId": discussion.author.id,
                "headSha": self.hub.head_sha or "",
            }
        if comment := self.delivery.comment:
            parts["comment"] = {
                "content": comment.content,
                "hidden": comment.hidden,
                "authorId": comment.author.id,
            }
        return parts

    def _looked_up(self) -> Mapping[str, Any]:
        files = [
            {"path": file.path, "action": file.action, "size": file.size or 0}
            for file in self.hub.files or ()
        ]
        actors, commit = self.hub.actors or (), self.hub.commit or Commit("")
        return {
            "files": files,
            "actor": {"name": actors[0] if actors else "", "role": self.hub.role or ""},
            "commit": {"message": commit.message, "authors": commit.authors},
        }


def occasions_of(
    delivery: Delivery, *, me: str | None, now: int, findings: Findings = NOTHING_FOUND
) -> tuple[Occasion, ...]:
    """Return an occasion for each event of *delivery*; one even where its scope is not known."""
    events = events_of(delivery) or (_unknown(delivery),)
    repo = delivery.repo
    kind, name = repo.type, repo.name
    repo_names = (f"{kind}:{name}", f"{_PINNED}{repo.id}")
    lists: dict[str, list[Any]] = {}
    said: dict[str, bool | str] = {}
    occasions = []
    for event in events:
        what, ref = event.name, event.ref
        happened = f"{what} {ref} on {kind} {name}" if ref else f"{what} on {kind} {name}"
        names = _names(what, event.scope, event.action)
        occasions.append(
            Occasion(
                delivery, event, names, repo_names, happened, events, lists, said, me, now, findings
            )
        )
    return tuple(occasions)


@lru_cache(512)
def _names(name: str, scope: str, action: str) -> frozenset[str]:
    return frozenset((name, scope, f"{scope}/{action}"))


def _unknown(delivery: Delivery) -> Event:
    scope = delivery.event.scope
    return Event(name=scope, scope=scope, action=delivery.event.action, repo=delivery.repo)


def pinned(pattern: str) -> str:
    """Return `id:…` so that no glob for names matches it; any other pattern as it is."""
    mark = "!" if pattern.startswith("!") else ""
    bare = pattern.removeprefix("!")
    return f"{mark}{_PINNED}{bare[3:]}" if bare.startswith("id:") else pattern


def _ref(name: str, old_sha: str | None, new_sha: str | None) -> Mapping[str, Any]:
    return {
        "name": name,
        "short": short_ref(name),
        "oldSha": old_sha or "",
        "newSha": new_sha or "",
    }


def short_ref(ref: str) -> str:
    """Return *ref* as people write it: `main`, `v1`, `pr/4`, `convert/parquet`."""
    for prefix in (BRANCHES, TAGS, "refs/"):
        if ref.startswith(prefix):
            return ref.removeprefix(prefix)
    return ref
