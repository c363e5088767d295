"""Who is who on a devhub."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from huggingface_hub.errors import HfHubHTTPError

from jobhook.core.errors import UsageError
from jobhook.devhub.accounts import BUILT_IN, Accounts, Role, User, read_users

if TYPE_CHECKING:
    from devhub.conftest import Running

pytestmark = pytest.mark.anyio

DEV, EVE = BUILT_IN
READER = User(name="ann", token="hf_ann", roles={"acme": Role.READ})
ACCOUNTS = Accounts((*BUILT_IN, READER))


async def test_whoami_tells_the_user_and_their_orgs(shared: Running) -> None:
    me = await shared.call(shared.api.whoami)
    assert (me["type"], me["name"], me["canPay"]) == ("user", "dev", True)
    assert [(org["name"], org["roleInOrg"]) for org in me["orgs"]] == [("acme", "admin")]
    assert me["auth"]["accessToken"]["role"] == "write"
    eve = await shared.call(shared.eve.whoami)
    assert (eve["name"], eve["orgs"]) == ("eve", [])


async def test_whoami_refuses_who_it_does_not_know(shared: Running) -> None:
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        await shared.call(shared.api.whoami, token="hf_wrong")
    answer = await shared.http.get("/api/whoami-v2", headers={"Authorization": ""})
    assert (answer.status_code, answer.json()) == (401, {"error": "Invalid username or password."})


async def test_members_are_told_to_all_and_their_roles_to_members(shared: Running) -> None:
    (member,) = await shared.call(lambda: list(shared.eve.list_organization_members("acme")))
    assert (member.username, member.user_type) == ("dev", "user")
    path = "/api/organizations/acme/members"
    (told,) = (await shared.http.get(path)).json()
    assert (told["user"], told["role"]) == ("dev", "admin")
    assert told["_id"] == (await shared.call(shared.api.whoami))["id"]
    for headers in ({"Authorization": "Bearer hf_devhub_eve"}, {"Authorization": ""}):
        (told,) = (await shared.http.get(path, headers=headers)).json()
        assert "role" not in told
    assert (await shared.http.get(f"{path}?search=E")).json()
    assert (await shared.http.get(f"{path}?search=x")).json() == []


async def test_members_are_told_in_pages(
    devhub_with: Callable[..., AbstractAsyncContextManager[Running]], tmp_path: Path
) -> None:
    users = tmp_path / "users.json"
    names = [f"u{number:02}" for number in range(24)]
    everybody = [{"name": name, "token": name, "orgs": {"acme": "read"}} for name in names]
    users.write_text(json.dumps(everybody))
    async with devhub_with(users=users) as devhub:
        answer = await devhub.http.get("/api/organizations/acme/members?limit=10")
        seen = [member["user"] for member in answer.json()]
        while "next" in answer.links:
            answer = await devhub.http.get(answer.links["next"]["url"])
            seen += [member["user"] for member in answer.json()]
        assert seen == ["dev", *names]


@pytest.mark.parametrize(
    ("path", "status"),
    [("dev", 404), ("nobody", 404), ("acme", 200), ("acme?limit=9", 400), ("acme?cursor=x", 400)],
)
async def test_only_organizations_have_members(shared: Running, path: str, status: int) -> None:
    name, _, query = path.partition("?")
    answer = await shared.http.get(f"/api/organizations/{name}/members?{query}")
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("user", "namespace", "may_read", "may_write"),
    [
        pytest.param(DEV, "dev", True, True, id="own"),
        pytest.param(DEV, "acme", True, True, id="admin"),
        pytest.param(READER, "acme", True, False, id="reader"),
        pytest.param(EVE, "acme", False, False, id="no-member"),
        pytest.param(EVE, "dev", False, False, id="someone-else"),
        pytest.param(None, "dev", False, False, id="nobody"),
    ],
)
def test_rights(user: User | None, namespace: str, may_read: bool, may_write: bool) -> None:
    assert ACCOUNTS.may_read(user, namespace) is may_read
    assert ACCOUNTS.may_write(user, namespace) is may_write


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            '[{"name": "ann", "token": "t", "orgs": [{"name": "acme", "role": "read"}]}]',
            id="list",
        ),
        pytest.param(
            '{"users": [{"name": "ann", "token": "t", "orgs": {"acme": "read"}}]}', id="object"
        ),
    ],
)
def test_a_users_file_is_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "users.json"
    path.write_text(text)
    assert read_users(path) == (User(name="ann", token="t", roles={"acme": Role.READ}),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(None, "No such file", id="missing"),
        pytest.param("{", "is not JSON", id="no-json"),
        pytest.param('{"user": []}', "is wrong at", id="no-list"),
        pytest.param('[{"name": "ann"}]', "is wrong at 0.token", id="no-token"),
        pytest.param('[{"name": "a/b", "token": "t"}]', "is wrong at 0.name", id="name"),
        pytest.param('[{"name": "a", "token": "t", "rights": 1}]', "0.rights", id="unknown-key"),
        pytest.param(
            '[{"name": "a", "token": "t", "orgs": [{"name": "o", "role": "king"}]}]',
            "0.orgs.0.role",
            id="role",
        ),
        pytest.param('[{"name": "dev", "token": "t"}]', "the name 'dev'", id="built-in-name"),
        pytest.param('[{"name": "acme", "token": "t"}]', "the name 'acme'", id="name-of-org"),
        pytest.param('[{"name": "a", "token": "hf_devhub"}]', "one token", id="token-twice"),
    ],
)
def test_a_wrong_users_file_is_refused_in_one_sentence(
    tmp_path: Path, text: str | None, said: str
) -> None:
    path = tmp_path / "users.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError) as error:
        read_users(path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


async def test_users_of_the_file_have_their_rights(
    tmp_path: Path, devhub_with: Callable[..., AbstractAsyncContextManager[Running]]
) -> None:
    path = tmp_path / "users.json"
    path.write_text(
        '[{"name": "ann", "token": "hf_ann", "orgs": {"acme": "read", "zoo": "admin"}}]'
    )
    async with devhub_with(users=path) as devhub:
        ann: dict[str, Any] = {"headers": {"Authorization": "Bearer hf_ann"}}
        spec = {"dockerImage": "i", "command": ["true"], "flavor": "cpu-basic"}
        assert (await devhub.http.get("/api/jobs/acme", **ann)).status_code == 200
        assert (await devhub.http.post("/api/jobs/acme", json=spec, **ann)).status_code == 403
        assert (await devhub.http.post("/api/jobs/zoo", json=spec, **ann)).status_code == 200
        assert (await devhub.http.get("/api/jobs/zoo")).status_code == 403
