"""Whether everything is fit to run: judgements, each with a sentence that says what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from jobhook.core.accounts import Account
from jobhook.core.launches import Launch
from jobhook.core.records import Backlog, Pause
from jobhook.core.rules import RuleSet, setting_of

_SECRET_CHARACTERS = 32
_CLOCK_MS = 30_000
_DISK_LOW_BYTES = 1 << 30
_DISK_FULL_BYTES = 100 << 20
# Longer than any restart takes.
_DECIDED_MS = 60_000
_JOB = "job.write"
_WEBHOOKS = "user.webhooks.write"
_ALSO_NEEDED = frozenset({"job.read", "user.webhooks.read", "repo.content.read"})


class Health(StrEnum):
    """What a check found."""

    OK = "ok"
    WARN = "warn"  # it runs, and somebody should look at it
    FAIL = "fail"  # it does not run, or does not do its work


@dataclass(frozen=True, slots=True)
class Finding:
    """One check, what it found, and what to do about it in one sentence."""

    check: str
    state: Health
    told: str


def ok(check: str, told: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(check, Health.OK, told)


def warn(check: str, told: str) -> Finding:
    """Return a finding that somebody should look at."""
    return Finding(check, Health.WARN, told)


def fail(check: str, told: str) -> Finding:
    """Return a finding that keeps the service from its work."""
    return Finding(check, Health.FAIL, told)


def of_webhook_secrets(secrets: Sequence[str]) -> Finding:
    """Judge the secrets that deliveries may carry; none of them is told."""
    check = "webhook secret"
    if not secrets:
        told = "none is set: put one of `jobhook secret new` into JOBHOOK_WEBHOOK_SECRETS"
        return fail(check, told)
    if any(len(secret) < _SECRET_CHARACTERS for secret in secrets):
        return warn(
            check,
            f"one has fewer than {_SECRET_CHARACTERS} characters: take one of `jobhook secret new`",
        )
    return ok(check, f"{len(secrets)} set")


def of_public_url(url: str | None, register: bool | None) -> Finding:
    """Judge where the Hub is to reach the service."""
    check = "public URL"
    if url is None and register:
        return fail(check, "JOBHOOK_REGISTER is on: set JOBHOOK_PUBLIC_URL, where we are reached")
    if url is None:
        return warn(check, "none is set: without JOBHOOK_PUBLIC_URL no webhook is registered")
    if register is False:
        return warn(check, f"{url}, but JOBHOOK_REGISTER is off: run `jobhook apply` yourself")
    if url.startswith("http://"):
        return warn(check, f"{url} is not https: the webhook secret travels in the open")
    return ok(check, url)


def of_rules(rules: RuleSet) -> Finding:
    """Judge the rules that were loaded."""
    count = f"{len(rules.rules)} loaded"
    if rules.warnings:
        told = f"{count}, {len(rules.warnings)} with a warning: {rules.warnings[0]}"
        return warn("rules", told)
    if not rules.rules:
        return warn("rules", "the folder is empty: nothing is ever launched")
    return ok("rules", count)


def of_rules_in_force(in_force: str, rules: RuleSet) -> Finding:
    """Judge whether a running service decides by the *rules* that are here."""
    check = "rules in force"
    if in_force == rules.version:
        return ok(check, f"those in the folder, version {in_force}")
    here = f"holds version {rules.version}" if rules.rules else "holds none that can be used"
    told = f"version {in_force}, but the folder {here}"
    return warn(check, f"{told}: the service's log says why; SIGHUP lets it read them again")


def of_job_secrets(wanted: Collection[str], given: Collection[str]) -> Finding:
    """Judge whether the rules get the secrets that they name."""
    if missing := sorted(set(wanted).difference(given)):
        names = ", ".join(map(setting_of, missing))
        return fail("job secrets", f"launches that need them are held: set {names}")
    return ok("job secrets", f"{len(wanted)} named by rules, all set" if wanted else "none needed")


def of_disk(free: int) -> Finding:
    """Judge the bytes that are *free* beside the database."""
    told = f"{free / (1 << 30):.1f} GiB free beside the database"
    if free < _DISK_FULL_BYTES:
        return fail("disk", f"{told}: make room, or deliveries are refused soon")
    return warn("disk", f"{told}: make room") if free < _DISK_LOW_BYTES else ok("disk", told)


def of_pauses(pauses: Sequence[Pause], rules: Collection[str], *, by_setting: bool) -> Finding:
    """Judge what is paused; a pause of a rule that is not there stops nothing."""
    check = "pauses"
    if by_setting:
        return warn(check, "JOBHOOK_PAUSE is on: nothing is launched")
    unknown = [
        pause.scope
        for pause in pauses
        if pause.scope.startswith("rule:") and pause.scope.removeprefix("rule:") not in rules
    ]
    if unknown:
        return warn(check, f"{unknown[0]} is paused, but there is no such rule: is it misspelt?")
    if pauses:
        scopes = ", ".join(pause.scope for pause in pauses)
        commands = " and ".join(pause.ended_by for pause in pauses)
        return warn(check, f"paused: {scopes}; {commands} {'end' if pauses[1:] else 'ends'} that")
    return ok(check, "nothing is paused")


def of_deliveries(backlog: Backlog, now: int, *, is_worked_on: bool) -> Finding:
    """Judge the deliveries that wait to be decided, and those that were put aside."""
    check = "deliveries"
    aside = f"{backlog.quarantined} quarantined"
    if backlog.oldest is not None and now - backlog.oldest > _DECIDED_MS:
        told = f"{backlog.waiting} undecided, the oldest for {_duration(now - backlog.oldest)}"
        if backlog.quarantined:
            told = f"{told}; {aside}"
        if is_worked_on:
            return warn(check, f"{told}: see in the log what keeps them back")
        return fail(check, f"{told}; nobody decides them: start `jobhook serve`")
    if backlog.quarantined:
        return warn(check, f"{aside}: see why with `jobhook deliveries ls --state quarantined`")
    return ok(check, f"{backlog.waiting} undecided, none for long; none quarantined")


def of_leader(holder: str | None) -> Finding:
    """Judge who of several processes does the work behind the receivers."""
    if holder is None:
        return warn("leader", "nobody decides or launches: start `jobhook serve`")
    host, pid, _ = (*holder.split(":"), "", "")[:3]
    return ok("leader", f"{host}, process {pid}, decides and launches")


def _duration(milliseconds: int) -> str:
    minutes = milliseconds // 60_000
    if minutes < 2 * 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"


def of_launches(stuck: Sequence[Launch]) -> Finding:
    """Judge the launches that do not go on by themselves, or whose outcome nobody knows."""
    if not stuck:
        return ok("launches", "none is held, unknown or rejected")
    counts = Counter(launch.state for launch in stuck)
    told = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    state = min(counts)
    return warn("launches", f"{told}: see why with `jobhook launches ls --state {state}`")


def of_clock(now: int, told_at: int | None) -> Finding:
    """Judge our clock by the Hub's."""
    if told_at is None:
        return warn("clock", "the Hub does not tell the time: compare it yourself")
    # The Hub tells whole seconds.
    seconds = abs(now - told_at) // 1000
    if abs(now - told_at) > _CLOCK_MS:
        which = "ahead of" if now > told_at else "behind"
        return warn("clock", f"{seconds} s {which} the Hub's: let NTP set it")
    return ok("clock", f"within {seconds + 1} s of the Hub's")


def of_token(account: Account, namespace: str, also: Collection[str] = ()) -> Finding:
    """
    Judge whether the token may do what is needed in *namespace*, and how much more it may.

    *also* are the other namespaces in which rules have their jobs run.
    """
    check, homes = "token", (namespace, *sorted(also))
    for home in homes:
        if home != account.name and home not in account.orgs:
            hint = "set JOBHOOK_NAMESPACE" if home == namespace else "a rule has its jobs run there"
            return fail(check, f"{account.name} is no member of {home}: {hint}")
        if "read" in (account.role, account.orgs.get(home)):
            told = f"it may only read in {home}: take one that may start jobs there"
            return fail(check, told)
    if account.role == "fineGrained":
        return _of_scopes(account, homes)
    if account.role is None:
        return warn(check, f"the Hub does not say what {account.name}'s token may do")
    return warn(
        check,
        f"it may do all that {account.name} may: a fine-grained one with {_JOB} on {namespace} and "
        f"{_WEBHOOKS} is enough",
    )


def _of_scopes(account: Account, homes: Sequence[str]) -> Finding:
    check = "token"
    for needed, owner in (*((_JOB, home) for home in homes), (_WEBHOOKS, account.name)):
        if needed not in account.everywhere | account.scoped.get(owner, frozenset()):
            return fail(check, f"it lacks {needed} on {owner}: add that on the Hub")
    broader = account.everywhere - {_JOB, _WEBHOOKS} - _ALSO_NEEDED
    for entity, scopes in account.scoped.items():
        needed_there = _ALSO_NEEDED | ({_JOB} if entity in homes else frozenset())
        broader |= scopes - needed_there - ({_WEBHOOKS} if entity == account.name else frozenset())
    if broader:
        return warn(check, f"it may do more than is needed: take away {', '.join(sorted(broader))}")
    return ok(check, f"{account.name}'s, with what is needed in {' and '.join(homes)} and no more")
