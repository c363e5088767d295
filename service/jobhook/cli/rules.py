"""`jobhook rules`: look at the rules without a service."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobhook.cli.lookups import GivenActor, GivenFiles, GivenMessage, Me, Offline, told
from jobhook.cli.options import AsJson, RulesFolder, settings_here, settings_with
from jobhook.cli.output import print_json, print_table, say, warn
from jobhook.cli.places import open_rules
from jobhook.core.deliveries import Delivery, Unreadable, read_delivery
from jobhook.core.errors import UsageError
from jobhook.core.events import events_of
from jobhook.core.jsonable import in_json
from jobhook.core.rules import rule_schema

if TYPE_CHECKING:
    from jobhook.core.views import Explanation, RuleSummary

app = typer.Typer(help="Check the rules and try them on payloads.", no_args_is_help=True)

# What a job has only if its rule says so, in the words of the wire.
_SELDOM = ("namespace", "volumes", "expose", "ssh", "resourceGroupId", "network", "arch")
# What is told of a rule that is only tried.
_TESTED = ("rule", "fired", "reason", "jobs")


@app.command("list")
def list_rules(rules: RulesFolder = None, as_json: AsJson = False) -> None:
    """List the rules."""
    settings = settings_with(rules=rules)

    async def read() -> tuple[RuleSummary, ...]:
        async with open_rules(settings) as reader:
            return await reader.rules()

    found = asyncio.run(read())
    if as_json:
        print_json(in_json(found))
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
            for rule in found
        ),
        empty="there are no rules",
    )


def _job(action: Mapping[str, Any]) -> str:
    if action["from_job"]:
        return f"as {action['from_job']}"
    return f"{action['flavor']} {action['timeout']}s"


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
    settings = settings_here(rules=rules)
    said = told(file, actor, message)

    async def explained() -> tuple[bytes, tuple[Explanation, ...]]:
        async with open_rules(settings, me=me, offline=offline) as reader:
            body = payload_in(payload)
            readable(payload, body)
            return body, await reader.explain(body, told=said, key=payload.stem)

    body, found = asyncio.run(explained())
    warn_of_jobs(found)
    if as_json:
        print_json([{key: in_json(getattr(each, key)) for key in _TESTED} for each in found])
    else:
        delivery = readable(payload, body)
        names = ", ".join(dict.fromkeys(event.name for event in events_of(delivery)))
        where = f"{delivery.repo.type} {delivery.repo.name}"
        say(f"{payload}: {names or 'nothing we know'} on {where}")
        for each in found:
            say(f"{'fired' if each.fired else 'not fired':10} {each.rule}: {each.reason}")
            print_jobs(each.jobs)


def payload_in(path: Path) -> bytes:
    """Return the content of a payload file; raises `UsageError`."""
    try:
        return path.read_bytes()
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {exc.strerror}") from exc


def readable(what: object, body: bytes) -> Delivery:
    """Return the delivery that *body* is; raises `UsageError`, which begins with *what* it is."""
    delivery = read_delivery(body)
    if isinstance(delivery, Unreadable):
        raise UsageError(f"{what}: {delivery.reason}")
    return delivery


def warn_of_jobs(found: Sequence[Explanation]) -> None:
    """Say on stderr which jobs are owed and would not be sent."""
    for each in found:
        for warning in each.warnings:
            warn(f"jobhook: {each.rule}: {warning}")


def print_jobs(jobs: Iterable[Mapping[str, Any]]) -> None:
    """Print jobs as they would be sent."""
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


def _command(job: Mapping[str, Any]) -> str:
    words = shlex.join([*job["command"], *job["arguments"]])
    return words if "\n" not in words else f"{shlex.join(job['command'][:2])} … (see --json)"


def _told(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _shortened(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= 120 else f"{one_line[:100]}… ({len(text):,} characters)"
