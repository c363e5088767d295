"""Options that say which deliveries and launches a command is about."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Annotated

import typer

from jobhook.adapters.clocks import now_ms
from jobhook.core.deliveries import DeliveryState
from jobhook.core.errors import UsageError
from jobhook.core.filters import DeliveryFilter, LaunchFilter
from jobhook.core.jobs import parse_timeout
from jobhook.core.launches import LaunchState
from jobhook.core.rules import REPO_TYPES

_WHEN = "2h, 7d (so long ago), or a date such as 2026-11-24T12:00"
OfDeliveryState = Annotated[DeliveryState | None, typer.Option("--state", help="In this state.")]
OfLaunchState = Annotated[LaunchState | None, typer.Option("--state", help="In this state.")]
OfRule = Annotated[str | None, typer.Option("--rule", help="Of this rule.")]
OfRepo = Annotated[str | None, typer.Option("--repo", help="Of this repo: owner/name.")]
OfTypedRepo = Annotated[str | None, typer.Option("--repo", help="Of this repo: type:owner/name.")]
Since = Annotated[str | None, typer.Option("--since", help=f"Since then: {_WHEN}.")]
Until = Annotated[str | None, typer.Option("--until", help=f"Until then: {_WHEN}.")]


def deliveries_wanted(
    *,
    ids: Collection[str] | None = None,
    state: DeliveryState | None = None,
    repo: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> DeliveryFilter:
    """Return the filter that the options mean."""
    return DeliveryFilter(
        ids=ids,
        state=state,
        repo=repo,
        since=_moment("--since", since),
        until=_moment("--until", until),
    )


def launches_wanted(
    *,
    ids: Collection[str] | None = None,
    states: Collection[LaunchState] | None = None,
    rule: str | None = None,
    repo: str | None = None,
    delivery: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> LaunchFilter:
    """Return the filter that the options mean."""
    return LaunchFilter(
        ids=ids,
        states=states,
        rule=rule,
        repo=typed_repo(repo) if repo else None,
        delivery=delivery,
        since=_moment("--since", since),
        until=_moment("--until", until),
    )


def typed_repo(text: str) -> str:
    """Return *text* if it is `type:owner/name`; raises `UsageError` if it is not."""
    kind, _, name = text.partition(":")
    if kind not in REPO_TYPES or not name:
        raise UsageError(f"--repo {text!r}: write type:owner/name, such as dataset:acme/corpus")
    return text


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
