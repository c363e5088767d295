"""`jobhook deliveries` and `jobhook launches`: what came in and what it led to."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, TypeVar

import typer

from jobhook.cli.options import AsJson, Database, settings_with, with_options
from jobhook.cli.output import clock, print_facts, print_json, print_table, say, warn, when
from jobhook.cli.selection import DeliveryOptions, LaunchOptions
from jobhook.core.deliveries import load_json
from jobhook.core.errors import StoreError
from jobhook.core.filters import DeliveryFilter, LaunchFilter
from jobhook.core.guards import shown_reason
from jobhook.core.launches import Launch, next_step
from jobhook.core.records import StoredDelivery, Verdict
from jobhook.core.timeline import Moment, timeline
from jobhook.ports import Reads
from jobhook.settings import Settings
from jobhook.stores import open_reads

T = TypeVar("T")

deliveries_app = typer.Typer(help="What the Hub delivered.", no_args_is_help=True)
launches_app = typer.Typer(help="The jobs that rules launched.", no_args_is_help=True)

_GROUPS = {"delivery": "deliveries", "launch": "launches"}
# How many ids are named to somebody who gave the beginning of one.
_GUESSES = 3

_IN_TIMELINE = {"created_at", "updated_at"}

Limit = Annotated[int, typer.Option("--limit", min=0, help="How many, newest first; 0 means all.")]


@deliveries_app.command("ls")
@with_options
def list_deliveries(
    which: DeliveryOptions,
    limit: Limit = 100,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """List deliveries."""
    settings = settings_with(database=database)
    found = _read(settings, lambda store: store.deliveries(which.wanted(), limit=limit))
    if as_json:
        print_json([{**_delivery(each), "launches": list(ids)} for each, ids in found])
        return
    print_table(
        ("DELIVERY", "RECEIVED", "STATE", "EVENTS", "REPO", "LAUNCHES", "REASON"),
        (
            (
                each.id,
                clock(each.received_at),
                each.state,
                ", ".join(each.events),
                f"{each.repo_type} {each.repo_name}" if each.repo_name else "",
                len(ids) or "",
                each.reason,
            )
            for each, ids in found
        ),
        empty="there are no deliveries",
        roomy=("EVENTS", "LAUNCHES"),
    )


@deliveries_app.command("show")
def show_delivery(
    delivery: Annotated[str, typer.Argument(help="Its id.")],
    raw: Annotated[bool, typer.Option("--raw", help="Print the body as it came.")] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Show one delivery, and what every rule said of it."""
    settings = settings_with(database=database)
    seen = _read(settings, lambda store: _see(store, settings, delivery))
    if seen.delivery.is_damaged:
        warn("jobhook: the database does not hold this delivery as it came")
    if raw:
        sys.stdout.buffer.write(seen.body)
    elif as_json:
        print_json(
            {
                **_delivery(seen.delivery),
                "damaged": seen.delivery.is_damaged,
                "launches": [launch.id for launch in seen.launches],
                "verdicts": [asdict(verdict) for verdict in seen.verdicts],
                "payload": _payload(seen.body),
            }
        )
    else:
        _print_delivery(seen)


@dataclass(frozen=True, slots=True)
class _Seen:
    delivery: StoredDelivery
    body: bytes
    verdicts: tuple[Verdict, ...]
    launches: tuple[Launch, ...]


async def _see(store: Reads, settings: Settings, delivery_id: str) -> _Seen:
    delivery = await store.delivery(delivery_id)
    if delivery is None:
        raise StoreError(await _what_else(store, "delivery", delivery_id))
    launches = await store.launches(LaunchFilter(delivery=delivery_id), limit=0)
    return _Seen(
        delivery,
        await store.body(delivery_id) or b"",
        await store.verdicts(delivery_id),
        await _with_reasons(store, settings, launches),
    )


async def _what_else(store: Reads, thing: str, wrong_id: str) -> str:
    """Return what to do about an id that no delivery, or launch, has."""
    begun = await store.deliveries(DeliveryFilter(begins=wrong_id), limit=_GUESSES)
    ids = {
        "delivery": [delivery.id for delivery, _ in begun],
        "launch": [
            launch.id
            for launch in await store.launches(LaunchFilter(begins=wrong_id), limit=_GUESSES)
        ],
    }
    told = f"there is no {thing} {wrong_id}"
    if ids[thing]:
        return f"{told}: give the whole id, such as {' or '.join(ids[thing])}"
    for other, found in ids.items():
        if found:
            return f"{told}, but a {other}: see `jobhook {_GROUPS[other]} show {found[0]}`"
    return f"{told}: `jobhook {_GROUPS[thing]} ls` lists those that are kept"


def _print_delivery(seen: _Seen) -> None:
    stored = seen.delivery
    print_facts(
        [
            ("delivery", stored.id),
            ("Webhook-Id", stored.webhook_id or "none came; known by its body for 10 minutes"),
            ("received", when(stored.received_at)),
            ("state", stored.state),
            ("reason", stored.reason),
            ("event", f"{stored.scope}/{stored.action}" if stored.scope else None),
            ("means", ", ".join(stored.events)),
            ("repo", f"{stored.repo_type} {stored.repo_name}" if stored.repo_name else None),
            ("body", f"{len(seen.body):,} bytes (see it with --raw)"),
        ]
    )
    say("")
    print_table(
        ("RULE", "FIRED", "REASON"),
        ((v.rule, "yes" if v.fired else "no", v.reason) for v in seen.verdicts),
        empty="no rule was asked",
    )
    if seen.launches:
        say("")
        _print_launches(seen.launches)


@launches_app.command("ls")
@with_options
def list_launches(
    which: LaunchOptions,
    delivery: Annotated[str | None, typer.Option(help="Launches of this delivery.")] = None,
    limit: Limit = 100,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """List launches."""
    wanted = which.wanted(delivery=delivery)
    settings = settings_with(database=database)

    async def read(store: Reads) -> tuple[Launch, ...]:
        launches = await store.launches(wanted, limit=limit)
        return await _with_reasons(store, settings, launches)

    found = _read(settings, read)
    if as_json:
        print_json([_launch(launch) for launch in found])
    else:
        _print_launches(found)


@launches_app.command("show")
def show_launch(
    launch: Annotated[str, typer.Argument(help="Its id.")],
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Show one launch and the job it stands for."""
    settings = settings_with(database=database)

    async def read(store: Reads) -> tuple[Launch, tuple[Moment, ...]]:
        found = await store.launch(launch)
        if found is None:
            raise StoreError(await _what_else(store, "launch", launch))
        delivery = await store.delivery(found.delivery)
        (told,) = await _with_reasons(store, settings, [found])
        return told, timeline(told, delivery.received_at if delivery else None)

    found, moments = _read(settings, read)
    if found.is_damaged:
        warn("jobhook: the database does not hold this launch as it was decided")
    if as_json:
        told = [{"at": when(moment.at), "what": moment.what} for moment in moments]
        more = {"damaged": found.is_damaged, "timeline": told}
        print_json({**_launch(found), "event": found.event, **more, "job": _job(found)})
    else:
        _print_launch(found, moments)


def _print_launch(found: Launch, moments: tuple[Moment, ...]) -> None:
    facts = {**_launch(found), "repo": found.repo}
    print_facts(
        [
            *((name, fact) for name, fact in facts.items() if name not in _IN_TIMELINE),
            ("event", found.event),
            ("attempts", found.attempts),
            ("generation", found.generation),
            ("chain", f"{found.depth} since delivery {found.root}" if found.depth else None),
            ("asked for by", found.asked_by),
            ("rule hash", found.rule_hash[:12]),
            ("next step", next_step(found)),
        ]
    )
    say("")
    rows = ((when(moment.at), moment.what) for moment in moments)
    print_table(("WHEN", "WHAT"), rows, empty="nothing is known of it")
    say("")
    print_json(_job(found))


def _read(settings: Settings, ask: Callable[[Reads], Awaitable[T]]) -> T:
    async def read() -> T:
        async with open_reads(settings.database) as store:
            return await ask(store)

    return asyncio.run(read())


async def _with_reasons(
    store: Reads, settings: Settings, launches: Sequence[Launch]
) -> tuple[Launch, ...]:
    """Return *launches* with the reasons that nobody can write while all is paused."""
    paused = [pause.scope for pause in await store.pauses()]
    return tuple(
        replace(each, reason=shown_reason(each, paused, by_setting=settings.pause))
        for each in launches
    )


def _print_launches(launches: tuple[Launch, ...]) -> None:
    print_table(
        ("LAUNCH", "RULE", "STATE", "REPO", "JOB", "FLAVOR", "UPDATED", "REASON"),
        (
            (
                launch.id,
                launch.rule,
                launch.state,
                launch.repo.partition(":")[2],
                launch.job_id,
                launch.spec.flavor,
                clock(launch.updated_at),
                launch.reason,
            )
            for launch in launches
        ),
        empty="there are no launches",
        roomy=("REPO", "JOB", "FLAVOR"),
    )


def _delivery(stored: StoredDelivery) -> dict[str, Any]:
    repo = {"type": stored.repo_type, "name": stored.repo_name} if stored.repo_name else None
    return {
        "id": stored.id,
        "webhook_id": stored.webhook_id,
        "received_at": when(stored.received_at),
        "scope": stored.scope,
        "action": stored.action,
        "repo": repo,
        "events": list(stored.events),
        "state": stored.state,
        "reason": stored.reason,
    }


def _launch(launch: Launch) -> dict[str, Any]:
    kind, _, name = launch.repo.partition(":")
    return {
        "id": launch.id,
        "delivery": launch.delivery,
        "rule": launch.rule,
        "repo": {"type": kind, "name": name} if name else None,
        "action": launch.action,
        "state": launch.state,
        "reason": launch.reason,
        "job_id": launch.job_id,
        "job_url": launch.job_url,
        "flavor": launch.spec.flavor,
        # What it reserves until its job has ended, and what that took afterwards.
        "cost_usd": launch.micro_usd / 1_000_000,
        "created_at": when(launch.created_at),
        "updated_at": when(launch.updated_at),
    }


def _job(launch: Launch) -> dict[str, Any]:
    return {**launch.spec.to_wire(), "secrets": list(launch.spec.secrets)}


def _payload(body: bytes) -> Any:
    try:
        return load_json(body)
    except (ValueError, RecursionError):
        return None
