"""A devhub and services beside it, for tests of the whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

import canaries
from jobhook.devhub import TOKEN, DevHub
from jobhook.hub.client import AsyncHub
from jobhook.settings import Settings
from jobhook.web.serving import listen, url_of
from jobhook.wiring import Service, for_devhub, running_devhub, running_service

SECRET = canaries.WEBHOOK
T = TypeVar("T")


async def until(look: Callable[[], Awaitable[T | None]], *, seconds: float = 20) -> T:
    """Wait for what happens in another part of the program."""
    async with asyncio.timeout(seconds):
        while (found := await look()) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return found


class Town:
    """A devhub, and what is needed to run services beside it."""

    def __init__(self, folder: Path, devhub: DevHub, url: str) -> None:
        self.folder = folder
        self.devhub = devhub
        self.url = url
        self.rules = folder / "rules"
        self.rules.mkdir()

    def rule(self, name: str, text: str) -> None:
        (self.rules / f"{name}.yaml").write_text(f"id: {name}\n{text}")

    def environment(self) -> dict[str, str]:
        """What a service, or a command on its machine, is told."""
        return {
            "JOBHOOK_DATABASE": f"sqlite:///{self.folder / 'town.db'}",
            "JOBHOOK_RULES": str(self.rules),
            "JOBHOOK_WEBHOOK_SECRETS": SECRET,
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": TOKEN,
            "HF_HOME": str(self.folder),
            **canaries.FOR_EVERY_SERVICE,
        }

    def settings(self, **environ: str) -> Settings:
        return Settings.from_env(self.environment() | environ)

    @asynccontextmanager
    async def service(self, **environ: str) -> AsyncIterator[Service]:
        """A service whose webhook is registered on the devhub."""
        with listen("127.0.0.1", 0) as listener:
            settings = for_devhub(
                self.settings(**environ),
                devhub_url=self.url,
                own_url=url_of(listener),
                secret=SECRET,
            )
            async with running_service(settings, listener) as service, self.hub() as hub:

                async def registered() -> bool | None:
                    urls = [hook.url or "" for hook in await hub.list_webhooks()]
                    return any(url.startswith(service.url) for url in urls) or None

                await until(registered)
                yield service

    def hub(self) -> AsyncHub:
        return AsyncHub(self.url, TOKEN, retries=0)

    async def push(self, name: str = "dev/corpus") -> str:
        async with self.hub() as hub:
            await hub.create_repo(name, repo_type="dataset")
            return await hub.create_commit(
                name, {"a.csv": b"1"}, repo_type="dataset", message="data"
            )


@asynccontextmanager
async def running_town(folder: Path, *, users: Path | None = None) -> AsyncIterator[Town]:
    """Run a devhub for a town that keeps its files in *folder*."""
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(listen("127.0.0.1", 0))
        url = url_of(listener)
        devhub = await stack.enter_async_context(running_devhub(DevHub(url, users=users), listener))
        yield Town(folder, devhub, url)
