"""
What people and programs are shown: of deliveries, launches, pauses and rules.

The command line, HTTP and the client of HTTP show the same, with the names of these fields. Most
values come from `core/viewing.py`. What fits as it is kept is shown as it is: `Verdict`, `Answer`,
`Problem` and `Outcome` (what came of an order).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobhook.core.access import Role, TokenState
from jobhook.core.checks import Answer
from jobhook.core.deliveries import DeliveryState
from jobhook.core.errors import Problem
from jobhook.core.launches import LaunchState
from jobhook.core.records import Verdict
from jobhook.core.watches import Watch


@dataclass(frozen=True, slots=True)
class RepoView:
    """
    A repo on the Hub.

    Attributes:
        type: `model`, `dataset`, `space`, or another word of the Hub's.
        name: As `owner/name`.
    """

    type: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryBasics:
    """
    What every view of a delivery begins with.

    Attributes:
        id: Our id, the same for every copy of the delivery.
        webhook_id: The `Webhook-Id` header that it came with, the only one that is kept; null if
            none came.
        received_at: When it came.
        scope: What happened, in the Hub's words; null if it could not be read.
        action: What was done, in the Hub's words; null if it could not be read.
        repo: Where it happened; null if it could not be read.
        events: The semantic events that it means, once it was read.
        state: What became of it.
        reason: Why, in one line.
    """

    id: str
    webhook_id: str | None
    received_at: datetime
    scope: str | None
    action: str | None
    repo: RepoView | None
    events: tuple[str, ...]
    state: DeliveryState
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySummary(DeliveryBasics):
    """
    A delivery in a list.

    Attributes:
        launches: The ids of the launches that it led to.
    """

    launches: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryDetail(DeliveryBasics):
    """
    A delivery with what every rule said of it.

    Attributes:
        damaged: Whether the database does not hold it as it came.
        launches: The ids of the launches that it led to.
        verdicts: What the rules said of it.
        payload: Its body as JSON; null if that is not JSON that can be trusted.
        body_bytes: How long its body is.
    """

    damaged: bool
    launches: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    payload: Any
    body_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSummary:
    """
    A launch in a list.

    Attributes:
        id: Derived from what it is for, so that the same event always gives the same.
        delivery: The id of the delivery that caused it.
        rule: The id of the rule that fired.
        repo: Where it happened; null if it is for no repo.
        action: Which job of the rule's `run`, from 0.
        state: Where it stands.
        reason: Why it stands there, if there is anything to say.
        job_id: The Hub's id of its job, once that is known.
        job_url: The page of its job.
        flavor: The hardware that it runs on.
        cost_usd: What it reserves until its job has ended, and what that took afterwards, in US
            dollars.
        created_at: When it was planned.
        updated_at: When it came to stand where it stands.
        timeout: Seconds after which the Hub stops its job.
        generation: How often it was asked for again.
    """

    id: str
    delivery: str
    rule: str
    repo: RepoView | None
    action: int
    state: LaunchState
    reason: str
    job_id: str | None
    job_url: str | None
    flavor: str
    cost_usd: float
    created_at: datetime
    updated_at: datetime
    timeout: int
    generation: int


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """
    Something that happened to a launch, or will.

    Attributes:
        at: When.
        what: What, in a few words.
    """

    at: datetime
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchDetail(LaunchSummary):
    """
    A launch with its job and its life so far.

    Attributes:
        event: The semantic event that set the rule off.
        damaged: Whether the database does not hold it as it was decided.
        timeline: What is known of its life, in the order of time.
        job: The body of the Hub's `POST /api/jobs/{namespace}` that it stands for; its `secrets`
            are names only, and the payload is added when it is sent.
        next_step: What a person can do, if it will not go on by itself.
        namespace: The user or org that its job runs in, once it was sent.
        attempts: How often it was claimed to be sent.
        depth: Its place in a chain of launches that set one another off, from 1; 0 until claimed.
        root: The delivery at the beginning of that chain; empty until claimed.
        asked_by: The person who let it go in spite of a guard, or asked for it again.
        rule_hash: A hash of all that the rule said when it fired.
    """

    event: str
    damaged: bool
    timeline: tuple[TimelineEntry, ...]
    job: Mapping[str, Any]
    next_step: str | None
    namespace: str | None
    attempts: int
    depth: int
    root: str
    asked_by: str
    rule_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseView:
    """
    Something that launches nothing for now.

    Attributes:
        scope: `everything`, `rule:<id>` or `repo:<type>:<owner>/<name>`.
        since: Since when; null if a setting of the service says so.
        by: Who paused it.
        reason: Why.
    """

    scope: str
    since: datetime | None
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSummary:
    """
    A rule, with all that its file says; what it leaves out has its default.

    Attributes:
        on: Events, any of which sets the rule off.
        repos: Patterns of the repos that it is for, as `type:owner/name` or `id:…`.
        refs: Patterns of the refs that it is for.
        private: Whether the repo must be private, or must be public.
        titles: Patterns of the title of the discussion or pull request.
        comment: What the comment must begin with or hold.
        tags: Patterns of the repo's tags.
        paths: Patterns of the files that must have changed.
        actors: Patterns of who must have done it.
        any: Blocks of conditions, one of which must hold.
        all: Blocks of conditions, all of which must hold.
        not_: A block of conditions that must not hold (`not` in the file).
        if_: An expression that must hold (`if` in the file).
        id: The same as its file's name without the ending.
        description: One sentence for people.
        watch: What the webhook watches, and a filter.
        skip_marker: Whether `[skip jobs]` in the message of a pushed commit is honoured.
        verify: Whether what the delivery tells of is read back from the Hub; null lets the price
            decide.
        trust_strangers: Whether it may carry secrets although strangers can set it off.
        pass_webhook_secret: Whether its jobs get the webhook's secret.
        run: Its jobs, in the words of the rule file; secrets are names.
        cases: Its examples.
        hash: A hash of all that it says, kept with every launch that it causes.
        set: The version of the set of rules that it belongs to.
    """

    on: tuple[str, ...]
    repos: tuple[str, ...] | None
    refs: tuple[str, ...] | None
    private: bool | None
    titles: tuple[str, ...] | None
    comment: Mapping[str, Any] | None
    tags: tuple[str, ...] | None
    paths: tuple[str, ...] | None
    actors: tuple[str, ...] | None
    any: tuple[Mapping[str, Any], ...] | None
    all: tuple[Mapping[str, Any], ...] | None
    not_: Mapping[str, Any] | None
    if_: str | None
    id: str
    description: str
    watch: tuple[Watch, ...]
    skip_marker: bool
    verify: str | None
    trust_strangers: bool
    pass_webhook_secret: bool
    run: tuple[Mapping[str, Any], ...]
    cases: tuple[Mapping[str, Any], ...]
    hash: str
    set: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDetail(RuleSummary):
    """
    A rule, with what its author should know of it.

    Attributes:
        usd: What all that it launches at once can cost, in US dollars; null if nobody here knows.
        warnings: What is allowed in its file and most likely not meant.
    """

    usd: float | None
    warnings: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class CheckedRule:
    """
    A rule that was found in a file that was checked.

    Attributes:
        rule: Its id.
        file: The file that it is from.
        cases: How many examples it has.
        usd: What all that it launches at once can cost, in US dollars; null if nobody here knows.
        jobs: Its jobs: the hardware, and for how long.
    """

    rule: str
    file: str
    cases: int
    usd: float | None
    jobs: tuple[JobTerms, ...]


@dataclass(frozen=True, slots=True)
class JobTerms:
    """
    What a job costs money by.

    Attributes:
        flavor: The hardware.
        timeout: Seconds after which it is stopped.
    """

    flavor: str
    timeout: int


@dataclass(frozen=True, slots=True)
class CheckReport:
    """
    What was found in rule files.

    Attributes:
        ok: Whether the files could be loaded: no problem is an error.
        problems: All that is wrong, and warnings of what is most likely not meant, by place.
        rules: The rules that could be read.
        left_out: How many more problems there are than are told.
    """

    ok: bool
    problems: tuple[Problem, ...]
    rules: tuple[CheckedRule, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """
    Why a rule fires on a delivery, or does not.

    Attributes:
        rule: The id of the rule.
        fired: Whether it fires.
        reason: Why, in one line.
        event: The semantic event that came nearest, or set the rule off.
        conditions: What each condition said of that event, in the order in which they are asked.
        jobs: What would be sent to the Hub's `POST /api/jobs/{namespace}`, with `namespace` if the
            rule names one; values of secrets are stars.
        warnings: Why a job that is owed would not be sent, or is not shown.
    """

    rule: str
    fired: bool
    reason: str
    event: str
    conditions: tuple[Answer, ...]
    jobs: tuple[Mapping[str, Any], ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenView:
    """
    An API token, without its value, which nobody keeps.

    Attributes:
        id: What it is called by.
        name: Whose it is.
        role: What may be done with it.
        state: What it is good for.
        created_by: Who made it.
        created_at: When it was made.
        expires_at: From when on it opens nothing; null for never.
        last_used_at: To within a minute; null if nobody has called with it.
        revoked_at: Since when it opens nothing; null if it was not revoked.
    """

    id: str
    name: str
    role: Role
    state: TokenState
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditView:
    """
    A change that somebody made, or tried to make.

    Attributes:
        at: When.
        who: A token by its name, or the user of the machine.
        role: What they were then.
        source: The address that it came from, or `local`.
        did: The name of what was asked for, such as `launches.retry`.
        about: The id of what it was done to; empty if there is none.
        outcome: `done`, or `refused: ` and the code of why.
        request_id: What the log has it under; empty for what came by no request.
        seq: Its number; later ones are higher.
    """

    at: datetime
    who: str
    role: Role
    source: str
    did: str
    about: str
    outcome: str
    request_id: str
    seq: int
