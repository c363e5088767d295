"""Run the examples that a rule file holds: does the rule do what its author says it does."""

from __future__ import annotations

import json
from collections.abc import Iterator

from jobhook.core.deliveries import Delivery, Unreadable, read_delivery
from jobhook.core.findings import NOTHING_FOUND, Commit, Found, Kind, Lookup, Unavailable
from jobhook.core.matching import Decision, decide
from jobhook.core.occasions import occasions_of
from jobhook.core.rules import Case, Rule
from jobhook.core.samples import SAMPLE_NOW, SAMPLE_USER, merged, sample_payload


def broken_cases(rule: Rule) -> Iterator[tuple[int, str]]:
    """Run the rule's examples; yield (index, sentence) for each that does not hold."""
    for index, case in enumerate(rule.cases):
        delivery = case_delivery(rule, case)
        if isinstance(delivery, Unreadable):
            yield index, f"case {case.name!r} makes no payload: {delivery.reason}"
            continue
        decision = decided(rule, delivery)
        if decision.fired != case.fires:
            should = "should fire but does not" if case.fires else "should not fire but does"
            yield index, f"case {case.name!r} {should}: {decision.reason}"


def decided(rule: Rule, delivery: Delivery) -> Decision:
    """Decide *rule* on *delivery*, with a Hub that shows an ordinary commit and nothing else."""
    findings = NOTHING_FOUND
    while True:
        occasions = occasions_of(delivery, me=SAMPLE_USER, now=SAMPLE_NOW, findings=findings)
        decision = decide(occasions, rule)
        if not decision.open:
            return decision
        findings = findings.plus({lookup: _shown(lookup) for lookup in decision.open})


def _shown(lookup: Lookup) -> Found | Unavailable:
    if lookup.kind == Kind.COMMIT:
        return Commit("")
    return Unavailable(f"the case does not tell {lookup.kind}", is_refused=True)


def case_delivery(rule: Rule, case: Case) -> Delivery | Unreadable:
    """Return the payload that *case* means: its `event` laid over a sample of the first event."""
    return read_delivery(json.dumps(merged(sample_payload(rule.on[0]), case.event)).encode())
