"""Deliveries, launches, pauses, tokens and the audit log, as a service elsewhere shows them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import fields
from typing import TypeVar

from jobhook.core.audits import ANY_ENTRY, AuditFilter
from jobhook.core.errors import HubNotFound, NoSuchRecord
from jobhook.core.filters import ANY_DELIVERY, ANY_LAUNCH, DeliveryFilter, LaunchFilter
from jobhook.core.jsonable import iso, moment_of
from jobhook.core.views import (
    AuditView,
    DeliveryDetail,
    DeliverySummary,
    LaunchDetail,
    LaunchSummary,
    PauseView,
    TokenView,
)
from jobhook.hub.calls import segment
from jobhook.remote.calls import RemoteCalls
from jobhook.remote.transport import Query, ServiceTransport

_PAGE_MAX = 1000
_AT_ONCE = 8

Item = TypeVar("Item")
Detail = TypeVar("Detail")


class RemoteRecords(RemoteCalls):
    """
    Reads what a service keeps; see `ports.RecordsReader`.

    Of filters, `ids` stands by itself: what is named is wanted, whatever else it is.
    """

    def __init__(self, service: ServiceTransport) -> None:
        self.service = service

    async def deliveries(
        self, wanted: DeliveryFilter = ANY_DELIVERY, *, limit: int
    ) -> tuple[DeliverySummary, ...]:
        if wanted.ids is not None:
            found = await _named(wanted.ids, self.delivery)
            newest = sorted(found, key=lambda each: each.received_at, reverse=True)
            return tuple(map(_summary, newest[: limit or None]))
        return await self._first(DeliverySummary, "/deliveries", _of_deliveries(wanted), limit)

    async def delivery(self, delivery_id: str) -> DeliveryDetail:
        with _no_such_record():
            return await self._get(DeliveryDetail, f"/deliveries/{segment(delivery_id)}")

    async def body(self, delivery_id: str) -> bytes:
        with _no_such_record():
            return await self.service.get(f"/deliveries/{segment(delivery_id)}/body")

    async def launches(
        self, wanted: LaunchFilter = ANY_LAUNCH, *, limit: int
    ) -> tuple[LaunchSummary, ...]:
        if wanted.ids is not None:
            found = await _named(wanted.ids, self.launch)
            newest = sorted(found, key=lambda each: each.created_at, reverse=True)
            return tuple(newest[: limit or None])
        return await self._first(LaunchSummary, "/launches", _of_launches(wanted), limit)

    async def launch(self, launch_id: str) -> LaunchDetail:
        with _no_such_record():
            return await self._get(LaunchDetail, f"/launches/{segment(launch_id)}")

    async def pauses(self) -> tuple[PauseView, ...]:
        return await self._first(PauseView, "/pauses", (), 0, is_paged=False)

    async def tokens(self) -> tuple[TokenView, ...]:
        return await self._first(TokenView, "/tokens", (), 0, is_paged=False)

    async def audits(
        self, wanted: AuditFilter = ANY_ENTRY, *, limit: int, before: int | None = None
    ) -> tuple[AuditView, ...]:
        if before is not None:
            found = await self.audits(wanted, limit=0)
            return tuple(entry for entry in found if entry.seq < before)[: limit or None]
        query = _said(
            who=wanted.who,
            did=wanted.did,
            about=wanted.about,
            since=_moment(wanted.since),
            until=_moment(wanted.until),
        )
        return await self._first(AuditView, "/audit", query, limit)

    async def rules_version(self) -> str | None:
        # What the service tells of rules is told of those in force: there are no others to compare.
        return None

    async def _first(
        self, kind: type[Item], path: str, query: Query, limit: int, *, is_paged: bool = True
    ) -> tuple[Item, ...]:
        size = [("limit", str(min(limit or _PAGE_MAX, _PAGE_MAX)))] if is_paged else []
        found: list[Item] = []
        pages: AsyncGenerator[list[Item], None] = self._pages(kind, path, [*query, *size])
        async with aclosing(pages):
            async for page in pages:
                found += page
                if limit and len(found) >= limit:
                    break
        return tuple(found[: limit or None])


async def _named(ids: Collection[str], read: Callable[[str], Awaitable[Detail]]) -> list[Detail]:
    """Return those of *ids* that there are, some at a time."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(record_id: str) -> Detail | None:
        async with places:
            try:
                return await read(record_id)
            except NoSuchRecord:
                return None

    found = await asyncio.gather(*map(one, dict.fromkeys(ids)))
    return [each for each in found if each is not None]


def _summary(delivery: DeliveryDetail) -> DeliverySummary:
    told = {each.name: getattr(delivery, each.name) for each in fields(DeliverySummary)}
    return DeliverySummary(**told)


@contextmanager
def _no_such_record() -> Iterator[None]:
    try:
        yield
    except HubNotFound as exc:
        raise NoSuchRecord(str(exc)) from exc


def _of_deliveries(wanted: DeliveryFilter) -> Query:
    repo = wanted.repo and (f"{wanted.repo_type}:" if wanted.repo_type else "") + wanted.repo
    return _said(
        state=wanted.state, repo=repo, since=_moment(wanted.since), until=_moment(wanted.until)
    )


def _of_launches(wanted: LaunchFilter) -> Query:
    states = [("state", str(state)) for state in wanted.states or ()]
    rest = _said(
        rule=wanted.rule,
        repo=_one_repo(wanted.repos),
        delivery=wanted.delivery,
        reason=wanted.reason,
        since=_moment(wanted.since),
        until=_moment(wanted.until),
    )
    return [*states, *rest]


def _one_repo(repos: Collection[str] | None) -> str | None:
    """Return the one repo that is meant, without its type if that may be any."""
    names = {repo.partition(":")[2] for repo in repos or ()}
    return next(iter(repos)) if repos and len(repos) == 1 else next(iter(names), None)


def _said(**told: str | None) -> Query:
    return [(name, value) for name, value in told.items() if value is not None]


def _moment(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else iso(moment_of(milliseconds))
