"""`/api/jobs`: launch, list, look, change, cancel, follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from jobhook.core.jobs import JobStage

from .faults import Asked, JobFault, ListFault
from .hardware import HARDWARE
from .jobspec import Expose, JobBody, LabelsBody
from .metrics import frames
from .requests import label_of, member, param
from .wire import Json, Refusal, checked, next_link, now, page, read_object

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

    from .accounts import Accounts, Namespace
    from .chaos import Chaos
    from .jobs import Job
    from .limits import Limits
    from .running import Jobs


_HEEDFUL = ListFault(route="jobs.list", spec="")


class JobRoutes:
    """The routes of jobs."""

    def __init__(
        self, url: str, accounts: Accounts, jobs: Jobs, limits: Limits, chaos: Chaos
    ) -> None:
        self._url = url
        self._accounts = accounts
        self._jobs = jobs
        self._limits = limits
        self._chaos = chaos
        self._faults: dict[str, JobFault] = {}

    def routes(self) -> list[Route]:
        """Return the routes, in the order in which they are tried."""
        every = "/api/jobs/{namespace}"
        one = f"{every}/{{job_id}}"
        post, put = ["POST"], ["PUT"]
        return [
            Route("/api/jobs/hardware", self.hardware, name="hardware"),
            Route(every, self.list, name="jobs.list"),
            Route(every, self.create, methods=post, name="jobs.create"),
            Route(f"{every}/count", self.count, name="jobs.count"),
            *(
                Route(
                    f"{of}/auth-check/{{permission}}", self.check, methods=post, name="jobs.check"
                )
                for of in (every, one)
            ),
            Route(one, self.show, name="jobs.inspect"),
            Route(f"{one}/cancel", self.cancel, methods=post, name="jobs.cancel"),
            Route(f"{one}/duplicate", self.duplicate, methods=post, name="jobs.duplicate"),
            Route(f"{one}/labels", self.relabel, methods=put, name="jobs.labels"),
            Route(f"{one}/expose", self.expose, methods=put, name="jobs.expose"),
            Route(f"{one}/logs", self.logs, name="jobs.logs"),
            Route(f"{one}/metrics", self.metrics, name="jobs.metrics"),
        ]

    async def hardware(self, request: Request) -> Response:
        """Tell what there is to run on; everybody may know."""
        return Json([hardware.to_wire() for hardware in HARDWARE.values()])

    async def create(self, request: Request) -> Response:
        """Launch a job."""
        user, namespace = member(request, self._accounts, writing=True)
        body = checked(JobBody, await read_object(request, self._limits.body_bytes))
        job = self._jobs.create(body, namespace, user.namespace)
        if fault := self._chaos.strike(JobFault, _asked(request, "jobs.create")):
            self._faults[job.id] = fault
        return Json(job.to_wire(self._url))

    async def list(self, request: Request) -> Response:
        """Tell the jobs of a namespace, the newest first, a page at a time."""
        _, namespace = member(request, self._accounts)
        stages = _stages(request)
        labels = [label_of(text) for text in request.query_params.getlist("label")]
        fault = self._chaos.strike(ListFault, _asked(request, "jobs.list")) or _HEEDFUL
        found = [
            job
            for job in self._listed(namespace, request.query_params.get("cursor"))
            if (not stages or job.stage in stages)
            and all(fault.carries(job.body.labels, key, value) for key, value in labels)
        ]
        jobs, end = page(found, 0, fault.page or self._limits.page_items)
        headers = next_link(request, self._url, jobs[-1].id) if end else {}
        return Json([job.to_wire(self._url) for job in jobs], headers=headers)

    async def count(self, request: Request) -> Response:
        """Tell how many jobs a namespace has."""
        _, namespace = member(request, self._accounts)
        stages = _stages(request)
        found = [job for job in self._listed(namespace, None) if not stages or job.stage in stages]
        return Json({"count": len(found)})

    async def check(self, request: Request) -> Response:
        """Tell who asks, and of what namespace, if they may do with its jobs what they ask for."""
        permission = param(request, "permission")
        if permission not in ("read", "write"):
            raise Refusal(400, "a permission is read or write")
        writing = permission == "write"
        if "job_id" in request.path_params:
            self._job(request, writing=writing)
        user, namespace = member(request, self._accounts, writing=writing)
        return Json(
            {
                "namespace": {"id": namespace.id, "name": namespace.name},
                "user": {"id": user.namespace.id, "name": user.name},
            }
        )

    async def show(self, request: Request) -> Response:
        """Tell one job."""
        return Json(self._job(request).to_wire(self._url))

    async def cancel(self, request: Request) -> Response:
        """End a job; the answer comes when nothing of it runs any more."""
        return self._changed(await self._jobs.cancel(self._job(request, writing=True)))

    async def duplicate(self, request: Request) -> Response:
        """Launch what a job is once more."""
        user, _ = member(request, self._accounts, writing=True)
        job = self._jobs.duplicate(self._job(request, writing=True), user.namespace)
        return Json(job.to_wire(self._url))

    async def relabel(self, request: Request) -> Response:
        """Change the labels of a job."""
        job = self._job(request, writing=True)
        body = checked(LabelsBody, await read_object(request, self._limits.body_bytes))
        return self._changed(self._jobs.relabel(job, body.labels))

    async def expose(self, request: Request) -> Response:
        """Change which ports of a job may be reached."""
        job = self._job(request, writing=True)
        body = checked(Expose, await read_object(request, self._limits.body_bytes))
        return self._changed(self._jobs.expose(job, body))

    async def logs(self, request: Request) -> Response:
        """Stream the log of a job until it ends."""
        log = self._jobs.log(self._job(request))
        tail = _tail(request.query_params.get("tail"))
        return _streamed(log.frames(tail))

    async def metrics(self, request: Request) -> Response:
        """Stream what a job uses until it ends."""
        job = self._job(request)
        if self._jobs.is_over(job):
            raise Refusal(406, "This job is not running: there is nothing to measure")
        return _streamed(frames(self._jobs, job, self._limits))

    def _job(self, request: Request, *, writing: bool = False) -> Job:
        _, namespace = member(request, self._accounts, writing=writing)
        job = self._jobs.find(namespace.name, param(request, "job_id"))
        told = job and self._told(job)
        if told is None:
            raise Refusal(404, "There is no such job in this namespace")
        return told

    def _changed(self, job: Job) -> Response:
        return Json((self._told(job) or job).to_wire(self._url))

    def _listed(self, namespace: Namespace, cursor: str | None) -> Iterator[Job]:
        """Yield the jobs of a list, as they are told of in one."""
        for job in _after(self._jobs.of(namespace.name), cursor):
            if told := self._told(job, listed=True):
                yield told

    def _told(self, job: Job, *, listed: bool = False) -> Job | None:
        """Return *job* as the fault that struck it lets it be told."""
        fault = self._faults.get(job.id)
        return fault.told(job, now(), listed=listed) if fault else job


def _asked(request: Request, route: str) -> Asked:
    return Asked(method=request.method, path=request.scope["path"], route=route)


def _streamed(frames: AsyncIterator[bytes]) -> Response:
    return StreamingResponse(
        frames,
        media_type="text/event-stream",
        headers={"Cache-Control": "no-cache, no-transform"},
    )


def _stages(request: Request) -> set[JobStage]:
    return {_stage(name) for name in request.query_params.getlist("stage")}


def _stage(name: str) -> JobStage:
    try:
        return JobStage(name)
    except ValueError:
        raise Refusal(400, f"stage: {name[:40]!r} is not one of {', '.join(JobStage)}") from None


def _after(jobs: list[Job], cursor: str | None) -> list[Job]:
    """Return those that come after the job that *cursor* names, whatever has become of it since."""
    if cursor is None:
        return jobs
    ids = [job.id for job in jobs]
    if cursor not in ids:
        raise Refusal(400, "cursor: it is not from an earlier answer to this question")
    return jobs[ids.index(cursor) + 1 :]


def _tail(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Refusal(400, "tail: it must be a whole number of lines, 0 or more")
    return int(text)
