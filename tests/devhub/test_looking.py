"""Our own client looks at what the official one and plain HTTP have put on a devhub."""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
import pytest
from huggingface_hub import CommitOperationAdd, RepoFile

from jobhook.core.errors import HubBusy, HubForbidden, HubNotFound
from jobhook.core.findings import ChangedFile
from jobhook.devhub import TOKEN, Limits
from jobhook.hub.client import AsyncHub

if TYPE_CHECKING:
    from devhub.conftest import Receiver, Running

pytestmark = pytest.mark.anyio

NAMES = ("a", "a-b", "a b", "é", "z.txt")
COMMITS = 8
SEEDS = range(4)
SHA = "0" * 40


@pytest.fixture
async def hub(devhub: Running) -> AsyncIterator[AsyncHub]:
    async with AsyncHub(devhub.url, TOKEN, deadline=15, retries=0) as opened:
        yield opened


def some_path(chance: random.Random) -> str:
    return "/".join(chance.choice(NAMES) for _ in range(chance.randint(1, 3)))


def some_operation(chance: random.Random) -> dict[str, Any]:
    path = some_path(chance)
    if chance.random() < 0.3:
        return {"key": chance.choice(("deletedFile", "deletedFolder")), "value": {"path": path}}
    content = "x" * chance.randint(0, 2)
    return {"key": "file", "value": {"path": path, "content": content}}


async def push_at_random(http: httpx2.AsyncClient, repo: str, chance: random.Random) -> list[str]:
    """Commit until there are `COMMITS`: what a folder is cannot be a file, and is refused."""
    shas: list[str] = []
    while len(shas) < COMMITS:
        lines = [{"key": "header", "value": {"summary": "s"}}]
        lines += [some_operation(chance) for _ in range(chance.randint(0, 4))]
        body = b"\n".join(map(orjson.dumps, lines))
        answer = await http.post(f"/api/datasets/{repo}/commit/main", content=body)
        if answer.status_code == 200:
            shas.append(answer.json()["commitOid"])
    return shas


def listing(devhub: Running, repo: str, revision: str) -> dict[str, RepoFile]:
    found = devhub.api.list_repo_tree(repo, recursive=True, revision=revision, repo_type="dataset")
    return {entry.path: entry for entry in found if isinstance(entry, RepoFile)}


def naive(before: dict[str, RepoFile], after: dict[str, RepoFile]) -> tuple[ChangedFile, ...]:
    """Return what differs between two whole listings."""
    changes = []
    for path in sorted(before.keys() | after.keys()):
        was, now = before.get(path), after.get(path)
        if now is None:
            changes.append(ChangedFile(path, "delete"))
        elif was is None or was.blob_id != now.blob_id:
            changes.append(ChangedFile(path, "edit" if was else "add", now.size))
    return tuple(changes)


@pytest.mark.parametrize("seed", SEEDS)
async def test_what_changed_is_what_two_whole_listings_tell(
    devhub_with: Callable[..., AbstractAsyncContextManager[Running]], fast: Limits, seed: int
) -> None:
    chance, repo = random.Random(seed), "dev/corpus"  # noqa: S311 - the same ones each time
    limits = dataclasses.replace(fast, tree_page_items=25)
    async with devhub_with(limits=limits) as devhub, AsyncHub(devhub.url, TOKEN, retries=0) as hub:
        await devhub.call(devhub.api.create_repo, repo, repo_type="dataset")
        shas = await push_at_random(devhub.http, repo, chance)
        listed = {sha: await devhub.call(listing, devhub, repo, sha) for sha in shas}
        pairs: list[tuple[str | None, str]] = [(None, shas[-1]), *itertools.pairwise(shas)]
        pairs += [(chance.choice(shas), chance.choice(shas)) for _ in range(4)]
        for old, new in pairs:
            found = await hub.changed_files(repo, repo_type="dataset", old=old, new=new)
            assert found == naive(listed[old] if old else {}, listed[new])


async def test_a_commit_that_never_was_is_not_found(devhub: Running, hub: AsyncHub) -> None:
    await devhub.call(devhub.api.create_repo, "dev/m")
    for name in ("dev/m", "dev/nothing"):
        with pytest.raises(HubNotFound):
            await hub.changed_files(name, repo_type="model", old=None, new=SHA)


async def test_who_wrote_what_is_known_by_the_ids_of_the_deliveries(
    devhub: Running, hub: AsyncHub, receiver: Receiver
) -> None:
    def use() -> str:
        devhub.api.create_repo("dev/m")
        devhub.api.create_webhook(url=receiver.url, watched=[{"type": "user", "name": "dev"}])
        add = [CommitOperationAdd("a", b"1")]
        devhub.eve.create_commit("dev/m", add, commit_message="Mend it", create_pr=True)
        devhub.api.comment_discussion("dev/m", 1, comment="Thanks")
        head = devhub.eve.upload_file(
            path_or_fileobj=b"2", path_in_repo="a", repo_id="dev/m", revision="refs/pr/1"
        )
        return head.oid

    head = await devhub.call(use)
    found = await hub.discussion("dev/m", 1, repo_type="model")
    assert (found.author, found.head_sha) == ("eve", head)
    got = await receiver.first(4)
    told = {one.event: one.body["comment"]["id"] for one in got if "comment" in one.body}
    assert found.commenters == {
        told["discussion", "create"]: "eve",
        told["discussion.comment", "create"]: "dev",
    }
    repo = await hub.repo("dev/m", repo_type="model")
    assert {one.body["repo"]["id"] for one in got} == {repo.id}


async def test_a_discussion_that_never_was_is_not_found(devhub: Running, hub: AsyncHub) -> None:
    await devhub.call(devhub.api.create_repo, "dev/m")
    with pytest.raises(HubNotFound):
        await hub.discussion("dev/m", 1, repo_type="model")


async def test_tags_are_those_of_the_readme(devhub: Running, hub: AsyncHub) -> None:
    def use() -> None:
        devhub.api.create_repo("dev/m")
        card = b"---\ntags: [owl]\nlicense: mit\n---\n"
        devhub.api.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id="dev/m")

    await devhub.call(use)
    found = await hub.repo("dev/m", repo_type="model")
    assert found.tags == ("owl", "license:mit", "region:us")


async def test_roles_are_those_of_the_members(devhub: Running, hub: AsyncHub) -> None:
    assert await hub.role("acme", "dev") == "admin"
    assert await hub.role("acme", "eve") == ""
    async with AsyncHub(devhub.url, False, deadline=15, retries=0) as stranger:
        assert await stranger.role("acme", "dev") == "member"
    for name in ("dev", "nobody"):
        with pytest.raises(HubNotFound):
            await hub.role(name, "dev")


@pytest.mark.parametrize(
    ("route", "ask"),
    [
        ("repos.tree", lambda hub: hub.changed_files("a/b", repo_type="model", old=None, new=SHA)),
        ("repos.inspect", lambda hub: hub.repo("a/b", repo_type="model")),
        ("discussions.inspect", lambda hub: hub.discussion("a/b", 1, repo_type="model")),
        ("orgs.members", lambda hub: hub.role("acme", "dev")),
    ],
)
async def test_each_look_fails_as_it_is_told_to(
    devhub: Running, hub: AsyncHub, route: str, ask: Callable[[AsyncHub], Awaitable[Any]]
) -> None:
    devhub.hub.chaos.add(f"{route} status=403 count=1", f"{route} status=503")
    with pytest.raises(HubForbidden):
        await ask(hub)
    with pytest.raises(HubBusy):
        await ask(hub)
