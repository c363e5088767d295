"""Every operation of the API, and the app that offers them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import cache

from jobhook.web.api import (
    deliveries,
    feed,
    hardware,
    job_streams,
    jobs,
    launches,
    orders,
    rules,
    schedules,
    tokens,
    webhooks,
)
from jobhook.web.api.answering import Answer, dumped
from jobhook.web.api.docs import page
from jobhook.web.api.kernel import Api, Cors
from jobhook.web.api.openapi import document
from jobhook.web.api.operations import Operation
from jobhook.web.api.services import Services
from jobhook.web.api.streaming import Streams
from jobhook.web.app import DOCS_PATH, DOCUMENT_PATH

OPERATIONS: tuple[Operation, ...] = (
    *jobs.OPERATIONS,
    *job_streams.OPERATIONS,
    *hardware.OPERATIONS,
    *schedules.OPERATIONS,
    *webhooks.OPERATIONS,
    *deliveries.OPERATIONS,
    *launches.OPERATIONS,
    *rules.OPERATIONS,
    *orders.OPERATIONS,
    *feed.OPERATIONS,
    *tokens.OPERATIONS,
)


def create_api(services: Services, *, origins: Iterable[str], streams: Streams) -> Api:
    """Return the API; pages of *origins* may call it from a browser."""
    public: dict[str, Callable[[], Awaitable[Answer]]] = {
        DOCUMENT_PATH: lambda: asyncio.to_thread(_document),
        DOCS_PATH: lambda: asyncio.to_thread(_page),
    }
    return Api(services, OPERATIONS, public=public, cors=Cors(origins), streams=streams)


@cache
def _document() -> Answer:
    return Answer(status=200, body=dumped(document(OPERATIONS)))


@cache
def _page() -> Answer:
    return page(document(OPERATIONS))
