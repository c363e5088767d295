"""Discussions and pull requests: what is said in them, and how the Hub tells it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from html import escape
from typing import TYPE_CHECKING, Any

from .wire import Refusal, new_id, now, stamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .accounts import Accounts, User
    from .repos import Repo

_HIDDEN = "This comment has been hidden"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """
    One thing that happened in a discussion.

    Attributes:
        type: `comment`, `commit`, `status-change` or `title-change`.
        data: What only this type tells, as the Hub writes it.
    """

    id: str
    type: str
    author_id: str
    created_at: str
    data: Mapping[str, Any]

    def to_wire(self, repo: Repo, accounts: Accounts, url: str) -> dict[str, Any]:
        """Return it as the Hub tells it; of an author who is gone it says nothing."""
        wire = {
            "id": self.id,
            "type": self.type,
            "createdAt": self.created_at,
            "data": dict(self.data),
        }
        if (user := accounts.of_id(self.author_id)) is not None:
            owner = repo.owner.name
            belongs = {"isOwner": user.name == owner, "isOrgMember": owner in user.roles}
            wire["author"] = {**_author(user, url), **belongs}
        return wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Discussion:
    """
    A discussion, or a pull request, which has a *base*.

    Attributes:
        base: The ref that a pull request is to be merged into.
        status: `draft`, `open`, `closed` or `merged`.
        merge_commit: What it became when it was merged.
    """

    num: int
    id: str
    title: str
    author_id: str
    created_at: str
    status: str = "open"
    base: str | None = None
    merge_commit: str | None = None
    events: tuple[Happening, ...] = field(default=())

    @property
    def ref(self) -> str:
        """Return where the commits of a pull request are."""
        return f"refs/pr/{self.num}"

    @property
    def is_open(self) -> bool:
        """Whether it may still be closed or merged."""
        return self.status in {"draft", "open"}

    def with_event(self, user: User, kind: str, data: Mapping[str, Any]) -> Discussion:
        """Return it with one thing more that happened."""
        event = Happening(
            id=new_id(),
            type=kind,
            author_id=user.namespace.id,
            created_at=stamp(now()),
            data=data,
        )
        return replace(self, events=(*self.events, event))

    def with_comment(self, user: User, text: str) -> Discussion:
        """Return it with what *user* writes."""
        return self.with_event(user, "comment", _comment(text))

    def comment(self, comment_id: str) -> Happening:
        """Return a comment; there must be one."""
        for event in self.events:
            if event.id == comment_id and event.type == "comment":
                return event
        raise Refusal(404, "There is no such comment")

    def with_edited(self, comment_id: str, user: User, *, text: str | None) -> Discussion:
        """Return it with another *text* in a comment; with None, it is hidden for good."""
        known = self.comment(comment_id)
        data = {**known.data, **_edited(known.data, user, text)}
        changed = replace(known, data=data)
        events = tuple(changed if event is known else event for event in self.events)
        return replace(self, events=events)

    def to_wire(self, repo: Repo, accounts: Accounts, url: str) -> dict[str, Any]:
        """Return the details as the Hub tells them, except for what only git knows."""
        wire: dict[str, Any] = {
            "_id": self.id,
            "num": self.num,
            "repo": {"name": repo.full_name, "type": repo.type},
            "title": self.title,
            "createdAt": self.created_at,
            "status": self.status,
            "events": [event.to_wire(repo, accounts, url) for event in self.events],
            "pinned": False,
            "locked": False,
            "collection": "discussions",
            "isReport": False,
            "isPullRequest": self.base is not None,
        }
        if (user := accounts.of_id(self.author_id)) is not None:
            wire["author"] = _author(user, url)
        return wire

    @classmethod
    def from_stored(cls, stored: dict[str, Any]) -> Discussion:
        """Return the discussion that was kept."""
        events = tuple(Happening(**event) for event in stored["events"])
        return cls(**{**stored, "events": events})

    def changes(self) -> dict[str, str]:
        """Return where a pull request is to go, and as what it has arrived."""
        told = {"base": self.base, "mergeCommitId": self.merge_commit}
        return {key: value for key, value in told.items() if value is not None}


def opened(
    repo: Repo, user: User, title: str, text: str, *, status: str = "open", base: str | None = None
) -> Discussion:
    """Return the next discussion of *repo*, or with a *base* the next pull request."""
    discussion = Discussion(
        num=len(repo.discussions) + 1,
        id=new_id(),
        title=title,
        author_id=user.namespace.id,
        created_at=stamp(now()),
        status=status,
        base=base,
    )
    return discussion.with_comment(user, text)


def _author(user: User, url: str) -> dict[str, Any]:
    wire = user.namespace.to_wire(url)
    return {
        "_id": wire["id"],
        "avatarUrl": wire["avatarUrl"],
        "fullname": user.name,
        "name": user.name,
        "type": "user",
        "isPro": True,
        "isHf": False,
        "isHfAdmin": False,
        "isMod": False,
    }


def _comment(text: str) -> dict[str, Any]:
    return {
        "edited": False,
        "hidden": False,
        "latest": _latest(text),
        "numEdits": 0,
        "editors": [],
        "editorAvatarUrls": [],
        "reactions": [],
    }


def _edited(known: Mapping[str, Any], user: User, text: str | None) -> dict[str, Any]:
    if text is None:
        return {"hidden": True, "hiddenBy": user.name, "latest": _latest(_HIDDEN)}
    editors = sorted({*known["editors"], user.name})
    return {
        "edited": True,
        "latest": _latest(text),
        "numEdits": known["numEdits"] + 1,
        "editors": editors,
    }


def _latest(text: str) -> dict[str, str]:
    return {"raw": text, "html": f"<p>{escape(text)}</p>", "updatedAt": stamp(now())}
