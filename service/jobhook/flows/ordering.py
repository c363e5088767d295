"""Carry out what is ordered on the machine of the service, and keep who ordered it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import structlog

from jobhook.core.access import Role
from jobhook.core.audits import DONE, LOCAL, AuditEntry, refused
from jobhook.core.errors import NameTaken, StoreUnavailable, UsageError
from jobhook.core.operations import NO_TOKEN, Deed, Order, Outcome, revoked
from jobhook.flows.access import Access
from jobhook.flows.operating import Operations
from jobhook.ports import AccessStore, Clock

# As the API calls them.
NAMES: Mapping[Deed, str] = {
    Deed.RELEASE: "launches.release",
    Deed.RETRY: "launches.retry",
    Deed.CANCEL: "launches.cancel",
    Deed.LOOK_FIRST: "launches.look_first",
    Deed.REPLAY: "deliveries.replay",
    Deed.PAUSE: "pauses.pause",
    Deed.RESUME: "pauses.resume",
    Deed.CREATE_TOKEN: "tokens.create",
    Deed.REVOKE_TOKEN: "tokens.revoke",
}

log = structlog.get_logger()


class Orders:
    """The door for whoever may open the database, and so may do everything."""

    def __init__(
        self, operations: Operations, access: Access, store: AccessStore, clock: Clock
    ) -> None:
        self._operations = operations
        self._access = access
        self._store = store
        self._clock = clock

    async def carry_out(self, order: Order) -> tuple[Outcome, ...]:
        """
        Do what *order* says, and return what came of each id; every one is noted.

        Raises:
            StoreUnavailable: The database cannot be used; what was done before stands.
        """
        match order.deed:
            case Deed.CREATE_TOKEN:
                outcomes = [await self._noted(order, await self._create(order))]
            case Deed.REVOKE_TOKEN:
                outcomes = [
                    await self._noted(order, await self._revoke(each)) for each in order.ids
                ]
            case _:
                return await self._operations.carry_out(order, note=self._note)
        return tuple(outcomes)

    async def _create(self, order: Order) -> Outcome:
        if order.token is None:
            return Outcome("", done=False, told="nobody said which token")
        try:
            await self._access.add(order.token)
        except (UsageError, NameTaken) as exc:
            return Outcome(order.token.id, done=False, told=str(exc))
        return Outcome(order.token.id, done=True, told="created")

    async def _revoke(self, token_id: str) -> Outcome:
        before = await self._access.revoke(token_id)
        if before is None:
            return Outcome(token_id, done=False, told=NO_TOKEN)
        if before.revoked_at is not None:
            return Outcome(token_id, done=False, told="it was revoked before")
        return Outcome(token_id, done=True, told=revoked(before.name))

    async def _noted(self, order: Order, outcome: Outcome) -> Outcome:
        log.info("order.carried_out", deed=order.deed, by=order.by, **asdict(outcome))
        await self._note(order, outcome)
        return outcome

    async def _note(self, order: Order, outcome: Outcome) -> None:
        entry = AuditEntry(
            at=self._clock(),
            who=order.by,
            role=Role.ADMIN,
            source=LOCAL,
            did=NAMES[order.deed],
            about=outcome.id,
            outcome=DONE if outcome.done else refused("not_possible"),
        )
        try:
            await self._store.note(entry)
        except StoreUnavailable as exc:
            # What was done is done, and whoever ordered it must hear of it.
            log.warning("audit.not_kept", did=entry.did, about=entry.about, reason=str(exc))
