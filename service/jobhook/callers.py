"""
Put together what callers of the API may ask of a service.

Nothing here is loaded before somebody asks: see `web.app.OnDemand`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass, field
from functools import partial

from jobhook.adapters.clocks import now_ms
from jobhook.adapters.reports import report_of
from jobhook.adapters.rulefiles import check_texts
from jobhook.core.advice import Surroundings
from jobhook.core.deliveries import Delivery
from jobhook.core.errors import JobHookError
from jobhook.core.findings import Lookup, Unavailable
from jobhook.flows.access import Access
from jobhook.flows.explaining import Answers, RuleRecords, answers_of
from jobhook.flows.feed import Feed
from jobhook.flows.idempotency import Idempotency
from jobhook.flows.lookups import Lookups
from jobhook.flows.records import Records
from jobhook.flows.rulebook import Rulebook
from jobhook.flows.stopping import stop_everywhere
from jobhook.ports import Store
from jobhook.settings import Settings
from jobhook.web.api.kernel import Api
from jobhook.web.api.services import HubSide, Services
from jobhook.web.api.streaming import Streams
from jobhook.web.api.table import create_api
from jobhook.workers import Behind

# How late the feed may be.
_LOOK_SECONDS = 0.5
_NOT_ASKED = Unavailable("the Hub was not asked", is_refused=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """
    What a service has, for whoever calls it.

    Attributes:
        behind: What works behind the doors, as long as that runs.
        ends: Ends the streams that are open.
    """

    settings: Settings
    store: Store
    rulebook: Rulebook
    access: Access
    metrics: Callable[[str], Awaitable[tuple[bytes, str]]]
    behind: Callable[[], Behind | None]
    ending: asyncio.Event = field(default_factory=asyncio.Event)

    def load(self) -> Api:
        """Return the API."""
        records = Records(self.store, now_ms, is_paused=self.settings.pause)
        services = Services(
            clock=now_ms,
            access=self.access,
            idempotency=Idempotency(self.store, now_ms),
            store=self.store,
            records=records,
            feed=Feed(self.store, records.summaries, pause=partial(asyncio.sleep, _LOOK_SECONDS)),
            rules=self._rules(self._ask),
            rules_offline=self._rules(_nothing),
            metrics=self.metrics,
            find_hub_side=self._hub_side,
        )
        streams = Streams(ending=self.ending)
        return create_api(services, origins=self.settings.cors_origins, streams=streams)

    def _rules(
        self, ask: Callable[[Delivery, Collection[Lookup]], Awaitable[Answers]]
    ) -> RuleRecords:
        secrets = frozenset(self.settings.job_secrets) if self.settings.job_secrets else None
        around = Surroundings(self.settings.limits.rule_usd_per_day, secrets)
        return RuleRecords(
            lambda: self.rulebook.rules,
            check=lambda files: report_of(check_texts(files, around=around)),
            ask=ask,
            me=self._me,
            clock=now_ms,
            instance=self.settings.instance,
        )

    async def _me(self) -> str | None:
        behind = self.behind()
        return behind.identity.me if behind else None

    async def _ask(self, delivery: Delivery, asked: Collection[Lookup]) -> Answers:
        behind = self.behind()
        if behind is None:
            return await _nothing(delivery, asked)
        lookups = Lookups(behind.hub, lambda: behind.identity.namespace)
        return await answers_of(lookups)(delivery, asked)

    def _hub_side(self) -> HubSide | None:
        behind = self.behind()
        if behind is None:
            return None
        return HubSide(
            hub=behind.hub,
            runs=behind.direct.runs,
            schedules=behind.direct.schedules,
            operations=behind.operations,
            stop_all=self._stop_all,
            namespace=self.settings.namespace,
        )

    async def _stop_all(
        self, on_unread: Callable[[str], None]
    ) -> AsyncIterator[tuple[str, str | None]]:
        behind = self.behind()
        if behind is None:
            return
        own = self.settings.namespace or (await behind.hub.whoami()).name
        others = self.rulebook.rules.namespaces
        with contextlib.suppress(JobHookError):
            others |= await self.store.namespaces(0)
        async for each in stop_everywhere(
            behind.hub,
            namespaces=(own, *sorted(others - {own})),
            instance=self.settings.instance,
            on_unread=lambda namespace, failure: on_unread(f"{namespace}: {failure}"),
        ):
            yield each


async def _nothing(delivery: Delivery, asked: Collection[Lookup]) -> Answers:
    return dict.fromkeys(asked, _NOT_ASKED)
