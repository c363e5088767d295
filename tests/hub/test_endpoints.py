from __future__ import annotations

import re

import pytest

from canned import CannedServer, answer
from jobhook.core.errors import HubError
from jobhook.hub.endpoints import ENDPOINTS, OTHER, endpoint_of, status_class
from jobhook.hub.transport import NO_ANSWER, HubTransport
from ports import free_port

SHA = "0123456789abcdef0123456789abcdef01234567"


def filled(endpoint: str, text: str) -> str:
    return re.sub(r"\{\w+\}", text, endpoint.replace("{repo_type}", "dataset"))


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("text", ["acme", SHA, "refs%2Fpr%2F1", "a.b-c_d"])
def test_a_path_is_known_by_its_endpoint_whoever_it_is_about(endpoint: str, text: str) -> None:
    assert endpoint_of(filled(endpoint, text)) == endpoint
    assert endpoint_of(f"{filled(endpoint, text)}?cursor=a/b") == endpoint


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/api/models/acme/m?expand=tags", "/api/{repo_type}s/{owner}/{name}"),
        (
            "/api/kernels/acme/k/discussions/3",
            "/api/{repo_type}s/{owner}/{name}/discussions/{number}",
        ),
        ("/api/spaces/acme/s/commits/main", "/api/{repo_type}s/{owner}/{name}/commits/{revision}"),
        ("/api/datasets/acme/d/commit/main", "/api/{repo_type}s/{owner}/{name}/commit/{revision}"),
        (f"/api/datasets/acme/d/tree/{SHA}", "/api/{repo_type}s/{owner}/{name}/tree/{revision}"),
        (
            f"/api/datasets/acme/d/tree/{SHA}/a%2Fb",
            "/api/{repo_type}s/{owner}/{name}/tree/{revision}/{folder}",
        ),
        ("/api/organizations/acme/members", "/api/organizations/{org}/members"),
        ("/api/repos/create", "/api/repos/create"),
    ],
)
def test_what_the_official_client_does_not_ask_for_is_known_as_well(
    path: str, endpoint: str
) -> None:
    assert endpoint_of(path) == endpoint


@pytest.mark.parametrize(
    "path", ["/", "", "/api/jobs/a/b/c/d/e", "/api/what\n", "/resolve/x?/api/jobs/a"]
)
def test_any_other_path_has_one_name(path: str) -> None:
    assert endpoint_of(path) == OTHER


def test_statuses_are_few_whatever_a_server_answers() -> None:
    assert {status_class(status) for status in (200, 404, 429, 503)} == {"200", "404", "429", "503"}
    assert len({status_class(status) for status in range(100, 1000)}) < 30


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("said", "status"),
    [(answer(200, {}), "200"), (answer(429, {}), "429"), (b"nonsense\r\n\r\n", NO_ANSWER)],
    ids=["answered", "refused", "nonsense"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "stream"])
async def test_each_request_is_told_of_once(
    server: CannedServer, said: bytes, status: str, method: str
) -> None:
    server.answers = [said]
    heard: list[tuple[str, str, str]] = []
    path = "/api/jobs/acme"
    async with HubTransport(
        server.url,
        "hf_secret",
        retries=0,
        on_answer=lambda *told: heard.append(told[:3]),
    ) as transport:
        try:
            if method == "GET":
                await transport.get(path)
            elif method == "POST":
                await transport.change("POST", path, json_body={})
            else:
                async with transport.stream(path, quiet=5):
                    pass
        except HubError:
            pass
    assert heard == [("POST" if method == "POST" else "GET", "/api/jobs/{namespace}", status)]


@pytest.mark.anyio
async def test_a_hub_that_cannot_be_reached_is_told_of() -> None:
    heard: list[str] = []
    async with HubTransport(
        f"http://127.0.0.1:{free_port()}",
        None,
        retries=0,
        on_answer=lambda method, endpoint, status, seconds: heard.append(status),
    ) as transport:
        with pytest.raises(HubError):
            await transport.get("/api/whoami-v2")
    assert heard == [NO_ANSWER]
