"""Ask the Hub what rules depend on, for commands that try rules on a delivery."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from jobhook.adapters.clocks import now_ms
from jobhook.core.deliveries import Delivery
from jobhook.core.findings import NOTHING_FOUND, Findings, Lookup, Unavailable
from jobhook.core.matching import decide
from jobhook.core.occasions import Occasion, occasions_of
from jobhook.core.rules import Rule
from jobhook.flows.lookups import Lookups
from jobhook.hub import AsyncHub
from jobhook.settings import Settings

Offline = Annotated[
    bool, typer.Option("--offline", help="Ask the Hub nothing, although there is a token.")
]
_DEADLINE_SECONDS = 10.0
_NOT_ASKED = Unavailable("the Hub was not asked: that takes a token", is_refused=True)


def occasions_for(
    delivery: Delivery, rules: Sequence[Rule], settings: Settings, *, me: str | None, offline: bool
) -> tuple[Occasion, ...]:
    """
    Return the occasions of *delivery* with all that *rules* depend on, as far as it can be had.

    Nothing is tried again: what fails is not known, and says why.
    """
    return asyncio.run(_looked_up(delivery, rules, settings, me=me, offline=offline))


async def _looked_up(
    delivery: Delivery, rules: Sequence[Rule], settings: Settings, *, me: str | None, offline: bool
) -> tuple[Occasion, ...]:
    findings, now = NOTHING_FOUND, now_ms()
    while True:
        occasions = occasions_of(delivery, me=me, now=now, findings=findings)
        asked = frozenset().union(*(decide(occasions, rule).open for rule in rules))
        if not asked:
            return occasions
        if offline or not settings.hf_token:
            findings = findings.plus(dict.fromkeys(asked, _NOT_ASKED))
        else:
            findings = await _ask(delivery, asked, findings, settings, me=me)


async def _ask(
    delivery: Delivery,
    asked: frozenset[Lookup],
    findings: Findings,
    settings: Settings,
    *,
    me: str | None,
) -> Findings:
    token = settings.hf_token or ""
    async with AsyncHub(settings.hf_endpoint, token, deadline=_DEADLINE_SECONDS) as hub:
        lookups = Lookups(hub, lambda: settings.namespace or me or "")
        found, failures = await lookups.all_of(asked, delivery.repo)
    failed = {key: Unavailable(str(exc), is_refused=False) for key, exc in failures.items()}
    return findings.plus({**found, **failed})
