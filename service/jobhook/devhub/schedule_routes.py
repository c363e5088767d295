"""`/api/scheduled-jobs`: make, list, look, pause, run, change and forget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from .jobspec import LabelsBody
from .requests import label_of, member, param
from .schedules import ScheduleBody, ScheduleChange
from .wire import Json, Refusal, checked, read_object

if TYPE_CHECKING:
    from starlette.requests import Request

    from .accounts import Accounts
    from .limits import Limits
    from .schedules import ScheduledJob
    from .scheduling import Schedules

_ALL = "/api/scheduled-jobs/{namespace}"
_ONE = f"{_ALL}/{{scheduled_id}}"


class ScheduleRoutes:
    """The routes of scheduled jobs."""

    def __init__(self, url: str, accounts: Accounts, schedules: Schedules, limits: Limits) -> None:
        self._url = url
        self._accounts = accounts
        self._schedules = schedules
        self._limits = limits

    def routes(self) -> list[Route]:
        """Return the routes."""
        post, put = ["POST"], ["PUT"]
        return [
            Route(_ALL, self.list, name="schedules.list"),
            Route(_ALL, self.create, methods=post, name="schedules.create"),
            Route(_ONE, self.show, name="schedules.inspect"),
            Route(_ONE, self.delete, methods=["DELETE"], name="schedules.delete"),
            Route(f"{_ONE}/suspend", self.suspend, methods=post, name="schedules.suspend"),
            Route(f"{_ONE}/resume", self.resume, methods=post, name="schedules.resume"),
            Route(f"{_ONE}/run", self.run, methods=post, name="schedules.run"),
            Route(f"{_ONE}/schedule", self.reschedule, methods=post, name="schedules.schedule"),
            Route(f"{_ONE}/labels", self.relabel, methods=put, name="schedules.labels"),
        ]

    async def list(self, request: Request) -> Response:
        """Tell the scheduled jobs of a namespace, the newest first, with one label if asked so."""
        _, namespace = member(request, self._accounts)
        asked = request.query_params.getlist("label")
        if len(asked) > 1:
            raise Refusal(400, "label: scheduled jobs can be asked for by one label only")
        labels = [label_of(text) for text in asked]
        return Json(
            [
                one.to_wire(self._url)
                for one in self._schedules.of(namespace.name)
                if all(one.body.labels.get(key) == value for key, value in labels)
            ]
        )

    async def create(self, request: Request) -> Response:
        """Take a scheduled job on."""
        user, namespace = member(request, self._accounts, writing=True)
        body = checked(ScheduleBody, await read_object(request, self._limits.body_bytes))
        return self._told(self._schedules.create(body, namespace, user.namespace))

    async def show(self, request: Request) -> Response:
        """Tell one."""
        return self._told(self._one(request))

    async def delete(self, request: Request) -> Response:
        """Forget one."""
        self._schedules.delete(self._one(request, writing=True))
        return Json({})

    async def suspend(self, request: Request) -> Response:
        """Pause one."""
        return self._told(self._schedules.suspend(self._one(request, writing=True)))

    async def resume(self, request: Request) -> Response:
        """Let one go on."""
        return self._told(self._schedules.resume(self._one(request, writing=True)))

    async def run(self, request: Request) -> Response:
        """Launch the job of one now, and tell the job."""
        job = self._schedules.trigger(self._one(request, writing=True))
        return Json(job.to_wire(self._url))

    async def reschedule(self, request: Request) -> Response:
        """Change when one is due."""
        self._one(request, writing=True)
        body = checked(ScheduleChange, await read_object(request, self._limits.body_bytes))
        # Looked up again: it may have been deleted while the body came.
        one = self._one(request, writing=True)
        return self._told(self._schedules.reschedule(one, body.schedule))

    async def relabel(self, request: Request) -> Response:
        """Change the labels of what one launches."""
        self._one(request, writing=True)
        body = checked(LabelsBody, await read_object(request, self._limits.body_bytes))
        one = self._one(request, writing=True)
        return self._told(self._schedules.relabel(one, body.labels))

    def _one(self, request: Request, *, writing: bool = False) -> ScheduledJob:
        _, namespace = member(request, self._accounts, writing=writing)
        return self._schedules.find(namespace.name, param(request, "scheduled_id"))

    def _told(self, one: ScheduledJob) -> Response:
        return Json(one.to_wire(self._url))
