"""Options that say which deliveries and launches a command is about."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer

from jobhook.adapters.clocks import now_ms
from jobhook.core.audits import AuditFilter
from jobhook.core.deliveries import DeliveryState
from jobhook.core.errors import UsageError, did_you_mean
from jobhook.core.filters import DeliveryFilter, LaunchFilter
from jobhook.core.launches import LaunchState
from jobhook.core.timeouts import parse_timeout
from jobhook.core.watches import REPO_TYPES

_WHEN = "2h, 7d (so long ago), or a date such as 2026-11-24T12:00"
OfDeliveryState = Annotated[DeliveryState | None, typer.Option("--state", help="In this state.")]
OfLaunchState = Annotated[LaunchState | None, typer.Option("--state", help="In this state.")]
OfRule = Annotated[str | None, typer.Option("--rule", help="Of this rule.")]
OfRepo = Annotated[
    str | None, typer.Option("--repo", help="Of this repo: owner/name, or type:owner/name.")
]
OfType = Annotated[
    str | None,
    typer.Option("--type", help="Of this scope, as repo.content, or this event, as push."),
]
OfTypedRepo = Annotated[str | None, typer.Option("--repo", help="Of this repo: type:owner/name.")]
Since = Annotated[str | None, typer.Option("--since", help=f"Since then: {_WHEN}.")]
Until = Annotated[str | None, typer.Option("--until", help=f"Until then: {_WHEN}.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOptions:
    """Which deliveries a command is about, as somebody typed it."""

    state: OfDeliveryState = None
    type: OfType = None
    repo: OfRepo = None
    since: Since = None
    until: Until = None

    def __bool__(self) -> bool:
        return any(astuple(self))

    def wanted(self, *, ids: Collection[str] | None = None) -> DeliveryFilter:
        """Return the filter that is meant."""
        kind, name = _repo(self.repo)
        return DeliveryFilter(
            ids=ids,
            state=self.state,
            repo_type=kind,
            repo=name,
            event=self.type,
            since=_moment("--since", self.since),
            until=_moment("--until", self.until),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchOptions:
    """Which launches a command is about, as somebody typed it."""

    state: OfLaunchState = None
    rule: OfRule = None
    repo: OfRepo = None
    since: Since = None
    until: Until = None

    def __bool__(self) -> bool:
        return any(astuple(self))

    def wanted(
        self,
        *,
        ids: Collection[str] | None = None,
        delivery: str | None = None,
        else_in: Collection[LaunchState] | None = None,
    ) -> LaunchFilter:
        """Return the filter that is meant; without a state, launches are wanted *else_in* those."""
        kind, name = _repo(self.repo)
        kinds = [kind] if kind else REPO_TYPES
        return LaunchFilter(
            ids=ids,
            states=[self.state] if self.state else else_in,
            rule=self.rule,
            repos=[f"{kind}:{name}" for kind in kinds] if name else None,
            delivery=delivery,
            since=_moment("--since", self.since),
            until=_moment("--until", self.until),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditOptions:
    """Which entries of the audit log a command is about, as somebody typed it."""

    by: Annotated[str | None, typer.Option("--who", help="What they did.")] = None
    did: Annotated[
        str | None, typer.Option("--did", help="What was done, such as launches.retry.")
    ] = None
    about: Annotated[str | None, typer.Option("--about", help="What was done to this id.")] = None
    since: Since = None
    until: Until = None

    def wanted(self) -> AuditFilter:
        """Return the filter that is meant."""
        return AuditFilter(
            who=self.by,
            did=self.did,
            about=self.about,
            since=_moment("--since", self.since),
            until=_moment("--until", self.until),
        )


def typed_repo(text: str) -> str:
    """Return *text* if it is `type:owner/name`; raises `UsageError` if it is not."""
    if ":" not in text:
        raise UsageError(f"--repo {text!r}: write type:owner/name, such as dataset:acme/corpus")
    _repo(text)
    return text


def _repo(text: str | None) -> tuple[str | None, str | None]:
    """Return the type and the name of a repo, as far as *text* says them."""
    if text is None:
        return None, None
    kind, colon, name = text.rpartition(":")
    if not name or (colon and kind not in REPO_TYPES):
        types = f"{', '.join(REPO_TYPES[:-1])} or {REPO_TYPES[-1]}"
        hint = did_you_mean(kind, REPO_TYPES)
        raise UsageError(
            f"--repo {text!r}: write owner/name, or type:owner/name with type {types}{hint}"
        )
    return kind or None, name


def _moment(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    # Digits alone are a date or nothing: nobody means so many seconds.
    with contextlib.suppress(UsageError):
        if not text.strip().isdigit():
            return now_ms() - parse_timeout(text) * 1000
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise UsageError(f"{option} {text!r} is no time: write {_WHEN}") from exc
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1000)
