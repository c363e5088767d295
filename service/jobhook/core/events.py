"""
From what the Hub sends to what happened: semantic events.

One delivery gives one or more events (the Hub's "webhooks" page lists scopes and actions). A scope
that we do not know counts as `update` of the nearest broader one that we do, as that page asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from jobhook.core.deliveries import Delivery, RepoField

# The scopes, and what the Hub says was done there.
ACTIONS = {
    "repo": ("create", "update", "delete", "move"),
    "repo.content": ("update",),
    "repo.config": ("update",),
    "discussion": ("create", "update", "delete"),
    "discussion.comment": ("create", "update"),
}
SCOPES = tuple(ACTIONS)
RAW = (*SCOPES, *(f"{scope}/{action}" for scope in SCOPES for action in ACTIONS[scope]))

EVENTS = (
    "repo.created repo.deleted repo.moved repo.updated "
    "commit.pushed branch.created branch.deleted tag.created tag.moved tag.deleted "
    "pr.ref_created pr.pushed convert.updated files.changed "
    "config.changed repo.made_private repo.made_public "
    "pr.opened pr.merged pr.closed pr.updated pr.deleted "
    "discussion.opened discussion.closed discussion.updated discussion.deleted "
    "comment.created comment.edited comment.hidden"
).split()

# What anybody who can see a repo can cause: these may not carry our secrets (T16).
STRANGERS_EVENTS = frozenset(
    name for name in EVENTS if name.startswith(("pr.", "discussion.", "comment."))
)

# Those that are about a git ref; the raw scope covers all of them.
REF_EVENTS = frozenset(
    "repo.content commit.pushed branch.created branch.deleted tag.created tag.moved tag.deleted "
    "pr.ref_created pr.pushed convert.updated".split()
)

# Those that tell of a commit which is there now.
PUSHES = REF_EVENTS - {"branch.deleted", "tag.deleted"}

BRANCHES = "refs/heads/"
TAGS = "refs/tags/"
PULL_REQUESTS = "refs/pr/"
CONVERSIONS = "refs/convert/"
# In place of a commit, where it is about a pull request as such.
OPENED = "opened"


# Not frozen: each delivery makes one or more, and to freeze them would take twice as long.
@dataclass(slots=True, unsafe_hash=True)
class Event:
    """
    One thing that happened on the Hub.

    Attributes:
        name: One of `EVENTS`; the raw scope when no semantic name fits.
        scope: The known scope it was read as, one of `SCOPES`.
        action: What was done there, in the Hub's words: `create`, `update`, `delete`, `move`.
        repo: Where it happened.
        ref: The full name of the git ref that changed, if one did.
    """

    name: str
    scope: str
    action: str
    repo: RepoField
    ref: str | None = None
    old_sha: str | None = None
    new_sha: str | None = None


def is_strangers(event: Event) -> bool:
    """Whether anybody who can see the repo can have caused *event*."""
    return event.name in STRANGERS_EVENTS or (event.ref or "").startswith(PULL_REQUESTS)


def known_scope(scope: str) -> str | None:
    """Return *scope*, or the nearest broader scope that we know, or None."""
    while scope not in SCOPES:
        scope, dot, _ = scope.rpartition(".")
        if not dot:
            return None
    return scope


def events_of(delivery: Delivery) -> tuple[Event, ...]:
    """Return what happened, without repeats; empty when the scope is wholly unknown."""
    told, repo = delivery.event, delivery.repo
    scope = known_scope(told.scope)
    if scope is None:
        return ()
    action = told.action if scope == told.scope else "update"
    if scope == "repo.content":
        events = list(_content(delivery, action))
    else:
        events = [Event(name, scope, action, repo) for name in _NAMES[scope](delivery, action)]
    if len(events) > 1:
        return tuple(dict.fromkeys(events))
    return tuple(events) or (Event(scope, scope, action, repo),)


def _content(delivery: Delivery, action: str) -> Iterator[Event]:
    scope, repo = "repo.content", delivery.repo
    for change in delivery.updated_refs or ():
        ref, old, new = change.ref, change.old_sha, change.new_sha
        # The Hub names no ref whose sha stays the same; if it did, nothing would have happened.
        if old != new:
            for name in _ref_names(ref, old, new):
                yield Event(name, scope, action, repo, ref, old, new)
    if delivery.updated_files or repo.type == "bucket":
        yield Event("files.changed", scope, action, repo)


def _ref_names(ref: str, old: str | None, new: str | None) -> tuple[str, ...]:
    if ref.startswith(BRANCHES):
        if new is None:
            return ("branch.deleted",)
        return ("commit.pushed", "branch.created") if old is None else ("commit.pushed",)
    if ref.startswith(TAGS):
        return (
            ("tag.created",) if old is None else ("tag.deleted",) if new is None else ("tag.moved",)
        )
    if ref.startswith(PULL_REQUESTS) and new is not None:
        return ("pr.ref_created",) if old is None else ("pr.pushed",)
    if ref.startswith(CONVERSIONS):
        return ("convert.updated",)
    return ("repo.content",)


def _repo(_: Delivery, action: str) -> Iterator[str]:
    verbs = {"create": "created", "delete": "deleted", "move": "moved"}
    yield f"repo.{verbs.get(action, 'updated')}"


def _config(delivery: Delivery, _: str) -> Iterator[str]:
    yield "config.changed"
    private = delivery.updated_config.get("private")
    if isinstance(private, bool):
        yield "repo.made_private" if private else "repo.made_public"


def _discussion(delivery: Delivery, action: str) -> Iterator[str]:
    subject, status = "discussion", ""
    if delivery.discussion:
        subject = "pr" if delivery.discussion.is_pull_request else "discussion"
        status = delivery.discussion.status
    if action in {"create", "delete"}:
        yield f"{subject}.{'opened' if action == 'create' else 'deleted'}"
    elif status == "closed" or (status == "merged" and subject == "pr"):
        yield f"{subject}.{status}"
    else:
        yield f"{subject}.updated"


def _comment(delivery: Delivery, action: str) -> Iterator[str]:
    if action == "create":
        yield "comment.created"
    elif delivery.comment and delivery.comment.hidden:
        yield "comment.hidden"
    else:
        yield "comment.edited"


_NAMES: dict[str, Callable[[Delivery, str], Iterator[str]]] = {
    "repo": _repo,
    "repo.config": _config,
    "discussion": _discussion,
    "discussion.comment": _comment,
}
