"""All jobs of a devhub, and running those that are not finished."""

from __future__ import annotations

import asyncio
import shutil
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobhook.core.jobs import JobStage

from .jobs import Initiator, Job
from .logs import JobLog
from .processes import CannotStart, Ending, run
from .wire import Refusal, new_id, now

if TYPE_CHECKING:
    from .accounts import Namespace
    from .jobspec import Expose, JobBody
    from .limits import Limits
    from .storage import Workspace

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LEFT_ALONE = "devhub stopped while the job was not finished"
_CANCELED = (JobStage.CANCELED, None)
_ABANDONED = (JobStage.ERROR, _LEFT_ALONE)

_Verdict = tuple[JobStage, str | None]


@dataclass(slots=True)
class _Run:
    """What exists of a job only while it is not finished."""

    task: asyncio.Task[None] = field(init=False)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    session: int | None = None
    verdict: _Verdict = _CANCELED


class Jobs:
    """All jobs, oldest first; those that are not finished are being run."""

    def __init__(self, workspace: Workspace, limits: Limits) -> None:
        self._workspace = workspace
        self._shelf = workspace.shelf("jobs")
        self._limits = limits
        self._jobs: dict[str, Job] = {}
        self._logs: dict[str, JobLog] = {}
        self._runs: dict[str, _Run] = {}
        self._free = asyncio.Semaphore(limits.jobs_at_once)

    def open(self) -> None:
        """Read the jobs of an earlier devhub; what it did not finish, nobody will."""
        _link_programs(self._workspace.folder("bin"))
        stored = self._shelf.read(Job.from_stored)
        for job in sorted(stored, key=lambda job: (job.created_at, job.id)):
            self._logs[job.id] = self._log(job.id)
            self._jobs[job.id] = job
            if not job.stage.is_final:
                self._change(job.id, stage=JobStage.ERROR, message=_LEFT_ALONE, finished_at=now())

    async def close(self) -> None:
        """End every job that still runs, with all its processes."""
        await asyncio.gather(*(self._end(job_id, _ABANDONED) for job_id in list(self._runs)))

    def create(
        self,
        body: JobBody,
        owner: Namespace,
        creator: Namespace,
        initiator: Initiator | None = None,
    ) -> Job:
        """Take a job on; it runs as soon as there is room."""
        job = Job(
            id=new_id(),
            owner=owner,
            creator=creator,
            body=body,
            created_at=now(),
            initiator=initiator,
        )
        self._jobs[job.id] = job
        self._shelf.put(job.id, job.to_stored())
        self._logs[job.id] = self._log(job.id)
        self._logs[job.id].expect()
        run_ = self._runs[job.id] = _Run()
        run_.task = asyncio.create_task(self._run(job, run_), name=f"job {job.id}")
        return job

    def duplicate(self, job: Job, creator: Namespace) -> Job:
        """Take on what *job* is once more, with its secrets; a `Refusal` if they are lost."""
        if job.forgetful:
            raise Refusal(
                409,
                "devhub keeps no secrets of jobs when it stops, and this one has some: run it anew",
            )
        source = Initiator(type="duplicated-job", id=job.id)
        return self.create(self._jobs[job.id].body, job.owner, creator, source)

    def relabel(self, job: Job, labels: dict[str, str]) -> Job:
        """Give *job* these labels in the place of those it has."""
        return self._amend(job, labels=labels)

    def expose(self, job: Job, expose: Expose) -> Job:
        """Let the ports of *job* that may be reached be these."""
        return self._amend(job, expose=expose if expose.ports else None)

    def get(self, job_id: str) -> Job | None:
        """Return this job, whosever it is."""
        return self._jobs.get(job_id)

    def session(self, job: Job) -> int | None:
        """Return the session of the processes of *job*, if it runs."""
        run_ = self._runs.get(job.id)
        return run_.session if run_ else None

    def is_over(self, job: Job) -> bool:
        """Whether nothing of *job* runs any more, or ever will."""
        return job.id not in self._runs

    def find(self, namespace: str, job_id: str) -> Job | None:
        """Return this job of *namespace*."""
        job = self._jobs.get(job_id)
        return job if job and job.owner.name == namespace else None

    def of(self, namespace: str) -> list[Job]:
        """Return the jobs of *namespace*, the newest first."""
        return [job for job in reversed(self._jobs.values()) if job.owner.name == namespace]

    def everything(self) -> list[Job]:
        """Return every job that was ever taken on, oldest first."""
        return list(self._jobs.values())

    def log(self, job: Job) -> JobLog:
        """Return the log of *job*."""
        return self._logs[job.id]

    async def cancel(self, job: Job) -> Job:
        """End *job*, unless it is over, and return it when nothing of it runs any more."""
        await self._end(job.id, _CANCELED)
        return self._jobs[job.id]

    async def _run(self, job: Job, run_: _Run) -> None:
        """Run *job* when there is room; only here a job gets beyond SCHEDULING."""
        async with self._free:
            self._change(job.id, stage=JobStage.RUNNING, started_at=now())
            home = self._workspace.folder("homes", job.id)
            try:
                self._logs[job.id].start()
                for sentence in job.body.lacking():
                    self._logs[job.id].note(f"devhub: {sentence}")
                verdict = await self._attempts(job, run_, home)
            except CannotStart as exc:
                self._logs[job.id].note(f"devhub: {exc}")
                verdict = (JobStage.ERROR, f"The command cannot start: {exc}")
            except OSError as exc:
                verdict = (JobStage.ERROR, f"devhub cannot run the job: {exc.strerror}")
            self._finish(job.id, run_.verdict if run_.stop.is_set() else verdict)
            # What a job leaves behind may be a lot to remove.
            await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)

    async def _attempts(self, job: Job, run_: _Run, home: Path) -> _Verdict:
        """Run the command until it succeeds, as often as asked for, within one timeout."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + job.body.timeout

        def started(session: int) -> None:
            run_.session = session

        for attempt in range(1, job.body.attempts + 1):
            ending = await run(
                job.body.argv,
                folder=home,
                env=self._environment(job, home),
                mark="JOB_ID",
                timeout=deadline - loop.time(),
                stop=run_.stop,
                output=self._logs[job.id].write,
                grace=self._limits.kill_grace,
                started=started,
            )
            if not ending.code:
                break
            self._change(job.id, failures=attempt)
        return _verdict(ending)

    def _environment(self, job: Job, home: Path) -> dict[str, str]:
        """Return all that a job sees; nothing of our own environment is among it."""
        return {
            "PATH": f"{self._workspace.folder('bin')}:{_SYSTEM_PATH}",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            **job.body.environment,
            **job.body.secrets,
            "JOB_ID": job.id,
            **job.body.to_env(),
        }

    async def _end(self, job_id: str, verdict: _Verdict) -> None:
        run_ = self._runs.get(job_id)
        if run_ is None:
            return
        run_.verdict = verdict
        run_.stop.set()
        if self._jobs[job_id].stage is JobStage.SCHEDULING:
            run_.task.cancel()
        await asyncio.wait({run_.task})
        if job_id in self._runs:
            # It was still waiting for room.
            self._finish(job_id, verdict)

    def _finish(self, job_id: str, verdict: _Verdict) -> None:
        stage, message = verdict
        self._change(job_id, stage=stage, message=message, finished_at=now())
        del self._runs[job_id]
        # Last: who reads the log to its end and then asks, finds the final stage.
        self._logs[job_id].end()

    def _amend(self, job: Job, **changes: Any) -> Job:
        # As it is now: *job* may be told otherwise than it is, or have moved on.
        body = self._jobs[job.id].body.model_copy(update=changes)
        self._change(job.id, body=body)
        return self._jobs[job.id]

    def _change(self, job_id: str, **changes: Any) -> None:
        job = self._jobs[job_id] = replace(self._jobs[job_id], **changes)
        self._shelf.put(job_id, job.to_stored())

    def _log(self, job_id: str) -> JobLog:
        return JobLog(self._workspace.folder("logs") / f"{job_id}.jsonl", self._limits)


def _verdict(ending: Ending) -> _Verdict:
    if ending.timed_out:
        return JobStage.ERROR, "Job timeout"
    if ending.code:
        return JobStage.ERROR, f"Job failed with exit code: {ending.code}"
    return JobStage.COMPLETED, None


def _link_programs(folder: Path) -> None:
    """Let `python` in a job be the one that runs us, and `uv` the one that came with us."""
    uv = Path(sys.executable).with_name("uv")
    for name, program in (("python", sys.executable), ("python3", sys.executable), ("uv", uv)):
        link = folder / name
        link.unlink(missing_ok=True)
        if Path(program).exists():
            link.symlink_to(program)
