"""What is counted, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families

from factories import NOON, make_launch
from jobhook.adapters.counts import Counts, Spread
from jobhook.adapters.metric_names import METRICS, OF_DEPLOYMENT, OF_PROCESS, Described
from jobhook.adapters.metrics import Snapshot, exposition
from jobhook.core.deliveries import DeliveryState
from jobhook.core.figures import Figures, Group
from jobhook.core.launches import LaunchState
from jobhook.core.pacing import Quota
from jobhook.ports import NO_METER, Meter

Key = tuple[str, frozenset[tuple[str, str]]]
FIGURES = Figures(
    deliveries=(Group(state="stored", count=3, since=NOON - 5_000),),
    launches=(Group(state="held", reason="loop", count=2, since=NOON - 60_000),),
    spent=1_500_000,
    committed=250_000,
    pauses=1,
)
STEPPED = 0.003


def snapshot(counts: Counts | None = None, figures: Figures | None = FIGURES) -> Snapshot:
    return Snapshot(
        counts=counts or Counts(lambda: 0.0),
        process="host:7860",
        figures=figures,
        now=NOON,
        is_ready=True,
        is_leading=False,
        rules=4,
        quota=Quota(left=120, limit=1000, resets_in=30.0),
        limit_usd=20.0,
    )


def told(taken: Snapshot) -> dict[Key, float]:
    text, _ = exposition(taken)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(taken: Snapshot, name: str, **labels: str) -> float:
    return told(taken)[name, frozenset(labels.items())]


def everything(meter: Meter) -> None:
    """Have every kind of thing happen once."""
    meter.answered("stored", meter.received())
    meter.refused(408)
    meter.holding(10)
    meter.matched(meter.moment())
    meter.decided(DeliveryState.MATCHED)
    meter.moved(make_launch())
    meter.moved_many("expired", 2)
    meter.committed(3, meter.moment())
    meter.not_committed()
    meter.asked_hub("GET", "/api/whoami-v2", "200", 0.2)
    meter.failed("Router", broken=True)


PROCESS = {"process": "host:7860"}


@pytest.mark.parametrize(
    ("happen", "name", "labels", "value_then"),
    [
        (lambda m: m.received(), "jobhook_intake_received_total", {}, 1),
        (lambda m: m.received(), "jobhook_intake_open_requests", {}, 1),
        (
            lambda m: m.answered("unauthorized", m.received()),
            "jobhook_intake_answered_total",
            {"outcome": "unauthorized"},
            1,
        ),
        (lambda m: m.answered("stored", m.received()), "jobhook_intake_open_requests", {}, 0),
        (lambda m: m.answered("stored", m.received()), "jobhook_intake_seconds_sum", {}, STEPPED),
        (lambda m: m.refused(431), "jobhook_connections_refused_total", {"status": "431"}, 1),
        (lambda m: m.holding(512), "jobhook_intake_held_bytes", {}, 512),
        (
            lambda m: m.decided(DeliveryState.UNPARSED),
            "jobhook_matching_decided_total",
            {"state": "unparsed"},
            1,
        ),
        (lambda m: m.matched(m.moment()), "jobhook_matching_seconds_count", {}, 1),
        (
            lambda m: m.moved(make_launch(state=LaunchState.HELD, reason="loop: again")),
            "jobhook_launches_moved_total",
            {"state": "held", "reason": "loop"},
            1,
        ),
        (
            lambda m: m.moved_many("expired", 4),
            "jobhook_launches_moved_total",
            {"state": "expired", "reason": "none"},
            4,
        ),
        (
            lambda m: m.asked_hub("POST", "/api/jobs/{namespace}", "429", 0.2),
            "jobhook_hub_calls_total",
            {"method": "POST", "endpoint": "/api/jobs/{namespace}", "status": "429"},
            1,
        ),
        (
            lambda m: m.asked_hub("GET", "other", "none", 30.0),
            "jobhook_hub_call_seconds_bucket",
            {"endpoint": "other", "le": "30.0"},
            1,
        ),
        (lambda m: m.committed(7, m.moment()), "jobhook_commit_writes_sum", {}, 7),
        (lambda m: m.committed(7, m.moment()), "jobhook_commit_seconds_count", {}, 1),
        (lambda m: m.not_committed(), "jobhook_commit_failures_total", {}, 1),
        (
            lambda m: m.failed("Tracker", broken=False),
            "jobhook_worker_failures_total",
            {"worker": "Tracker", "kind": "failed"},
            1,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_happens_is_seen(
    happen: Callable[[Meter], None], name: str, labels: dict[str, str], value_then: float
) -> None:
    # The clock goes on by as much with each look at it.
    turns = iter(range(100))
    counts = Counts(lambda: next(turns) * STEPPED)
    happen(counts)
    assert value(snapshot(counts), name, **labels, **PROCESS) == value_then


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("jobhook_deliveries_waiting", {"state": "stored"}, 3),
        ("jobhook_deliveries_waiting", {"state": "quarantined"}, 0),
        ("jobhook_deliveries_oldest_seconds", {"state": "stored"}, 5),
        ("jobhook_deliveries_oldest_seconds", {"state": "enriching"}, 0),
        ("jobhook_launches_waiting", {"state": "held", "reason": "loop"}, 2),
        ("jobhook_launches_waiting", {"state": "unknown", "reason": "none"}, 0),
        ("jobhook_launches_oldest_seconds", {"state": "held", "reason": "loop"}, 60),
        ("jobhook_spent_dollars", {}, 1.5),
        ("jobhook_committed_dollars", {}, 0.25),
        ("jobhook_limit_dollars", {}, 20),
        ("jobhook_pauses", {}, 1),
    ],
)
def test_what_the_store_says_is_about_all_processes(
    name: str, labels: dict[str, str], expected: float
) -> None:
    assert value(snapshot(), name, **labels) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("jobhook_ready", 1),
        ("jobhook_leading", 0),
        ("jobhook_rules", 4),
        ("jobhook_store_readable", 1),
        ("jobhook_hub_quota_calls_left", 120),
        ("jobhook_hub_quota_calls", 1000),
        ("jobhook_hub_quota_reset_seconds", 30),
    ],
)
def test_what_a_process_is_like_is_told(name: str, expected: float) -> None:
    assert value(snapshot(), name, **PROCESS) == expected


def test_a_store_that_cannot_be_read_takes_only_its_own_figures_away() -> None:
    found = told(snapshot(figures=None))
    assert found["jobhook_store_readable", frozenset(PROCESS.items())] == 0
    missing = {name for name, _ in told(snapshot())} - {name for name, _ in found}
    assert missing == {described.name for described in OF_DEPLOYMENT}


def test_whatever_a_process_counts_bears_its_name_and_nothing_else_does() -> None:
    counts = Counts()
    everything(counts)
    own = {described.name for described in OF_PROCESS}
    for name, labels in told(snapshot(counts)):
        is_own = name.startswith("process_") or any(name.startswith(each) for each in own)
        assert ("process", "host:7860") in labels if is_own else "process" not in dict(labels)


@pytest.mark.parametrize("described", METRICS, ids=lambda described: described.name)
def test_every_metric_is_there_once_it_has_happened(described: Described) -> None:
    counts = Counts()
    everything(counts)
    text, _ = exposition(snapshot(counts))
    families = {family.name: family for family in text_string_to_metric_families(text.decode())}
    family = families[described.name.removesuffix("_total")]
    assert (family.type, bool(family.samples)) == (described.kind, True)
    assert {*described.labels} <= {name for s in family.samples for name in s.labels}


def test_the_text_is_prometheus_own_unless_openmetrics_is_asked_for() -> None:
    plain, kind = exposition(snapshot(), "text/plain")
    assert kind.startswith("text/plain; version=0.0.4")
    opened, kind = exposition(snapshot(), "application/openmetrics-text;version=1.0.0;q=0.5,*/*")
    assert kind.startswith("application/openmetrics-text; version=1.0.0")
    assert opened.endswith(b"# EOF\n")
    names = {family.name for family in open_families(opened.decode())}  # type: ignore[no-untyped-call]
    assert names == {family.name for family in text_string_to_metric_families(plain.decode())}


@pytest.mark.parametrize("accept", ["application/openmetrics-text;version=\x00nonsense", "\xff;;,"])
def test_an_odd_wish_for_a_type_is_answered_as_well(accept: str) -> None:
    text, kind = exposition(snapshot(), accept)
    assert text
    assert "nonsense" not in kind


def test_a_value_is_counted_in_the_range_that_it_ends() -> None:
    spread = Spread((1.0, 2.0))
    for each in (0.5, 1.0, 1.5, 9.0):
        spread.add(each)
    assert list(spread.buckets()) == [(1.0, 2), (2.0, 3), (float("inf"), 4)]
    assert spread.sum == 12.0


def test_no_launches_that_are_moved_together_leave_no_line() -> None:
    counts = Counts()
    counts.moved_many("expired", 0)
    assert not counts.launches


def test_whoever_wants_no_numbers_gets_none() -> None:
    everything(NO_METER)
    assert NO_METER.moment() == 0.0
