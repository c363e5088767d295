"""
The conditions of a rule, each of which can be asked, and asked why not.

The answer is yes, no, or None: that depends on what the Hub has not been asked, or does not tell.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from jobhook.core.deliveries import CommentField
from jobhook.core.events import BRANCHES, SCOPES
from jobhook.core.expressions import Expression
from jobhook.core.globs import GlobList
from jobhook.core.occasions import Occasion, pinned, short_ref
from jobhook.core.watches import TOKEN_USER, Watch


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What a condition said, for a person.

    Attributes:
        condition: The key of the rule.
        holds: Whether it does; None where that cannot be told.
        seen: What it was asked about, in a few words.
        wanted: What the rule says there.
        parts: The answers of the conditions within this one.
    """

    condition: str
    holds: bool | None
    seen: str
    wanted: str
    parts: tuple[Answer, ...] = ()


class Unanswerable(Exception):
    """A condition fails on an event: whatever stands around it, its rule does not fire."""


class Check(ABC):
    """
    One condition.

    Attributes:
        key: What it is called in a rule file.
        asks: What the Hub has to be asked for it, in the words of `lookups`.
    """

    key: ClassVar[str]
    asks: frozenset[str] = frozenset()

    @abstractmethod
    def holds(self, occasion: Occasion) -> bool | None:
        """Whether it holds, or None if what it asks for is not known; raises `Unanswerable`."""

    @abstractmethod
    def seen(self, occasion: Occasion) -> str:
        """Return what of *occasion* it looks at."""

    @abstractmethod
    def wanted(self) -> str:
        """Return what it wants to see."""

    def why_not(self, occasion: Occasion) -> str:
        """Return the sentence for a person when it does not hold."""
        return f"{self.seen(occasion)}; the rule's `{self.key}` wants {self.wanted()}"

    def answer(self, occasion: Occasion) -> Answer:
        """Return all of it."""
        return Answer(self.key, self.surely(occasion), self.seen(occasion), self.wanted())

    def surely(self, occasion: Occasion) -> bool | None:
        """Say what `holds` says, and no where that fails."""
        try:
            return self.holds(occasion)
        except Unanswerable:
            return False


@dataclass(frozen=True)
class WatchCheck(Check):
    """`watch` is a filter as well: deliveries of other webhooks come here too."""

    key = "watch"
    watches: tuple[Watch, ...]

    def holds(self, occasion: Occasion) -> bool:
        return any(watch.covers(occasion.delivery, occasion.me) for watch in self.watches)

    def seen(self, occasion: Occasion) -> str:
        return _repo(occasion)

    def wanted(self) -> str:
        return ", ".join(map(str, self.watches))

    def why_not(self, occasion: Occasion) -> str:
        me = occasion.me
        if me is None and any(watch.name == TOKEN_USER for watch in self.watches):
            return "the rule watches user:@me, and there is no token to tell who that is"
        watched = ", ".join(
            f"{watch} ({me})" if watch.name == TOKEN_USER else str(watch) for watch in self.watches
        )
        return f"{_repo(occasion)} is not in what the rule watches: {watched}"


@dataclass(frozen=True)
class ListCheck(Check):
    """A condition that is a list of words or patterns, as they were written."""

    patterns: tuple[str, ...]

    def wanted(self) -> str:
        return ", ".join(self.patterns)


class ReposCheck(ListCheck):
    """`repos`: the name with its type, or the id, which survives that the name is taken over."""

    key = "repos"

    @cached_property
    def globs(self) -> GlobList:
        return GlobList(tuple(map(pinned, self.patterns)))

    def holds(self, occasion: Occasion) -> bool:
        return self.globs.allows(occasion.repo_names)

    def seen(self, occasion: Occasion) -> str:
        return _repo(occasion)

    def why_not(self, occasion: Occasion) -> str:
        return f"{_repo(occasion)} is not among the rule's repos: {self.wanted()}"


class OnCheck(ListCheck):
    """`on`: semantic events, raw scopes, and raw scopes with their action."""

    key = "on"

    def holds(self, occasion: Occasion) -> bool:
        return not occasion.names.isdisjoint(self.patterns)

    def seen(self, occasion: Occasion) -> str:
        return f"this is {', '.join(occasion.others)}"

    def why_not(self, occasion: Occasion) -> str:
        if occasion.event.scope not in SCOPES:
            return f"the scope {occasion.event.scope[:100]!r} is not known"
        return f"{self.seen(occasion)}; the rule is on {self.wanted()}"


@dataclass(frozen=True)
class BranchCheck(Check):
    """Without `refs`, a raw scope means branches: what strangers push must be asked for."""

    key = "refs"
    names: tuple[str, ...]

    def holds(self, occasion: Occasion) -> bool:
        event = occasion.event
        named = event.name in self.names and event.name != event.scope
        return named or event.ref is None or event.ref.startswith(BRANCHES)

    def seen(self, occasion: Occasion) -> str:
        return occasion.event.ref or "no ref"

    def wanted(self) -> str:
        return "branches, as the rule names no refs"

    def why_not(self, occasion: Occasion) -> str:
        return f"{occasion.event.ref} is not a branch, and the rule names no refs"


class RefsCheck(ListCheck):
    """`refs`: short or full names."""

    key = "refs"

    @cached_property
    def globs(self) -> GlobList:
        return GlobList(self.patterns)

    def holds(self, occasion: Occasion) -> bool:
        ref = occasion.event.ref
        return ref is not None and self.globs.allows((ref, short_ref(ref)))

    def seen(self, occasion: Occasion) -> str:
        return occasion.event.ref or "no ref"

    def why_not(self, occasion: Occasion) -> str:
        if occasion.event.ref is None:
            return f"{occasion.event.name} has no ref; the rule wants {self.wanted()}"
        return f"{occasion.event.ref} is not among the rule's refs: {self.wanted()}"


@dataclass(frozen=True)
class PrivateCheck(Check):
    """`private`: whether the repo is."""

    key = "private"
    private: bool

    def holds(self, occasion: Occasion) -> bool:
        return occasion.delivery.repo.private is self.private

    def seen(self, occasion: Occasion) -> str:
        private = occasion.delivery.repo.private
        if private is None:
            return "the delivery does not tell whether the repo is private"
        return f"the repo is {'private' if private else 'public'}"

    def wanted(self) -> str:
        return "private" if self.private else "public"


class TitlesCheck(ListCheck):
    """`titles` of the discussion or pull request; a `/` is a character like any other."""

    key = "titles"

    @cached_property
    def globs(self) -> GlobList:
        return GlobList(tuple(map(flat, self.patterns)))

    def holds(self, occasion: Occasion) -> bool:
        discussion = occasion.delivery.discussion
        return discussion is not None and self.globs.allows((flat(discussion.title),))

    def seen(self, occasion: Occasion) -> str:
        discussion = occasion.delivery.discussion
        return f"the title is {discussion.title[:100]!r}" if discussion else "there is no title"


@dataclass(frozen=True)
class CommentCheck(Check):
    """`comment`: what it begins with or holds; hidden and edited ones only if `on` names them."""

    key = "comment"
    starts_with: tuple[str, ...]
    pattern: str | None
    matches: Callable[[str], bool] | None
    on: tuple[str, ...]

    def holds(self, occasion: Occasion) -> bool:
        comment = occasion.delivery.comment
        if comment is None or self._ignored(occasion):
            return False
        return self._fits(comment)

    def _ignored(self, occasion: Occasion) -> bool:
        name = occasion.event.name
        return name in {"comment.edited", "comment.hidden"} and name not in self.on

    def _fits(self, comment: CommentField) -> bool:
        if self.starts_with and not comment.content.lstrip().startswith(self.starts_with):
            return False
        return self.matches is None or self.matches(comment.content)

    def seen(self, occasion: Occasion) -> str:
        comment = occasion.delivery.comment
        if comment is None:
            return "there is no comment"
        if self._ignored(occasion):
            return f"this is {occasion.event.name}, which the rule's `on` does not name"
        return f"the comment is {comment.content[:60]!r}"

    def wanted(self) -> str:
        wanted = [f"one that starts with {' or '.join(map(repr, self.starts_with))}"]
        matched = [f"one that matches {self.pattern!r}"]
        return " and ".join(
            (wanted if self.starts_with else []) + (matched if self.pattern else [])
        )


class IfCheck(Check):
    """`if`: an expression."""

    key = "if"

    def __init__(self, expression: Expression) -> None:
        self.expression = expression
        self.asks = expression.asks

    def holds(self, occasion: Occasion) -> bool | None:
        if self.asks and not occasion.hub.knows(self.asks):
            return None
        value = self._value(occasion)
        if isinstance(value, str):
            raise Unanswerable(self.why_not(occasion))
        return value

    def _value(self, occasion: Occasion) -> bool | str:
        expression, said = self.expression, occasion.said
        if not expression.is_of_delivery:
            return self._evaluated(occasion)
        # A push may name thousands of refs, each an event that is asked about.
        if expression.text not in said:
            said[expression.text] = self._evaluated(occasion)
        return said[expression.text]

    def _evaluated(self, occasion: Occasion) -> bool | str:
        try:
            context = occasion.context
        except (TypeError, ValueError) as exc:
            # Of what came, something is of no type that expressions know: only they cannot be told.
            return str(exc)
        return self.expression.holds(context)

    def seen(self, occasion: Occasion) -> str:
        if not occasion.hub.knows(self.asks):
            return f"it asks for {', '.join(sorted(self.asks))}, and that is not known"
        value = self._value(occasion)
        return f"it fails: {value}" if isinstance(value, str) else f"it is {str(value).lower()}"

    def wanted(self) -> str:
        return self.expression.text

    def why_not(self, occasion: Occasion) -> str:
        return f"`if: {self.expression.text}`: {self.seen(occasion)}"


def flat(text: str) -> str:
    """Return *text* so that globs see no parts in it: nothing that is read holds a NUL."""
    return text.replace("/", "\0")


def _repo(occasion: Occasion) -> str:
    repo = occasion.delivery.repo
    return f"{repo.type} {repo.name}"
