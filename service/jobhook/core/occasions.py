"""What a rule is asked about: one event of a delivery, with all that came along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jobhook.core.deliveries import Delivery
from jobhook.core.events import BRANCHES, TAGS, Event, events_of
from jobhook.core.expressions import context_of


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """
    One event, as rules see it.

    Attributes:
        names: What `on` may call it: its name, its scope, and the scope with the action.
        repo_names: What `repos` may call the repo: `type:owner/name`, and its id as `pinned`.
        others: The names of all the events of the delivery.
        me: The name of the token's user, for `user:@me`; None if it is not known.
        now: When it is looked at, in milliseconds since 1970.
    """

    delivery: Delivery
    event: Event
    names: frozenset[str]
    repo_names: tuple[str, str]
    others: tuple[str, ...]
    me: str | None
    now: int

    @cached_property
    def context(self) -> Mapping[str, Any]:
        """What expressions are evaluated on: all of them on the same."""
        event = {
            "name": self.event.name,
            "scope": self.event.scope,
            "action": self.event.action,
        }
        parts = {"event": event, "repo": self._repo(), **self._ref(), **self._people()}
        return context_of(parts, now=self.now)

    def _repo(self) -> Mapping[str, Any]:
        repo = self.delivery.repo
        return {
            "id": repo.id,
            "type": repo.type,
            "name": repo.name,
            "owner": repo.owner,
            "private": bool(repo.private),
            "headSha": repo.head_sha,
        }

    def _ref(self) -> Mapping[str, Any]:
        event = self.event
        if event.ref is None:
            return {}
        return {
            "ref": {
                "name": event.ref,
                "short": short_ref(event.ref),
                "oldSha": event.old_sha or "",
                "newSha": event.new_sha or "",
            }
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
            }
        if comment := self.delivery.comment:
            parts["comment"] = {
                "content": comment.content,
                "hidden": comment.hidden,
                "authorId": comment.author.id,
            }
        return parts


def occasions_of(delivery: Delivery, *, me: str | None, now: int) -> tuple[Occasion, ...]:
    """Return an occasion for each event of *delivery*; one even where its scope is not known."""
    events = events_of(delivery) or (_unknown(delivery),)
    others = tuple(dict.fromkeys(event.name for event in events))
    repo = delivery.repo
    return tuple(
        Occasion(
            delivery=delivery,
            event=event,
            names=frozenset({event.name, event.scope, f"{event.scope}/{event.action}"}),
            repo_names=(f"{repo.type}:{repo.name}", pinned(f"id:{repo.id}")),
            others=others,
            me=me,
            now=now,
        )
        for event in events
    )


def _unknown(delivery: Delivery) -> Event:
    scope = delivery.event.scope
    return Event(name=scope, scope=scope, action=delivery.event.action, repo=delivery.repo)


def pinned(pattern: str) -> str:
    """Return `id:…` so that no glob for names matches it; any other pattern as it is."""
    mark = "!" if pattern.startswith("!") else ""
    bare = pattern.removeprefix("!")
    # Without a colon it is of no type.
    return f"{mark}id/{bare[3:]}" if bare.startswith("id:") else pattern


def short_ref(ref: str) -> str:
    """Return *ref* as people write it: `main`, `v1`, `pr/4`, `convert/parquet`."""
    for prefix in (BRANCHES, TAGS, "refs/"):
        if ref.startswith(prefix):
            return ref.removeprefix(prefix)
    return ref
