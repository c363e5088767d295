from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from canned import CannedServer, answer
from jobhook.core.errors import HubBusy, HubForbidden, HubNotFound, HubRefused, ListTooLong
from jobhook.core.findings import ChangedFile, Discussion, Repo
from jobhook.hub import looking, trees
from jobhook.hub.client import AsyncHub

pytestmark = pytest.mark.anyio

OLD, NEW = "a" * 40, "b" * 40
# As the Hub lists what is in Git LFS and in Xet: `oid` is that of the pointer.
WEIGHTS = {
    "type": "file",
    "oid": "1" * 40,
    "size": 5_000_000_000,
    "lfs": {"oid": "2" * 64, "size": 5_000_000_000, "pointerSize": 135},
    "xetHash": "3" * 64,
    "path": "weights.safetensors",
}


@pytest.fixture
async def hub(server: CannedServer) -> AsyncIterator[AsyncHub]:
    async with AsyncHub(server.url, "hf_x", deadline=5, retries=0) as opened:
        yield opened


def file(path: str, oid: str = "f1", size: int = 3) -> dict[str, Any]:
    return {"type": "file", "oid": oid, "size": size, "path": path}


def folder(path: str, oid: str = "d1") -> dict[str, Any]:
    return {"type": "directory", "oid": oid, "size": 0, "path": path}


def targets(server: CannedServer) -> list[str]:
    return [asked.target for asked in server.asked]


async def changed(hub: AsyncHub, old: str | None = OLD, new: str = NEW) -> tuple[ChangedFile, ...]:
    return await hub.changed_files("acme/corpus", repo_type="dataset", old=old, new=new)


async def test_only_folders_that_differ_are_read(hub: AsyncHub, server: CannedServer) -> None:
    server.answers = [
        answer(200, [folder("data", "d1"), folder("docs"), file("a"), file("data-card", "f1")]),
        answer(200, [folder("data", "d2"), folder("docs"), file("a"), file("data-card", "f2", 7)]),
        answer(200, [folder("data/x y", "d3"), file("data/gone")]),
        answer(200, [folder("data/x y", "d4")]),
        answer(200, []),
        answer(200, [file("data/x y/new", size=0)]),
    ]
    assert await changed(hub) == (
        ChangedFile("data-card", "edit", 7),
        ChangedFile("data/gone", "delete"),
        ChangedFile("data/x y/new", "add", 0),
    )
    base = "/api/datasets/acme/corpus/tree"
    assert targets(server) == [
        f"{base}/{OLD}",
        f"{base}/{NEW}",
        f"{base}/{OLD}/data",
        f"{base}/{NEW}/data",
        f"{base}/{OLD}/data%2Fx%20y",
        f"{base}/{NEW}/data%2Fx%20y",
    ]


async def test_a_folder_that_came_or_went_is_read_with_all_below_it(
    hub: AsyncHub, server: CannedServer
) -> None:
    server.answers = [
        answer(200, [folder("old"), file("turned")]),
        answer(200, [folder("turned")]),
        answer(200, [folder("old/er"), file("old/er/one")]),
        answer(200, [file("turned/into")]),
    ]
    assert await changed(hub) == (
        ChangedFile("old/er/one", "delete"),
        ChangedFile("turned", "delete"),
        ChangedFile("turned/into", "add", 3),
    )
    assert targets(server)[2:] == [
        f"/api/datasets/acme/corpus/tree/{OLD}/old?recursive=true",
        f"/api/datasets/acme/corpus/tree/{NEW}/turned?recursive=true",
    ]


async def test_without_an_old_commit_every_file_is_new(hub: AsyncHub, server: CannedServer) -> None:
    next_page = f'<{server.url}/api/next?cursor=1>; rel="next"'
    server.answers = [
        answer(200, [folder("d"), file("d/a")], link=next_page),
        answer(200, [WEIGHTS]),
    ]
    assert await changed(hub, old=None) == (
        ChangedFile("d/a", "add", 3),
        ChangedFile("weights.safetensors", "add", 5_000_000_000),
    )
    assert targets(server) == [
        f"/api/datasets/acme/corpus/tree/{NEW}?recursive=true",
        "/api/next?cursor=1",
    ]


@pytest.mark.parametrize(
    ("now", "edits"),
    [
        pytest.param(WEIGHTS, 0, id="the same"),
        pytest.param({**WEIGHTS, "oid": "9" * 40}, 1, id="another pointer"),
        pytest.param({**WEIGHTS, "lfs": {"oid": "9" * 64}}, 1, id="another large file"),
    ],
)
async def test_a_large_file_is_edited_when_what_it_points_to_is_another(
    hub: AsyncHub, server: CannedServer, now: dict[str, Any], edits: int
) -> None:
    server.answers = [answer(200, [WEIGHTS]), answer(200, [now])]
    assert len(await changed(hub)) == edits


async def test_a_size_that_is_no_size_is_not_told(hub: AsyncHub, server: CannedServer) -> None:
    sizes = [-1, True, 10**30, 3.0, "3"]
    told = [{**file(f"x{at}"), "size": size} for at, size in enumerate(sizes)]
    told.append({"type": "unknown", "oid": "f1", "path": "submodule"})
    server.answers = [answer(200, told)]
    assert {change.size for change in await changed(hub, old=None)} == {None}


async def test_a_comparison_ends_after_so_many_calls(
    hub: AsyncHub, server: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trees, "CALLS_MAX", 4)
    deep = [[folder("a" + "/a" * depth, f"d{side}")] for depth in range(9) for side in range(2)]
    server.answers = [answer(200, listing) for listing in deep]
    with pytest.raises(ListTooLong):
        await changed(hub)
    assert len(server.asked) == 5


@pytest.mark.parametrize("limit", ["FILES_MAX", "CHARACTERS_MAX"])
async def test_a_comparison_ends_after_so_many_files(
    hub: AsyncHub, server: CannedServer, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(trees, limit, 3)
    files = [file(name) for name in "abcd"]
    server.answers = [answer(200, files[:3]), answer(200, files)]
    assert len(await changed(hub, old=None)) == 3
    with pytest.raises(ListTooLong):
        await changed(hub, old=None)


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({}, id="no list"),
        pytest.param(None, id="nothing"),
        pytest.param(["x"], id="a text"),
        pytest.param([{"type": "file", "path": "x"}], id="no oid"),
        pytest.param([{"type": "file", "oid": "x"}], id="no path"),
        pytest.param([{"path": "x", "oid": "x"}], id="no type"),
        pytest.param([{**file("x"), "lfs": 3}], id="lfs that is a number"),
    ],
)
async def test_a_list_of_files_that_cannot_be_read_is_asked_for_again(
    hub: AsyncHub, server: CannedServer, told: Any
) -> None:
    server.answers = [answer(200, told)]
    with pytest.raises(HubBusy):
        await changed(hub, old=None)


async def test_a_commit_that_is_gone_is_not_found(hub: AsyncHub, server: CannedServer) -> None:
    server.answers = [answer(404, {"error": "Invalid rev id"}, x_error_code="RevisionNotFound")]
    with pytest.raises(HubNotFound):
        await changed(hub)


@pytest.mark.parametrize(
    ("name", "repo_type", "old", "new"),
    [
        ("acme/corpus", "dataset", OLD, "main"),
        ("acme/corpus", "dataset", OLD, "../x"),
        ("acme/corpus", "dataset", "", NEW),
        ("acme/corpus", "bucket", OLD, NEW),
        ("../../settings", "dataset", OLD, NEW),
        ("acme/corpus?x=", "dataset", OLD, NEW),
    ],
)
async def test_what_cannot_be_on_the_hub_is_not_asked_for(
    hub: AsyncHub, server: CannedServer, name: str, repo_type: str, old: str, new: str
) -> None:
    with pytest.raises(HubNotFound):
        await hub.changed_files(name, repo_type=repo_type, old=old, new=new)
    assert not server.asked


ANN = {"_id": "5" * 24, "name": "ann", "type": "user", "avatarUrl": "/x", "isOrgMember": True}
COMMENT = {"id": "c1", "type": "comment", "author": ANN, "createdAt": "x", "data": {}}
PULL = {
    "_id": "6" * 24,
    "num": 4,
    "title": "Fix",
    "author": ANN,
    "isPullRequest": True,
    "changes": {"base": "refs/heads/main", "headCommitId": NEW},
    "events": [
        COMMENT,
        {"id": "e2", "type": "commit", "author": {"name": "bob"}, "data": {"oid": NEW}},
        {**COMMENT, "id": "c3", "author": {"name": "x" * 200}},
        {"id": "c4", "type": "comment", "createdAt": "x", "data": {}},
    ],
}


async def test_a_discussion_tells_who_opened_it_and_who_wrote_in_it(
    hub: AsyncHub, server: CannedServer
) -> None:
    server.answers = [answer(200, PULL)]
    assert await hub.discussion("acme/corpus", 4, repo_type="dataset") == Discussion(
        author="ann", head_sha=NEW, commenters={"c1": "ann", "c3": "x" * 100, "c4": ""}
    )
    assert targets(server) == ["/api/datasets/acme/corpus/discussions/4"]


async def test_a_discussion_needs_no_more_than_its_events(
    hub: AsyncHub, server: CannedServer
) -> None:
    server.answers = [answer(200, {"events": [], "author": None, "changes": None})]
    assert await hub.discussion("a/b", 1, repo_type="model") == Discussion(author="")


async def test_of_a_long_discussion_the_last_comments_are_kept(
    hub: AsyncHub, server: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "COMMENTS_MAX", 2)
    server.answers = [answer(200, PULL)]
    found = await hub.discussion("a/b", 4, repo_type="model")
    assert list(found.commenters) == ["c3", "c4"]


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(None, id="nothing"),
        pytest.param([], id="a list"),
        pytest.param({"author": ANN}, id="no events"),
        pytest.param({"events": {}}, id="events that are an object"),
        pytest.param({"events": ["x"]}, id="an event that is a text"),
        pytest.param({"events": [{"type": "comment"}]}, id="a comment without an id"),
        pytest.param({"events": [{"id": "c1"}]}, id="an event without a type"),
    ],
)
async def test_a_discussion_that_cannot_be_read_is_asked_for_again(
    hub: AsyncHub, server: CannedServer, told: Any
) -> None:
    server.answers = [answer(200, told)]
    with pytest.raises(HubBusy):
        await hub.discussion("a/b", 1, repo_type="model")


@pytest.mark.parametrize(("name", "repo_type"), [("acme/box", "bucket"), ("a/../b", "model")])
async def test_a_discussion_that_cannot_be_is_not_asked_for(
    hub: AsyncHub, server: CannedServer, name: str, repo_type: str
) -> None:
    with pytest.raises(HubNotFound):
        await hub.discussion(name, 1, repo_type=repo_type)
    assert not server.asked


async def test_a_repo_has_an_id_beside_its_name(hub: AsyncHub, server: CannedServer) -> None:
    server.answers = [answer(200, {"_id": "7" * 24, "id": "acme/m", "tags": ["license:mit", "en"]})]
    found = await hub.repo("acme/m", repo_type="model")
    assert found == Repo(id="7" * 24, tags=("license:mit", "en"))
    assert targets(server) == ["/api/models/acme/m?expand=tags"]


async def test_a_repo_may_have_no_tags(hub: AsyncHub, server: CannedServer) -> None:
    server.answers = [answer(200, {"_id": "7" * 24})]
    assert await hub.repo("acme/m", repo_type="model") == Repo(id="7" * 24)


@pytest.mark.parametrize(
    "told", [None, [], {}, {"id": "acme/m"}, {"_id": 3}, {"_id": "7", "tags": [3]}]
)
async def test_a_repo_that_cannot_be_read_is_asked_for_again(
    hub: AsyncHub, server: CannedServer, told: Any
) -> None:
    server.answers = [answer(200, told)]
    with pytest.raises(HubBusy):
        await hub.repo("acme/m", repo_type="model")


def member(user: str, **more: str) -> dict[str, Any]:
    return {"user": user, "type": "user", "_id": "8" * 24, "fullname": "x", **more}


@pytest.mark.parametrize(
    ("user", "role"),
    [
        ("ann", "write"),
        ("ANN", "write"),
        ("bob", "member"),
        ("cyd", "no_access"),
        ("eve", ""),
    ],
)
async def test_the_role_of_a_user_is_on_one_of_the_pages(
    hub: AsyncHub, server: CannedServer, user: str, role: str
) -> None:
    next_page = f'<{server.url}/api/organizations/acme/members?cursor=x>; rel="next"'
    server.answers = [
        answer(200, [member("Ann", role="write"), member("bob")], link=next_page),
        answer(200, [member("cyd", role="no_access")]),
    ]
    assert await hub.role("acme", user) == role
    assert targets(server)[0] == "/api/organizations/acme/members?limit=1000"


async def test_an_org_that_shows_nobody_hides_its_members(
    hub: AsyncHub, server: CannedServer
) -> None:
    server.answers = [answer(200, [])]
    with pytest.raises(HubForbidden):
        await hub.role("acme", "ann")


async def test_a_very_large_org_is_not_read_to_its_end(
    hub: AsyncHub, server: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "MEMBERS_PAGES_MAX", 2)
    next_page = f'<{server.url}/api/organizations/acme/members?cursor=x>; rel="next"'
    server.answers = [answer(200, [member("ann")], link=next_page)] * 3
    with pytest.raises(ListTooLong):
        await hub.role("acme", "eve")
    assert len(server.asked) == 3


async def test_a_user_is_no_org(hub: AsyncHub, server: CannedServer) -> None:
    server.answers = [answer(404, {"error": "Not found"})]
    with pytest.raises(HubNotFound):
        await hub.role("ann", "ann")


async def test_what_can_be_no_org_is_not_asked_for(hub: AsyncHub, server: CannedServer) -> None:
    with pytest.raises(HubNotFound):
        await hub.role("acme/../../settings", "ann")
    assert not server.asked


@pytest.mark.parametrize("told", [None, {}, ["x"], [{}], [{"user": 3}]])
async def test_members_that_cannot_be_read_are_asked_for_again(
    hub: AsyncHub, server: CannedServer, told: Any
) -> None:
    server.answers = [answer(200, told)]
    with pytest.raises(HubBusy):
        await hub.role("acme", "ann")


async def test_a_next_page_on_another_host_is_not_asked_for(
    hub: AsyncHub, server: CannedServer
) -> None:
    server.answers = [answer(200, [member("ann")], link='<http://evil.test/>; rel="next"')]
    with pytest.raises(HubRefused):
        await hub.role("acme", "eve")
