"""`jobhook demo`: everything once, on real parts, told step by step."""

from __future__ import annotations

import asyncio
import io
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.markup import escape

from jobhook.adapters.logs import configure_logs
from jobhook.cli.output import plain
from jobhook.core.errors import JobHookError
from jobhook.core.filters import LaunchFilter
from jobhook.core.launches import Launch, LaunchState
from jobhook.core.records import StoredDelivery
from jobhook.devhub import TOKEN, USER, DevHub
from jobhook.hub.client import AsyncHub
from jobhook.hub.models import WebhookInfo
from jobhook.settings import Settings
from jobhook.web.serving import listen, url_of
from jobhook.wiring import Service, for_devhub, running_devhub, running_service

REPO = f"{USER}/corpus"
_STEP_SECONDS = 20.0
_LOOK_AGAIN_SECONDS = 0.01

T = TypeVar("T")

_TRAIN = b"""\
from collections import Counter
corpus = "the cat sat on the mat and the dog sat on the cat".split()
pairs = Counter(zip(corpus, corpus[1:]))
print(f"trained a bigram model on {len(corpus)} words: {len(pairs)} pairs")
print("after 'the' comes most likely:", max((n, b) for (a, b), n in pairs.items() if a == "the")[1])
"""


class DemoFailed(JobHookError):
    """A step of the demo did not come about."""


async def run_demo(rules: Path) -> int:
    """Run the demo with the rules in *rules*; return the exit code: 0, or 1 if a step failed."""
    story = _Story()
    # The story is told here; the log lines that a real service writes would drown it.
    configure_logs(stream=io.BytesIO())
    try:
        with tempfile.TemporaryDirectory(prefix="jobhook-demo-") as folder:
            async with _parts(story, rules, Path(folder)) as (service, hub):
                await _tell(story, service, hub)
    except JobHookError as exc:
        story.failed(str(exc))
        return 1
    story.done("all of it has stopped again, and nothing is left behind")
    return 0


@asynccontextmanager
async def _parts(
    story: _Story, rules: Path, folder: Path
) -> AsyncIterator[tuple[Service, AsyncHub]]:
    with listen("127.0.0.1", 0) as hub_listener, listen("127.0.0.1", 0) as listener:
        devhub = DevHub(url_of(hub_listener))
        async with running_devhub(devhub, hub_listener):
            story.done(f"devhub, a Hub on this machine, answers at {url_of(hub_listener)}")
            # Nothing of this machine's environment or login gets into the demo.
            settings = for_devhub(
                Settings.from_env(
                    {
                        "JOBHOOK_DATABASE": f"sqlite:///{folder / 'demo.db'}",
                        "JOBHOOK_RULES": str(rules),
                        "HF_HOME": str(folder),
                    }
                ),
                devhub_url=url_of(hub_listener),
                own_url=url_of(listener),
                secret=secrets.token_urlsafe(32),
            )
            async with (
                running_service(settings, listener) as service,
                AsyncHub(url_of(hub_listener), TOKEN) as hub,
            ):
                story.done(f"jobhook answers at {service.url}, with the rules of {rules}/")
                yield service, hub


async def _tell(story: _Story, service: Service, hub: AsyncHub) -> None:
    webhook = await _until(lambda: _first_webhook(hub), "the webhook is not on the devhub")
    watched = ", ".join(map(str, webhook.watched))
    story.done(f"webhook {webhook.id} is registered with a fresh secret; it watches {watched}")

    await hub.create_repo(REPO, repo_type="dataset")
    files = {"train.py": _TRAIN, "README.md": b"# A small corpus\n"}
    sha = await hub.create_commit(REPO, files, repo_type="dataset", message="New data")
    story.done(f"pushed a commit to the dataset {REPO}: {sha}")

    delivery = await _until(
        lambda: _delivery_of_push(service), "the devhub's delivery was not received"
    )
    story.done(
        f"delivery {delivery.id} came in, Webhook-Id {delivery.webhook_id}: "
        "secret checked, stored, answered 202"
    )
    launch = await _until(lambda: _launched(service, delivery), "no rule launched a job")
    story.done(f"rule {launch.rule} fired on {launch.event}; launch {launch.id}")
    story.done(f"job {launch.job_id} was started: {launch.job_url}")

    lines = []
    job_id = launch.job_id or ""
    async for line in hub.fetch_job_logs(job_id=job_id, namespace=USER, follow=True):
        lines.append(line)
        story.log(line)
    log = "\n".join(lines)
    if REPO not in log or sha not in log:
        raise DemoFailed("the job's log does not show the repo and the sha that were pushed")
    ended = await _until(lambda: _ended(service, launch), "the job's end was not noticed")
    if ended.state != LaunchState.COMPLETED:
        raise DemoFailed(f"the job ended as {ended.state}: {ended.reason}")
    story.done("the job is COMPLETED, and the launch is completed")


async def _first_webhook(hub: AsyncHub) -> WebhookInfo | None:
    return next(iter(await hub.list_webhooks()), None)


async def _delivery_of_push(service: Service) -> StoredDelivery | None:
    for delivery, _ in await service.store.deliveries(limit=10):
        if "commit.pushed" in delivery.events and delivery.repo_name == REPO:
            return delivery
    return None


async def _launched(service: Service, delivery: StoredDelivery) -> Launch | None:
    for launch in await service.store.launches(LaunchFilter(delivery=delivery.id), limit=1):
        if launch.job_id:
            return launch
        if launch.state not in {LaunchState.READY, LaunchState.SENDING}:
            raise DemoFailed(f"the launch is {launch.state}: {launch.reason}")
    return None


async def _ended(service: Service, launch: Launch) -> Launch | None:
    service_view = await service.store.launch(launch.id)
    return service_view if service_view and service_view.state.is_final else None


async def _until(look: Callable[[], Awaitable[T | None]], otherwise: str) -> T:
    try:
        async with asyncio.timeout(_STEP_SECONDS):
            # What is waited for happens in a database and on a Hub: they cannot wake us.
            while (found := await look()) is None:  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            return found
    except TimeoutError as exc:
        raise DemoFailed(f"{otherwise}, {_STEP_SECONDS:g} seconds on") from exc


class _Story:
    """What the terminal shows, with the time that each step took."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._errors = Console(stderr=True, highlight=False, soft_wrap=True)
        self._last = time.perf_counter()

    def done(self, step: str) -> None:
        now = time.perf_counter()
        took, self._last = (now - self._last) * 1000, now
        self._console.print(f"[green]✓[/] [dim]{took:6.0f} ms[/]  {escape(plain(step))}")

    def log(self, line: str) -> None:
        self._console.print(f"             [dim]│[/] {escape(plain(line))}")

    def failed(self, why: str) -> None:
        sys.stdout.flush()
        self._errors.print(f"[red]✗[/] jobhook demo: {escape(plain(why))}")
