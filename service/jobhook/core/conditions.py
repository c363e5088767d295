"""The conditions of a rule file, around any of which `any`, `all` and `not` may stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from jobhook.core.checks import (
    Check,
    CommentCheck,
    IfCheck,
    OnCheck,
    PrivateCheck,
    RefsCheck,
    ReposCheck,
    TitlesCheck,
)
from jobhook.core.combining import Both, Either, Neither
from jobhook.core.errors import did_you_mean
from jobhook.core.events import EVENTS, RAW
from jobhook.core.expressions import BadExpression, parse_expression, parse_pattern
from jobhook.core.globs import glob_matches, glob_problem
from jobhook.core.looking import ActorsCheck, PathsCheck, TagsCheck
from jobhook.core.strict import Strict, fault
from jobhook.core.watches import REPO_TYPES

_REPO_ID = re.compile("id:[0-9a-f]{24}")


def _event_name(word: object) -> object:
    if isinstance(word, str) and word not in EVENTS and word not in RAW:
        hint = did_you_mean(word, (*EVENTS, *RAW))
        raise fault(f"there is no event {word!r}{hint}", code="unknown-event")
    return word


def _glob(pattern: object) -> object:
    if isinstance(pattern, str) and (problem := glob_problem(pattern.removeprefix("!"))):
        raise fault(f"{pattern[:60]!r}: {problem}", code="bad-pattern")
    return pattern


def _repo_glob(pattern: object) -> object:
    if not isinstance(pattern, str) or _REPO_ID.fullmatch(pattern.removeprefix("!")):
        return pattern
    kind, colon, name = pattern.removeprefix("!").partition(":")
    if not colon:
        raise fault(
            f"{pattern!r} names no type: write `dataset:owner/name`, or `*:owner/name` for any",
            code="bad-pattern",
        )
    if not any(glob_matches(kind, known) for known in REPO_TYPES):
        hint = did_you_mean(kind, REPO_TYPES)
        raise fault(f"{kind!r} is no type of repo{hint}", code="unknown-repo-type")
    if "/" not in name:
        raise fault(
            f"{pattern!r} matches no repo: a name is `owner/name`, any is `{kind}:*/*`",
            code="bad-pattern",
        )
    return _glob(pattern)


def _text_glob(pattern: object) -> object:
    # A title has no parts; `**` and a slash at an end are text like any other.
    if isinstance(pattern, str) and not 0 < len(pattern.removeprefix("!")) <= 512:
        raise fault(f"{pattern[:60]!r}: a pattern has 1 to 512 characters", code="bad-pattern")
    return pattern


def _sound(parse: Callable[[str], object]) -> AfterValidator:
    """Return what refuses a text that *parse* does."""

    def refuse(text: str) -> str:
        try:
            parse(text)
        except BadExpression as exc:
            raise fault(str(exc), code="bad-expression", within=exc.place) from exc
        return text

    return AfterValidator(refuse)


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


EventName = Annotated[str, BeforeValidator(_event_name), WithJsonSchema({"enum": [*EVENTS, *RAW]})]
RepoGlob = Annotated[
    str,
    BeforeValidator(_repo_glob),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^!?(id:[0-9a-f]{24}|[^:]+:[^/]+/.+)$",
            "examples": ["dataset:acme/*", "!dataset:acme/tmp-*"],
        }
    ),
]
Glob = Annotated[str, BeforeValidator(_glob)]
TextGlob = Annotated[str, BeforeValidator(_text_glob)]
Cel = Annotated[str, _sound(parse_expression)]
Pattern = Annotated[str, _sound(parse_pattern)]
OneOrMore = Annotated[
    tuple[str, ...],
    BeforeValidator(_as_list),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


def _some(description: str, *examples: list[str]) -> Any:
    return Field(
        default=None,
        strict=False,
        min_length=1,
        description=description,
        examples=list(examples) or None,
    )


class CommentCondition(Strict):
    """What a comment must be like; an edited or hidden one counts only if `on` names that event."""

    starts_with: OneOrMore = Field(
        default=(), strict=False, description="What it begins with; one text, or several."
    )
    matches: Pattern | None = Field(
        default=None, description="A regular expression (RE2) that is found in it."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.starts_with and self.matches is None:
            raise fault("say `starts_with` or `matches`", code="missing-key")
        return self

    def check(self, on: tuple[str, ...]) -> CommentCheck:
        """Return what asks it, for a rule with this *on*."""
        matches = None if self.matches is None else parse_pattern(self.matches)
        return CommentCheck(self.starts_with, self.matches, matches, on)


class Conditions(Strict):
    """What must hold of an event, all of it; what is not said is not asked."""

    on: tuple[EventName, ...] | None = _some("Events: any of these.", ["commit.pushed"])
    repos: tuple[RepoGlob, ...] | None = _some(
        "`type:owner/name` globs or `id:` and a repo's id; `!` excludes, the last match wins."
    )
    refs: tuple[Glob, ...] | None = _some(
        "Short or full ref names, globs; without it, any ref the event is about.",
        ["main"],
        ["v*", "!v0*"],
    )
    private: bool | None = Field(default=None, description="Whether the repo is private.")
    titles: tuple[TextGlob, ...] | None = _some(
        "Titles of the discussion or pull request, globs; `!` excludes, the last match wins.",
        ["*retrain*"],
    )
    comment: CommentCondition | None = Field(
        default=None, description="What the comment must be like."
    )
    tags: tuple[TextGlob, ...] | None = _some(
        "Tags of the repo, globs: any of these, and none with `!`; looked up after the answer.",
        ["task_categories:*"],
    )
    paths: tuple[Glob, ...] | None = _some(
        "Files of which at least one changed, globs; `!` excludes, the last match wins; looked up "
        "after the answer.",
        ["data/**/*.parquet"],
    )
    actors: tuple[Glob, ...] | None = _some(
        "Who pushed, opened or commented, globs of names: any of these, and none with `!`; looked "
        "up after the answer.",
        ["!acme-bot"],
    )
    any: tuple[Conditions, ...] | None = _some("Conditions of which one must hold.")
    all: tuple[Conditions, ...] | None = _some("Conditions that must all hold.")
    not_: Conditions | None = Field(
        default=None, alias="not", description="Conditions that must not hold together."
    )
    if_: Cel | None = Field(
        default=None,
        alias="if",
        description="A CEL expression over the event's context.",
        examples=["repo.private == false"],
    )

    @model_validator(mode="before")
    @classmethod
    def _says_nothing_in_vain(cls, given: object) -> object:
        if isinstance(given, dict):
            for key, value in given.items():
                if value is None and key in _CONDITIONS:
                    raise fault(
                        f"`{key}` is empty: remove it, or say what it wants",
                        code="empty-value",
                        at=(key,),
                    )
        return given

    def checks(self, on: tuple[str, ...]) -> Iterator[Check]:
        """Yield what asks each condition, the cheap ones first; *on* is that of the rule."""
        yield from self._of_the_repo()
        if self.on is not None:
            yield OnCheck(self.on)
        yield from self._of_the_event(on)
        if self.all is not None:
            yield Both([part.check(on) for part in self.all])
        if self.any is not None:
            yield Either([part.check(on) for part in self.any])
        if self.not_ is not None:
            yield Neither(self.not_.check(on))
        if self.if_ is not None:
            yield IfCheck(parse_expression(self.if_))
        yield from self._of_the_hub()

    def check(self, on: tuple[str, ...]) -> Check:
        """Return what asks all of them."""
        checks = tuple(self.checks(on))
        return checks[0] if len(checks) == 1 else Both(checks)

    @property
    def names_refs(self) -> bool:
        """Whether `refs` is said anywhere."""
        return self.refs is not None or any(part.names_refs for part in self.within())

    def within(self) -> Iterator[Conditions]:
        """Yield the conditions that stand within these."""
        yield from self.any or ()
        yield from self.all or ()
        if self.not_ is not None:
            yield self.not_

    def _of_the_repo(self) -> Iterator[Check]:
        if self.repos is not None:
            yield ReposCheck(self.repos)
        if self.private is not None:
            yield PrivateCheck(self.private)

    def _of_the_event(self, on: tuple[str, ...]) -> Iterator[Check]:
        if self.refs is not None:
            yield RefsCheck(self.refs)
        if self.titles is not None:
            yield TitlesCheck(self.titles)
        if self.comment is not None:
            yield self.comment.check(on)

    def _of_the_hub(self) -> Iterator[Check]:
        if self.tags is not None:
            yield TagsCheck(self.tags)
        if self.actors is not None:
            yield ActorsCheck(self.actors)
        if self.paths is not None:
            yield PathsCheck(self.paths)


_CONDITIONS = frozenset(field.alias or name for name, field in Conditions.model_fields.items())
