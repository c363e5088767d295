"""Run the examples that a rule file holds: does the rule do what its author says it does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jobhook.core.deliveries import Delivery, Unreadable, read_delivery
from jobhook.core.errors import JobHookError, did_you_mean
from jobhook.core.examples import Case
from jobhook.core.findings import (
    NOTHING_FOUND,
    ChangedFile,
    Commit,
    Discussion,
    Found,
    Kind,
    Lookup,
    Repo,
    Unavailable,
)
from jobhook.core.matching import Decision, decide
from jobhook.core.occasions import occasions_of
from jobhook.core.planning import Origin, plan_launches, shown_job
from jobhook.core.rules import Rule
from jobhook.core.samples import SAMPLE_NOW, SAMPLE_USER, merged, sample_payload

Keys = tuple[str | int, ...]
Faults = Iterator[tuple[Keys, str]]

_ORIGIN = Origin(instance="jobhook", source="hub", delivery="a-case", key="a-case")
# The newest commit of a pull request.
_SHA = "2" * 40
# How a case tells what the Hub would be asked for.
_HINTS = {
    Kind.FILES: ": add, for instance, `files: [data/train.csv]`",
    Kind.ROLE: ": add, for instance, `actor: {name: ada, role: write}`",
}
_SHOWN = 80
# What a job is called in a rule, and on the wire.
_WIRE_WORDS = {
    "image": "dockerImage",
    "env": "environment",
    "timeout": "timeoutSeconds",
    "args": "arguments",
}


def broken_cases(rule: Rule) -> Faults:
    """
    Run the rule's examples.

    Yield a sentence for all that does not hold, after its keys below `cases`.
    """
    for index, case in enumerate(rule.cases):
        for keys, message in _broken(rule, case):
            yield (index, *keys), f"case {case.name[:_SHOWN]!r} {message}"


def case_delivery(rule: Rule, case: Case) -> Delivery | Unreadable:
    """Return the payload that *case* means: its `event` laid over a sample of the first event."""
    return read_delivery(_body(rule, case))


def _decided(rule: Rule, case: Case, delivery: Delivery) -> Decision:
    findings = NOTHING_FOUND
    while True:
        occasions = occasions_of(delivery, me=SAMPLE_USER, now=SAMPLE_NOW, findings=findings)
        decision = decide(occasions, rule)
        if not decision.open:
            return decision
        shown = {lookup: found_by(lookup, case, delivery) for lookup in decision.open}
        findings = findings.plus(shown)


def found_by(lookup: Lookup, case: Case, delivery: Delivery) -> Found | Unavailable:
    """Return what the Hub of *case* shows: what the case tells, and else as little as it can."""
    actor = case.actor.name if case.actor else ""
    match lookup.kind:
        case Kind.COMMIT:
            message = case.commit.message if case.commit else ""
            return Commit(message, (actor,) if actor else ())
        case Kind.DISCUSSION:
            comment = delivery.comment
            return Discussion(actor, _SHA, {comment.id: actor} if comment else {})
        case Kind.REPO:
            return Repo(delivery.repo.id)
        case Kind.FILES if "files" in case.model_fields_set:
            return tuple(ChangedFile(file.path, file.action, file.size) for file in case.files)
        case Kind.ROLE if case.actor and case.actor.role is not None:
            return case.actor.role
    hint = _HINTS.get(lookup.kind, "")
    return Unavailable(f"the case does not tell {lookup.kind}{hint}", is_refused=True)


def _body(rule: Rule, case: Case) -> bytes:
    return json.dumps(merged(sample_payload(rule.on[0]), case.event)).encode()


def _broken(rule: Rule, case: Case) -> Faults:
    delivery = case_delivery(rule, case)
    if isinstance(delivery, Unreadable):
        yield (), f"makes no payload: {delivery.reason}"
        return
    decision = _decided(rule, case, delivery)
    if decision.held:
        yield (), f"does not tell enough: {decision.held}"
        return
    if decision.fired != case.fires:
        should = "should fire but does not" if case.fires else "should not fire but does"
        yield (), f"{should}: {decision.reason}{_about_sample(rule, delivery, case)}"
        return
    if case.reason is not None and case.reason not in decision.reason:
        yield ("reason",), f"has another reason than {case.reason!r}: {decision.reason}"
    if case.job is not None:
        yield from _wrong_jobs(decision, case.job, _body(rule, case))


def _about_sample(rule: Rule, delivery: Delivery, case: Case) -> str:
    """Return what to add where a case should fire, and its repo is just not the rule's."""
    watched = not rule.watch or any(watch.covers(delivery, SAMPLE_USER) for watch in rule.watch)
    if watched or not case.fires or "repo" in case.event:
        return ""
    return "; say which repo it is on, as in `event: {repo: {type: dataset, name: acme/corpus}}`"


def _wrong_jobs(decision: Decision, wanted: tuple[dict[str, Any], ...], body: bytes) -> Faults:
    if not decision.fired:
        yield ("job",), "says which job, and must not fire: remove `job`, or say `fires: true`"
        return
    launches = list(plan_launches(decision, _ORIGIN, now=SAMPLE_NOW))
    for held in (launch for launch in launches if launch.reason):
        yield ("job",), f"makes a job that would be {held.state}: {held.reason}"
        return
    try:
        jobs = [shown_job(launch, body) for launch in launches]
    except JobHookError as exc:
        yield ("job",), f"makes a job that would be rejected: {exc}"
        return
    if len(jobs) != len(wanted):
        yield ("job",), f"wants {len(wanted)} and gets {len(jobs)} jobs: `job` may be a list"
        return
    for index, (want, job) in enumerate(zip(wanted, jobs, strict=True)):
        for keys, message in _differences(want, job, ()):
            yield ("job", index, *keys), message


def _differences(wanted: Any, got: Any, above: Keys) -> Faults:
    if not (isinstance(wanted, dict) and isinstance(got, dict)):
        if wanted != got:
            yield above, f"wants {_name(above)} to be {_short(wanted)}, and it is {_short(got)}"
        return
    for key, value in wanted.items():
        keys = (*above, key)
        if key in got:
            yield from _differences(value, got[key], keys)
        else:
            yield keys, f"wants {_name(keys)}, and the job has none{_meant(key, got)}"


def _meant(key: str, job: Mapping[str, Any]) -> str:
    wire = _WIRE_WORDS.get(key)
    return f"; there it is called `{wire}`" if wire in job else did_you_mean(key, job)


def _name(keys: Keys) -> str:
    return f"`job{''.join(f'.{key}' for key in keys)}`"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
