"""How the Hub is reached: certificates, proxies, connections that rest."""

from __future__ import annotations

import asyncio
import base64
import ssl
import subprocess
import sys
from pathlib import Path

import httpcore2
import pytest
from anyio.from_thread import start_blocking_portal

from canned import CannedServer, answer
from factories import ROOT
from jobhook.core.errors import HubBusy, OutcomeUnknown, UsageError
from jobhook.hub import connections
from jobhook.hub.transport import HubTransport

pytestmark = pytest.mark.anyio

TLS = ROOT / "tests" / "data" / "tls"


async def serve_over_tls(certificate: Path) -> tuple[asyncio.Server, str]:
    """A server that answers one request with an empty list, as localhost."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(200, []))
        await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    return server, f"https://localhost:{server.sockets[0].getsockname()[1]}"


async def test_a_certificate_that_nobody_vouches_for_is_refused() -> None:
    server, url = await serve_over_tls(TLS / "cert.pem")
    async with server, HubTransport(url, "hf_x", retries=0) as transport:
        with pytest.raises(HubBusy, match="certificate verify failed"):
            await transport.get("/api/x")


async def test_a_certificate_of_the_machines_own_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "cert.pem"))
    server, url = await serve_over_tls(TLS / "cert.pem")
    async with server, HubTransport(url, "hf_x", retries=0) as transport:
        assert (await transport.get("/api/x")).body == []


async def test_a_proxy_that_the_environment_names_is_used(
    server: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    server.answers = [answer(200, [1]), None, answer(200, [2])]
    async with HubTransport("http://hub.test", "hf_x", retries=0) as transport:
        assert (await transport.get("/api/x")).body == [1]
        assert (await transport.change("POST", "/api/y")).body == [2]
    assert [asked.target for asked in server.asked] == [
        "http://hub.test:80/api/x",
        "http://hub.test:80/api/y",
    ]


async def test_a_proxy_is_not_used_for_what_it_is_not_for(
    server: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.answers = [answer(200, [])]
    async with HubTransport(server.url, "hf_x", retries=0) as transport:
        await transport.get("/api/x")


async def test_a_proxy_is_told_who_asks(
    server: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("all_proxy", server.url.replace("http://", "http://ann:hu%40sh@"))
    monkeypatch.delenv("no_proxy", raising=False)
    server.answers = [answer(200, [])]
    async with HubTransport("http://hub.test", "hf_x", retries=0) as transport:
        await transport.get("/api/x")
    told = base64.b64decode(server.asked[0].headers["proxy-authorization"].removeprefix("Basic "))
    assert told == b"ann:hu@sh"


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "http://127.0.0.1:port", "http://[::1"])
def test_a_proxy_that_is_none_is_a_sentence(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(UsageError, match="http_proxy names no http"):
        HubTransport("http://hub.test", "hf_x")


async def test_what_follows_an_answer_is_not_the_next_one(server: CannedServer) -> None:
    server.answers = [answer(200, ["first"]) + answer(200, ["evil"]), answer(200, ["second"])]
    async with HubTransport(server.url, "hf_x", retries=0) as transport:
        assert (await transport.get("/api/x")).body == ["first"]
        assert (await transport.get("/api/x")).body == ["second"]


async def test_connections_that_rested_for_long_are_closed(
    server: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "RESTING_SECONDS", -1.0)
    server.answers = [answer(200, [])] * 2
    async with HubTransport(server.url, "hf_x", retries=0) as transport:
        await transport.get("/api/x")
        await transport.get("/api/x")
        assert transport._connections._resting == []


async def test_what_waited_for_its_turn_only_was_not_sent(
    server: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_AT_ONCE_MAX", 1)
    server.hang = True
    server.answers = [b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"]
    async with HubTransport(server.url, "hf_x", deadline=0.5, retries=0) as transport:
        calls = [transport.change("POST", "/api/x") for _ in range(2)]
        failed = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(each) for each in failed] == [OutcomeUnknown, HubBusy]
    assert len(server.asked) == 1


async def test_a_peer_that_the_system_gave_up_leaves_the_outcome_open() -> None:
    class Gone:
        async def read(self, _most: int) -> bytes:
            raise TimeoutError(110, "Connection timed out")

    stream = connections._Stream(Gone(), Gone())  # type: ignore[arg-type]
    with pytest.raises(httpcore2.ReadError, match="timed out"):
        await stream.read(1)


TWO_LOOPS = """
import asyncio, sys
from jobhook.hub.transport import HubTransport

transport = HubTransport(sys.argv[1], "hf_x", retries=0)

async def use():
    await transport.get("/api/x")
    await transport.change("POST", "/api/x")

asyncio.run(use())
asyncio.run(use())
"""


def test_a_hub_may_be_used_in_one_event_loop_after_the_other() -> None:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(CannedServer()) as server,
    ):
        server.answers = [answer(200, [])] * 4
        subprocess.run([sys.executable, "-c", TWO_LOOPS, server.url], check=True)
        assert [asked.method for asked in server.asked] == ["GET", "POST"] * 2


async def test_a_proxy_without_a_scheme_is_one_for_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    async with HubTransport("http://hub.test", "hf_x", retries=0) as transport:
        with pytest.raises(HubBusy, match="cannot reach"):
            await transport.get("/api/x")


async def test_reads_share_a_connection(server: CannedServer) -> None:
    server.answers = [answer(200, [])] * 3
    async with HubTransport(server.url, "hf_x") as transport:
        for _ in range(3):
            await transport.get("/api/x")
    assert server.connections == 1


async def test_a_connection_of_a_read_that_was_broken_off_is_not_used_again(
    server: CannedServer,
) -> None:
    server.hang = True
    server.answers = [b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"]
    async with HubTransport(server.url, "hf_x", deadline=0.2, retries=0) as transport:
        with pytest.raises(HubBusy):
            await transport.get("/api/x")
        server.answers = [answer(200, [])]
        await transport.get("/api/x")
    assert server.connections == 2


async def test_a_hub_under_a_path_is_asked_there(server: CannedServer) -> None:
    server.answers = [answer(200, [])]
    async with HubTransport(f"{server.url}/hub/", "hf_x") as transport:
        await transport.get("/api/x")
    assert server.asked[0].target == "/hub/api/x"


async def test_a_host_that_is_none_is_told_of_in_a_sentence() -> None:
    with pytest.raises(UsageError, match="no http"):
        HubTransport("http://[::1", None)
