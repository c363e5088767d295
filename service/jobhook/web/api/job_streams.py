"""What a job says while it runs: its log and its metrics, as server-sent events."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from jobhook.core.access import Role
from jobhook.hub.streams import Stream
from jobhook.web.api.given import Digits, Flag, Given
from jobhook.web.api.hub_calls import FOUND, NamespaceAsked, home
from jobhook.web.api.operations import EVENTS, Call, Event, Operation

Batches = AsyncGenerator[tuple[Event, ...], None]

_NUMBER = re.compile("[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class LogLine:
    """
    One line of a job's log.

    Attributes:
        line: Its text, without its end.
    """

    line: str


class LogAsked(Given):
    """Which part of a log."""

    follow: Annotated[Flag, Field(description="Whether to go on until the job has ended.")] = False
    tail: Annotated[
        Annotated[int, Field(ge=0, le=999_999_999), Digits] | None,
        Field(description="Begin with the last so many lines; these carry no ids."),
    ] = None
    namespace: NamespaceAsked = None


class MetricsAsked(Given):
    """How long."""

    follow: Annotated[
        Flag, Field(description="Whether to go on every second until the job has ended.")
    ] = False
    namespace: NamespaceAsked = None


async def logs(call: Call) -> Batches:
    """Stream the lines of a log; the id of each is its number."""
    asked: LogAsked = call.query
    seen = _seen(call.last_event_id)
    # Lines are only counted where the log is read from its start.
    tail = None if seen else asked.tail
    lines = call.services.hub.fetch_job_logs(
        call.params["job_id"], namespace=home(call), follow=asked.follow, tail=tail
    )
    return _lines(lines, behind=seen, is_counted=tail is None)


def _seen(last_event_id: str | None) -> int:
    """Return how many lines were read; none if that is no number of one."""
    return int(last_event_id) if last_event_id and _NUMBER.fullmatch(last_event_id) else 0


async def _lines(lines: Stream[str], *, behind: int, is_counted: bool) -> Batches:
    number = 0
    async with aclosing(lines):
        while batch := await lines.batch():
            first, number = number + 1, number + len(batch)
            told = tuple(
                Event(LogLine(line), id=str(each) if is_counted else None)
                for each, line in enumerate(batch, start=first)
                if each > behind
            )
            if told:
                yield told


async def metrics(call: Call) -> AsyncGenerator[Event, None]:
    """Stream what a job uses."""
    asked: MetricsAsked = call.query
    return _samples(
        call.services.hub.fetch_job_metrics(
            call.params["job_id"], namespace=home(call), follow=asked.follow
        )
    )


async def _samples(samples: Stream[dict[str, Any]]) -> AsyncGenerator[Event, None]:
    async with aclosing(samples):
        async for sample in samples:
            yield Event(sample)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="jobs.logs",
        method="GET",
        path="/jobs/{job_id}/logs",
        summary="The log of a job, line by line.",
        description="The id of a line is its number from the start: `Last-Event-ID` goes on behind "
        "it. Anything else there is not heeded, and `tail` is not where it is.",
        role=Role.VIEWER,
        handle=logs,
        answer=LogLine,
        media=EVENTS,
        query=LogAsked,
        faults=FOUND,
    ),
    Operation(
        name="jobs.metrics",
        method="GET",
        path="/jobs/{job_id}/metrics",
        summary="What a job uses of its machine.",
        description="The keys are the Hub's: `cpu_usage_pct`, `memory_used_bytes`, … A job that "
        "has ended gives none. These events have no ids.",
        role=Role.VIEWER,
        handle=metrics,
        answer=dict[str, Any],
        media=EVENTS,
        query=MetricsAsked,
        faults=FOUND,
    ),
)
