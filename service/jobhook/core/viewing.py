"""From what is kept to what is shown."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from jobhook.core.access import ApiToken
from jobhook.core.advice import most_usd_of
from jobhook.core.audits import AuditEntry
from jobhook.core.deliveries import load_json
from jobhook.core.errors import Problem
from jobhook.core.guards import shown_reason
from jobhook.core.jsonable import moment_of
from jobhook.core.launches import Launch, next_step
from jobhook.core.records import EVERYTHING, Pause, StoredDelivery, Verdict
from jobhook.core.rules import Rule, RuleSet
from jobhook.core.timeline import timeline
from jobhook.core.views import (
    AuditView,
    CheckedRule,
    CheckReport,
    DeliveryDetail,
    DeliverySummary,
    JobTerms,
    LaunchDetail,
    LaunchSummary,
    PauseView,
    RepoView,
    RuleDetail,
    RuleSummary,
    TimelineEntry,
    TokenView,
)


def delivery_summary(stored: StoredDelivery, launches: Sequence[str]) -> DeliverySummary:
    """Return *stored* as it stands in a list, with the ids of the *launches* that it led to."""
    return DeliverySummary(**_basics(stored), launches=tuple(launches))


def delivery_detail(
    stored: StoredDelivery,
    body: bytes,
    *,
    verdicts: Sequence[Verdict],
    launches: Sequence[str],
) -> DeliveryDetail:
    """Return all that is told of *stored*; *launches* are ids."""
    return DeliveryDetail(
        **_basics(stored),
        damaged=stored.is_damaged,
        launches=tuple(launches),
        verdicts=tuple(verdicts),
        payload=_payload(body),
        body_bytes=len(body),
    )


def _basics(stored: StoredDelivery) -> dict[str, Any]:
    name = stored.repo_name
    return {
        "id": stored.id,
        "webhook_id": stored.webhook_id,
        "received_at": moment_of(stored.received_at),
        "scope": stored.scope,
        "action": stored.action,
        "repo": RepoView(stored.repo_type or "", name) if name else None,
        "events": stored.events,
        "state": stored.state,
        "reason": stored.reason,
    }


def _payload(body: bytes) -> Any:
    try:
        return load_json(body)
    except (ValueError, RecursionError):
        return None


def launch_summary(launch: Launch, paused: Collection[str], *, by_setting: bool) -> LaunchSummary:
    """Return *launch* as it stands in a list, while what is *paused* launches nothing."""
    return LaunchSummary(**_launch(launch, shown_reason(launch, paused, by_setting=by_setting)))


def launch_detail(
    launch: Launch, received_at: int | None, paused: Collection[str], *, by_setting: bool
) -> LaunchDetail:
    """Return all that is told of *launch*; *received_at* is when its delivery came, if known."""
    reason = shown_reason(launch, paused, by_setting=by_setting)
    told = replace(launch, reason=reason)
    return LaunchDetail(
        **_launch(launch, reason),
        event=launch.event,
        damaged=launch.is_damaged,
        timeline=tuple(
            TimelineEntry(moment_of(each.at), each.what) for each in timeline(told, received_at)
        ),
        job={**launch.spec.to_wire(), "secrets": list(launch.spec.secrets)},
        next_step=next_step(told),
        namespace=launch.namespace,
        attempts=launch.attempts,
        depth=launch.depth,
        root=launch.root,
        asked_by=launch.asked_by,
        rule_hash=launch.rule_hash,
    )


def _launch(launch: Launch, reason: str) -> dict[str, Any]:
    kind, _, name = launch.repo.partition(":")
    return {
        "id": launch.id,
        "delivery": launch.delivery,
        "rule": launch.rule,
        "repo": RepoView(kind, name) if name else None,
        "action": launch.action,
        "state": launch.state,
        "reason": reason,
        "job_id": launch.job_id,
        "job_url": launch.job_url,
        "flavor": launch.spec.flavor,
        "cost_usd": launch.micro_usd / 1_000_000,
        "created_at": moment_of(launch.created_at),
        "updated_at": moment_of(launch.updated_at),
        "timeout": launch.spec.seconds,
        "generation": launch.generation,
    }


def pause_views(pauses: Iterable[Pause], *, by_setting: bool) -> tuple[PauseView, ...]:
    """Return what is paused, by people and, if so, *by_setting*."""
    views = [
        PauseView(scope=each.scope, since=moment_of(each.since), by=each.by, reason=each.reason)
        for each in pauses
    ]
    if by_setting:
        told = "the setting is on: a service that is started with it launches nothing"
        views.append(PauseView(scope=EVERYTHING, since=None, by="JOBHOOK_PAUSE", reason=told))
    return tuple(views)


def rule_summaries(rules: RuleSet) -> tuple[RuleSummary, ...]:
    """Return *rules* with all that they say."""
    return tuple(RuleSummary(**_rule(rule, rules.version)) for rule in rules.rules)


def rule_detail(rule: Rule, rules: RuleSet) -> RuleDetail:
    """Return all that is told of *rule*, one of *rules*."""
    warnings = tuple(each for each in rules.warnings if _stem(each.file) == rule.id)
    return RuleDetail(**_rule(rule, rules.version), usd=most_usd_of(rule), warnings=warnings)


def _rule(rule: Rule, version: str) -> dict[str, Any]:
    said = rule.model_dump(mode="json").items()
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in said}
    return {**plain, "watch": rule.watch, "hash": rule.fingerprint, "set": version}


def _stem(file: str) -> str:
    # A rule has the name of its file.
    return file.replace("\\", "/").rpartition("/")[2].rpartition(".")[0]


def check_report(
    found: Iterable[tuple[Rule, str]], problems: Iterable[Problem], warnings: Iterable[Problem]
) -> CheckReport:
    """Return what was *found* in files, rule by rule with its file, and what is wrong there."""
    errors = tuple(problems)
    return CheckReport(
        ok=not errors,
        problems=tuple(sorted((*errors, *warnings))),
        rules=tuple(_checked(rule, file) for rule, file in found),
    )


def _checked(rule: Rule, file: str) -> CheckedRule:
    jobs = tuple(JobTerms(action.flavor, action.timeout) for action in rule.run)
    return CheckedRule(rule.id, file, len(rule.cases), most_usd_of(rule), jobs)


def token_view(token: ApiToken, now: int) -> TokenView:
    """Return *token* as it is at *now*, in milliseconds since 1970."""
    return TokenView(
        id=token.id,
        name=token.name,
        role=token.role,
        state=token.state(now),
        created_by=token.created_by,
        created_at=moment_of(token.created_at),
        expires_at=_moment_or_none(token.expires_at),
        last_used_at=_moment_or_none(token.last_used_at),
        revoked_at=_moment_or_none(token.revoked_at),
    )


def _moment_or_none(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else moment_of(milliseconds)


def audit_view(entry: AuditEntry) -> AuditView:
    """Return *entry* as it is shown."""
    return AuditView(
        at=moment_of(entry.at),
        who=entry.who,
        role=entry.role,
        source=entry.source,
        did=entry.did,
        about=entry.about,
        outcome=entry.outcome,
        request_id=entry.request_id,
        seq=entry.seq,
    )
