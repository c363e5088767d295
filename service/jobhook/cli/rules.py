"""`jobhook rules`: look at the rules without a service."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from jobhook.adapters.rulefiles import load_rules
from jobhook.cli.lookups import (
    GivenActor,
    GivenFiles,
    GivenMessage,
    Offline,
    Told,
    occasions_for,
)
from jobhook.cli.options import AsJson, RulesFolder, settings_with
from jobhook.cli.output import print_json, print_table, say, warn
from jobhook.core.actions import Action
from jobhook.core.deliveries import Unreadable, delivery_id, read_delivery
from jobhook.core.errors import HubError, JobHookError, UsageError
from jobhook.core.events import events_of
from jobhook.core.matching import Decision, decide
from jobhook.core.planning import Origin, job_of, plan_launches
from jobhook.core.rules import rule_schema
from jobhook.flows.intake import SOURCE
from jobhook.hub.client import AsyncHub
from jobhook.settings import Settings

app = typer.Typer(help="Check the rules and try them on payloads.", no_args_is_help=True)

Me = Annotated[
    str | None, typer.Option("--me", help="Who user:@me is (default: the token's user).")
]
_WHO_AM_I_SECONDS = 5.0
_HIDDEN = "***"
# What a job has only if its rule says so, in the words of the wire.
_SELDOM = ("namespace", "volumes", "expose", "ssh", "resourceGroupId", "network", "arch")


@app.command("list")
def list_rules(rules: RulesFolder = None, as_json: AsJson = False) -> None:
    """List the rules."""
    loaded = load_rules(settings_with(rules=rules).rules)
    if as_json:
        print_json(
            [
                {**rule.model_dump(mode="json"), "hash": rule.fingerprint, "set": loaded.version}
                for rule in loaded.rules
            ]
        )
        return
    print_table(
        ("RULE", "ON", "WATCHES", "JOBS", "DESCRIPTION"),
        (
            (
                rule.id,
                ", ".join(rule.on),
                ", ".join(map(str, rule.watch)),
                ", ".join(map(_job, rule.run)),
                rule.description,
            )
            for rule in loaded.rules
        ),
        empty="there are no rules",
    )


def _job(action: Action) -> str:
    if action.source_job:
        return f"as {action.source_job}"
    return f"{action.flavor} {action.timeout}s"


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of a rule file, for editors."""
    print_json(rule_schema())


@app.command("test")
def try_payload(
    payload: Annotated[Path, typer.Argument(metavar="PAYLOAD.json", help="A webhook payload.")],
    rules: RulesFolder = None,
    me: Me = None,
    file: GivenFiles = None,
    actor: GivenActor = None,
    message: GivenMessage = None,
    offline: Offline = False,
    as_json: AsJson = False,
) -> None:
    """Say for every rule whether the payload sets it off, why, and the exact job."""
    settings = settings_with(rules=rules)
    loaded = load_rules(settings.rules).rules
    body = payload_in(payload)
    delivery = read_delivery(body)
    if isinstance(delivery, Unreadable):
        raise UsageError(f"{payload}: {delivery.reason}")
    me = me or token_user(settings, offline=offline)
    events = events_of(delivery)
    told = Told(files=file, actor=actor, message=message, offline=offline)
    occasions = occasions_for(delivery, loaded, settings, me=me, told=told)
    rows = [_row(decide(occasions, rule), body, payload.stem, settings) for rule in loaded]
    if as_json:
        print_json(rows)
    else:
        names = ", ".join(dict.fromkeys(event.name for event in events)) or "nothing we know"
        say(f"{payload}: {names} on {delivery.repo.type} {delivery.repo.name}")
        for row in rows:
            _print_row(row)


def payload_in(path: Path) -> bytes:
    """Return the content of a payload file; raises `UsageError`."""
    try:
        return path.read_bytes()
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {exc.strerror}") from exc


def token_user(settings: Settings, *, offline: bool = False) -> str | None:
    """Return whose token it is, or None if there is none or the Hub does not tell."""
    if offline or not settings.hf_token:
        return None

    async def ask() -> str:
        hub = AsyncHub(settings.hf_endpoint, settings.hf_token or False, deadline=_WHO_AM_I_SECONDS)
        async with hub:
            return (await hub.whoami()).name

    try:
        return asyncio.run(ask())
    except HubError as exc:
        warn(f"jobhook: who user:@me is cannot be told ({exc}): give it with --me")
        return None


def _row(decision: Decision, body: bytes, key: str, settings: Settings) -> dict[str, Any]:
    return {
        "rule": decision.rule.id,
        "fired": decision.fired,
        "reason": decision.reason,
        "jobs": jobs_of(decision, body, key, settings),
    }


def jobs_of(decision: Decision, body: bytes, key: str, settings: Settings) -> list[Any]:
    """Return the jobs that a decision to fire owes, as they are sent, without their secrets."""
    origin = Origin(
        instance=settings.instance, source=SOURCE, delivery=delivery_id(SOURCE, key), key=key
    )
    jobs = []
    for launch in plan_launches(decision, origin, now=0):
        if launch.reason:
            warn(f"jobhook: {decision.rule.id}: the job would be {launch.state}: {launch.reason}")
            continue
        try:
            hidden = dict.fromkeys(launch.spec.secrets, _HIDDEN)
            home = {"namespace": launch.spec.namespace} if launch.spec.namespace else {}
            jobs.append({**home, **job_of(launch, body, hidden).to_wire()})
        except JobHookError as exc:
            warn(f"jobhook: {decision.rule.id}: the job would be rejected: {exc}")
    return jobs


def _print_row(row: dict[str, Any]) -> None:
    say(f"{'fired' if row['fired'] else 'not fired':10} {row['rule']}: {row['reason']}")
    print_jobs(row["jobs"])


def print_jobs(jobs: Iterable[Any]) -> None:
    """Print what `jobs_of` gave."""
    for job in jobs:
        say(f"{'':10} would launch on {job['flavor']} for at most {job['timeoutSeconds']} s:")
        say(f"{'':12} image    {job.get('dockerImage') or job.get('spaceId')}")
        say(f"{'':12} command  {_command(job)}")
        for key in _SELDOM:
            if key in job:
                say(f"{'':12} {key:8} {_told(job[key])}")
        for name, value in job["environment"].items():
            say(f"{'':12} env      {name}={_shortened(value)}")
        for name in job.get("secrets", {}):
            say(f"{'':12} secret   {name}")
        for name, value in job["labels"].items():
            say(f"{'':12} label    {name}={value}")


def _command(job: dict[str, Any]) -> str:
    words = shlex.join([*job["command"], *job["arguments"]])
    return words if "\n" not in words else f"{shlex.join(job['command'][:2])} … (see --json)"


def _told(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _shortened(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= 120 else f"{one_line[:100]}… ({len(text):,} characters)"
