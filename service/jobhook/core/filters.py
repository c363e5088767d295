"""Which deliveries and launches somebody asks for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from jobhook.core.deliveries import DeliveryState
from jobhook.core.launches import LaunchState


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """
    Deliveries that meet everything that is given.

    Attributes:
        ids: Any of these; an empty collection means none at all.
        begins: How the id begins.
        repo: As `owner/name`.
        event: Of this scope as the Hub names it, such as `repo.content`, or one that means this
            event, such as `push`.
        since: Received then or later, in milliseconds since 1970, UTC.
        until: Received before then.
    """

    ids: Collection[str] | None = None
    begins: str | None = None
    state: DeliveryState | None = None
    repo_type: str | None = None
    repo: str | None = None
    event: str | None = None
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchFilter:
    """
    Launches that meet everything that is given.

    Attributes:
        ids: Any of these; an empty collection means none at all.
        begins: How the id begins.
        states: In any of these.
        repos: For any of these, as `type:owner/name`.
        since: Created then or later, in milliseconds since 1970, UTC.
        until: Created before then.
        reason: How the reason begins.
    """

    ids: Collection[str] | None = None
    begins: str | None = None
    states: Collection[LaunchState] | None = None
    reason: str | None = None
    rule: str | None = None
    repos: Collection[str] | None = None
    delivery: str | None = None
    since: int | None = None
    until: int | None = None


ANY_DELIVERY = DeliveryFilter()
ANY_LAUNCH = LaunchFilter()
