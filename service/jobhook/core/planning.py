"""
From a decision to the jobs that it owes, and from a job on the Hub back to the launch it was for.

Whatever is needed to recognise a job travels with it, as labels and in its environment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from jobhook.core.deliveries import delivery_id
from jobhook.core.errors import MissingSecret
from jobhook.core.events import Event
from jobhook.core.jobs import JobSpec
from jobhook.core.launches import IDENTITY, Launch, LaunchState, launch_id
from jobhook.core.matching import Decision
from jobhook.core.payloads import fit_payload

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
    """Yield the launches that a decision to fire owes, one for each action of the rule."""
    rule, event = decision.rule, decision.event
    if event is None or decision.occasion is None:
        return
    for index, action in enumerate(rule.run):
        identity = launch_id(
            origin.instance, origin.source, origin.key, rule.id, index, origin.generation
        )
        yield Launch(
            id=identity,
            delivery=origin.delivery,
            rule=rule.id,
            action=index,
            generation=origin.generation,
            rule_hash=rule.fingerprint,
            event=event.name,
            spec=_with_identity(action.spec(), identity, rule.id, event, origin),
            state=LaunchState.HELD if decision.held else LaunchState.READY,
            reason=decision.held,
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


def _with_identity(
    spec: JobSpec, identity: str, rule_id: str, event: Event, origin: Origin
) -> JobSpec:
    injected = {
        REPO_VARIABLE: event.repo.name,
        TYPE_VARIABLE: event.repo.type,
        KEY_VARIABLE: origin.key,
        LAUNCH_VARIABLE: identity,
        RULE_VARIABLE: rule_id,
        EVENT_VARIABLE: event.name,
    }
    labels = {
        LAUNCH_LABEL: identity,
        INSTANCE_LABEL: origin.instance,
        RULE_LABEL: rule_id,
    }
    return replace(spec, env={**spec.env, **injected}, labels={**spec.labels, **labels})


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
            kept = {k: v for k, v in spec.env.items() if not k.startswith("WEBHOOK_PAYLOAD")}
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


def _small_number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def job_of(launch: Launch, body: bytes, secrets: Mapping[str, str]) -> JobSpec:
    """
    Return the job exactly as it is sent: with the payload and the values of its secrets.

    Raises:
        MissingSecret: If *secrets* lacks one that the job is to get.
    """
    spec = launch.spec
    missing = [name for name in spec.secrets if name not in secrets]
    if missing:
        raise MissingSecret(f"set JOBHOOK_SECRET_{missing[0]} and start the service again")
    return replace(
        spec,
        env={**spec.env, **fit_payload(body).env()},
        secrets={name: secrets[name] for name in spec.secrets},
        labels={**spec.labels, **_chain_labels(launch)},
    )


def _chain_labels(launch: Launch) -> Mapping[str, str]:
    # A launch that was not claimed has no place in a chain yet.
    return {DEPTH_LABEL: str(launch.depth), ROOT_LABEL: launch.root} if launch.depth else {}
