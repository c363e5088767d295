"""What rules depend on that only the Hub knows, for commands that try them on a delivery."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from jobhook.adapters.clocks import now_ms
from jobhook.core.cases import found_by
from jobhook.core.deliveries import Delivery
from jobhook.core.examples import Case
from jobhook.core.findings import NOTHING_FOUND, Findings, Kind, Lookup, Unavailable
from jobhook.core.matching import decide
from jobhook.core.occasions import Occasion, occasions_of
from jobhook.core.rules import Rule
from jobhook.flows.lookups import Lookups
from jobhook.hub.client import AsyncHub
from jobhook.settings import Settings

Offline = Annotated[
    bool, typer.Option("--offline", help="Ask the Hub nothing, although there is a token.")
]
GivenFiles = Annotated[
    list[str] | None,
    typer.Option("--file", metavar="PATH", help="Say which file changed; may be repeated."),
]
GivenActor = Annotated[
    str | None, typer.Option("--actor", metavar="NAME[:ROLE]", help="Say who did it.")
]
GivenMessage = Annotated[
    str | None, typer.Option("--message", help="Say what the message of the commit is.")
]
_DEADLINE_SECONDS = 10.0
_NOT_ASKED = Unavailable(
    "the Hub was not asked (that takes a token; or say it with --file, --actor, --message)",
    is_refused=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What somebody said about a delivery, so that the Hub need not be asked."""

    files: list[str] | None = None
    actor: str | None = None
    message: str | None = None
    offline: bool = False

    def answers(self, lookup: Lookup) -> bool:
        """Whether what was said is enough for *lookup*."""
        match lookup.kind:
            case Kind.FILES:
                return self.files is not None
            case Kind.COMMIT:
                return self.message is not None or self.actor is not None
            case Kind.DISCUSSION:
                return self.actor is not None
        return lookup.kind == Kind.ROLE and ":" in (self.actor or "")

    def as_case(self) -> Case:
        """Return the example that says the same."""
        name, colon, role = (self.actor or "").partition(":")
        files = {} if self.files is None else {"files": [{"path": path} for path in self.files]}
        actor = {"actor": {"name": name, "role": role if colon else None}} if name else {}
        commit = {"message": self.message or ""}
        told = {"name": "told", "fires": True, "commit": commit}
        return Case.model_validate({**told, **files, **actor})


def occasions_for(
    delivery: Delivery, rules: Sequence[Rule], settings: Settings, *, me: str | None, told: Told
) -> tuple[Occasion, ...]:
    """
    Return the occasions of *delivery* with all that *rules* depend on, as far as it can be had.

    What was *told* is not asked for. Nothing is tried again: what fails is not known, and says why.
    """
    return asyncio.run(_looked_up(delivery, rules, settings, me=me, told=told))


async def _looked_up(
    delivery: Delivery, rules: Sequence[Rule], settings: Settings, *, me: str | None, told: Told
) -> tuple[Occasion, ...]:
    findings, now, case = NOTHING_FOUND, now_ms(), told.as_case()
    while True:
        occasions = occasions_of(delivery, me=me, now=now, findings=findings)
        asked = frozenset().union(*(decide(occasions, rule).open for rule in rules))
        if not asked:
            return occasions
        said = {each: found_by(each, case, delivery) for each in asked if told.answers(each)}
        findings, asked = findings.plus(said), asked - said.keys()
        if told.offline or not settings.hf_token:
            findings = findings.plus(dict.fromkeys(asked, _NOT_ASKED))
        elif asked:
            findings = await _ask(delivery, asked, findings, settings, me=me)


async def _ask(
    delivery: Delivery,
    asked: frozenset[Lookup],
    findings: Findings,
    settings: Settings,
    *,
    me: str | None,
) -> Findings:
    token = settings.hf_token or False
    async with AsyncHub(settings.hf_endpoint, token, deadline=_DEADLINE_SECONDS) as hub:
        lookups = Lookups(hub, lambda: settings.namespace or me or "")
        found, failures = await lookups.all_of(asked, delivery.repo)
    failed = {key: Unavailable(str(exc), is_refused=False) for key, exc in failures.items()}
    return findings.plus({**found, **failed})
