"""`jobhook serve`, `devhub` and `demo`: the commands that run something."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import uvloop

from jobhook.adapters.logs import configure_logs
from jobhook.cli.options import Database, RulesFolder, settings_with
from jobhook.cli.output import say, warn
from jobhook.core.errors import UsageError
from jobhook.settings import Settings
from jobhook.web.serving import listen, url_of
from jobhook.wiring import Role, for_devhub, running_devhub, running_service

if TYPE_CHECKING:
    from jobhook.devhub import DevHub

DEVHUB_PORT = 7861
# Said once more here, so that nobody has to load a devhub for its help; a test compares them.
_FAULT_KEYS = (
    "skip, count, rate, execute, late, delay, hold, status, retry_after, ratelimit, redirect, "
    "answer, bytes, pause, cut, hangup, lag, unlisted, gone, deleted, wiped, labels, filter, page"
)
_CHAOS_HELP = (
    "Let something go wrong; may be given several times. FAULT is a route (a name, or METHOD "
    '/path) and KEY=VALUE, such as "jobs.create status=500 execute=yes rate=0.1". Keys: '
    f"{_FAULT_KEYS}. The README explains them."
)
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def serve(
    devhub: Annotated[
        bool, typer.Option("--devhub", help="Run a Hub inside, so that no account is needed.")
    ] = False,
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")
    ] = None,
    rules: RulesFolder = None,
    database: Database = None,
    role: Annotated[
        Role,
        typer.Option("--role", help="What this process does, where several share PostgreSQL."),
    ] = Role.ALL,
    devhub_port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="The port of the devhub; 0 takes a free one."),
    ] = DEVHUB_PORT,
) -> None:
    """Receive webhooks and launch jobs until it is told to stop (SIGTERM)."""
    settings = settings_with(host=host, port=port, rules=rules, database=database)
    _run(_serve(settings, role, devhub_port if devhub else None))


def devhub(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")
    ] = DEVHUB_PORT,
    host: Annotated[str, typer.Option(help="A loopback address.")] = "127.0.0.1",
    data: Annotated[
        Path | None, typer.Option(help="A folder that keeps everything (default: memory).")
    ] = None,
    users: Annotated[Path | None, typer.Option(help="A JSON file with more users.")] = None,
    chaos: Annotated[
        list[str] | None, typer.Option("--chaos", metavar="FAULT", help=_CHAOS_HELP)
    ] = None,
    chaos_seed: Annotated[
        int | None, typer.Option(min=0, help="Repeat the run that printed this seed.")
    ] = None,
) -> None:
    """Run a Hub on this machine, for jobhook, `hf` and huggingface_hub."""
    if host not in _LOOPBACK:
        raise UsageError(
            f"devhub runs the commands of whoever reaches it, and is no sandbox: "
            f"it listens on a loopback address only, not on {host}"
        )
    from jobhook.devhub import DevHub

    configure_logs()
    faults = tuple(chaos or ())
    _run(
        _devhub(host, port, partial(DevHub, data=data, users=users, faults=faults, seed=chaos_seed))
    )


def demo(rules: RulesFolder = None) -> None:
    """Show it all once: a devhub, a service, one real push, one rule, one job and its log."""
    from jobhook.cli.demo import run_demo

    folder = settings_with(rules=rules).rules
    raise typer.Exit(uvloop.run(_until_signal(run_demo(folder))))


def _run(program: Coroutine[Any, Any, None]) -> None:
    try:
        uvloop.run(program)
    except asyncio.CancelledError as exc:
        warn("jobhook: stopped at once; what was on its way is looked at when it starts again")
        raise typer.Exit(1) from exc


async def _until_signal(program: Coroutine[Any, Any, int]) -> int:
    """Run *program*; a signal cancels it, so that it cleans up after itself."""
    task = asyncio.create_task(program)
    _on_signals(lambda: task.cancel())
    try:
        return await task
    except asyncio.CancelledError:
        warn("jobhook: stopped before it was done")
        return 1


async def _serve(settings: Settings, role: Role, devhub_port: int | None) -> None:
    stop, hub_url = _stop_on_signal(), None
    reload = _reload_on_hangup(stop)
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(listen(settings.host, settings.port))
        if devhub_port is not None:
            from jobhook.devhub import DevHub

            hub_listener = stack.enter_context(
                listen("127.0.0.1", devhub_port, options="--devhub-port")
            )
            hub_url = url_of(hub_listener)
            secret = secrets.token_urlsafe(32)
            settings = for_devhub(
                settings, devhub_url=hub_url, own_url=url_of(listener), secret=secret
            )
            await stack.enter_async_context(running_devhub(DevHub(hub_url), hub_listener))
        configure_logs(secrets=settings.secrets)
        service = await stack.enter_async_context(running_service(settings, listener, role=role))
        reload.append(service.reload)
        if hub_url:
            # Not before: nobody shall export what is gone again.
            _print_exports(hub_url)
        await stop.wait()


async def _devhub(host: str, port: int, make: Callable[[str], DevHub]) -> None:
    stop = _stop_on_signal()
    with listen(host, port) as listener:
        url = url_of(listener)
        async with running_devhub(make(url), listener) as devhub:
            _print_exports(url)
            say("# Jobs run here as your own processes, with your rights: this is not a sandbox.")
            if set_ := len(devhub.chaos):
                seed = devhub.chaos.seed
                say(f"# Faults that are set: {set_}; to see the same again: --chaos-seed {seed}")
            await stop.wait()


def _print_exports(url: str) -> None:
    from jobhook.devhub import TOKEN

    say(f"export HF_ENDPOINT={url}")
    say(f"export HF_TOKEN={TOKEN}")


def _stop_on_signal() -> asyncio.Event:
    """Return an event that the first signal sets; the second stops waiting for what is open."""
    stop = asyncio.Event()
    main = asyncio.current_task()
    _on_signals(stop.set, lambda: main and main.cancel())
    return stop


def _reload_on_hangup(stop: asyncio.Event) -> list[Callable[[], None]]:
    """
    Return a list for what SIGHUP is to do; where there is no such signal, nobody does it.

    When the terminal that it runs in is closed, the same signal means the end.
    """
    actions: list[Callable[[], None]] = []
    terminal = os.isatty(0)

    def take() -> None:
        if terminal and not os.isatty(0):
            stop.set()
            return
        for action in actions:
            action()

    if number := getattr(signal, "SIGHUP", None):
        asyncio.get_running_loop().add_signal_handler(number, take)
    return actions


def _on_signals(*actions: Callable[[], object]) -> None:
    """Take *actions* in turn at SIGTERM and SIGINT; after the last a signal ends the process."""
    loop = asyncio.get_running_loop()
    left = list(actions)
    numbers = (signal.SIGTERM, signal.SIGINT)

    def take() -> None:
        left.pop(0)()
        if not left:
            for number in numbers:
                loop.remove_signal_handler(number)

    for number in numbers:
        loop.add_signal_handler(number, take)
