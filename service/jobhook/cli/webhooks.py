"""`jobhook webhooks`: webhooks on the Hub, with the words of `hf webhooks`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer

from jobhook.cli.asking import Yes, confirm
from jobhook.cli.client import Shown, Who
from jobhook.cli.options import with_options
from jobhook.cli.output import print_table
from jobhook.cli.variables import SecretOptions
from jobhook.core.errors import UsageError, did_you_mean
from jobhook.core.watches import WATCH_TYPES

webhooks_app = typer.Typer(help="Webhooks on the Hub, as with `hf webhooks`.", no_args_is_help=True)

WebhookId = Annotated[str, typer.Argument(metavar="ID", help="Its id.")]
Watched = Annotated[
    list[str] | None,
    typer.Option("--watch", help="TYPE:NAME, such as org:acme or dataset:acme/corpus. Repeat it."),
]


class Domain(StrEnum):
    """What is told of what is watched."""

    REPO = "repo"
    DISCUSSION = "discussion"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookOptions(SecretOptions):
    """What a webhook is like, but for what it watches."""

    url: Annotated[str | None, typer.Option("--url", help="Where it delivers.")] = None
    job_id: Annotated[
        str | None, typer.Option("--job-id", help="The job that it runs again, in place of a URL.")
    ] = None
    domain: Annotated[
        list[Domain] | None, typer.Option("--domain", help="Only these. Repeat it.")
    ] = None
    secret: Annotated[str | None, typer.Option("--secret", help="What its deliveries carry.")] = (
        None
    )

    def request(self) -> dict[str, Any]:
        """Return the keyword arguments that these options are; raises `UsageError`."""
        if self.url is not None and self.job_id is not None:
            raise UsageError("--url and --job-id exclude each other")
        secrets = self.secret_values()
        if secrets and self.job_id is None:
            raise UsageError("--secrets are for the job that --job-id names")
        return {
            "url": self.url,
            "job_id": self.job_id,
            "domains": [each.value for each in self.domain] if self.domain else None,
            "secret": self.secret,
            "secrets": secrets or None,
        }


@with_options
def list_webhooks(who: Who, shown: Shown) -> None:
    """List your webhooks."""
    webhooks = who.ask(lambda hub: hub.list_webhooks())
    if shown.as_json or shown.quiet:
        shown.detail(webhooks)
        return
    print_table(
        ("ID", "DISABLED", "DOMAINS", "DELIVERS TO", "WATCHES"),
        (
            (
                each.id,
                _disabled(each.disabled),
                " ".join(each.domains or ()),
                each.url or "(a job)",
                " ".join(f"{item.type}:{item.name}" for item in each.watched or ()),
            )
            for each in webhooks
        ),
        empty="there are no webhooks",
    )


for _alias in ("ls", "list"):
    webhooks_app.command(_alias, hidden=_alias != "ls")(list_webhooks)


@webhooks_app.command("info")
@with_options
def show_webhook(webhook_id: WebhookId, who: Who, shown: Shown) -> None:
    """Tell everything of a webhook."""
    shown.detail_one(who.ask(lambda hub: hub.get_webhook(webhook_id)))


@webhooks_app.command("create")
@with_options
def create_webhook(
    options: WebhookOptions,
    who: Who,
    shown: Shown,
    watch: Watched = None,
) -> None:
    """Create a webhook, with a URL or the id of a job; secrets of that job are not copied."""
    watched = _watched(watch or ())
    if not watched:
        raise UsageError("say with --watch what the webhook watches")
    request = options.request()
    if request["url"] is None and request["job_id"] is None:
        raise UsageError("say with --url where it delivers, or with --job-id what it runs")
    created = who.ask(lambda hub: hub.create_webhook(watched=watched, **request))
    shown.tell("created", created.id, created)


@webhooks_app.command("update")
@with_options
def update_webhook(
    webhook_id: WebhookId,
    options: WebhookOptions,
    who: Who,
    shown: Shown,
    watch: Watched = None,
) -> None:
    """Change a webhook; what it watches is replaced as a whole."""
    watched = _watched(watch or ()) or None
    request = options.request()
    updated = who.ask(lambda hub: hub.update_webhook(webhook_id, watched=watched, **request))
    shown.tell("updated", updated.id, updated)


@webhooks_app.command("enable")
@with_options
def enable_webhook(webhook_id: WebhookId, who: Who, shown: Shown) -> None:
    """Let a webhook deliver, also one that the Hub suspended."""
    told = who.ask(lambda hub: hub.enable_webhook(webhook_id))
    shown.tell("enabled", webhook_id, told)


@webhooks_app.command("disable")
@with_options
def disable_webhook(webhook_id: WebhookId, who: Who, shown: Shown) -> None:
    """Let a webhook deliver nothing."""
    told = who.ask(lambda hub: hub.disable_webhook(webhook_id))
    shown.tell("disabled", webhook_id, told)


@webhooks_app.command("delete")
@with_options
def delete_webhook(webhook_id: WebhookId, who: Who, shown: Shown, yes: Yes = False) -> None:
    """Delete a webhook."""
    if not yes:
        confirm(f"Delete webhook {webhook_id}?")
    who.ask(lambda hub: hub.delete_webhook(webhook_id))
    shown.tell("deleted", webhook_id)


def _watched(given: Sequence[str]) -> list[dict[str, str]]:
    items = []
    for each in given:
        kind, _, name = each.partition(":")
        if kind not in WATCH_TYPES or not name:
            types = f"{', '.join(WATCH_TYPES)}{did_you_mean(kind, WATCH_TYPES)}"
            raise UsageError(f"--watch {each[:120]!r}: write TYPE:NAME, with one of {types}")
        items.append({"type": kind, "name": name})
    return items


def _disabled(told: bool | str) -> str:
    return told if isinstance(told, str) else "yes" if told else ""
