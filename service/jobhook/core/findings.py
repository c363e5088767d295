"""What the Hub is asked about a delivery, after it was answered, because a rule wants to know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from jobhook.core.jobs import JobSpec

# How the reason of a launch begins that is held because something could not be looked up.
ENRICHMENT = "enrichment: "
VERIFY = "verify: "


class Kind(StrEnum):
    """What can be looked up, in the words for a person."""

    FILES = "the changed files"
    COMMIT = "the commit"
    DISCUSSION = "the discussion"
    REPO = "the repo"
    ROLE = "the role"
    JOB = "the source job"


@dataclass(frozen=True, slots=True, order=True)
class Lookup:
    """
    One thing to ask the Hub about the repo of a delivery.

    Attributes:
        of: Which one: the two shas of `FILES` (the older may be empty), the sha of a `COMMIT`, the
            number of a `DISCUSSION`, org and user of a `ROLE`, a `JOB` as a rule names it.
    """

    kind: Kind
    of: tuple[str, ...] = ()


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


@dataclass(frozen=True, slots=True)
class Unavailable:
    """
    What could not be looked up.

    Attributes:
        why: A few words for a person.
        is_refused: Whether the Hub said clearly that it is not there, or not ours to see.
    """

    why: str
    is_refused: bool


Found = tuple[ChangedFile, ...] | Commit | Discussion | Repo | JobSpec | str


@dataclass(frozen=True, slots=True)
class Findings:
    """
    What was looked up about one delivery so far.

    Attributes:
        closed: Why nothing more is looked up, if that is so.
    """

    known: Mapping[Lookup, Found | Unavailable] = field(default_factory=dict)
    closed: Unavailable | None = None

    def open(self, lookups: Iterable[Lookup]) -> frozenset[Lookup]:
        """Return those of *lookups* that nobody has tried yet, and somebody may."""
        if self.closed:
            return frozenset()
        return frozenset(lookup for lookup in lookups if lookup not in self.known)

    def get(self, lookup: Lookup) -> Found | None:
        """Return what was found, or None while it is not known, for whatever reason."""
        found = self.known.get(lookup)
        return None if isinstance(found, Unavailable) else found

    def failure(self, lookups: Iterable[Lookup]) -> Unavailable | None:
        """Return why the first of *lookups* that cannot be had is not there, or None."""
        for lookup in lookups:
            found = self.known.get(lookup, self.closed)
            if isinstance(found, Unavailable):
                return found
        return None

    def plus(self, found: Mapping[Lookup, Found | Unavailable]) -> Findings:
        """Return these and *found*."""
        return Findings({**self.known, **found})

    def close(self, why: str) -> Findings:
        """Return these with nothing more to come."""
        return Findings(self.known, Unavailable(why, is_refused=False))


NOTHING_FOUND = Findings()
