"""`jobhook token` and `jobhook audit`: who may call the API, and who changed what."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer

from jobhook.adapters.clocks import now_ms
from jobhook.cli.asking import who
from jobhook.cli.client import moment
from jobhook.cli.options import AsJson, Database, settings_with, with_options
from jobhook.cli.output import print_json, print_table, say, warn
from jobhook.cli.places import ask_records, carry_out, create_token
from jobhook.cli.records import Limit
from jobhook.cli.selection import AuditOptions
from jobhook.core.access import Role, check_name
from jobhook.core.errors import UsageError
from jobhook.core.jsonable import in_json, iso
from jobhook.core.operations import Deed, Order
from jobhook.core.timeouts import parse_timeout

token_app = typer.Typer(help="Tokens of those who may call the API.", no_args_is_help=True)
audit_app = typer.Typer(help="Who changed what.", no_args_is_help=True)

_LONGEST_SECONDS = 3650 * 86_400


@token_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Whose it is, for the record.")],
    role: Annotated[
        Role,
        typer.Option(
            help="viewer sees, operator starts and stops too, admin also has webhooks and tokens."
        ),
    ],
    expires: Annotated[
        str | None, typer.Option(help="How long it is good for, such as 90d (default: for good).")
    ] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and print its value, which is shown only now."""
    check_name(name)
    expires_at = now_ms() + _seconds(expires) * 1000 if expires is not None else None
    settings = settings_with(database=database)
    token, value = asyncio.run(create_token(settings, name, role, expires_at=expires_at))
    if as_json:
        print_json({**in_json(token), "token": value})
    else:
        say(value)
        until = f"until {iso(token.expires_at)}" if token.expires_at else "for good"
        warn(f"jobhook: token {token.id} ({role}, {until}); its value is shown only now")


@token_app.command("ls")
def list_tokens(database: Database = None, as_json: AsJson = False) -> None:
    """List tokens, without their values."""
    found = ask_records(settings_with(database=database), lambda records: records.tokens())
    if as_json:
        print_json(in_json(found))
        return
    columns = ("id", "name", "role", "state", "created_at", "expires_at", "last_used_at")
    print_table(
        ("TOKEN", "NAME", "ROLE", "STATE", "CREATED", "EXPIRES", "LAST USED", "CREATED BY"),
        ([in_json(each)[column] for column in (*columns, "created_by")] for each in found),
        empty="there are no tokens: `jobhook token create` makes one",
        roomy=("CREATED", "LAST USED"),
    )


@token_app.command("revoke")
def revoke(
    token: Annotated[str, typer.Argument(metavar="ID", help="Its id.")],
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Let a token open nothing any more, from now on and for good."""
    order = Order(deed=Deed.REVOKE_TOKEN, by=who(), ids=(token,))
    (outcome,) = asyncio.run(carry_out(settings_with(database=database), order))
    if as_json:
        print_json(asdict(outcome))
    else:
        say(f"{outcome.id}: {outcome.told}")
    if not outcome.done:
        raise typer.Exit(1)


@audit_app.command("ls")
@with_options
def list_audits(
    which: AuditOptions,
    limit: Limit = 100,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """List who changed what, when and from where."""
    settings, wanted = settings_with(database=database), which.wanted()
    found = ask_records(settings, lambda records: records.audits(wanted, limit=limit))
    if as_json:
        print_json(in_json(found))
        return
    print_table(
        ("WHEN", "WHO", "ROLE", "FROM", "DID", "ABOUT", "OUTCOME"),
        ((moment(e.at), e.who, e.role, e.source, e.did, e.about, e.outcome) for e in found),
        empty="nobody has changed anything",
        roomy=("ROLE",),
    )


def _seconds(text: str) -> int:
    try:
        seconds = parse_timeout(text)
    except UsageError as exc:
        raise UsageError(f"--expires {text!r} is no length of time: write it as 90d") from exc
    if seconds > _LONGEST_SECONDS:
        raise UsageError("--expires is over ten years: leave it out for a token without an end")
    return seconds
