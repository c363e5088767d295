"""`jobhook deliveries` and `jobhook launches`: what came in and what it led to."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from jobhook.cli.client import moment
from jobhook.cli.options import AsJson, Database, settings_with, with_options
from jobhook.cli.output import print_facts, print_json, print_table, say, warn
from jobhook.cli.places import ask_records
from jobhook.cli.selection import DeliveryOptions, LaunchOptions
from jobhook.core.filters import LaunchFilter
from jobhook.core.jsonable import in_json, iso

if TYPE_CHECKING:
    from jobhook.core.views import DeliveryDetail, LaunchDetail, LaunchSummary, RepoView
    from jobhook.ports.records import RecordsReader

deliveries_app = typer.Typer(help="What the Hub delivered.", no_args_is_help=True)
launches_app = typer.Typer(help="The jobs that rules launched.", no_args_is_help=True)

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
    settings, wanted = settings_with(database=database), which.wanted()
    found = ask_records(settings, lambda records: records.deliveries(wanted, limit=limit))
    if as_json:
        print_json(in_json(found))
        return
    print_table(
        ("DELIVERY", "RECEIVED", "STATE", "EVENTS", "REPO", "LAUNCHES", "REASON"),
        (
            (
                each.id,
                moment(each.received_at),
                each.state,
                ", ".join(each.events),
                f"{each.repo.type} {each.repo.name}" if each.repo else "",
                len(each.launches) or "",
                each.reason,
            )
            for each in found
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

    async def read(
        records: RecordsReader,
    ) -> tuple[DeliveryDetail, tuple[LaunchSummary, ...], bytes]:
        found = await records.delivery(delivery)
        of_it = LaunchFilter(delivery=delivery)
        launches = () if raw or as_json else await records.launches(of_it, limit=0)
        return found, launches, await records.body(delivery) if raw else b""

    found, launches, body = ask_records(settings_with(database=database), read)
    if found.damaged:
        warn("jobhook: the database does not hold this delivery as it came")
    if raw:
        sys.stdout.buffer.write(body)
    elif as_json:
        print_json(in_json(found))
    else:
        _print_delivery(found, launches)


def _print_delivery(found: DeliveryDetail, launches: Sequence[LaunchSummary]) -> None:
    print_facts(
        [
            ("delivery", found.id),
            ("Webhook-Id", found.webhook_id or "none came; known by its body for 10 minutes"),
            ("received", iso(found.received_at)),
            ("state", found.state),
            ("reason", found.reason),
            ("event", f"{found.scope}/{found.action}" if found.scope else None),
            ("means", ", ".join(found.events)),
            ("repo", f"{found.repo.type} {found.repo.name}" if found.repo else None),
            ("body", f"{found.body_bytes:,} bytes (see it with --raw)"),
        ]
    )
    say("")
    print_table(
        ("RULE", "FIRED", "REASON"),
        ((v.rule, "yes" if v.fired else "no", v.reason) for v in found.verdicts),
        empty="no rule was asked",
    )
    if launches:
        say("")
        _print_launches(launches)


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
    found = ask_records(settings, lambda records: records.launches(wanted, limit=limit))
    if as_json:
        print_json(in_json(found))
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
    found = ask_records(settings, lambda records: records.launch(launch))
    if found.damaged:
        warn("jobhook: the database does not hold this launch as it was decided")
    if as_json:
        print_json(in_json(found))
    else:
        _print_launch(found)


def _print_launch(found: LaunchDetail) -> None:
    print_facts(
        [
            ("id", found.id),
            ("delivery", found.delivery),
            ("rule", found.rule),
            ("repo", _typed(found.repo)),
            ("action", found.action),
            ("state", found.state),
            ("reason", found.reason),
            ("job_id", found.job_id),
            ("job_url", found.job_url),
            ("flavor", found.flavor),
            ("cost_usd", found.cost_usd),
            ("event", found.event),
            ("attempts", found.attempts),
            ("generation", found.generation),
            ("chain", f"{found.depth} since delivery {found.root}" if found.depth else None),
            ("asked for by", found.asked_by),
            ("rule hash", found.rule_hash[:12]),
            ("next step", found.next_step),
        ]
    )
    say("")
    rows = ((iso(entry.at), entry.what) for entry in found.timeline)
    print_table(("WHEN", "WHAT"), rows, empty="nothing is known of it")
    say("")
    print_json(in_json(found.job))


def _typed(repo: RepoView | None) -> str | None:
    return f"{repo.type}:{repo.name}" if repo else None


def _print_launches(launches: Sequence[LaunchSummary]) -> None:
    print_table(
        ("LAUNCH", "RULE", "STATE", "REPO", "JOB", "FLAVOR", "UPDATED", "REASON"),
        (
            (
                launch.id,
                launch.rule,
                launch.state,
                launch.repo.name if launch.repo else "",
                launch.job_id,
                launch.flavor,
                moment(launch.updated_at),
                launch.reason,
            )
            for launch in launches
        ),
        empty="there are no launches",
        roomy=("REPO", "JOB", "FLAVOR"),
    )
