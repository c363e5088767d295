"""The Hub as the commands ask it, itself or through a service, and what they tell of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from jobhook.cli.options import settings_with
from jobhook.cli.output import print_facts, print_json, say, warn
from jobhook.core.errors import SettingsError, UsageError
from jobhook.core.job_ids import split_id
from jobhook.core.jsonable import in_json
from jobhook.hub.client import AsyncHub
from jobhook.settings import Elsewhere, Settings

if TYPE_CHECKING:
    from jobhook.remote.hub import RemoteHub
    from jobhook.remote.transport import ServiceTransport

    # Both have the methods that the commands use.
    AnyHub = AsyncHub | RemoteHub

T = TypeVar("T")


def open_hub(
    settings: Settings, token: str | bool | None, *, deadline: float | None = None
) -> AnyHub:
    """
    Return whom commands ask about jobs, schedules, webhooks and hardware, to be entered.

    That is the service elsewhere, if the settings name one, and otherwise the Hub with *token*. A
    request may take *deadline* seconds, or what the settings say.
    """
    if settings.elsewhere:
        from jobhook.remote.hub import RemoteHub

        return RemoteHub(open_service(settings.elsewhere, deadline=deadline))
    deadline = settings.hub_deadline if deadline is None else deadline
    return AsyncHub(settings.hf_endpoint, token, deadline=deadline)


def open_service(elsewhere: Elsewhere, *, deadline: float | None = None) -> ServiceTransport:
    """Return the way to a service elsewhere, to be entered; *deadline* is seconds, for a call."""
    # No service waits for it to start.
    from jobhook.remote.transport import DEADLINE_SECONDS, ServiceTransport

    return ServiceTransport(elsewhere.url, elsewhere.token, deadline=deadline or DEADLINE_SECONDS)


def _with_a_warning(token: str | None) -> str | None:
    if token:
        warn("jobhook: others can read a command line: put the token into HF_TOKEN")
    return token


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Who asks the Hub."""

    token: Annotated[
        str | None,
        typer.Option(
            "--token", help="A Hub token (HF_TOKEN, or the login).", callback=_with_a_warning
        ),
    ] = None

    def ask(self, question: Callable[[AnyHub], Awaitable[T]], *, anonymous: bool = False) -> T:
        """
        Return what the Hub answers to *question*, or the service that JOBHOOK_URL names for it.

        Raises:
            SettingsError: There is no token, and not even *anonymous* users may ask this.
            UsageError: A Hub token was given for a service that has its own.
        """
        settings = settings_with()
        token = self.token or settings.hf_token
        if settings.elsewhere and self.token:
            raise UsageError("--token is for the Hub, which the service at JOBHOOK_URL asks")
        if not (token or anonymous or settings.elsewhere):
            raise SettingsError("no Hub token is set: put one into HF_TOKEN")

        async def asking() -> T:
            async with open_hub(settings, token) as hub:
                return await question(hub)

        return asyncio.run(asking())


@dataclass(frozen=True, slots=True, kw_only=True)
class Where(Who):
    """Who asks, and about whose jobs."""

    namespace: Annotated[
        str | None,
        typer.Option("--namespace", help="A user or org (JOBHOOK_NAMESPACE, else your own)."),
    ] = None

    @property
    def home(self) -> str | None:
        """The namespace that is meant; None is that of the token's user."""
        return self.namespace or settings_with().namespace

    def find(self, text: str) -> tuple[str, str | None]:
        """Return the id and the namespace that *text* means; raises `UsageError` if it is none."""
        job_id, named = split_id(text, self.namespace)
        return job_id, named or self.home


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How a command tells what it did."""

    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print ids and nothing else.")] = (
        False
    )

    def tell(self, done: str, item_id: str, told: Any = None) -> None:
        """Say what was *done* to what has that id; *told* is what the Hub then told of it."""
        if self.as_json:
            print_json(in_json(told) if told is not None else {"id": item_id})
        else:
            say(item_id if self.quiet else f"{done}: {item_id}")

    def detail(self, items: list[Any]) -> None:
        """Print everything that the Hub told of each of *items*."""
        if self.as_json:
            print_json(in_json(items))
            return
        for number, each in enumerate(items):
            if number and not self.quiet:
                say("")
            self.detail_one(each)

    def detail_one(self, item: Any) -> None:
        """Print everything that the Hub told of *item*."""
        if self.as_json:
            print_json(in_json(item))
        elif self.quiet:
            say(item.id)
        else:
            print_facts(_facts(in_json(item)))


def moment(when: datetime | None) -> str:
    """Return a time of the Hub's as it stands in a table, in UTC."""
    return f"{when.astimezone(UTC):%m-%d %H:%M:%S}" if when else ""


def _facts(told: Mapping[str, Any], before: str = "") -> list[tuple[str, object]]:
    """Return *told* as names and values, with what is within something named `outer.inner`."""
    facts: list[tuple[str, object]] = []
    for name, value in told.items():
        if isinstance(value, Mapping):
            facts += _facts(value, f"{before}{name}.")
        elif isinstance(value, list):
            facts.append((f"{before}{name}", " ".join(map(_in_a_list, value))))
        else:
            facts.append((f"{before}{name}", value))
    return facts


def _in_a_list(value: object) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    return ",".join(f"{name}={each}" for name, each in value.items() if each is not None)
