"""
Rules that can never fire, found without a delivery.

Only what is sure is told; what would take a proof is not. It is looked at for every rule that is
loaded, so patterns are compared as text first and compiled only where that says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from jobhook.core.checks import flat
from jobhook.core.conditions import Conditions
from jobhook.core.events import PUSHES, REF_EVENTS, SCOPES
from jobhook.core.expressions import constant_of
from jobhook.core.globs import GlobList, glob_matches, literal_start
from jobhook.core.rules import Rule
from jobhook.core.samples import sample_payload
from jobhook.core.watches import REPO_TYPES, TOKEN_USER, Watch

Keys = tuple[str | int, ...]
Found = Iterator[tuple[Keys, str]]

_IN_VAIN = "the rule can never fire"
_BUCKET = "bucket"
# Conditions whose patterns see a slash as a character, and those on what there may be none of.
_TEXTS = {"titles", "tags"}
_MAY_BE_NOBODY = {"actors", "tags"}
# What no name holds stands for "any text" and "any parts" where a pattern is tried on another.
_FILLED = ("", "\x01", "\x01" * 7)
_RUNS = ("", "\x01", "\x01/\x01/\x01")


def contradictions(rule: Rule) -> Found:
    """Yield (path of keys, sentence) for each reason why *rule* can never fire."""
    yield from _unwatched(rule)
    kinds = _kinds(rule)
    if not any(_can_be(name, kind) for name in rule.on for kind in kinds):
        what = ", ".join(sorted(kinds))
        yield ("on",), f"no {' or '.join(rule.on)} ever comes from a {what}: {_IN_VAIN}"
    for keys, why in _within(rule, rule.on):
        yield keys, f"{why}: {_IN_VAIN}"


def _within(part: Conditions, on: Sequence[str]) -> Found:
    if part.on is not None and not any(_overlap(one, other) for one in part.on for other in on):
        yield ("on",), f"none of {', '.join(part.on)} is one of {', '.join(on)}"
    yield from _of_the_event(part, on)
    yield from _of_lists(part)
    if part.not_ is not None and _is_part_of(part.not_, part):
        yield ("not",), "`not` excludes what the conditions beside it ask for"
    if part.if_ is not None and constant_of(part.if_) is False:
        yield ("if",), "the expression is false, whatever comes"
    yield from _of_blocks(part, on)


def _of_blocks(part: Conditions, on: Sequence[str]) -> Found:
    for index, inner in enumerate(part.all or ()):
        for keys, why in _within(inner, on):
            yield ("all", index, *keys), why
    hopeless = [list(_within(inner, on)) for inner in part.any or ()]
    if hopeless and all(hopeless):
        for index, found in enumerate(hopeless):
            keys, why = found[0]
            yield ("any", index, *keys), why


def _of_the_event(part: Conditions, on: Sequence[str]) -> Found:
    told = ", ".join(on)
    if part.refs and REF_EVENTS.isdisjoint(name.partition("/")[0] for name in on):
        yield ("refs",), f"no event of {told} has a ref"
    discussed = any(_scope(name).startswith("discussion") for name in on)
    if part.titles and not discussed:
        yield ("titles",), f"no event of {told} has a discussion with a title"
    if part.comment and not discussed:
        yield ("comment",), f"no event of {told} has a comment"
    if part.paths and _changes_no_files(on):
        yield ("paths",), f"no event of {told} changes files"
    if part.private is not None:
        opposite = "repo.made_public" if part.private else "repo.made_private"
        if set(on) == {opposite}:
            state = "public" if part.private else "private"
            yield ("private",), f"with {opposite} the repo is {state}"


def _of_lists(part: Conditions) -> Found:
    for key in ("repos", "refs", "titles", "paths", "actors", "tags"):
        patterns = getattr(part, key) or ()
        if key in _TEXTS:
            patterns = tuple(map(flat, patterns))
        if patterns and _allows_nothing(patterns, or_nobody=key in _MAY_BE_NOBODY):
            yield (key,), f"the exclusions in `{key}` leave nothing, as the last match wins"


def _changes_no_files(on: Sequence[str]) -> bool:
    files = PUSHES | {"files.changed"}
    return files.isdisjoint(name.partition("/")[0] for name in on)


def _allows_nothing(patterns: Sequence[str], *, or_nobody: bool) -> bool:
    allowed = [(at, p) for at, p in enumerate(patterns) if not p.startswith("!")]
    if not allowed:
        # Where nobody did it, or there is no tag, nothing is excluded either.
        return (
            not or_nobody
            and any(not literal_start(p[1:]) for p in patterns)
            and not _allows(patterns, "**")
        )
    return all(
        any(_could_cover(later, pattern) for later in patterns[at + 1 :])
        and not _allows(patterns, pattern)
        for at, pattern in allowed
    )


def _could_cover(exclusion: str, pattern: str) -> bool:
    if not exclusion.startswith("!"):
        return False
    return literal_start(pattern).startswith(literal_start(exclusion[1:]))


def _allows(patterns: Sequence[str], pattern: str) -> bool:
    globs = GlobList(tuple(patterns))
    return any(globs.allows((name,)) for name in _samples(pattern))


def _samples(pattern: str) -> Iterator[str]:
    """Yield names of the shape *pattern* that no other pattern names but by a wildcard."""
    for text in _FILLED:
        for run in _RUNS:
            parts = [
                run if part == "**" else part.replace("*", text).replace("?", "\x01")
                for part in pattern.split("/")
            ]
            yield "/".join(part for part in parts if part)


def _is_part_of(inner: Conditions, outer: Conditions) -> bool:
    said = inner.model_fields_set
    return bool(said) and all(getattr(inner, name) == getattr(outer, name) for name in said)


def _kinds(rule: Rule) -> set[str]:
    """Return the types of repo that can set *rule* off."""
    kinds = set(REPO_TYPES)
    if rule.watch and not any(watch.is_owner for watch in rule.watch):
        kinds &= {watch.type for watch in rule.watch}
    named = _named(rule)
    if named and not any(pattern.startswith("id:") for pattern in named):
        types = {pattern.partition(":")[0] for pattern in named}
        kinds = {kind for kind in kinds if any(glob_matches(type_, kind) for type_ in types)}
    return kinds


def _named(rule: Rule) -> list[str]:
    return [pattern for pattern in rule.repos or () if not pattern.startswith("!")]


def _unwatched(rule: Rule) -> Found:
    named = _named(rule)
    if not (rule.watch and named) or any(pattern.startswith("id:") for pattern in named):
        return
    if not any(_may_be_in(pattern, watch) for pattern in named for watch in rule.watch):
        watched = ", ".join(map(str, rule.watch))
        yield ("repos",), f"nothing in `repos` is in what the rule watches, {watched}: {_IN_VAIN}"


def _may_be_in(pattern: str, watch: Watch) -> bool:
    kind, _, name = pattern.partition(":")
    if not watch.is_owner:
        return glob_matches(kind, watch.type) and glob_matches(name, watch.name)
    owner = name.partition("/")[0]
    return watch.name == TOKEN_USER or glob_matches(owner, watch.name)


def _can_be(name: str, kind: str) -> bool:
    if kind != _BUCKET:
        return name != "files.changed"
    git = name in REF_EVENTS and name != "repo.content"
    return not git and not _scope(name).startswith("discussion")


def _overlap(one: str, other: str) -> bool:
    if _scope(one) != _scope(other):
        return False
    return one == other or _is_raw(one) or _is_raw(other)


def _is_raw(name: str) -> bool:
    return name.partition("/")[0] in SCOPES


@cache
def _scope(name: str) -> str:
    if _is_raw(name):
        return name.partition("/")[0]
    return str(sample_payload(name)["event"]["scope"])
