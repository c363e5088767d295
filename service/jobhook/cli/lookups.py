"""What rules depend on that only the Hub knows, for commands that try them on a delivery."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated

import typer

from jobhook.cli.output import warn
from jobhook.core.deliveries import Delivery
from jobhook.core.errors import HubError
from jobhook.core.findings import Lookup, Unavailable
from jobhook.flows.lookups import Lookups
from jobhook.hub.client import AsyncHub
from jobhook.settings import Settings

if TYPE_CHECKING:
    from jobhook.core.explanations import Told
    from jobhook.flows.explaining import Answers

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
Me = Annotated[
    str | None, typer.Option("--me", help="Who user:@me is (default: the token's user).")
]
_WHO_AM_I_SECONDS = 5.0
_DEADLINE_SECONDS = 10.0
_NOT_ASKED = Unavailable(
    "the Hub was not asked (that takes a token; or say it with --file, --actor, --message)",
    is_refused=True,
)


def told(files: list[str] | None, actor: str | None, message: str | None) -> Told:
    """Return what the options say of a delivery."""
    from jobhook.core.explanations import Told

    return Told(files=None if files is None else tuple(files), actor=actor, message=message)


class FromHub:
    """
    What the Hub tells whoever tries rules: who *me* is, unless that is said, and what they ask for.

    Nothing is tried again: what fails is not known, and says why.
    """

    def __init__(self, settings: Settings, *, me: str | None, offline: bool) -> None:
        self._settings = settings
        self._me = me
        self._is_asked = bool(settings.hf_token) and not offline

    async def me(self) -> str | None:
        """Return whose token it is, or None if there is none or the Hub does not tell."""
        if self._me is None and self._is_asked:
            try:
                async with self._open(_WHO_AM_I_SECONDS) as hub:
                    self._me = (await hub.whoami()).name
            except HubError as exc:
                warn(f"jobhook: who user:@me is cannot be told ({exc}): give it with --me")
        return self._me

    async def ask(self, delivery: Delivery, asked: Collection[Lookup]) -> Answers:
        """Return what the Hub answers, or why it was not asked."""
        from jobhook.flows.explaining import answers_of

        if not self._is_asked:
            return dict.fromkeys(asked, _NOT_ASKED)
        async with self._open(_DEADLINE_SECONDS) as hub:
            lookups = Lookups(hub, lambda: self._settings.namespace or self._me or "")
            return await answers_of(lookups)(delivery, asked)

    def _open(self, deadline: float) -> AsyncHub:
        settings = self._settings
        return AsyncHub(settings.hf_endpoint, settings.hf_token or False, deadline=deadline)
