"""`jobhook rules explain`: why a delivery did, or did not, set a rule off."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import asdict
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
from jobhook.cli.options import AsJson, Database, RulesFolder, settings_with
from jobhook.cli.output import print_json, say, warn
from jobhook.cli.rules import Me, jobs_of, payload_in, print_jobs, token_user
from jobhook.core.checks import Answer
from jobhook.core.deliveries import Unreadable, read_delivery
from jobhook.core.errors import StoreError, UsageError, did_you_mean
from jobhook.core.matching import Explanation, explain
from jobhook.core.rules import Rule
from jobhook.ports import Reads
from jobhook.settings import Settings
from jobhook.stores import open_reads

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
    loaded = load_rules(settings.rules)
    chosen = _chosen(loaded.rules, rule)
    body = _body(settings, what, loaded.version)
    delivery = read_delivery(body)
    if isinstance(delivery, Unreadable):
        raise UsageError(f"{what or 'the last delivery'}: {delivery.reason}")
    me = me or token_user(settings, offline=offline)
    told = Told(files=file, actor=actor, message=message, offline=offline)
    occasions = occasions_for(delivery, chosen, settings, me=me, told=told)
    explained = [explain(occasions, each) for each in chosen]
    key = Path(what).stem if what else "last"
    rows = [_row(each, jobs_of(each.decision, body, key, settings)) for each in explained]
    if as_json:
        print_json([{**row, "conditions": list(map(asdict, row["conditions"]))} for row in rows])
    else:
        for row in rows:
            _print(row)


def _chosen(rules: tuple[Rule, ...], wanted: str | None) -> list[Rule]:
    chosen = [rule for rule in rules if wanted in (None, rule.id)]
    if wanted and not chosen:
        raise UsageError(f"there is no rule {wanted}{did_you_mean(wanted, [r.id for r in rules])}")
    return chosen


def _body(settings: Settings, what: str | None, version: str) -> bytes:
    # No id of a delivery looks like a path.
    if what is not None and (Path(what).exists() or Path(what).suffix or "/" in what):
        return payload_in(Path(what))

    async def read() -> bytes:
        async with open_reads(settings.database) as store:
            if (in_force := await store.rules_version()) not in (None, version):
                warn(
                    f"jobhook: the service decides by other rules (version {in_force}) than those "
                    f"in {settings.rules} (version {version})"
                )
            return await _stored(store, what)

    return asyncio.run(read())


async def _stored(store: Reads, delivery: str | None) -> bytes:
    if delivery is None:
        newest = await store.deliveries(limit=1)
        if not newest:
            raise StoreError("no delivery has come yet")
        delivery = newest[0][0].id
    body = await store.body(delivery)
    if body is None:
        raise StoreError(
            f"there is no file and no delivery {delivery}: see `jobhook deliveries ls` for the ids"
        )
    return body


def _row(explained: Explanation, jobs: list[Any]) -> dict[str, Any]:
    return {
        "rule": explained.decision.rule.id,
        "fired": explained.decision.fired,
        "reason": explained.decision.reason,
        "event": explained.event,
        "conditions": explained.answers,
        "jobs": jobs,
    }


def _print(row: dict[str, Any]) -> None:
    say(f"{row['rule']} {'fires' if row['fired'] else 'does not fire'}: {row['reason']}")
    for line in _lines(row["conditions"], _INDENT):
        say(line)
    print_jobs(row["jobs"])


def _lines(answers: Iterable[Answer], indent: int) -> Iterator[str]:
    for answer in answers:
        told = f"{answer.seen}; wanted: {answer.wanted}" if answer.seen else answer.wanted
        yield f"{'':{indent}}{_WORDS[answer.holds]:4}{answer.condition:12}{told}"
        yield from _lines(answer.parts, indent + _INDENT)
