"""
Prometheus' text of what was counted and of how things stand.

What a process has counted has the label `process`, so that the answers of several processes can be
added up also where one address stands before all of them. What the store says is about all of them
and has no such label: it is the same whoever is asked.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, ProcessCollector, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from jobhook import __version__
from jobhook.adapters.counts import Counts, Spread
from jobhook.adapters.metric_names import OF_DEPLOYMENT, OF_PROCESS, Described
from jobhook.core.deliveries import DeliveryState
from jobhook.core.figures import NO_REASON, Figures, Group
from jobhook.core.launches import LaunchState
from jobhook.core.pacing import Quota

_OPENMETRICS = "application/openmetrics-text"
_PROCESS = "process"
_MICRO = 1_000_000
_WAITING_DELIVERIES = (DeliveryState.STORED, DeliveryState.ENRICHING, DeliveryState.QUARANTINED)
_WAITING_LAUNCHES = tuple(state for state in LaunchState if not state.is_final)

Value = float | Spread
Samples = Iterable[tuple[tuple[str, ...], Value]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """
    What is told at one moment.

    Attributes:
        process: The name of this process among those of the deployment.
        figures: What the store says, or None if it could not be read.
        now: In milliseconds since 1970.
    """

    counts: Counts
    process: str
    figures: Figures | None
    now: int
    is_ready: bool
    is_leading: bool
    rules: int
    quota: Quota
    limit_usd: float


def exposition(snapshot: Snapshot, accept: str = "") -> tuple[bytes, str]:
    """Return the text and its `Content-Type`: that of OpenMetrics if *accept* names it."""
    collector = _Collector(snapshot)
    if _OPENMETRICS in accept:
        text = openmetrics.generate_latest(collector, version="1.0.0")  # type: ignore[no-untyped-call]
        return text, openmetrics.CONTENT_TYPE_LATEST
    return generate_latest(collector), CONTENT_TYPE_PLAIN_0_0_4


class _Collector(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        told = self._snapshot
        counted = _of_process(told)
        for described in OF_PROCESS:
            yield _family(described, counted[described.name], process=told.process)
        for family in ProcessCollector(registry=None).collect():
            yield _labelled(family, told.process)
        if told.figures is not None:
            standing = _of_deployment(told, told.figures)
            for described in OF_DEPLOYMENT:
                yield _family(described, standing[described.name])


def _of_process(told: Snapshot) -> dict[str, Samples]:
    counts, quota = told.counts, told.quota
    known = quota.left is not None
    return {
        "jobhook_build_info": [((__version__, platform.python_version()), 1)],
        "jobhook_ready": _one(told.is_ready),
        "jobhook_leading": _one(told.is_leading),
        "jobhook_rules": _one(told.rules),
        "jobhook_store_readable": _one(told.figures is not None),
        "jobhook_intake_received_total": _one(counts.begun),
        "jobhook_intake_answered_total": _by_one(counts.answers),
        "jobhook_intake_seconds": _one(counts.intake),
        "jobhook_connections_refused_total": _by_one(counts.refusals),
        "jobhook_intake_open_requests": _one(counts.begun - counts.ended),
        "jobhook_intake_held_bytes": _one(counts.held_bytes),
        "jobhook_matching_decided_total": _by_one(counts.decisions),
        "jobhook_matching_seconds": _one(counts.matching),
        "jobhook_launches_moved_total": counts.launches.items(),
        "jobhook_hub_calls_total": counts.hub_calls.items(),
        "jobhook_hub_call_seconds": _by_one(counts.hub),
        "jobhook_hub_quota_calls_left": _one(quota.left or 0) if known else (),
        "jobhook_hub_quota_calls": _one(quota.limit) if known else (),
        "jobhook_hub_quota_reset_seconds": _one(quota.resets_in) if known else (),
        "jobhook_commit_seconds": _one(counts.commits),
        "jobhook_commit_writes": _one(counts.groups),
        "jobhook_commit_failures_total": _one(counts.failed_commits),
        "jobhook_worker_failures_total": counts.failures.items(),
    }


def _of_deployment(told: Snapshot, figures: Figures) -> dict[str, Samples]:
    deliveries = _with_all(figures.deliveries, _WAITING_DELIVERIES)
    launches = _with_all(figures.launches, _WAITING_LAUNCHES)
    return {
        "jobhook_deliveries_waiting": [((g.state,), g.count) for g in deliveries],
        "jobhook_deliveries_oldest_seconds": [((g.state,), _age(g, told.now)) for g in deliveries],
        "jobhook_launches_waiting": [((g.state, g.reason), g.count) for g in launches],
        "jobhook_launches_oldest_seconds": [
            ((g.state, g.reason), _age(g, told.now)) for g in launches
        ],
        "jobhook_spent_dollars": _one(figures.spent / _MICRO),
        "jobhook_committed_dollars": _one(figures.committed / _MICRO),
        "jobhook_limit_dollars": _one(told.limit_usd),
        "jobhook_pauses": _one(figures.pauses),
    }


def _with_all(groups: tuple[Group, ...], states: Iterable[str]) -> list[Group]:
    """Return *groups*, and one that is empty for each state without any: a line must not end."""
    found = {group.state for group in groups}
    empty = [
        Group(state=state, reason=NO_REASON, count=0, since=0)
        for state in states
        if state not in found
    ]
    return [*groups, *empty]


def _age(group: Group, now: int) -> float:
    # The clock may have been set back.
    return max(0, now - group.since) / 1000 if group.count else 0.0


def _one(value: Value) -> Samples:
    return [((), value)]


def _by_one(values: dict[str, int] | dict[str, Spread]) -> Samples:
    return [((name,), value) for name, value in values.items()]


def _family(described: Described, samples: Samples, *, process: str = "") -> Metric:
    own = (process,) if process else ()
    labels = (*described.labels, _PROCESS) if process else described.labels
    if described.kind == "histogram":
        spreads = HistogramMetricFamily(described.name, described.told, labels=labels)
        for values, spread in samples:
            if isinstance(spread, Spread):
                buckets = [(_bound(bound), float(count)) for bound, count in spread.buckets()]
                spreads.add_metric((*values, *own), buckets, spread.sum)
        return spreads
    kind = CounterMetricFamily if described.kind == "counter" else GaugeMetricFamily
    family = kind(described.name, described.told, labels=labels)
    for values, value in samples:
        if not isinstance(value, Spread):
            family.add_metric((*values, *own), float(value))
    return family


def _bound(bound: float) -> str:
    return "+Inf" if bound == float("inf") else repr(bound)


def _labelled(family: Metric, process: str) -> Metric:
    family.samples = [
        sample._replace(labels={**sample.labels, _PROCESS: process}) for sample in family.samples
    ]
    return family
