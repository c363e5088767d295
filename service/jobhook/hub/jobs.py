"""Jobs on the Hub: start, look at, list, change and cancel."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from jobhook.core.errors import HubRefused, OutcomeUnknown, UsageError
from jobhook.core.jobs import JobSpec, JobStage, label_problems, port_problems, ports_to_wire
from jobhook.core.texts import shown
from jobhook.hub.arguments import a_deadline, an_id, listed, no_problem, texts, texts_to_set
from jobhook.hub.asking import spec_from
from jobhook.hub.calls import HubCalls, now, segment, unreadable
from jobhook.hub.models import JobHardwareInfo, JobInfo
from jobhook.hub.reading import read_hardware, read_job, spec_of
from jobhook.hub.streams import Listing
from jobhook.hub.transport import CallToken, Query
from jobhook.hub.wire import items

# A hundred jobs, each with the longest payload in its environment (131,055 bytes), escaped.
PAGE_MAX_BYTES = 32 * 1024 * 1024


class JobsApi(HubCalls):
    """The calls under `/api/jobs`, with the arguments of the official client."""

    async def run_job(
        self,
        *,
        image: str,
        command: Sequence[str],
        env: Mapping[str, Any] | None = None,
        secrets: Mapping[str, Any] | None = None,
        flavor: str | None = None,
        timeout: float | str | None = None,
        attempts: int | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        volumes: Iterable[Any] | None = None,
        expose: Iterable[int] | None = None,
        expose_public: Iterable[int] | None = None,
        ssh: bool = False,
        network_group: str | None = None,
        network_aliases: Iterable[str] | None = None,
        resource_group_id: str | None = None,
        namespace: str | None = None,
        token: CallToken = None,
    ) -> JobInfo:
        """
        Start a job; the request is sent once.

        Args:
            image: A Docker image, or a Space's as `hf.co/spaces/owner/name`.
            command: What runs in it, word by word.
            env: Variables that everybody who may see the job can read.
            secrets: Variables that the Hub never gives back.
            flavor: The hardware, `cpu-basic` if None; see `list_jobs_hardware`.
            timeout: Seconds, or a text such as `"90m"` or `"1.5h"`; the Hub's 30 minutes if None.
            attempts: How often the Hub tries, the first time included.
            name: The label `name`; if None, one made of image and command.
            labels: For finding the job again.
            volumes: What is mounted: `Volume`s.
            expose: Ports that whoever may see the job can reach.
            expose_public: Ports that everybody can reach.
            ssh: Whether one may log in to it.
            network_group: The jobs that reach one another.
            network_aliases: The names that this one answers to among them.
            resource_group_id: The group of the org that pays.
            namespace: The user or org that it runs in; the token's user if None.
            token: Another token than the hub's, or False for none.

        Raises:
            UsageError: The Hub would not take it; nothing was sent.
            HubRefused: The Hub said no; nothing runs.
            HubBusy: Nothing runs, and it may be tried again.
            OutcomeUnknown: It may run; *look_for* says what to look for.
        """
        spec = spec_from(
            image=image,
            command=command,
            name=name,
            env=env,
            secrets=secrets,
            flavor=flavor,
            timeout=timeout,
            attempts=attempts,
            labels=labels,
            volumes=volumes,
            expose=expose,
            expose_public=expose_public,
            ssh=ssh,
            network_group=network_group,
            network_aliases=network_aliases,
            resource_group_id=resource_group_id,
        )
        home, since = await self._namespace(namespace, token), now()
        try:
            return await self.start_job(home, spec, token=token, own_connection=False)
        except OutcomeUnknown as exc:
            raise exc.with_clue(namespace=home, labels=dict(spec.labels), since=since) from exc

    async def start_job(
        self,
        namespace: str,
        spec: JobSpec,
        *,
        token: CallToken = None,
        own_connection: bool = True,
    ) -> JobInfo:
        """
        Start *spec* in *namespace*; the request is sent once, on a connection of its own.

        Raises:
            HubRefused: The Hub said no; nothing runs.
            HubBusy: Nothing runs, and it may be tried again.
            OutcomeUnknown: It may run. Look for its labels before anything else.
        """
        path = f"/api/jobs/{segment(namespace)}"
        answer = await self.transport.change(
            "POST", path, json_body=spec.to_wire(), token=token, own_connection=own_connection
        )
        with unreadable(f"the Hub's answer to POST {path} names no job", changed=True):
            job = read_job(answer.body, self.transport.endpoint)
        if job.owner.name.casefold() != namespace.casefold():
            raise OutcomeUnknown(f"the Hub's answer to POST {path} names a job of somebody else")
        return job

    async def inspect_job(
        self, job_id: str, *, namespace: str | None = None, token: CallToken = None
    ) -> JobInfo:
        """Return one job; raises `HubNotFound` when there is none."""
        answer = await self.transport.get(
            await self._job_path(job_id, namespace, token), token=token
        )
        return self._job(answer.body)

    async def job_spec(self, job_id: str, *, namespace: str) -> JobSpec:
        """
        Return what a job was asked to run, to have it run again; its secrets are names.

        Raises:
            HubRefused: There is no such job, or it cannot be asked for again.
        """
        job = await self.inspect_job(job_id, namespace=namespace)
        try:
            return spec_of(job)
        except UsageError as exc:
            raise HubRefused(f"job {job_id} cannot be repeated: {exc}") from exc

    def list_jobs(
        self,
        *,
        status: JobStage | str | Iterable[JobStage | str] | None = None,
        labels: Mapping[str, str] | None = None,
        timeout: float | None = None,
        namespace: str | None = None,
        token: CallToken = None,
    ) -> Listing[JobInfo]:
        """
        Return the jobs that carry all *labels*, in any stage of *status*, the newest first.

        The filter is the Hub's. Each page may take *timeout* seconds; None is the hub's deadline.

        Raises:
            UsageError: There is no such stage.
            ListTooLong: There are more than are read.
        """
        stages = [status] if isinstance(status, str) else listed("status", status)
        told = texts("labels", labels)
        no_problem(label_problems(told))
        pages = self.job_pages(
            namespace=namespace,
            labels=told,
            stages=tuple(map(a_stage, stages)),
            token=token,
            deadline=a_deadline(timeout),
        )
        return Listing(pages)

    async def job_pages(
        self,
        *,
        namespace: str | None,
        labels: Mapping[str, str] | None = None,
        stages: Sequence[JobStage] = (),
        token: CallToken = None,
        deadline: float | None = None,
    ) -> AsyncGenerator[list[JobInfo], None]:
        """Yield what `list_jobs` returns page by page; each is one call."""
        query = [("stage", stage.value) for stage in stages]
        query += [("label", f"{key}={value}") for key, value in (labels or {}).items()]
        path = f"/api/jobs/{segment(await self._namespace(namespace, token))}"
        async for page in self._pages(
            path, query, self._read, token=token, answer_max=PAGE_MAX_BYTES, deadline=deadline
        ):
            yield page

    async def job_page(
        self,
        *,
        namespace: str | None,
        labels: Iterable[tuple[str, str]] = (),
        stages: Sequence[JobStage] = (),
        beyond: Query = (),
        token: CallToken = None,
    ) -> tuple[list[JobInfo], Query | None]:
        """
        Return one page of what `list_jobs` returns, and what to ask the next one with; one call.

        That is the *beyond* of the next one, and None if this is the last. It can only choose
        among the pages of this namespace, whoever made it up.

        Raises:
            HubRefused: The Hub said no; it does not know such a page, for one.
        """
        path = f"/api/jobs/{segment(await self._namespace(namespace, token))}"
        query = [("stage", stage.value) for stage in stages]
        query += [("label", f"{key}={value}") for key, value in labels]
        page = await self.transport.page(
            path, [*query, *beyond], answer_max=PAGE_MAX_BYTES, token=token
        )
        with unreadable("the Hub's list cannot be read"):
            found = [self._read(item) for item in items(page.body)]
        if page.following is None:
            return found, None
        following, _, told = page.following.partition("?")
        if following != path:
            raise HubRefused("the Hub named a next page of another list; it was not asked")
        return found, tuple(pair for pair in parse_qsl(told) if pair not in query)

    async def cancel_job(
        self, job_id: str, *, namespace: str | None = None, token: CallToken = None
    ) -> JobInfo:
        """Cancel a job; one that has ended already is left as it is."""
        path = await self._job_path(job_id, namespace, token)
        answer = await self.transport.change("POST", f"{path}/cancel", token=token, harmless=True)
        return self._job(answer.body)

    async def rerun_job(
        self, job_id: str, *, namespace: str | None = None, token: CallToken = None
    ) -> JobInfo:
        """
        Start a job like another, with its secrets; the request is sent once.

        Raises:
            OutcomeUnknown: It may run; *look_for* says what to look for.
        """
        path, since = await self._job_path(job_id, namespace, token), now()
        try:
            answer = await self.transport.change("POST", f"{path}/duplicate", token=token)
            with unreadable("the Hub's answer names no job", changed=True):
                return self._read(answer.body)
        except OutcomeUnknown as exc:
            raise exc.with_clue(initiator=f"duplicated-job {job_id}", since=since) from exc

    async def update_job_labels(
        self,
        job_id: str,
        *,
        labels: Mapping[str, str],
        namespace: str | None = None,
        token: CallToken = None,
    ) -> JobInfo:
        """Give a job other labels; those that it had are gone."""
        told = texts_to_set("labels", labels)
        no_problem(label_problems(told))
        return await self._put(job_id, "labels", {"labels": told}, namespace, token)

    async def update_job_expose(
        self,
        job_id: str,
        *,
        expose: Iterable[int] | None = None,
        expose_public: Iterable[int] | None = None,
        namespace: str | None = None,
        token: CallToken = None,
    ) -> JobInfo:
        """Give a running job other ports; those that are in neither list are closed."""
        ports, public = listed("expose", expose), listed("expose_public", expose_public)
        no_problem(port_problems((*ports, *public)))
        return await self._put(job_id, "expose", ports_to_wire(ports, public), namespace, token)

    def list_jobs_hardware(self, token: CallToken = None) -> Listing[JobHardwareInfo]:
        """Return the flavors and what they cost; the Hub tells that to everybody."""
        return Listing(self._hardware(token))

    async def _hardware(self, token: CallToken) -> AsyncGenerator[list[JobHardwareInfo], None]:
        answer = await self.transport.get("/api/jobs/hardware", token=token)
        with unreadable("the Hub's list of hardware cannot be read"):
            found = [read_hardware(item) for item in answer.body]
        yield found

    async def _put(
        self, job_id: str, what: str, body: Any, namespace: str | None, token: CallToken
    ) -> JobInfo:
        path = await self._job_path(job_id, namespace, token)
        answer = await self.transport.change(
            "PUT", f"{path}/{what}", json_body=body, token=token, harmless=True
        )
        return self._job(answer.body)

    async def _job_path(self, job_id: str, namespace: str | None, token: CallToken) -> str:
        checked = an_id("job", job_id)
        return f"/api/jobs/{segment(await self._namespace(namespace, token))}/{checked}"

    def _read(self, wire: Any) -> JobInfo:
        return read_job(wire, self.transport.endpoint)

    def _job(self, wire: Any) -> JobInfo:
        with unreadable("the Hub answered with something that is no job"):
            return self._read(wire)


def a_stage(word: Any) -> JobStage:
    """Return the stage that *word* means, in letters of any size; `UsageError` if it is none."""
    if isinstance(word, str) and word.upper() in JobStage.__members__:
        return JobStage(word.upper())
    raise UsageError(f"stage {shown(word)}: one of {', '.join(JobStage)}")
