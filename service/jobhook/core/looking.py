"""The conditions that the Hub has to be asked about, after the delivery was answered."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cached_property

from jobhook.core.checks import Check, ListCheck, flat
from jobhook.core.globs import GlobList
from jobhook.core.lookups import ACTOR, CLAIM, COMMIT, FILES, TAGS
from jobhook.core.occasions import Occasion

SKIP_MARKER = "[skip jobs]"
_SHOWN = 5


class PathsCheck(ListCheck):
    """`paths`: at least one of the files that changed."""

    key = "paths"
    asks = frozenset({FILES})

    @cached_property
    def globs(self) -> GlobList:
        return GlobList(self.patterns)

    def holds(self, occasion: Occasion) -> bool | None:
        files = occasion.hub.files
        if files is None:
            return None
        if any(self.globs.allows((file.path,)) for file in files):
            return True
        # Of very many files the Hub names some: what it left out may fit.
        return None if occasion.delivery.updated_files_truncated else False

    def seen(self, occasion: Occasion) -> str:
        files = occasion.hub.files
        if files is None:
            return "which files changed is not known"
        return _some("changed were", [file.path for file in files], none="no file changed")


class ActorsCheck(ListCheck):
    """`actors`: who pushed, opened or commented; any of these, and none of those with a `!`."""

    key = "actors"
    asks = frozenset({ACTOR})

    @cached_property
    def globs(self) -> GlobList:
        return GlobList(self.patterns)

    def holds(self, occasion: Occasion) -> bool | None:
        actors = occasion.hub.actors
        return None if actors is None else _any_and_none(self.globs, actors)

    def seen(self, occasion: Occasion) -> str:
        actors = occasion.hub.actors
        if actors is None:
            return "who did it is not known"
        return _some("it was done by", actors, none="nothing tells who did it")


class TagsCheck(ListCheck):
    """`tags` of the repo: any of these, and none of those with a `!`."""

    key = "tags"
    asks = frozenset({TAGS})

    @cached_property
    def globs(self) -> GlobList:
        return GlobList(tuple(map(flat, self.patterns)))

    def holds(self, occasion: Occasion) -> bool | None:
        tags = occasion.hub.tags
        return None if tags is None else _any_and_none(self.globs, [flat(tag) for tag in tags])

    def seen(self, occasion: Occasion) -> str:
        tags = occasion.hub.tags
        if tags is None:
            return "the repo's tags are not known"
        return _some("the repo's tags are", tags, none="the repo has no tags")


class SkipCheck(Check):
    """Whoever pushes can say in the message of the commit that no jobs are wanted."""

    key = "skip_marker"
    asks = frozenset({COMMIT})

    def holds(self, occasion: Occasion) -> bool | None:
        if occasion.hub.open(self.asks):
            return None
        commit = occasion.hub.commit
        if commit:
            return SKIP_MARKER not in commit.message.lower()
        failure = occasion.hub.failure(self.asks)
        # Where the Hub shows us no commit, it shows us no marker.
        return True if failure and failure.is_refused else occasion.hub.knows(self.asks) or None

    def seen(self, occasion: Occasion) -> str:
        if occasion.hub.commit is None:
            return "the message of the commit is not known"
        return f"the message of the commit holds {'no' if self.holds(occasion) else 'the'} marker"

    def wanted(self) -> str:
        return f"no {SKIP_MARKER} in it"

    def why_not(self, occasion: Occasion) -> str:
        return f"the message of the commit says {SKIP_MARKER}"


class ClaimCheck(Check):
    """`verify: hub`: what the delivery tells of is there, as the Hub itself shows it."""

    key = "verify"
    asks = frozenset({CLAIM})

    def holds(self, occasion: Occasion) -> bool | None:
        return (occasion.hub.knows(self.asks) and occasion.hub.is_same_repo) or None

    def seen(self, occasion: Occasion) -> str:
        if not occasion.hub.is_same_repo:
            return "the Hub has another repo under this name"
        if not occasion.hub.asks_about(self.asks):
            return "there is nothing that the Hub could show"
        return "the Hub shows it" if self.holds(occasion) else "the Hub was not seen to have it"

    def wanted(self) -> str:
        return "what the delivery tells of, on the Hub"


class AskedFor(Check):
    """What is not asked of anything, but must be known for the job: a template names it."""

    key = "run"

    def __init__(self, asks: Iterable[str]) -> None:
        self.asks = frozenset(asks)

    def holds(self, occasion: Occasion) -> bool | None:
        return occasion.hub.knows(self.asks) or None

    def seen(self, occasion: Occasion) -> str:
        return "it is known" if self.holds(occasion) else "it is not known"

    def wanted(self) -> str:
        return f"{', '.join(sorted(self.asks))}, which a template names"


def _any_and_none(globs: GlobList, names: Collection[str]) -> bool:
    last = [globs.last_match((name,)) for name in names]
    if any(pattern and pattern.startswith("!") for pattern in last):
        return False
    return any(last) or globs.only_excludes


def _some(said: str, items: Collection[str], *, none: str) -> str:
    if not items:
        return none
    shown = ", ".join([item[:80] for item in items][:_SHOWN])
    rest = f" and {len(items) - _SHOWN:,} more" if len(items) > _SHOWN else ""
    return f"{said} {shown}{rest}"
