"""Which schedules the Hub takes."""

from __future__ import annotations

import pytest

from jobhook.core.errors import UsageError
from jobhook.core.schedules import SCHEDULE_WORDS, check_schedule


@pytest.mark.parametrize(
    "schedule",
    [
        *SCHEDULE_WORDS,
        "* * * * *",
        "*/5 0-6 1,15 12 7",
        "3/10 * * * *",
        "0 0 9 * * 1",
        "0 0 9 * * 1 2030",
    ],
)
def test_what_the_hub_takes_is_taken(schedule: str) -> None:
    assert check_schedule(schedule) == schedule


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        pytest.param("@dayly", "did you mean `@daily`?", id="misspelt"),
        pytest.param("@midnight", "the Hub knows @annually", id="unknown-word"),
        pytest.param("hourly", "5 to 7 fields", id="bare-word"),
        pytest.param("* * * *", "5 to 7 fields", id="four"),
        pytest.param("* * * * * * * *", "5 to 7 fields", id="eight"),
        pytest.param("*  * * * *", "'' must be", id="two-spaces"),
        pytest.param("0 9 * * MON", "'MON' must be", id="name"),
        pytest.param("1-5,10 * * * *", "'1-5,10' must be", id="mixed"),
        pytest.param("0 0 L * *", "'L' must be", id="last"),
        pytest.param("60 * * * *", "the minute is a number from 0 to 59", id="minute"),
        pytest.param("0 24 * * *", "the hour is a number from 0 to 23", id="hour"),
        pytest.param("0 0 0 * *", "the day of the month is a number from 1", id="day"),
        pytest.param("0 0 1 13 *", "the month is a number from 1 to 12", id="month"),
        pytest.param("0 0 1 1 8", "the day of the week is a number from 0", id="weekday"),
        pytest.param("*/0 * * * *", "a step of 0", id="no-step"),
        pytest.param("0 5-3 * * *", "5-3 begins after its end", id="backwards"),
        pytest.param(None, "must be a text, such as @daily", id="none"),
        pytest.param(["@daily"], "must be a text, such as @daily", id="list"),
        pytest.param("1," * 120 + "1 * * * *", "5 to 7 fields", id="long"),
    ],
)
def test_what_the_hub_would_not_run_is_refused_with_the_reason(schedule: str, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_schedule(schedule)
    assert words in str(refused.value)
