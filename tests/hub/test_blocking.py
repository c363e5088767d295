"""The blocking face: the same answers from any thread, and what is broken off is given up."""

from __future__ import annotations

import _thread
import asyncio
import gc
import inspect
import json
import os
import signal
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest
from anyio.from_thread import start_blocking_portal

from canned import CannedServer, answer
from jobhook.core.errors import HubBusy, UsageError
from jobhook.hub import blocking, functions
from jobhook.hub.blocking import Hub
from jobhook.hub.client import AsyncHub

JOB = {
    "id": "j1",
    "owner": {"id": "1", "name": "acme", "type": "org"},
    "status": {"stage": "COMPLETED", "message": None},
}


@pytest.fixture
def server() -> Iterator[CannedServer]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(CannedServer()) as running,
    ):
        yield running


@pytest.fixture
def hub(server: CannedServer) -> Iterator[Hub]:
    with Hub(server.url, "hf_x", deadline=5, retries=0) as opened:
        yield opened


def stream(*lines: str) -> bytes:
    body = b"".join(b"data: %s\n\n" % json.dumps({"data": line}).encode() for line in lines)
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body


def test_a_list_is_a_list(hub: Hub, server: CannedServer) -> None:
    server.answers = [answer(200, [JOB])]
    assert [job.id for job in hub.list_jobs(namespace="acme")] == ["j1"]


def test_a_log_is_iterated_over(hub: Hub, server: CannedServer) -> None:
    server.answers = [stream("a", "b"), answer(200, JOB)]
    log = hub.fetch_job_logs(job_id="j1", namespace="acme", follow=True)
    assert list(log) == ["a", "b"]


def test_a_log_that_is_left_is_closed(hub: Hub, server: CannedServer) -> None:
    server.hang = True
    server.answers = [stream("a", "b").replace(b"content-length: ", b"content-length: 9")]
    log = hub.fetch_job_logs(job_id="j1", namespace="acme", follow=True)
    assert next(log) == "a"
    assert not server.ended.is_set()
    cast("Generator[str]", log).close()
    assert server.ended.wait(10)


def test_errors_come_through(hub: Hub, server: CannedServer) -> None:
    with pytest.raises(HubBusy):
        hub.inspect_job("j1", namespace="acme")


def test_many_threads_may_ask_at_once(hub: Hub, server: CannedServer) -> None:
    server.answers = [answer(200, JOB)] * 40
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: hub.inspect_job("j1", namespace="acme"), range(40)))
    assert {job.id for job in found} == {"j1"}


@pytest.fixture
def interrupts() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interrupts")
def test_an_interrupt_gives_up_the_call(server: CannedServer) -> None:
    server.hang = True
    server.answers = [b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"]
    with Hub(server.url, "hf_x", retries=0) as hub:
        timer = threading.Timer(0.2, _thread.interrupt_main)
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            hub.inspect_job("j1", namespace="acme")


def test_a_forked_process_has_connections_of_its_own(hub: Hub, server: CannedServer) -> None:
    server.answers = [answer(200, JOB)] * 2
    hub.inspect_job("j1", namespace="acme")
    child = os.fork()
    if not child:
        os._exit(hub.inspect_job("j1", namespace="acme").id != "j1")
    assert os.waitpid(child, 0)[1] == 0


def test_a_parent_goes_on_after_its_child_has_asked(hub: Hub, server: CannedServer) -> None:
    server.answers = [answer(200, JOB)] * 3
    hub.inspect_job("j1", namespace="acme")
    child = os.fork()
    if not child:
        hub.inspect_job("j1", namespace="acme")
        gc.collect()
        os._exit(0)
    os.waitpid(child, 0)
    assert hub.cancel_job("j1", namespace="acme").id == "j1"


class Log:
    """A log that only the collector of garbage can close."""

    def __init__(self, hub: Hub) -> None:
        self.itself = self
        self.lines = hub.fetch_job_logs(job_id="j1", namespace="acme", follow=True)


# That a connection is collected is what is tried, and told of here.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_log_that_is_collected_as_garbage_stops_nobody(hub: Hub, server: CannedServer) -> None:
    server.hang = True
    server.answers = [stream("a", "b").replace(b"content-length: ", b"content-length: 9")]
    assert next(Log(hub).lines) == "a"

    async def collect() -> None:
        gc.collect()

    blocking._background.run(asyncio.wait_for(collect(), 10))
    server.answers = [answer(200, JOB)]
    assert hub.inspect_job("j1", namespace="acme").id == "j1"
    gc.collect()


def test_a_hub_is_not_asked_by_what_another_one_calls(server: CannedServer) -> None:
    inner = Hub(server.url, "hf_x")
    outer = Hub(server.url, lambda: inner.whoami().name)
    with pytest.raises(UsageError, match="cannot be asked by what another one calls"):
        outer.inspect_job("j1", namespace="acme")


def test_a_hub_that_was_not_used_is_closed_without_anything() -> None:
    Hub("http://127.0.0.1:1", "hf_x").close()


def test_an_address_that_is_none_is_refused_at_the_first_call() -> None:
    with pytest.raises(UsageError, match="no http"):
        Hub("hub.test", "hf_x").whoami()


def test_every_function_is_a_method_of_both_hubs() -> None:
    names = [name for name, value in vars(functions).items() if inspect.ismethod(value)]
    assert len(names) >= 27
    for name in names:
        assert inspect.signature(getattr(Hub, name)) == inspect.signature(getattr(AsyncHub, name))
        assert inspect.getdoc(getattr(functions, name)) == inspect.getdoc(getattr(AsyncHub, name))


def test_functions_ask_the_hub_that_the_environment_names(
    server: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_env")
    server.answers = [answer(200, [])]
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(UsageError, match="'a b' is no id"):
        functions.inspect_job("a b")
    monkeypatch.setenv("HF_ENDPOINT", f"{server.url}/")
    assert functions.list_jobs(namespace="acme") == []
    assert server.asked[0].headers["authorization"] == "Bearer hf_env"
