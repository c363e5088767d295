"""What is shown of deliveries, launches, pauses and rules, and orders; here or from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from jobhook.core.audits import ANY_ENTRY, AuditFilter
from jobhook.core.explanations import NOTHING_TOLD, Told
from jobhook.core.filters import ANY_DELIVERY, ANY_LAUNCH, DeliveryFilter, LaunchFilter
from jobhook.core.operations import Order, Outcome
from jobhook.core.views import (
    AuditView,
    CheckReport,
    DeliveryDetail,
    DeliverySummary,
    Explanation,
    LaunchDetail,
    LaunchSummary,
    PauseView,
    RuleDetail,
    RuleSummary,
    TokenView,
)


class RecordsReader(Protocol):
    """What came in and what it led to; `StoreError` where the database cannot be read."""

    async def deliveries(
        self, wanted: DeliveryFilter = ANY_DELIVERY, *, limit: int
    ) -> tuple[DeliverySummary, ...]:
        """Return deliveries, newest first; *limit* 0 means all."""

    async def delivery(self, delivery_id: str) -> DeliveryDetail:
        """Return one delivery; raises `NoSuchRecord`."""

    async def body(self, delivery_id: str) -> bytes:
        """Return the bytes of a delivery as they came; raises `NoSuchRecord`."""

    async def launches(
        self, wanted: LaunchFilter = ANY_LAUNCH, *, limit: int
    ) -> tuple[LaunchSummary, ...]:
        """Return launches, newest first; *limit* 0 means all."""

    async def launch(self, launch_id: str) -> LaunchDetail:
        """Return one launch; raises `NoSuchRecord`."""

    async def pauses(self) -> tuple[PauseView, ...]:
        """Return what is paused, by people and by the setting."""

    async def tokens(self) -> tuple[TokenView, ...]:
        """Return every API token that is kept, without its value, the newest first."""

    async def audits(
        self, wanted: AuditFilter = ANY_ENTRY, *, limit: int, before: int | None = None
    ) -> tuple[AuditView, ...]:
        """
        Return who changed what, newest first; *limit* 0 means all.

        *before* is the `seq` of the last one seen.
        """

    async def rules_version(self) -> str | None:
        """Return the version of the rules in force, or None if there are none."""


class RulesReader(Protocol):
    """What the rules say, and say of deliveries."""

    async def version(self) -> str | None:
        """Return the version of the rules that it tells of."""

    async def rules(self) -> tuple[RuleSummary, ...]:
        """Return all rules."""

    async def rule(self, rule_id: str) -> RuleDetail:
        """Return one rule; raises `NoSuchRecord`."""

    async def check(self, files: Mapping[str, str]) -> CheckReport:
        """
        Validate rule files, texts by name, and run their examples; nothing is changed.

        Scripts that the rules name are files among them. Raises `UsageError` for too many.
        """

    async def explain(
        self,
        body: bytes,
        *,
        rule: str | None = None,
        told: Told = NOTHING_TOLD,
        key: str = "explained",
    ) -> tuple[Explanation, ...]:
        """
        Tell of each rule, or the one that is named, why it fires on a delivery or does not.

        *body* is the delivery, which would come as *key*. What was *told* of it the Hub is not
        asked.

        Raises:
            UsageError: It is no delivery, or there is no such rule.
        """


class Orders(Protocol):
    """Whoever carries out what people ask for."""

    async def carry_out(self, order: Order) -> tuple[Outcome, ...]:
        """
        Do what *order* says, id by id, and return what came of each.

        Raises:
            StoreUnavailable: The database cannot be used; what was done before stands.
        """
