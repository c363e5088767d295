"""What a scheduled job may cost in a day, before it is made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from jobhook.core.cron import Schedule
from jobhook.core.guards import DAY_MS, Guard, cost_of, most_of
from jobhook.core.jobs import JobSpec

# More often than once a minute nothing is started, and nobody has to count on.
RUNS_MAX = 24 * 60


def objection(schedule: str, spec: JobSpec, guard: Guard, *, concurrency: bool) -> str | None:
    """
    Return why *spec* may not be run at all the times of *schedule*, or None.

    The dollars of a day, all of them, must do for the 24 hours that begin with its next run; what
    they are used for beside that is not known yet. A flavor without a price is for the *guard* to
    refuse.
    """
    price = guard.usd_per_hour.get(spec.flavor)
    if price is None:
        return None
    runs = _runs(Schedule(schedule), guard.now)
    if runs > RUNS_MAX:
        return f"schedule {schedule}: more than {RUNS_MAX} runs a day are not started"
    each, limit = most_of(price, spec), guard.limits.usd_per_day
    most = runs * each
    if not concurrency:
        # One after the other they end with the day, but for the last.
        most = min(most, cost_of(price, DAY_MS / 1000) + each)
    if most <= limit * 1_000_000:
        return None
    return (
        f"schedule {schedule}: {runs} runs in 24 hours of ${each / 1e6:.2f} at most can cost "
        f"${most / 1e6:.2f}, and ${limit:.2f} a day are for all launches: let it run less often, "
        "or give it a shorter timeout"
    )


def _runs(schedule: Schedule, now: int) -> int:
    """Return how often *schedule* is due in a day from its next run, up to `RUNS_MAX` + 1."""
    due = first = schedule.after(datetime.fromtimestamp(now / 1000, UTC))
    runs = 0
    while due and first and due < first + timedelta(days=1) and runs <= RUNS_MAX:
        runs, due = runs + 1, schedule.after(due)
    return runs
