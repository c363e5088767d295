"""Start the jobs that people and programs ask for: now, once more, or a schedule's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

from jobhook.core.direct import RERUN, TRIGGER, Request, with_secrets
from jobhook.core.errors import HubRefused, UsageError
from jobhook.core.jobs import JobSpec
from jobhook.core.launches import RUN, Launch
from jobhook.core.planning import without_payload
from jobhook.flows.requests import Requests
from jobhook.flows.sending import Start
from jobhook.hub.models import JobInfo, JobSpecInfo
from jobhook.hub.reading import spec_of


@dataclass(frozen=True, slots=True)
class DirectRun:
    """A job that was asked for, and the launch by which it is known here."""

    launch_id: str
    job: JobInfo


class DirectRuns:
    """Starts jobs for whoever asks."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    async def run(
        self, spec: JobSpec, *, namespace: str | None, asked_by: str, key: str | None = None
    ) -> DirectRun:
        """
        Start the job that *spec* describes, with the values of its secrets; it is sent once.

        *key* makes a request the same as another one, and belongs to the caller: the same key gives
        the same job, and starts another only where the first ended without one. Without a key each
        request is another one.

        Raises:
            UsageError: It is no job that the Hub would take; nothing is kept.
            Paused: Nothing may be started for now.
            LimitReached: It would cost too much, or nobody knows what it would cost.
            NotLaunched: It was called back before it was sent.
            StillRunning: Nobody knows yet what came of the same request.
            KeyReused: The key was used for something else.
            HubRefused: The Hub said no; nothing runs. `HubNotFound` if the same request has led to
                a job that the Hub no longer knows.
            HubBusy: Nothing runs, and it may be tried again.
            OutcomeUnknown: It may run; *look_for* names the launch that will say so.
            StoreUnavailable: Nothing was sent.
        """
        hub = self._requests.hub
        if namespace and namespace != spec.namespace:
            spec = replace(spec, namespace=namespace)

        def prepare(launch: Launch) -> Start:
            job = with_secrets(launch, spec.secrets)
            return lambda home: hub.start_job(home, job)

        asked = self._requests.request(RUN, spec, asked_by, key)
        return await self._done(asked, prepare)

    async def rerun(
        self, job_id: str, *, namespace: str | None, asked_by: str, key: str | None = None
    ) -> DirectRun:
        """
        Have the Hub run a job once more, with its secrets; it is asked once.

        Raises as `run` does; `HubNotFound` if there is no such job.
        """
        home, hub = self._requests.home(namespace), self._requests.hub
        job = await hub.inspect_job(job_id, namespace=home)
        spec = repeated(job, job_id, home)

        def prepare(launch: Launch) -> Start:
            return lambda home: hub.rerun_job(job_id, namespace=home)

        asked = self._requests.request(RERUN, spec, asked_by, key, about=f"job:{job_id}")
        return await self._done(asked, prepare)

    async def trigger(
        self, schedule_id: str, *, namespace: str | None, asked_by: str, key: str | None = None
    ) -> DirectRun:
        """
        Have the Hub start the job of a schedule now; it is asked once.

        Raises as `run` does; `HubNotFound` if there is no such schedule.
        """
        home, hub = self._requests.home(namespace), self._requests.hub
        found = await hub.inspect_scheduled_job(schedule_id, namespace=home)
        spec = repeated(found.job_spec, schedule_id, home)

        def prepare(launch: Launch) -> Start:
            return lambda home: hub.trigger_scheduled_job(schedule_id, namespace=home)

        about = f"schedule:{schedule_id}"
        asked = self._requests.request(TRIGGER, spec, asked_by, key, about=about)
        return await self._done(asked, prepare)

    async def _done(self, asked: Request, prepare: Callable[[Launch], Start]) -> DirectRun:
        done = await self._requests.carry_out(asked, prepare)
        return DirectRun(done.launch_id, cast("JobInfo", done.made))


def repeated(told: JobInfo | JobSpecInfo, source: str, home: str) -> JobSpec:
    """Return what is run once more, as far as the Hub tells: what it costs is in it."""
    try:
        spec = spec_of(told)
    except UsageError as exc:
        raise HubRefused(f"{source} cannot be repeated: {exc}") from exc
    attempts = 1 + (told.retry or 0)
    return replace(spec, env=without_payload(spec.env), namespace=home, attempts=attempts)
