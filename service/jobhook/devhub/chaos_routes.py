"""`/_devhub`: set faults while it runs, and read what was really done. For `dev` only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from jobhook.core.errors import UsageError

from .accounts import USER
from .requests import known_asker
from .strikes import ADMIN_PATH
from .wire import Json, Refusal, checked, read_object, stamp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from starlette.requests import Request

    from .accounts import Accounts
    from .chaos import Chaos
    from .jobs import Job
    from .limits import Limits
    from .running import Jobs

_LEDGER_BATCH = 100


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    faults: list[str] = []
    seed: Annotated[int, Field(ge=0, lt=2**64)] | None = None


class ChaosRoutes:
    """The routes of faults, and of the ledger."""

    def __init__(self, accounts: Accounts, chaos: Chaos, jobs: Jobs, limits: Limits) -> None:
        self._accounts = accounts
        self._chaos = chaos
        self._jobs = jobs
        self._limits = limits

    def routes(self) -> list[Route]:
        """Return the routes."""
        path = f"{ADMIN_PATH}chaos"
        return [
            Route(path, self.show),
            Route(path, self.add, methods=["POST"]),
            Route(path, self.clear, methods=["DELETE"]),
            Route(f"{ADMIN_PATH}ledger", self.ledger),
        ]

    async def show(self, request: Request) -> Response:
        """Tell the seed, the faults that are set, and how often each has struck."""
        self._admin(request)
        return Json(self._chaos.to_wire())

    async def add(self, request: Request) -> Response:
        """Set more faults; with a seed, in the place of those that were set."""
        self._admin(request)
        asked = checked(_Asked, await read_object(request, self._limits.body_bytes))
        try:
            self._chaos.add(*asked.faults, seed=asked.seed)
        except UsageError as exc:
            raise Refusal(400, str(exc)) from exc
        return Json(self._chaos.to_wire())

    async def clear(self, request: Request) -> Response:
        """Set no fault any more, and tell how those that were set have fared."""
        self._admin(request)
        fared = self._chaos.to_wire()
        self._chaos.clear()
        return Json(fared)

    async def ledger(self, request: Request) -> Response:
        """Tell every job that was ever taken on, oldest first, whatever the faults say of it."""
        self._admin(request)
        jobs = self._jobs.everything()
        return StreamingResponse(_array(jobs), media_type="application/json; charset=utf-8")

    def _admin(self, request: Request) -> None:
        if known_asker(request, self._accounts).name != USER:
            raise Refusal(403, f"Only the user {USER!r} may use this")


async def _array(jobs: Sequence[Job]) -> AsyncIterator[bytes]:
    yield b"["
    for start in range(0, len(jobs), _LEDGER_BATCH):
        batch = [orjson.dumps(_entry(job)) for job in jobs[start : start + _LEDGER_BATCH]]
        yield (b",\n" if start else b"") + b",\n".join(batch)
    yield b"]\n"


def _entry(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "namespace": job.owner.name,
        "labels": job.body.labels,
        "launchId": job.body.environment.get("JOBHOOK_LAUNCH_ID"),
        "createdAt": stamp(job.created_at),
        "finishedAt": stamp(job.finished_at) if job.finished_at else None,
        "stage": job.stage,
    }
