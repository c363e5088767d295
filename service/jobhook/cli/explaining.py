"""`jobhook rules explain`: why a delivery did, or did not, set a rule off."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobhook.cli.lookups import GivenActor, GivenFiles, GivenMessage, Me, Offline, told
from jobhook.cli.options import AsJson, Database, RulesFolder, settings_with
from jobhook.cli.output import print_json, say, warn
from jobhook.cli.places import open_records, open_rules
from jobhook.cli.rules import payload_in, print_jobs, readable, warn_of_jobs
from jobhook.core.checks import Answer
from jobhook.core.errors import NoSuchRecord, UsageError
from jobhook.core.jsonable import in_json
from jobhook.settings import Settings

if TYPE_CHECKING:
    from jobhook.core.views import Explanation
    from jobhook.ports.records import RecordsReader

_INDENT = 2
_WORDS = {True: "yes", False: "NO", None: "?"}


def explain_rules(
    what: Annotated[
        str | None,
        typer.Argument(metavar="[DELIVERY|PAYLOAD.json]", help="A stored delivery, or a file."),
    ] = None,
    rule: Annotated[str | None, typer.Option("--rule", help="Only this one.")] = None,
    last: Annotated[bool, typer.Option("--last", help="The delivery that came last.")] = False,
    me: Me = None,
    file: GivenFiles = None,
    actor: GivenActor = None,
    message: GivenMessage = None,
    offline: Offline = False,
    rules: RulesFolder = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Tell of every condition what it saw, what it wants, and whether it holds."""
    if (what is None) is not last:
        raise UsageError("give a delivery, a payload file, or --last")
    settings = settings_with(rules=rules, database=database)
    said = told(file, actor, message)

    async def explained() -> tuple[Explanation, ...]:
        async with open_rules(settings, me=me, offline=offline) as reader:
            body = await _body(settings, what, await reader.version())
            readable(what or "the last delivery", body)
            return await reader.explain(body, rule=rule, told=said)

    found = asyncio.run(explained())
    warn_of_jobs(found)
    if as_json:
        print_json(in_json(found))
    else:
        for each in found:
            _print(each)


async def _body(settings: Settings, what: str | None, version: str | None) -> bytes:
    if what is not None and _is_path(what):
        return payload_in(Path(what))
    async with open_records(settings) as records:
        if (in_force := await records.rules_version()) not in (None, version):
            warn(
                f"jobhook: the service decides by other rules (version {in_force}) than those "
                f"in {settings.rules} (version {version})"
            )
        return await _stored(records, what)


def _is_path(what: str) -> bool:
    # No id of a delivery looks like a path.
    return Path(what).exists() or bool(Path(what).suffix) or "/" in what


async def _stored(records: RecordsReader, delivery: str | None) -> bytes:
    if delivery is None:
        newest = await records.deliveries(limit=1)
        if not newest:
            raise NoSuchRecord("no delivery has come yet")
        delivery = newest[0].id
    try:
        return await records.body(delivery)
    except NoSuchRecord as exc:
        raise NoSuchRecord(
            f"there is no file and no delivery {delivery}: see `jobhook deliveries ls` for the ids"
        ) from exc


def _print(each: Explanation) -> None:
    say(f"{each.rule} {'fires' if each.fired else 'does not fire'}: {each.reason}")
    for line in _lines(each.conditions, _INDENT):
        say(line)
    print_jobs(each.jobs)


def _lines(answers: Iterable[Answer], indent: int) -> Iterator[str]:
    for answer in answers:
        words = f"{answer.seen}; wanted: {answer.wanted}" if answer.seen else answer.wanted
        yield f"{'':{indent}}{_WORDS[answer.holds]:4}{answer.condition:12}{words}"
        yield from _lines(answer.parts, indent + _INDENT)
