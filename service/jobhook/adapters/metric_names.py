"""
All metrics: their names, labels and what they say.

No value of a label can be grown by a stranger: all are states, outcomes, endpoints and workers that
stand in the code. There is none for rules, of which there may be ten thousand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Described:
    """A metric: its name, its kind, its labels without `process`, and what it says."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    told: str


# What each process says of itself, with the label `process`.
OF_PROCESS = (
    Described("jobhook_build_info", "gauge", ("version", "python"), "The version that runs; 1."),
    Described("jobhook_ready", "gauge", (), "Whether deliveries are taken in; as /readyz."),
    Described("jobhook_leading", "gauge", (), "Whether this process decides and launches."),
    Described("jobhook_rules", "gauge", (), "Rules in force in this process."),
    Described(
        "jobhook_store_readable", "gauge", (), "Whether the store said how things stand just now."
    ),
    Described(
        "jobhook_intake_received_total", "counter", (), "Requests that reached the receiver."
    ),
    Described(
        "jobhook_intake_answered_total",
        "counter",
        ("outcome",),
        "Requests that it is done with; stored and repeated are acknowledged, not_stored and "
        "broken are sent again by the Hub.",
    ),
    Described(
        "jobhook_intake_seconds", "histogram", (), "From the headers of a request to its answer."
    ),
    Described(
        "jobhook_connections_refused_total",
        "counter",
        ("status",),
        "Connections that were closed: too slow (408), too large (431), too many (503), odd (400).",
    ),
    Described("jobhook_intake_open_requests", "gauge", (), "Requests that are not answered yet."),
    Described(
        "jobhook_intake_held_bytes", "gauge", (), "Bodies in memory that are not stored yet."
    ),
    Described(
        "jobhook_matching_decided_total",
        "counter",
        ("state",),
        "Decisions on deliveries that were kept, by what the delivery is now.",
    ),
    Described(
        "jobhook_matching_seconds", "histogram", (), "To ask the rules about one delivery, once."
    ),
    Described(
        "jobhook_launches_moved_total",
        "counter",
        ("state", "reason"),
        "Launches that came into a state, and the kind of reason.",
    ),
    Described(
        "jobhook_hub_calls_total",
        "counter",
        ("method", "endpoint", "status"),
        "Requests to the Hub; status none is no answer.",
    ),
    Described(
        "jobhook_hub_call_seconds", "histogram", ("endpoint",), "To an answer, or to giving up."
    ),
    Described(
        "jobhook_hub_quota_calls_left", "gauge", (), "Calls that the Hub said are left; if it did."
    ),
    Described("jobhook_hub_quota_calls", "gauge", (), "Calls that it allows in a window."),
    Described("jobhook_hub_quota_reset_seconds", "gauge", (), "Until the window is over."),
    Described(
        "jobhook_commit_seconds",
        "histogram",
        (),
        "To write a group and have it on disk; on PostgreSQL groups of deliveries only.",
    ),
    Described("jobhook_commit_writes", "histogram", (), "Writes in such a group."),
    Described("jobhook_commit_failures_total", "counter", (), "Such groups that failed."),
    Described(
        "jobhook_worker_failures_total",
        "counter",
        ("worker", "kind"),
        "Steps that failed (the store or the Hub did) or are broken (a fault of jobhook).",
    ),
)
# What the store says of all processes together.
OF_DEPLOYMENT = (
    Described(
        "jobhook_deliveries_waiting",
        "gauge",
        ("state",),
        "Deliveries that are not decided, or were put aside; at most 10,000 are counted.",
    ),
    Described(
        "jobhook_deliveries_oldest_seconds", "gauge", ("state",), "Since the oldest of them came."
    ),
    Described(
        "jobhook_launches_waiting",
        "gauge",
        ("state", "reason"),
        "Launches that are not over; at most 1,000 of a state are counted.",
    ),
    Described(
        "jobhook_launches_oldest_seconds",
        "gauge",
        ("state", "reason"),
        "Since the oldest of them was planned; if sending, was sent; if unknown, became so.",
    ),
    Described(
        "jobhook_spent_dollars", "gauge", (), "What launches of the last 24 hours cost that ended."
    ),
    Described(
        "jobhook_committed_dollars",
        "gauge",
        (),
        "Reserved for those of them that have not ended; at most 1,000 of a state are looked at.",
    ),
    Described("jobhook_limit_dollars", "gauge", (), "What both may be in any 24 hours."),
    Described("jobhook_pauses", "gauge", (), "What a person has paused."),
)
METRICS = (*OF_PROCESS, *OF_DEPLOYMENT)
