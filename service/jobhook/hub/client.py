"""One object for all that the Hub can be asked."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from jobhook.core.pacing import Quota
from jobhook.hub import login
from jobhook.hub.folders import FoldersApi
from jobhook.hub.job_streams import JobStreamsApi
from jobhook.hub.looking import LookingApi
from jobhook.hub.patience import RETRIES
from jobhook.hub.repos import ReposApi
from jobhook.hub.transport import DEADLINE_SECONDS, HubTransport, OnAnswer, Token
from jobhook.hub.uv import UvApi
from jobhook.hub.webhooks import WebhooksApi


class AsyncHub(JobStreamsApi, UvApi, FoldersApi, WebhooksApi, ReposApi, LookingApi):
    """
    The Hub, asked with coroutines; an async context manager.

    Its methods have the names, the keyword arguments and the results of the functions of
    `huggingface_hub` 2.4. Lists may be awaited or iterated over, logs and metrics are iterated
    over.

    Args:
        endpoint: Its address; that of `HF_ENDPOINT`, or the public Hub's, if None.
        token: What it is asked with, or a function that gives it; `HF_TOKEN` or the saved login if
            None.
        deadline: Seconds that one call may take with all its repetitions; streams excepted.
        retries: How often what is harmless to repeat is repeated. What starts or makes something
            is sent once, whatever this says.
        on_answer: Is told of each request its method, its endpoint as a template, its status and
            how many seconds it took.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        token: Token = None,
        *,
        deadline: float = DEADLINE_SECONDS,
        retries: int = RETRIES,
        on_answer: OnAnswer | None = None,
    ) -> None:
        self.transport = HubTransport(
            endpoint or login.endpoint(),
            login.token if token is None else token,
            deadline=deadline,
            retries=retries,
            on_answer=on_answer,
        )
        self._names = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self.transport.aclose()

    @property
    def quota(self) -> Quota:
        """What the Hub last said of the calls that the token may make; nothing is asked."""
        return self.transport.quota
