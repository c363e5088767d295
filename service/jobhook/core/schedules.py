"""
When a scheduled job runs: `@daily`, or a cron expression in UTC.

The grammar is that of the Hub's OpenAPI document, which knows no names (`MON`), no `L` and no `?`.
That document does not look at the size of the numbers; here a date that never comes is refused.
"""

from __future__ import annotations

import re

from jobhook.core.errors import UsageError, did_you_mean
from jobhook.core.texts import shown

SCHEDULE_WORDS = ("@annually", "@yearly", "@monthly", "@weekly", "@daily", "@hourly")
_FIELD = re.compile(r"\*|\*/\d+|\d+/\d+|\d+-\d+|\d+(?:,\d+)*")
_FIELDS_LEAST, _FIELDS_MOST = 5, 7
_LONGEST = 200
# What the numbers of five fields may be: minute, hour, day, month, day of the week.
_RANGES = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of the month", 1, 31),
    ("month", 1, 12),
    ("day of the week", 0, 7),
)


def check_schedule(schedule: str) -> str:
    """
    Return *schedule*, which the Hub takes.

    Raises:
        UsageError: It is no word that the Hub knows and no cron expression.
    """
    if schedule in SCHEDULE_WORDS:
        return schedule
    told = shown(schedule, 60)
    if not isinstance(schedule, str):
        raise UsageError(f"schedule must be a text, such as @daily, but is {told}")
    if schedule.startswith("@"):
        hint = did_you_mean(schedule[:60], SCHEDULE_WORDS)
        raise UsageError(f"schedule {told}: the Hub knows {', '.join(SCHEDULE_WORDS)}{hint}")
    fields = schedule.split(" ")
    if len(schedule) > _LONGEST or not _FIELDS_LEAST <= len(fields) <= _FIELDS_MOST:
        raise UsageError(
            f"schedule {told}: write a word such as @daily, or a cron expression of "
            f"{_FIELDS_LEAST} to {_FIELDS_MOST} fields with one space between them"
        )
    for field in fields:
        if not _FIELD.fullmatch(field):
            raise UsageError(
                f"schedule {told}: {field[:40]!r} must be `*`, a number, `*/n`, `n/n`, `n-n` or "
                "numbers with commas"
            )
    _check_ranges(told, fields)
    return schedule


def _check_ranges(told: str, fields: list[str]) -> None:
    if len(fields) != len(_RANGES):  # which field is which, the Hub does not say
        return
    for field, (name, least, most) in zip(fields, _RANGES, strict=True):
        stepped, _, step = field.partition("/")
        if step and int(step) == 0:
            raise UsageError(f"schedule {told}: a step of 0 never comes")
        numbers = [int(number) for number in re.findall(r"\d+", stepped)]
        if any(not least <= number <= most for number in numbers):
            raise UsageError(f"schedule {told}: the {name} is a number from {least} to {most}")
        if "-" in stepped and numbers[0] > numbers[1]:
            raise UsageError(f"schedule {told}: {stepped} begins after its end")
