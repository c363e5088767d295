"""Every command by its name."""

from __future__ import annotations

import logging
import secrets
from typing import Annotated

import typer

from jobhook import __version__
from jobhook.adapters.logs import configure_logs
from jobhook.cli import (
    checking,
    doctor,
    explaining,
    jobs,
    orders,
    records,
    registration,
    rules,
    schedules,
    service,
    stopping,
    tokens,
    webhooks,
)
from jobhook.cli.output import say

app = typer.Typer(
    name="jobhook",
    help="Turn what happens on the Hugging Face Hub into Hub Jobs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
secret_app = typer.Typer(help="Webhook secrets.", no_args_is_help=True)

app.command("demo")(service.demo)
app.command("serve")(service.serve)
app.command("devhub")(service.devhub)
app.add_typer(rules.app, name="rules")
rules.app.command("check")(checking.check)
rules.app.command("codes")(checking.codes)
rules.app.command("explain")(explaining.explain_rules)
app.add_typer(jobs.jobs_app, name="jobs")
app.add_typer(schedules.schedules_app, name="schedules")
app.add_typer(webhooks.webhooks_app, name="webhooks")
app.command("apply")(registration.apply)
app.add_typer(records.deliveries_app, name="deliveries")
app.add_typer(records.launches_app, name="launches")
app.add_typer(secret_app, name="secret")
app.add_typer(tokens.token_app, name="token")
app.add_typer(tokens.audit_app, name="audit")
records.deliveries_app.command("replay")(orders.replay)
records.launches_app.command("retry")(orders.retry)
records.launches_app.command("release")(orders.release)
records.launches_app.command("cancel")(orders.cancel)
records.launches_app.command("look-first")(orders.look_first)
app.command("pause")(orders.pause)
app.command("resume")(orders.resume)
app.command("stop-all")(stopping.stop_all)
app.command("doctor")(doctor.doctor)


@secret_app.command("new")
def new_secret() -> None:
    """Print a new webhook secret of 256 bits."""
    say(secrets.token_urlsafe(32))


def _print_version(asked: bool) -> None:
    if asked:
        say(f"jobhook {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Say which."),
    ] = False,
) -> None:
    """Turn what happens on the Hugging Face Hub into Hub Jobs."""
    # A command that prints its own result has no use for the log of a service.
    configure_logs(level=logging.WARNING)
