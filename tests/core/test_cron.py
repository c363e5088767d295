"""When schedules are due."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from jobhook.core.cron import Schedule
from jobhook.core.errors import UsageError

# A Monday.
MOMENT = datetime(2026, 3, 2, 12, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "due"),
    [
        pytest.param("@hourly", datetime(2026, 3, 2, 13, tzinfo=UTC), id="hourly"),
        pytest.param("@daily", datetime(2026, 3, 3, tzinfo=UTC), id="daily"),
        pytest.param("@weekly", datetime(2026, 3, 8, tzinfo=UTC), id="weekly"),
        pytest.param("@monthly", datetime(2026, 4, 1, tzinfo=UTC), id="monthly"),
        pytest.param("@yearly", datetime(2027, 1, 1, tzinfo=UTC), id="yearly"),
        pytest.param("@annually", datetime(2027, 1, 1, tzinfo=UTC), id="annually"),
        pytest.param("*/5 * * * *", datetime(2026, 3, 2, 12, 35, tzinfo=UTC), id="steps"),
        pytest.param("7/20 * * * *", datetime(2026, 3, 2, 12, 47, tzinfo=UTC), id="steps-from"),
        pytest.param("0 9 * * 1", datetime(2026, 3, 9, 9, tzinfo=UTC), id="monday"),
        pytest.param("30 12 * * *", datetime(2026, 3, 3, 12, 30, tzinfo=UTC), id="just-missed"),
        pytest.param("20 30 12 * * *", datetime(2026, 3, 2, 12, 30, 20, tzinfo=UTC), id="seconds"),
        pytest.param("0 0 0 1 1 * 2028", datetime(2028, 1, 1, tzinfo=UTC), id="year"),
        pytest.param("0 0 0 29 2 * *", datetime(2028, 2, 29, tzinfo=UTC), id="leap-year"),
        pytest.param("0 0 0 1 1 * 2026,2031", datetime(2031, 1, 1, tzinfo=UTC), id="years"),
        pytest.param("0 0 0 1 1 * 2020/5", datetime(2030, 1, 1, tzinfo=UTC), id="years-from"),
        pytest.param("0 0 0 1 1 * 2029-2030", datetime(2029, 1, 1, tzinfo=UTC), id="year-range"),
        pytest.param("0 0 0 1 1 * */10", datetime(2030, 1, 1, tzinfo=UTC), id="year-steps"),
        pytest.param(
            "0 31 12 2 3 * 2026", datetime(2026, 3, 2, 12, 31, tzinfo=UTC), id="this-year"
        ),
        pytest.param("0 0 0 29 2 * 2027", None, id="no-leap-year"),
        pytest.param("* * * * * * 2025", None, id="past-year"),
    ],
)
def test_a_schedule_is_due_at_its_next_time(text: str, due: datetime | None) -> None:
    assert Schedule(text).after(MOMENT) == due


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("@midnight", "the Hub knows @annually", id="word"),
        pytest.param("60 * * * * *", "never comes: bad second", id="second"),
        pytest.param("0 0 31 2 *", "never comes: bad day-of-month", id="february"),
    ],
)
def test_what_is_never_due_is_no_schedule(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        Schedule(text)
