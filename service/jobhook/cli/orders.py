"""What an operator does: release, retry, cancel and replay; pause, resume and look first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from jobhook.cli.asking import Yes, confirm, count, who
from jobhook.cli.client import open_hub
from jobhook.cli.options import AsJson, Database, settings_with, with_options
from jobhook.cli.output import print_json, print_table, warn
from jobhook.cli.places import ask_records, carry_out, open_rules
from jobhook.cli.selection import (
    DeliveryOptions,
    LaunchOptions,
    OfRule,
    OfTypedRepo,
    typed_repo,
)
from jobhook.core.errors import HubError, UsageError, did_you_mean
from jobhook.core.filters import DeliveryFilter, LaunchFilter
from jobhook.core.guards import cost_of
from jobhook.core.jsonable import in_json, iso
from jobhook.core.launches import LaunchState, latest
from jobhook.core.operations import Deed, Order, Outcome
from jobhook.core.records import EVERYTHING
from jobhook.settings import Settings

if TYPE_CHECKING:
    from jobhook.core.views import LaunchSummary
    from jobhook.ports.records import RecordsReader

_S = LaunchState
# What an order is about when a filter names no state.
_STATES: Mapping[Deed, Collection[LaunchState]] = {
    Deed.RELEASE: (_S.HELD,),
    Deed.RETRY: (_S.REJECTED, _S.EXPIRED, _S.FAILED, _S.GONE),
    Deed.CANCEL: (_S.MATCHED, _S.READY, _S.HELD, _S.LAUNCHED, _S.RUNNING),
}
_AT_ONCE = 100
# Each may wait for the Hub as long as a request to it may take.
_CANCELS_AT_ONCE = 8
_PRICES_SECONDS = 5.0

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Their ids.")]
All = Annotated[bool, typer.Option("--all", help="All for which it can be done.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOptions:
    """What every order takes beside a filter."""

    ids: Ids = None
    everything: All = False
    yes: Yes = False

    def check(self, which: DeliveryOptions | LaunchOptions, *, such_as: str) -> None:
        """Refuse an order that does not say what it is about, or says it in two ways."""
        by_filter = bool(which) or self.everything
        if self.ids and by_filter:
            raise UsageError("name ids or give a filter, not both")
        if not (self.ids or by_filter):
            raise UsageError(f"say which: name ids, give a filter such as {such_as}, or say --all")


def launches_order(deed: Deed, told: str) -> Callable[..., None]:
    """Return the command that carries out *deed* with launches; *told* is its help."""

    def command(
        which: LaunchOptions,
        order: OrderOptions,
        database: Database = None,
        as_json: AsJson = False,
    ) -> None:
        order.check(which, such_as="--rule retrain")
        settings = settings_with(database=database)
        wanted = which.wanted(ids=order.ids, else_in=None if order.ids else _STATES[deed])
        launches = ask_records(settings, lambda records: _select(records, wanted, deed))
        # What is named but not there is told like everything else that cannot be done.
        chosen = [*dict.fromkeys(order.ids or [launch.id for launch in reversed(launches)])]
        if chosen and not order.yes:
            cost = "" if deed == Deed.CANCEL else _cost("This", launches, settings)
            confirm(f"{cost}{deed.capitalize()} {count(len(chosen), 'launch', 'launches')}?")
        _carry_out_all(settings, deed, chosen, as_json=as_json)

    command.__doc__ = told
    return with_options(command)


release = launches_order(Deed.RELEASE, "Let held launches go, in spite of what held them.")
retry = launches_order(
    Deed.RETRY,
    "Launch once more what was rejected, has expired, failed or is gone, or what you name.",
)
cancel = launches_order(
    Deed.CANCEL,
    "Cancel launches: those that wait are not sent, the jobs of the others are stopped.",
)


@with_options
def replay(
    which: DeliveryOptions,
    order: OrderOptions,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Decide deliveries again, with the rules as they are now; what fires is launched anew."""
    order.check(which, such_as="--since 2h")
    settings = settings_with(database=database)
    wanted = which.wanted(ids=order.ids)

    async def select(records: RecordsReader) -> tuple[list[str], tuple[LaunchSummary, ...]]:
        found = await records.deliveries(wanted, limit=0)
        led_to = [launch_id for delivery in found for launch_id in delivery.launches]
        launches = await records.launches(LaunchFilter(ids=led_to), limit=0)
        return [delivery.id for delivery in found], launches

    found, launches = ask_records(settings, select)
    chosen = [*dict.fromkeys(order.ids or reversed(found))]
    if chosen and not order.yes:
        cost = _cost("Launching again what they led to", launches, settings)
        confirm(f"{cost}Decide {count(len(chosen), 'delivery', 'deliveries')} again?")
    _carry_out_all(settings, Deed.REPLAY, chosen, as_json=as_json)


def pause(
    rule: OfRule = None,
    repo: OfTypedRepo = None,
    reason: Annotated[str, typer.Option(help="Why, for whoever looks later.")] = "",
    show: Annotated[bool, typer.Option("--list", help="Only list what is paused.")] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Stop launching: for one rule, for one repo, or altogether; deliveries are still taken in."""
    settings = settings_with(database=database)
    if show:
        _print_pauses(settings, as_json=as_json)
        return
    scope = _scope(rule, repo)
    if rule:
        _check_rule(settings, rule)
    order = Order(deed=Deed.PAUSE, by=who(), scope=scope, reason=reason)
    _print_outcomes(asyncio.run(carry_out(settings, order)), as_json=as_json)


def resume(
    rule: OfRule = None,
    repo: OfTypedRepo = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """End a pause: what waited for it is launched, within the limits."""
    settings = settings_with(database=database)
    order = Order(deed=Deed.RESUME, by=who(), scope=_scope(rule, repo))
    _print_outcomes(asyncio.run(carry_out(settings, order)), as_json=as_json)


def look_first(database: Database = None, as_json: AsJson = False) -> None:
    """For 48 hours look on the Hub before each launch, as a restored database knows too little."""
    settings = settings_with(database=database)
    order = Order(deed=Deed.LOOK_FIRST, by=who())
    _print_outcomes(asyncio.run(carry_out(settings, order)), as_json=as_json)


async def _select(
    records: RecordsReader, wanted: LaunchFilter, deed: Deed
) -> tuple[LaunchSummary, ...]:
    found = await records.launches(wanted, limit=0)
    if deed != Deed.RETRY or wanted.ids:
        return found
    # What was launched again already is not what somebody means who names a filter.
    of = DeliveryFilter(ids={launch.delivery for launch in found})
    ids = [each for delivery in await records.deliveries(of, limit=0) for each in delivery.launches]
    last = {each.id for each in latest(await records.launches(LaunchFilter(ids=ids), limit=0))}
    return tuple(launch for launch in found if launch.id in last)


def _carry_out_all(settings: Settings, deed: Deed, ids: Collection[str], *, as_json: bool) -> None:
    outcomes: list[Outcome] = []
    left = iter(ids)
    at_once = _CANCELS_AT_ONCE if deed == Deed.CANCEL else _AT_ONCE
    while some := tuple(islice(left, at_once)):
        order = Order(deed=deed, by=who(), ids=some)
        outcomes += asyncio.run(carry_out(settings, order))
        if len(outcomes) < len(ids):
            warn(f"jobhook: {len(outcomes)} of {len(ids)} are done")
    thing = "delivery" if deed == Deed.REPLAY else "launch"
    _print_outcomes(outcomes, empty=f"there is no {thing} to {deed}", as_json=as_json)


def _cost(what: str, launches: Collection[LaunchSummary], settings: Settings) -> str:
    """Return a sentence on what *launches* may cost; nothing if there are none."""
    if not launches:
        return ""
    prices = asyncio.run(_prices(settings))
    known = [launch for launch in launches if launch.flavor in prices]
    micro_usd = sum(cost_of(prices[each.flavor], each.timeout) for each in known)
    if not known:
        return f"{what} costs money, and the Hub does not tell how much. "
    most = f"{what} may cost up to ${micro_usd / 1_000_000:.2f}"
    if unknown := len(launches) - len(known):
        whose = count(unknown, "launch", "launches")
        return f"{most}, and more for {whose} whose price the Hub does not tell. "
    return f"{most}. "


async def _prices(settings: Settings) -> Mapping[str, float]:
    try:
        token = settings.hf_token or False
        async with open_hub(settings, token, deadline=_PRICES_SECONDS) as hub:
            return {item.name: item.usd_per_hour for item in await hub.list_jobs_hardware()}
    except HubError:
        return {}


def _print_pauses(settings: Settings, *, as_json: bool) -> None:
    paused = ask_records(settings, lambda records: records.pauses())
    if as_json:
        print_json(in_json(paused))
    else:
        print_table(
            ("PAUSED", "SINCE", "BY", "REASON"),
            ((p.scope, iso(p.since) if p.since else None, p.by, p.reason) for p in paused),
            empty="nothing is paused",
        )


def _print_outcomes(
    outcomes: Collection[Outcome], *, empty: str = "nothing was done", as_json: bool
) -> None:
    if as_json:
        print_json(in_json(list(outcomes)))
    else:
        rows = ((outcome.id, outcome.told) for outcome in outcomes)
        print_table(("ID", "OUTCOME"), rows, empty=empty)
    if not all(outcome.done for outcome in outcomes):
        raise typer.Exit(1)


def _check_rule(settings: Settings, rule: str) -> None:
    """Refuse a name that is no rule's: whoever pauses must not believe that something stopped."""

    async def ids() -> list[str]:
        async with open_rules(settings) as rules:
            return [each.id for each in await rules.rules()]

    known = asyncio.run(ids())
    if rule not in known:
        place = settings.elsewhere.url if settings.elsewhere else settings.rules
        raise UsageError(
            f"there is no rule {rule} in {place}{did_you_mean(rule, known)}; "
            "`jobhook pause` without --rule stops everything"
        )


def _scope(rule: str | None, repo: str | None) -> str:
    if rule and repo:
        raise UsageError("name a rule or a repo, not both")
    return f"rule:{rule}" if rule else f"repo:{typed_repo(repo)}" if repo else EVERYTHING
