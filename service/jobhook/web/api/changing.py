"""Calls that change something: each is made once for its key, and noted with who made it."""

from __future__ import annotations

import asyncio
from functools import partial

import structlog

from jobhook.core.audits import DONE, AuditEntry, refused
from jobhook.core.errors import JobHookError, KeyReused, StillRunning, StoreError
from jobhook.core.repeats import Reply, Request, check_key, request_of
from jobhook.web.api.answering import UNTAGGED, Answer, refusal, whole
from jobhook.web.api.faults import ApiError, Fault, fault_of
from jobhook.web.api.operations import Call, Operation

_FAILED, _REPEATED = "failed", "repeated"
# What bodies call the values that are kept nowhere.
_SECRETS = ("secrets", "secret")

log = structlog.get_logger()


class Change:
    """
    One call that changes something, to the *path* that was called with *body*.

    Raises:
        UsageError: Its key can be none.
    """

    def __init__(self, operation: Operation, call: Call, *, path: str, body: bytes) -> None:
        self._operation, self._call = operation, call
        self._about = ".".join(call.params.values())
        self._outcome = _FAILED
        self._path, self._body = path, body
        if call.key is not None:
            check_key(call.key)

    async def answer(self) -> Answer:
        """Carry it out, and note what came of it, whatever that is."""
        try:
            if self._call.key is None:
                return await self._carried_out()
            return await self._once(await self._request(self._call.key))
        except (StillRunning, KeyReused) as exc:
            fault = fault_of(exc)
            self._outcome = refused(fault.fault.code) if fault else _FAILED
            raise
        finally:
            await self._note()

    async def _request(self, key: str) -> Request:
        held = (getattr(self._call.body, name, None) for name in _SECRETS)
        identify = partial(
            request_of,
            self._call.caller,
            key,
            method=self._operation.method,
            path=self._path,
            body=self._body,
        )
        if any(held):
            return await asyncio.to_thread(identify, holds_secrets=True)
        return identify()

    async def _once(self, request: Request) -> Answer:
        try:
            reply, came_before = await self._call.services.idempotency.once(
                request, self._work, keeps=self._is_kept
            )
        except StillRunning:
            if not self._operation.in_ledger:
                raise
            # The ledger knows what became of it, also where its process has ended.
            return await self._carried_out()
        if not came_before:
            return self._answer
        if not reply.body and self._operation.in_ledger:
            # It was too long to be kept here.
            return await self._carried_out()
        self._outcome = _REPEATED
        headers = (*UNTAGGED, ("idempotent-replayed", "true"))
        return Answer(status=reply.status, body=reply.body, headers=headers)

    async def _work(self) -> Reply:
        self._answer = await self._carried_out()
        return Reply(self._answer.status, self._answer.body)

    def _is_kept(self, reply: Reply) -> bool:
        """Whether the same call gets the same answer: not where nothing was done."""
        is_unknown = self._outcome == refused(Fault.OUTCOME_UNKNOWN.code)
        return self._outcome == DONE or (is_unknown and not self._operation.in_ledger)

    async def _carried_out(self) -> Answer:
        try:
            done = await self._operation.handle(self._call)
        except (ApiError, JobHookError) as exc:
            fault = exc if isinstance(exc, ApiError) else fault_of(exc)
            if fault is None:
                raise
            self._outcome = refused(fault.fault.code)
            return refusal(fault)
        self._outcome = DONE
        self._about = self._about or str(getattr(done, "id", ""))
        log.info("api.changed", operation=self._operation.name, who=self._call.caller.who)
        return whole(self._operation, done)

    async def _note(self) -> None:
        call = self._call
        entry = AuditEntry(
            at=call.services.clock(),
            who=call.caller.who,
            role=call.caller.role,
            source=call.source,
            did=self._operation.name,
            about=self._about,
            outcome=self._outcome,
            request_id=call.request_id,
        )
        try:
            await call.services.store.note(entry)
        except StoreError as exc:
            # It is done: an answer that says otherwise would have it done twice.
            # What is missing there is here then, but for the request's id, which each line has.
            log.error(  # noqa: TRY400
                "audit.not_noted",
                who=entry.who,
                role=entry.role,
                source=entry.source,
                did=entry.did,
                about=entry.about,
                outcome=entry.outcome,
                error=str(exc),
            )
