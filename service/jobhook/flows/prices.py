"""What a flavor costs, as the Hub says it."""

from __future__ import annotations

from collections.abc import Mapping

from jobhook.ports import Clock, Hub

_GOOD_FOR_MS = 24 * 3_600_000


class Prices:
    """The Hub's price list, asked for at most once a day."""

    def __init__(self, hub: Hub, clock: Clock) -> None:
        self._hub = hub
        self._clock = clock
        self._prices: dict[str, float] = {}
        self._asked_at = -_GOOD_FOR_MS

    async def usd_per_hour(self) -> Mapping[str, float]:
        """Return the price of every flavor; raises `HubError` when there is none to go by."""
        if self._clock() - self._asked_at >= _GOOD_FOR_MS:
            hardware = await self._hub.list_jobs_hardware()
            self._prices = {item.name: item.usd_per_hour for item in hardware}
            self._asked_at = self._clock()
        return self._prices
