"""One object for all that the Hub can be asked through a service elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from jobhook.core.errors import UsageError
from jobhook.hub.transport import CallToken
from jobhook.hub.uv import UvCalls
from jobhook.remote.jobs import RemoteJobs
from jobhook.remote.schedules import RemoteSchedules
from jobhook.remote.streams import RemoteStreams
from jobhook.remote.transport import ServiceTransport
from jobhook.remote.webhooks import RemoteWebhooks


class RemoteHub(RemoteJobs, RemoteStreams, RemoteSchedules, RemoteWebhooks, UvCalls):
    """
    The Hub, asked through a service, with the methods of `AsyncHub` that the commands use.

    The service asks with its own token: a *token* that is given to a call is not sent anywhere.
    Scripts are read here, and travel in the job.
    """

    def __init__(self, service: ServiceTransport) -> None:
        self.service = service

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.service.aclose()

    async def _through_bucket(
        self,
        uv: Sequence[str],
        run: Sequence[str],
        job: Mapping[str, Any],
        names: Mapping[str, str],
        namespace: str | None,
        token: CallToken,
    ) -> dict[str, Any]:
        raise UsageError(
            "the files are too long to travel with the job, and a bucket is not reached through "
            "JOBHOOK_URL: put them into a bucket or a repo, and mount that with -v"
        )
