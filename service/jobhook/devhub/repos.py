"""One repo of a devhub: what is known of it, and the errors about it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .accounts import Namespace
from .discussions import Discussion
from .wire import Refusal, stamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .accounts import Accounts, User

MAIN = "refs/heads/main"
TYPES = ("model", "dataset", "space")
_WEB_PREFIX = {"model": "", "dataset": "datasets/", "space": "spaces/"}
# What `git check-ref-format` refuses.
_BAD_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)|^[/.@-]|[/.]$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repo:
    """What is known of one repo; its content lies in its `Objects`."""

    id: str
    type: str
    owner: Namespace
    name: str
    private: bool
    created_at: datetime
    modified_at: datetime
    refs: Mapping[str, str]
    sdk: str | None = None
    discussions: tuple[Discussion, ...] = field(default=())

    @property
    def full_name(self) -> str:
        """Return the name with that of the owner."""
        return f"{self.owner.name}/{self.name}"

    @property
    def head(self) -> str:
        """Return the newest commit of `main`."""
        return self.refs[MAIN]

    def web_url(self, url: str) -> str:
        """Return where people find it."""
        return f"{url}/{_WEB_PREFIX[self.type]}{self.full_name}"

    def api_url(self, url: str) -> str:
        """Return where programs find it."""
        return f"{url}/api/{self.type}s/{self.full_name}"

    def visible_to(self, user: User | None, accounts: Accounts) -> bool:
        """Whether *user*, or everybody, may know of it."""
        return not self.private or accounts.may_read(user, self.owner.name)

    def pull_at(self, ref: str) -> Discussion | None:
        """Return the pull request whose commits are at *ref*."""
        pulls = (one for one in self.discussions if one.base is not None)
        return next((pull for pull in pulls if pull.ref == ref), None)

    def discussion(self, num: int) -> Discussion:
        """Return the discussion or pull request with this number; there must be one."""
        if not 1 <= num <= len(self.discussions):
            raise Refusal(404, "Discussion not found")
        return self.discussions[num - 1]

    def with_discussion(self, discussion: Discussion) -> Repo:
        """Return the repo with *discussion*, new or in the place of what it was."""
        at = discussion.num - 1
        return replace(
            self,
            discussions=(*self.discussions[:at], discussion, *self.discussions[at + 1 :]),
        )

    def to_stored(self) -> dict[str, Any]:
        """Return what `from_stored` reads."""
        return {
            **asdict(self),
            "created_at": stamp(self.created_at),
            "modified_at": stamp(self.modified_at),
        }

    @classmethod
    def from_stored(cls, stored: dict[str, Any]) -> Repo:
        """Return the repo that `to_stored` described."""
        return cls(
            **{
                **stored,
                "owner": Namespace(**stored["owner"]),
                "created_at": datetime.fromisoformat(stored["created_at"]),
                "modified_at": datetime.fromisoformat(stored["modified_at"]),
                "discussions": tuple(map(Discussion.from_stored, stored["discussions"])),
            }
        )


def valid_ref(name: str) -> bool:
    """Whether *name* may be that of a branch or a tag."""
    return bool(name) and len(name) <= 200 and not _BAD_REF.search(name)


def no_repo() -> Refusal:
    """Return the refusal for a repo that is not there, or not for who asks."""
    return Refusal(404, "Repository not found", code="RepoNotFound")


def no_revision(name: str) -> Refusal:
    """Return the refusal for a branch, tag or commit that is not there."""
    return Refusal(404, f"Invalid rev id: {name[:200]}", code="RevisionNotFound")
