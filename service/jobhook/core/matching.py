"""Decide which rules a delivery sets off, and say why, rule by rule."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from jobhook.core.deliveries import Delivery, Unreadable, read_delivery
from jobhook.core.events import BRANCHES, TAGS, Event, events_of
from jobhook.core.rules import Case, Rule
from jobhook.core.samples import SAMPLE_USER, merged, sample_payload
from jobhook.core.watches import TOKEN_USER


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a rule fires on a delivery, and the reason in one line."""

    rule: Rule
    reason: str
    event: Event | None = None

    @property
    def fired(self) -> bool:
        """Whether the rule fires; *event* is what set it off."""
        return self.event is not None


def decide(
    delivery: Delivery, events: tuple[Event, ...], rule: Rule, *, me: str | None
) -> Decision:
    """
    Decide whether *delivery*, which means *events*, sets off *rule*.

    A rule fires once for a delivery, on the first of its events that fits. *me* is the name of the
    token's user, for `user:@me`; None if it is not known.
    """
    reason = _unwatched(delivery, rule, me) or _unwanted_repo(delivery, rule)
    if reason:
        return Decision(rule, reason)
    for event in events:
        # The event's own name goes before the raw scope, in whatever order the rule has them.
        if event.name in rule.on:
            reason = _unwanted_ref(event, rule, raw=event.name == event.scope)
        elif event.scope in rule.on:
            reason = _unwanted_ref(event, rule, raw=True)
        else:
            continue
        if reason is None:
            return Decision(rule, _happened(event), event)
    return Decision(rule, reason or _unwanted_event(delivery, events, rule))


def broken_cases(rule: Rule) -> Iterator[tuple[int, str]]:
    """Run the rule's examples; yield (index, sentence) for each that does not hold."""
    for index, case in enumerate(rule.cases):
        delivery = case_delivery(rule, case)
        if isinstance(delivery, Unreadable):
            yield index, f"case {case.name!r} makes no payload: {delivery.reason}"
            continue
        decision = decide(delivery, events_of(delivery), rule, me=SAMPLE_USER)
        if decision.fired != case.fires:
            should = "should fire but does not" if case.fires else "should not fire but does"
            yield index, f"case {case.name!r} {should}: {decision.reason}"


def case_delivery(rule: Rule, case: Case) -> Delivery | Unreadable:
    """Return the payload that *case* means: its `event` laid over a sample of the first event."""
    return read_delivery(json.dumps(merged(sample_payload(rule.on[0]), case.event)).encode())


def _unwatched(delivery: Delivery, rule: Rule, me: str | None) -> str | None:
    if not rule.watch or any(watch.covers(delivery, me) for watch in rule.watch):
        return None
    if me is None and any(watch.name == TOKEN_USER for watch in rule.watch):
        return "the rule watches user:@me, and there is no token to tell who that is"
    watched = ", ".join(
        f"{watch} ({me})" if watch.name == TOKEN_USER else str(watch) for watch in rule.watch
    )
    return f"{_repo(delivery)} is not in what the rule watches: {watched}"


def _unwanted_repo(delivery: Delivery, rule: Rule) -> str | None:
    globs, repo = rule.repo_globs, delivery.repo
    if globs is None or globs.allows((f"{repo.type}:{repo.name}",)):
        return None
    return f"{_repo(delivery)} is not among the rule's repos: {', '.join(globs.patterns)}"


def _unwanted_event(delivery: Delivery, events: tuple[Event, ...], rule: Rule) -> str:
    if not events:
        return f"the scope {delivery.event.scope[:100]!r} is not known"
    names = ", ".join(dict.fromkeys(event.name for event in events))
    return f"this is {names}; the rule is on {', '.join(rule.on)}"


def _unwanted_ref(event: Event, rule: Rule, *, raw: bool) -> str | None:
    globs = rule.ref_globs
    if globs is None:
        # A raw scope covers what strangers push to refs/pr/* as well: that has to be asked for.
        if raw and event.ref is not None and not event.ref.startswith(BRANCHES):
            return f"{event.ref} is not a branch, and the rule names no refs"
        return None
    if event.ref is None:
        return f"{event.name} has no ref; the rule wants {', '.join(globs.patterns)}"
    if globs.allows((event.ref, short_ref(event.ref))):
        return None
    return f"{event.ref} is not among the rule's refs: {', '.join(globs.patterns)}"


def short_ref(ref: str) -> str:
    """Return *ref* as people write it: `main`, `v1`, `pr/4`, `convert/parquet`."""
    for prefix in (BRANCHES, TAGS, "refs/"):
        if ref.startswith(prefix):
            return ref.removeprefix(prefix)
    return ref


def _happened(event: Event) -> str:
    where = f" {event.ref}" if event.ref else ""
    return f"{event.name}{where} on {event.repo.type} {event.repo.name}"


def _repo(delivery: Delivery) -> str:
    return f"{delivery.repo.type} {delivery.repo.name}"
