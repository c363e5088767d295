"""What a sender of hostile requests was told of the deliveries among them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from campaign.exchanges import Sent
from campaign.looking import ask

_ACKNOWLEDGED = re.compile(rb'\{"delivery":"([0-9a-z]+)","duplicate":(?:true|false)\}')
# As the grower gives it, so that no piece of one is another.
_ID = re.compile(r"(f[0-9a-f]{16})-\d\d")


@dataclass
class Heard:
    """What came back about deliveries: which are acknowledged, and where no word was missed."""

    acknowledged: set[str] = field(default_factory=set)
    in_full: set[str] = field(default_factory=set)

    def note(self, sent: Sent, told: bytes, *, whole: bool) -> None:
        self.acknowledged.update(found.decode() for found in _ACKNOWLEDGED.findall(told))
        if whole and sent.requests is not None:
            self.in_full.add(sent.name.decode())

    def problems(self, database: Path) -> Iterator[str]:
        """Yield what of the deliveries in *database* is not as it was told."""
        rows = dict(ask(database, "SELECT id, webhook_id FROM delivery"))
        if lost := self.acknowledged - rows.keys():
            yield f"{len(lost)} deliveries are acknowledged and not stored: {sorted(lost)[:3]}"
        silent = [
            webhook_id
            for delivery, webhook_id in rows.items()
            if delivery not in self.acknowledged and self._heard_all_about(webhook_id)
        ]
        if silent:
            yield f"{len(silent)} deliveries are stored and not acknowledged: {silent[:3]}"

    def _heard_all_about(self, webhook_id: str | None) -> bool:
        known = _ID.fullmatch(webhook_id or "")
        return known is not None and known[1] in self.in_full
