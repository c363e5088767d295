"""What the Hub was asked about a delivery, after it was answered, because a rule wants to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """
    A file that a push changed.

    Attributes:
        action: `add`, `edit` or `delete`.
        size: Bytes, or None where it is not told (of what was deleted, for one).
    """

    path: str
    action: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """The newest commit of a push; *message* begins with its title."""

    message: str
    authors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Discussion:
    """
    A discussion or pull request as the Hub shows it now.

    Attributes:
        author: The name of who opened it.
        head_sha: Of a pull request: the newest commit of its ref.
        commenters: The name of who wrote it, by the id of each comment.
    """

    author: str
    head_sha: str = ""
    commenters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Repo:
    """A repo as the Hub shows it now."""

    id: str
    tags: tuple[str, ...] = ()
