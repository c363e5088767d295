"""What pages of lists promise, on every store: bounded work, one order, nothing twice or missed."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from factories import NOON, make_launch, make_received
from jobhook.adapters import listing
from jobhook.core.deliveries import DeliveryState
from jobhook.core.errors import UsageError
from jobhook.core.filters import DeliveryFilter, LaunchFilter
from jobhook.core.jobs import JobSpec
from jobhook.core.launches import LaunchState
from jobhook.core.pages import Page
from jobhook.ports import Store

pytestmark = pytest.mark.anyio

ReadPage = Callable[..., Awaitable[Page[Any]]]


async def walked(read: ReadPage, wanted: Any, *, limit: int = 2) -> list[list[str]]:
    """Return the ids on each page, from the first to the last."""
    pages: list[list[str]] = []
    after = None
    while len(pages) < 50:
        page = await read(wanted, limit=limit, after=after)
        pages.append([name_of(item) for item in page.items])
        if page.next is None:
            return pages
        after = page.next
    raise AssertionError("the list has no end")


def name_of(item: Any) -> str:
    """Return what the tests call a delivery (its Webhook-Id) or a launch (its id)."""
    name: str = item[0].webhook_id if isinstance(item, tuple) else item.id
    return name


async def fill(store: Store) -> None:
    """Store ten deliveries a second apart, w0 first: every third is matched, and has a launch."""
    for n in range(10):
        await store.record(make_received(f"w{n}", at=NOON + n * 1000))
    for n, (delivery, _, _) in enumerate(await store.begin_routing(10)):
        is_matched = n % 3 == 0
        decided = replace(
            delivery,
            state=DeliveryState.MATCHED if is_matched else DeliveryState.IGNORED,
            scope="repo.content" if n != 4 else "discussion.comment",
            action="update",
            repo_type="model" if n % 2 == 0 else "dataset",
            repo_name="acme/model-7" if n < 6 else "acme/other",
            events=("push",) if n != 4 else ("comment.created", "pushed"),
        )
        launch = make_launch(
            id=f"l{n}",
            delivery=delivery.id,
            rule=f"rule-{n % 2}",
            repo=f"{decided.repo_type}:{decided.repo_name}",
            state=LaunchState.HELD if n == 9 else LaunchState.READY,
            reason="limit: too many" if n == 9 else "",
            created_at=NOON + n * 1000,
        )
        await store.route(decided, events=(), verdicts=(), launches=[launch] if is_matched else [])


async def test_pages_are_newest_first_and_end_without_a_cursor(store: Store) -> None:
    await fill(store)
    pages = await walked(store.delivery_page, DeliveryFilter(), limit=4)
    assert pages == [["w9", "w8", "w7", "w6"], ["w5", "w4", "w3", "w2"], ["w1", "w0"]]
    assert await walked(store.launch_page, LaunchFilter()) == [["l9", "l6"], ["l3", "l0"]]


async def test_a_page_tells_the_launches_of_its_deliveries(store: Store) -> None:
    await fill(store)
    page = await store.delivery_page(limit=2)
    assert [launches for _, launches in page.items] == [("l9",), ()]


async def test_an_empty_list_is_one_empty_page(store: Store) -> None:
    assert await store.delivery_page(limit=5) == Page((), None)
    assert await store.launch_page(limit=5) == Page((), None)


SPAN = {"since": NOON + 2000, "until": NOON + 8000}
DELIVERIES: dict[str, tuple[dict[str, Any], str]] = {
    "state": ({"state": DeliveryState.MATCHED}, "w9 w6 w3 w0"),
    "state that none is in": ({"state": DeliveryState.CONFLICT}, ""),
    "repo": ({"repo": "acme/model-7"}, "w5 w4 w3 w2 w1 w0"),
    "repo of none": ({"repo": "acme/nobody"}, ""),
    "type of repo": ({"repo_type": "model"}, "w8 w6 w4 w2 w0"),
    "scope": ({"event": "repo.content"}, "w9 w8 w7 w6 w5 w3 w2 w1 w0"),
    "event, and none that begins so": ({"event": "push"}, "w9 w8 w7 w6 w5 w3 w2 w1 w0"),
    "event of one": ({"event": "comment.created"}, "w4"),
    "since, and then": ({"since": NOON + 8000}, "w9 w8"),
    "until, and not then": ({"until": NOON + 2000}, "w1 w0"),
    "since and until": (SPAN, "w7 w6 w5 w4 w3 w2"),
    "beginning of an id": ({"begins": "nothing"}, ""),
    "no id at all": ({"ids": []}, ""),
    "state, repo and event": (
        {"state": DeliveryState.IGNORED, "repo": "acme/model-7", "event": "push"},
        "w5 w2 w1",
    ),
    "state, repo and time": (
        {"state": DeliveryState.MATCHED, "repo": "acme/other", **SPAN},
        "w6",
    ),
}
BOTH = ["model:acme/model-7", "dataset:acme/model-7", "space:acme/model-7"]
LAUNCHES: dict[str, tuple[dict[str, Any], str]] = {
    "state": ({"states": [LaunchState.HELD]}, "l9"),
    "states": ({"states": [LaunchState.HELD, LaunchState.READY]}, "l9 l6 l3 l0"),
    "no state at all": ({"states": []}, ""),
    "rule": ({"rule": "rule-1"}, "l9 l3"),
    "rule of none": ({"rule": "rule-2"}, ""),
    "repo": ({"repos": ["model:acme/other"]}, "l6"),
    "repos": ({"repos": BOTH}, "l3 l0"),
    "a repo twice": ({"repos": [*BOTH, *BOTH]}, "l3 l0"),
    "beginning of a reason": ({"reason": "limit: "}, "l9"),
    "reason of none": ({"reason": "imit"}, ""),
    "reason that no text can hold": ({"reason": "\0\ud800"}, ""),
    "ids": ({"ids": ["l0", "l9", "l7"]}, "l9 l0"),
    "beginning of an id": ({"begins": "l6"}, "l6"),
    "since and until": (SPAN, "l6 l3"),
    "repos, rule and states": (
        {"repos": BOTH, "rule": "rule-0", "states": [LaunchState.READY, LaunchState.SENDING]},
        "l0",
    ),
    "ids and rule": ({"ids": ["l0", "l3", "l6"], "rule": "rule-0"}, "l6 l0"),
}


@pytest.mark.parametrize(("scanned", "page_bytes"), [(1, 1), (3, 1), (3, listing.PAGE_BYTES)])
async def test_lists_are_filtered_however_little_is_looked_at_and_read_for_a_page(
    store: Store, monkeypatch: pytest.MonkeyPatch, scanned: int, page_bytes: int
) -> None:
    monkeypatch.setattr(listing, "SCANNED", scanned)
    monkeypatch.setattr(listing, "PAGE_BYTES", page_bytes)
    await fill(store)
    found: dict[str, str] = {}
    for name, (given, _) in DELIVERIES.items():
        pages = await walked(store.delivery_page, DeliveryFilter(**given))
        found[name] = " ".join(itertools.chain(*pages))
    assert found == {name: names for name, (_, names) in DELIVERIES.items()}
    found = {}
    for name, (given, _) in LAUNCHES.items():
        pages = await walked(store.launch_page, LaunchFilter(**given))
        found[name] = " ".join(itertools.chain(*pages))
    assert found == {name: names for name, (_, names) in LAUNCHES.items()}


async def test_what_is_listed_at_once_is_what_the_pages_hold(store: Store) -> None:
    await fill(store)
    for name, (given, names) in DELIVERIES.items():
        listed = await store.deliveries(DeliveryFilter(**given), limit=0)
        assert [name_of(each) for each in listed] == names.split(), name
    for name, (given, names) in LAUNCHES.items():
        launches = await store.launches(LaunchFilter(**given), limit=0)
        assert [launch.id for launch in launches] == names.split(), name


async def test_the_launches_of_a_delivery_are_listed(store: Store) -> None:
    await fill(store)
    ((delivery, _),) = (await store.delivery_page(limit=1)).items
    pages = await walked(store.launch_page, LaunchFilter(delivery=delivery.id, rule="rule-1"))
    assert pages == [["l9"]]


async def test_a_page_that_looked_at_enough_is_short_and_not_the_last(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SCANNED", 2)
    await fill(store)
    pages = await walked(store.delivery_page, DeliveryFilter(event="comment.created"))
    assert pages == [[], [], ["w4"], [], [], []]


async def test_a_page_of_launches_that_say_much_is_short_and_not_the_last(store: Store) -> None:
    said = JobSpec(image="python", command=("c" * 1000,) * 200)
    for n in range(40):
        await store.add(make_launch(id=f"l{n:02d}", action=n, spec=said))
    pages = await walked(store.launch_page, LaunchFilter(), limit=30)
    assert [len(page) for page in pages] == [6, 6, 6, 6, 6, 6, 4]
    assert list(itertools.chain(*pages)) == [f"l{n:02d}" for n in reversed(range(40))]
    first = await store.launch_page(limit=3)
    assert [launch.spec for launch in first.items] == [said] * 3


async def test_one_launch_is_read_for_a_page_however_much_it_says(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE_BYTES", 1)
    await fill(store)
    pages = await walked(store.launch_page, LaunchFilter(), limit=4)
    assert pages == [["l9"], ["l6"], ["l3"], ["l0"]]


async def test_the_index_is_walked_that_reaches_furthest(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SCANNED", 4)
    await fill(store)
    wanted = LaunchFilter(states=[LaunchState.READY, LaunchState.HELD], rule="rule-0")
    assert await walked(store.launch_page, wanted) == [["l6", "l0"]]
    # By date there would be three.
    rare = DeliveryFilter(state=DeliveryState.MATCHED, repo_type="model")
    assert await walked(store.delivery_page, rare) == [["w6", "w0"], []]


async def test_of_several_values_none_is_looked_at_further_than_all_of_them(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SCANNED", 2)
    await fill(store)
    wanted = LaunchFilter(repos=["dataset:acme/other", "model:acme/model-7"])
    assert await walked(store.launch_page, wanted) == [["l9"], ["l0"], []]


async def test_deliveries_of_one_moment_are_told_apart(store: Store) -> None:
    for n in range(5):
        await store.record(make_received(f"w{n}"))
    pages = await walked(store.delivery_page, DeliveryFilter(repo_type=None))
    assert pages == [["w4", "w3"], ["w2", "w1"], ["w0"]]


async def test_a_cursor_of_another_list_is_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="is none of this list: give the `next_cursor`"):
        await store.delivery_page(limit=1, after="launch-1.1")
    with pytest.raises(UsageError, match="is none of this list"):
        await store.launch_page(limit=1, after="delivery-1.1")


async def test_the_ends_of_what_a_store_counts_are_places_too(store: Store) -> None:
    await fill(store)
    newest = f"delivery-{2**63 - 1}.{2**63 - 1}"
    assert len((await store.delivery_page(limit=20, after=newest)).items) == 10
    oldest = f"delivery--{2**63 - 1}.0"
    assert await store.delivery_page(limit=20, after=oldest) == Page((), None)
