"""Rules that depend on what only the Hub knows: a real service beside a devhub, and real pushes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from jobhook.core.launches import Launch, LaunchState
from jobhook.wiring import Service
from town import Town, running_town, until

pytestmark = pytest.mark.anyio

ANN, BEN = "hf_ann", "hf_ben"
MODEL = "acme/owl"
RUN = "run: {image: i, command: [python, -c, pass]}\n"


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    """A town where ann may write to acme, ben may not, and acme has a model."""
    ann = {"name": "ann", "token": ANN, "orgs": {"acme": "write"}}
    users = [ann, {"name": "ben", "token": BEN}]
    (tmp_path / "users.json").write_text(json.dumps(users))
    async with running_town(tmp_path, users=tmp_path / "users.json") as town:
        async with town.hub() as hub:
            await hub.create_repo(MODEL, repo_type="model")
        yield town


async def call(town: Town, token: str, does: Callable[[HfApi], Any]) -> Any:
    """Let somebody do something with the official client."""
    return await asyncio.to_thread(does, HfApi(town.url, token))


async def push(town: Town, path: str, message: str = "A change", content: bytes = b"x") -> str:
    async with town.hub() as hub:
        files = {path: content}
        return await hub.create_commit(MODEL, files, repo_type="model", message=message)


async def decided(service: Service, count: int) -> list[tuple[str, tuple[str, ...]]]:
    """So many deliveries, once decided: the state of each, and the rules that it set off."""

    async def all_of_them() -> list[tuple[str, tuple[str, ...]]] | None:
        found = await service.store.deliveries(limit=0)
        if len(found) < count or any(d.state in {"stored", "enriching"} for d, _ in found):
            return None
        launches = {each.id: each.rule for each in await service.store.launches(limit=0)}
        told = [(d.state.value, tuple(launches[id_] for id_ in ids)) for d, ids in found]
        return list(reversed(told))

    return await until(all_of_them)


async def test_only_the_push_that_touches_the_data_sets_a_rule_off(town: Town) -> None:
    town.rule("retrain", f"watch: ['org:acme']\non: [commit.pushed]\npaths: ['data/**']\n{RUN}")
    async with town.service() as service:
        await push(town, "README.md")
        await push(town, "data/2026/a.csv")
        assert await decided(service, 2) == [("ignored", ()), ("matched", ("retrain",))]


async def test_a_push_that_says_so_sets_nothing_off(town: Town) -> None:
    town.rule("retrain", f"watch: ['org:acme']\non: [commit.pushed]\n{RUN}")
    async with town.service() as service:
        await push(town, "a.csv", "Typo [skip jobs]")
        await push(town, "b.csv")
        assert await decided(service, 2) == [("ignored", ()), ("matched", ("retrain",))]


async def test_a_command_in_a_comment_is_heard_from_members_only(town: Town) -> None:
    town.rule(
        "train",
        "watch: ['org:acme']\non: [comment.created]\ncomment: {starts_with: /train}\n"
        f"if: actor.role in ['write', 'admin']\n{RUN}",
    )
    async with town.service() as service:
        await call(town, BEN, lambda api: api.create_discussion(MODEL, "Please", description="Hm"))
        await call(town, BEN, lambda api: api.comment_discussion(MODEL, 1, comment="/train now"))
        await call(town, ANN, lambda api: api.comment_discussion(MODEL, 1, comment="/train now"))
        assert await decided(service, 3) == [
            ("ignored", ()), ("ignored", ()), ("matched", ("train",)),
        ]  # fmt: skip


async def test_a_rule_on_both_deliveries_of_a_new_pull_request_runs_once(town: Town) -> None:
    town.rule(
        "review",
        "watch: ['org:acme']\non: [pr.opened, pr.ref_created]\nskip_marker: false\n"
        f"if: event.name == 'pr.ref_created' || size(discussion.headSha) == 40\n{RUN}",
    )
    async with town.service() as service:
        add = CommitOperationAdd("a.txt", b"from a stranger")
        await call(
            town,
            BEN,
            lambda api: api.create_commit(MODEL, [add], commit_message="Mine", create_pr=True),
        )
        assert await decided(service, 2) == [("matched", ("review",))] * 2

        async def second() -> Launch | None:
            launches = await service.store.launches(limit=0)
            waiting = [each for each in launches if "opening of the same pull" in each.reason]
            return waiting[0] if waiting else None

        assert (await until(second)).job_id is None


async def test_tags_are_those_that_the_repo_has_now(town: Town) -> None:
    town.rule("eval", f"watch: ['org:acme']\non: [commit.pushed]\ntags: [nlp, '!draft']\n{RUN}")
    async with town.service() as service:
        await push(town, "README.md", content=b"---\ntags: [nlp, draft]\n---\n")
        await decided(service, 1)
        await push(town, "README.md", content=b"---\ntags: [nlp]\n---\n")
        assert await decided(service, 2) == [("ignored", ()), ("matched", ("eval",))]


async def test_a_hub_that_fails_for_a_while_loses_nothing(town: Town) -> None:
    town.rule("retrain", f"watch: ['org:acme']\non: [commit.pushed]\nactors: [dev]\n{RUN}")
    town.devhub.chaos.add("repos.commits status=503 count=1")
    async with town.service() as service:
        await push(town, "a.csv")
        assert await decided(service, 1) == [("matched", ("retrain",))]


async def test_what_the_hub_does_not_show_is_held_until_somebody_lets_it_go(town: Town) -> None:
    town.rule("retrain", f"watch: ['org:acme']\non: [commit.pushed]\npaths: ['*']\n{RUN}")
    town.devhub.chaos.add("repos.tree status=404")
    async with town.service() as service:
        await push(town, "a.csv")
        await decided(service, 1)
        (launch,) = await service.store.launches(limit=0)
        assert launch.state == LaunchState.HELD
        assert launch.reason.startswith("enrichment: `paths` cannot be told, because ")
