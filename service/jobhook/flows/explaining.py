"""The rules, as people and programs are shown them, and what they say of a delivery."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from jobhook.core.deliveries import Delivery, Unreadable, delivery_id, read_delivery
from jobhook.core.errors import NoSuchRecord, TooManyCallers, UsageError, did_you_mean
from jobhook.core.explanations import NOTHING_TOLD, Told, explanations
from jobhook.core.findings import NOTHING_FOUND, Findings, Found, Lookup, Unavailable
from jobhook.core.matching import decide
from jobhook.core.occasions import Occasion, occasions_of
from jobhook.core.planning import Origin
from jobhook.core.rules import Rule, RuleSet
from jobhook.core.viewing import rule_detail, rule_summaries
from jobhook.core.views import CheckReport, Explanation, RuleDetail, RuleSummary
from jobhook.flows.enriching import LOOKUPS_MAX
from jobhook.flows.intake import SOURCE
from jobhook.flows.lookups import Lookups
from jobhook.ports import Clock

Answers = Mapping[Lookup, Found | Unavailable]
Ask = Callable[[Delivery, Collection[Lookup]], Awaitable[Answers]]
Checker = Callable[[Mapping[str, str]], CheckReport]

# Of what is checked at once, and of what is told of it.
_FILES_MAX = 1000
_PROBLEMS_MAX = 1000
# Each holds what it asks about in memory.
_WAITING_MAX = 16


class RuleRecords:
    """
    Tells what *rules* say; see `ports.records`.

    *check* looks at rule files, *ask* asks the Hub and answers every question, and *me* returns the
    name of the token's user, if it can be known. What takes the time of many rules is done in a
    thread, one piece at a time; `TooManyCallers` if 16 wait for that already.
    """

    def __init__(
        self,
        rules: Callable[[], RuleSet],
        *,
        check: Checker,
        ask: Ask,
        me: Callable[[], Awaitable[str | None]],
        clock: Clock,
        instance: str,
    ) -> None:
        self._rules = rules
        self._check = check
        self._ask = ask
        self._me = me
        self._clock = clock
        self._instance = instance
        self._one_at_a_time = asyncio.Lock()
        self._waiting = 0

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._waiting >= _WAITING_MAX:
            raise TooManyCallers("too many ask about rules at once: ask again in a while")
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                yield
        finally:
            self._waiting -= 1

    async def version(self) -> str:
        return await asyncio.to_thread(lambda: self._rules().version)

    async def rules(self) -> tuple[RuleSummary, ...]:
        rules = self._rules()
        async with self._turn():
            return await asyncio.to_thread(rule_summaries, rules)

    async def rule(self, rule_id: str) -> RuleDetail:
        rules = self._rules()
        for rule in rules.rules:
            if rule.id == rule_id:
                return rule_detail(rule, rules)
        raise NoSuchRecord(_no_rule(rule_id, rules))

    async def check(self, files: Mapping[str, str]) -> CheckReport:
        if len(files) > _FILES_MAX:
            raise UsageError(f"{len(files):,} files are too many: give {_FILES_MAX:,} at most")
        async with self._turn():
            report = await asyncio.to_thread(self._check, files)
        problems = report.problems[:_PROBLEMS_MAX]
        return replace(report, problems=problems, left_out=len(report.problems) - len(problems))

    async def explain(
        self,
        body: bytes,
        *,
        rule: str | None = None,
        told: Told = NOTHING_TOLD,
        key: str = "explained",
    ) -> tuple[Explanation, ...]:
        chosen = _chosen(self._rules(), rule)
        delivery = await asyncio.to_thread(read_delivery, body)
        if isinstance(delivery, Unreadable):
            raise UsageError(f"this is no delivery: {delivery.reason}")
        occasions = await self._looked_up(delivery, chosen, told)
        identity = delivery_id(SOURCE, key)
        origin = Origin(instance=self._instance, source=SOURCE, delivery=identity, key=key)
        async with self._turn():
            return await asyncio.to_thread(
                lambda: tuple(explanations(occasions, chosen, body, origin))
            )

    async def _looked_up(
        self, delivery: Delivery, rules: Sequence[Rule], told: Told
    ) -> tuple[Occasion, ...]:
        """Return the occasions of *delivery* with all that *rules* depend on, as far as it goes."""
        me, now, findings = await self._me(), self._clock(), NOTHING_FOUND

        def look() -> tuple[tuple[Occasion, ...], frozenset[Lookup]]:
            occasions = occasions_of(delivery, me=me, now=now, findings=findings)
            return occasions, frozenset().union(*(decide(occasions, each).open for each in rules))

        while True:
            async with self._turn():
                occasions, asked = await asyncio.to_thread(look)
            if not asked:
                return occasions
            findings = await self._answered(delivery, asked, findings, told)

    async def _answered(
        self, delivery: Delivery, asked: frozenset[Lookup], findings: Findings, told: Told
    ) -> Findings:
        if len(findings.known) >= LOOKUPS_MAX:
            return findings.close(f"one delivery is worth {LOOKUPS_MAX} look-ups")
        answers = ((lookup, told.of(lookup, delivery)) for lookup in asked)
        findings = findings.plus({lookup: said for lookup, said in answers if said is not None})
        left = asked - findings.known.keys()
        return findings.plus(await self._ask(delivery, left)) if left else findings


def answers_of(lookups: Lookups) -> Ask:
    """Return what asks the Hub once: what fails is not known, and says why."""

    async def ask(delivery: Delivery, asked: Collection[Lookup]) -> Answers:
        found, failures = await lookups.all_of(asked, delivery.repo)
        failed = {key: Unavailable(str(exc), is_refused=False) for key, exc in failures.items()}
        return {**found, **failed}

    return ask


def _chosen(rules: RuleSet, wanted: str | None) -> tuple[Rule, ...]:
    chosen = tuple(rule for rule in rules.rules if wanted in (None, rule.id))
    if wanted and not chosen:
        raise UsageError(_no_rule(wanted, rules))
    return chosen


def _no_rule(wanted: str, rules: RuleSet) -> str:
    return f"there is no rule {wanted}{did_you_mean(wanted, [rule.id for rule in rules.rules])}"
