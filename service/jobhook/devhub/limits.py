"""Every number that keeps a devhub within bounds, in one value that tests may change."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """
    What a devhub allows; the defaults suit a developer's machine.

    Attributes:
        body_bytes: The longest request body, except for a commit.
        commit_bytes: The longest body of a commit.
        page_items: Items on one page of a list of jobs.
        tree_page_items: Entries on one page of a listing of files.
        jobs_at_once: Jobs that run at the same time; the others are SCHEDULING.
        kill_grace: Seconds between SIGTERM and SIGKILL.
        log_bytes: What is kept of one job's log, as stored.
        log_line_bytes: Where a longer line of output is cut into two.
        keep_alive: Seconds between two comments in a silent stream.
        metrics_pause: Seconds between two samples of what a job uses.
        metrics_linger: Seconds that the stream of samples stays open, silent, when its job is over.
        schedules: Scheduled jobs of one namespace; it refuses more.
        schedule_pause: Seconds after which it is looked at the latest whether a schedule is due.
        retry_delays: Seconds before the second, third, … attempt to deliver.
        delivery_timeout: Seconds that a receiver has to answer.
        deliveries_at_once: Requests that go to one webhook at the same time.
        deliveries_pending: Deliveries waiting in all; over it new ones are dropped, with a warning.
        failures_to_suspend: Failed deliveries in a row after which a webhook is suspended.
        faults: Faults that are set at the same time.
        late_requests: Requests that wait to be carried out late; further ones are refused.
    """

    body_bytes: int = MIB
    commit_bytes: int = 64 * MIB
    page_items: int = 100
    tree_page_items: int = 1000
    jobs_at_once: int = 32
    kill_grace: float = 1.0
    log_bytes: int = 16 * MIB
    log_line_bytes: int = 64 * KIB
    keep_alive: float = 30.0
    metrics_pause: float = 1.0
    metrics_linger: float = 15.0
    schedules: int = 1000
    schedule_pause: float = 0.5
    retry_delays: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 15.0)
    delivery_timeout: float = 30.0
    deliveries_at_once: int = 8
    deliveries_pending: int = 20_000
    failures_to_suspend: int = 5
    faults: int = 100
    late_requests: int = 1000
