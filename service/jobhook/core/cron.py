"""When a schedule is due, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cronsim import CronSim, CronSimError

from jobhook.core.errors import UsageError
from jobhook.core.schedules import check_schedule

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORDS = {
    "@annually": "0 0 1 1 *",
    "@yearly": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class Schedule:
    """
    The times that *text* names; six fields begin with the second, seven end with the year as well.

    Raises:
        UsageError: If it is not in the Hub's grammar, or never comes.
    """

    def __init__(self, text: str) -> None:
        fields = _WORDS.get(check_schedule(text), text).split(" ")
        self._years = _years(fields.pop()) if len(fields) == 7 else None
        self._expression = " ".join(fields)
        try:
            CronSim(self._expression, datetime(2000, 1, 1, tzinfo=UTC))
        except CronSimError as exc:
            raise UsageError(f"schedule {text[:60]!r} never comes: {str(exc).lower()}") from exc

    def after(self, moment: datetime) -> datetime | None:
        """Return the first time that is later than *moment*, None if none comes any more."""
        if self._years is None:
            return self._next(moment)
        found = None
        for year in self._years:
            if year < (found or moment).year:
                continue
            if found is None or found.year < year:
                # One second before it begins: what is asked for is later than that.
                eve = datetime(year - 1, 12, 31, 23, 59, 59, tzinfo=UTC)
                found = self._next(max(moment, eve))
            if found is None or found.year == year:
                return found
        return None

    def _next(self, moment: datetime) -> datetime | None:
        return next(CronSim(self._expression, moment), None)


def _years(field: str) -> Iterable[int]:
    """Return the years that *field* means, in their order."""
    every = range(1970, 2100)
    first, _, step = field.partition("/")
    if "," in first:
        return sorted(int(year) for year in first.split(",") if int(year) in every)
    low, _, high = first.partition("-")
    if low == "*":
        years = every
    else:
        last = int(high) if high else every[-1] if step else int(low)
        years = range(max(int(low), every[0]), min(last, every[-1]) + 1)
    return years[:: int(step or 1) or len(every)]
