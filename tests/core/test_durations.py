from __future__ import annotations

import pytest

from jobhook.core.durations import format_length, parse_wait
from jobhook.core.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("90", 90),
        ("90s", 90),
        (" 15m ", 900),
        ("2H", 7200),
        ("1d", 86_400),
        ("2w", 1_209_600),
        ("1mo", 2_592_000),
        ("1y", 31_536_000),
    ],
)
def test_lengths_of_time_are_read(text: str, seconds: int) -> None:
    assert parse_wait(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "1.5h", "5x", "m", "abc", "1 h", "٣s", "9" * 40])
def test_what_is_no_length_of_time_is_told_of(text: str) -> None:
    with pytest.raises(UsageError, match="is no length of time"):
        parse_wait(text)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(None, "--"), (0, "0s"), (59.9, "59s"), (92, "1m 32s"), (3600, "1h 0m"), (8_100, "2h 15m")],
)
def test_lengths_of_time_are_written_for_people(seconds: float | None, told: str) -> None:
    assert format_length(seconds) == told
