"""`jobhook apply`: make the Hub's webhook equal what the rules watch."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from jobhook.adapters.rulefiles import load_rules
from jobhook.cli.options import AsJson, RulesFolder, settings_with
from jobhook.cli.output import print_json, say
from jobhook.core.errors import SettingsError
from jobhook.core.registration import RECEIVER_PATH, wanted_webhook
from jobhook.core.rules import RuleSet
from jobhook.flows.registration import Change, plan_registration, register
from jobhook.hub.client import AsyncHub
from jobhook.settings import Settings


def apply(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    rules: RulesFolder = None,
    public_url: Annotated[
        str | None, typer.Option("--public-url", help="Where the Hub reaches the service.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the Hub's webhook equal what the rules watch."""
    settings = settings_with(rules=rules, public_url=public_url)
    changes = asyncio.run(_apply(settings, load_rules(settings.rules), dry_run=dry_run))
    if as_json:
        print_json([{"step": c.step, "webhook": c.webhook_id, "reason": c.reason} for c in changes])
        return
    for change in changes:
        would = "would " if dry_run else ""
        say(f"{would}{change.step} {change.webhook_id or 'a webhook'}: {change.reason}")
    if not changes:
        say("no rule watches anything, and no webhook has our URL: nothing to do")


async def _apply(settings: Settings, rules: RuleSet, *, dry_run: bool) -> tuple[Change, ...]:
    if not settings.public_url:
        raise SettingsError("set JOBHOOK_PUBLIC_URL: where does the Hub reach the service?")
    if not settings.hf_token:
        raise SettingsError("no Hub token is set: put one into HF_TOKEN")
    if not settings.webhook_secrets:
        raise SettingsError("set JOBHOOK_WEBHOOK_SECRETS: make one with `jobhook secret new`")
    async with AsyncHub(settings.hf_endpoint, settings.hf_token or False) as hub:
        wanted = wanted_webhook(
            rules.rules,
            public_url=settings.public_url,
            me=(await hub.whoami()).name,
            secret=settings.webhook_secrets[0],
        )
        url = settings.public_url + RECEIVER_PATH
        if dry_run:
            return plan_registration(wanted, await hub.list_webhooks(), url=url)
        return await register(hub, wanted, url=url)
