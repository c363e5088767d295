"""
From a decision to the jobs that it owes, and from a job on the Hub back to the launch it was for.

Whatever is needed to recognise a job travels with it, as labels and in its environment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from jobhook.core.actions import Action
from jobhook.core.deliveries import delivery_id
from jobhook.core.errors import MissingSecret, UsageError
from jobhook.core.events import Event, is_strangers
from jobhook.core.findings import Findings
from jobhook.core.jobs import JobSpec
from jobhook.core.launches import IDENTITY, SOURCE_MISSING, Launch, LaunchState, launch_id
from jobhook.core.matching import Decision
from jobhook.core.payloads import PAYLOAD_VARIABLE, WEBHOOK_SECRET, Payload, payload_env
from jobhook.core.rules import Rule, setting_of

# How all labels begin that say which launch a job is of.
OUR_LABELS = "jobhook-"
LAUNCH_LABEL = "jobhook-launch"
INSTANCE_LABEL = "jobhook-instance"
RULE_LABEL = "jobhook-rule"
DEPTH_LABEL = "jobhook-depth"
ROOT_LABEL = "jobhook-root"
LAUNCH_VARIABLE = "JOBHOOK_LAUNCH_ID"
RULE_VARIABLE = "JOBHOOK_RULE"
EVENT_VARIABLE = "JOBHOOK_EVENT"
KEY_VARIABLE = "WEBHOOK_ID"
REPO_VARIABLE = "WEBHOOK_REPO_ID"
TYPE_VARIABLE = "WEBHOOK_REPO_TYPE"
TRUST_VARIABLE = "JOBHOOK_TRUST"
# Said only where it is not all of it.
MODE_VARIABLE = "JOBHOOK_PAYLOAD"
# Stands for a job that nobody knows. It has no price, and without one nothing is launched.
_NOTHING = JobSpec(image="unknown", command=("false",), flavor="unknown")
# Stands for the value of a secret where a job is shown.
_HIDDEN = "***"
# How far is looked for what a job says it is.
_ACTIONS_MAX = 64
_GENERATIONS_MAX = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The delivery that launches come from, as far as their jobs are told about it."""

    instance: str
    source: str
    delivery: str
    key: str
    generation: int = 0


def plan_launches(decision: Decision, origin: Origin, *, now: int) -> Iterator[Launch]:
    """
    Yield the launches that a decision to fire owes, one for each action of the rule.

    One that repeats a job that could not be looked up is held: nobody knows what to run.
    """
    rule, event = decision.rule, decision.event
    if event is None or decision.occasion is None:
        return
    values = {**decision.occasion.parts, "rule": {"id": rule.id}}
    findings = decision.occasion.findings
    for index, action in enumerate(rule.run):
        identity = launch_id(
            origin.instance, origin.source, origin.key, rule.id, index, origin.generation
        )
        source = _source(action, rule, findings)
        missing = source if isinstance(source, str) else ""
        spec = _NOTHING if isinstance(source, str) else action.spec(values, source=source)
        held = missing or decision.held
        yield Launch(
            id=identity,
            delivery=origin.delivery,
            rule=rule.id,
            action=index,
            generation=origin.generation,
            rule_hash=rule.fingerprint,
            event=event.name,
            spec=_with_identity(spec, identity, rule, action, event, origin),
            state=LaunchState.HELD if held else LaunchState.READY,
            reason=held,
            repo=event.repo.whole_name,
            subject=decision.occasion.subject,
            created_at=now,
            updated_at=now,
        )


def identified(launch: Launch, repo_id: str, known: str | None) -> Launch:
    """Return *launch*, held if its repo has another id than the *known* one."""
    if known in {None, repo_id}:
        return launch
    told = (
        f"{IDENTITY}{launch.repo} has the id {repo_id[:64]} now and had {known} before: somebody "
        "else may have taken the name over"
    )
    return replace(launch, state=LaunchState.HELD, reason=told)


def _source(action: Action, rule: Rule, findings: Findings) -> JobSpec | str | None:
    """Return the job that *action* repeats, or why it is not known; None if it repeats none."""
    if action.source_job is None:
        return None
    lookup = rule.sources[action.source_job]
    found = findings.get(lookup)
    if isinstance(found, JobSpec):
        return found
    failure = findings.failure([lookup])
    told = failure.why if failure else "nobody asked for it"
    return f"{SOURCE_MISSING}job {action.source_job} is not known: {told}"


def _with_identity(
    spec: JobSpec, identity: str, rule: Rule, action: Action, event: Event, origin: Origin
) -> JobSpec:
    injected = {
        REPO_VARIABLE: event.repo.name,
        TYPE_VARIABLE: event.repo.type,
        KEY_VARIABLE: origin.key,
        LAUNCH_VARIABLE: identity,
        RULE_VARIABLE: rule.id,
        EVENT_VARIABLE: event.name,
    }
    if is_strangers(event):
        injected[TRUST_VARIABLE] = "untrusted"
    if action.payload != Payload.FULL:
        injected[MODE_VARIABLE] = str(action.payload)
    labels = {
        LAUNCH_LABEL: identity,
        INSTANCE_LABEL: origin.instance,
        RULE_LABEL: rule.id,
    }
    handed = {WEBHOOK_SECRET: ""} if rule.pass_webhook_secret else {}
    return replace(
        spec,
        env={**spec.env, **injected},
        secrets={**spec.secrets, **handed},
        labels={**spec.labels, **labels},
    )


def planned_again(launch: Launch, origin: Origin, *, asked_by: str, now: int) -> Launch:
    """Return the launch that does the same as *launch* once more, because a person asked for it."""
    identity = launch_id(
        origin.instance, origin.source, origin.key, launch.rule, launch.action, origin.generation
    )
    spec = replace(
        launch.spec,
        env={**launch.spec.env, LAUNCH_VARIABLE: identity},
        labels={**launch.spec.labels, LAUNCH_LABEL: identity},
    )
    return Launch(
        id=identity,
        delivery=launch.delivery,
        rule=launch.rule,
        action=launch.action,
        generation=origin.generation,
        rule_hash=launch.rule_hash,
        event=launch.event,
        spec=spec,
        state=LaunchState.READY,
        repo=launch.repo,
        subject=launch.subject,
        root=launch.delivery if launch.is_direct else "",
        asked_by=asked_by,
        created_at=now,
        updated_at=now,
    )


def orphaned(spec: JobSpec, *, instance: str, source: str, now: int) -> Launch | None:
    """
    Return the launch that a job with *spec* was started for, although no database knows it.

    What the job says of itself must give the id that it carries: anybody may write labels.
    """
    identity = spec.labels.get(LAUNCH_LABEL) or spec.env.get(LAUNCH_VARIABLE)
    key, rule = spec.env.get(KEY_VARIABLE), spec.env.get(RULE_VARIABLE)
    if key is None or rule is None:
        return None
    for generation, action in product(range(_GENERATIONS_MAX), range(_ACTIONS_MAX)):
        if identity == launch_id(instance, source, key, rule, action, generation):
            kept = without_payload(spec.env)
            kind, name = spec.env.get(TYPE_VARIABLE, ""), spec.env.get(REPO_VARIABLE, "")
            return Launch(
                id=identity,
                delivery=delivery_id(source, key),
                rule=rule,
                action=action,
                generation=generation,
                rule_hash="",
                event=spec.env.get(EVENT_VARIABLE, ""),
                spec=replace(spec, env=kept),
                state=LaunchState.LAUNCHED,
                reason="found on the Hub, and not in this database",
                repo=f"{kind}:{name}",
                depth=_small_number(spec.labels.get(DEPTH_LABEL, "")),
                root=spec.labels.get(ROOT_LABEL, ""),
                created_at=now,
                updated_at=now,
            )
    return None


def without_payload(env: Mapping[str, str]) -> dict[str, str]:
    """Return *env* without the payload, which is long and kept with its delivery."""
    return {k: v for k, v in env.items() if not k.startswith(PAYLOAD_VARIABLE)}


def _small_number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def job_of(
    launch: Launch, body: bytes, secrets: Mapping[str, str], *, url: str | None = None
) -> JobSpec:
    """
    Return the job exactly as it is sent: with the payload and the values of its secrets.

    *url* is where the job can read all of a payload that is cut, if there is such a place.

    What a person asked for is sent as it is: it has no payload, and gets no secret of the service.

    Raises:
        MissingSecret: If *secrets* lacks one that the job is to get.
        UsageError: What it was to get was known only to whoever asked for it, or it cannot be sent.
    """
    spec = launch.spec
    if launch.is_direct:
        if not launch.can_be_sent_again:
            raise UsageError("what it needs was never kept: ask for it anew")
        return spec
    missing = [name for name in spec.secrets if name not in secrets]
    if missing:
        raise MissingSecret(f"set {setting_of(missing[0])} and start the service again")
    payload = Payload(spec.env.get(MODE_VARIABLE, Payload.FULL))
    return replace(
        spec,
        env={**spec.env, **payload_env(body, payload, url)},
        secrets={name: secrets[name] for name in spec.secrets},
        labels={**spec.labels, **_chain_labels(launch)},
    )


def shown_job(launch: Launch, body: bytes) -> dict[str, Any]:
    """
    Return the job of *launch* as it would be sent, with its namespace and without its secrets.

    Raises:
        UsageError: The Hub would not take it.
    """
    home = {"namespace": launch.spec.namespace} if launch.spec.namespace else {}
    hidden = dict.fromkeys(launch.spec.secrets, _HIDDEN)
    return {**home, **job_of(launch, body, hidden).to_wire()}


def _chain_labels(launch: Launch) -> Mapping[str, str]:
    # A launch that was not claimed has no place in a chain yet.
    return {DEPTH_LABEL: str(launch.depth), ROOT_LABEL: launch.root} if launch.depth else {}
