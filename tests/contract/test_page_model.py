"""Random lists that are written to while somebody reads them a page at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import given, settings
from hypothesis import strategies as st

from factories import NOON, make_launch, make_spec
from jobhook.adapters import listing
from jobhook.adapters.store_postgres import postgres_store
from jobhook.adapters.store_sqlite import sqlite_store
from jobhook.core.filters import LaunchFilter
from jobhook.core.launches import Launch, LaunchState, moved, spec_to_json
from jobhook.ports import Store

HELD, READY = LaunchState.HELD, LaunchState.READY
# No history reaches into the time of another one, so that all can use one store.
_APART = 1000
_TICKS = 5
_numbers = itertools.count(1)


@dataclass
class History:
    """Launches as the store ought to hold them, all from *begin* on."""

    begin: int
    launches: dict[str, Launch] = field(default_factory=dict)

    def born(self, tick: int, rule: str, repo: str, said: int) -> Launch:
        number = next(_numbers)
        launch = make_launch(
            id=f"l{number:09d}",
            action=number,
            rule=rule,
            repo=repo,
            spec=make_spec(command=("c" * said,)),
            created_at=self.begin + tick,
            updated_at=self.begin + tick,
        )
        self.launches[launch.id] = launch
        return launch

    def listed(self, wanted: LaunchFilter) -> list[str]:
        """Return what *wanted* means now, newest first."""
        found = [
            launch
            for launch in self.launches.values()
            if (wanted.states is None or launch.state in wanted.states)
            and (wanted.rule is None or launch.rule == wanted.rule)
            and (wanted.repos is None or launch.repo in wanted.repos)
            and (wanted.since or 0) <= launch.created_at < (wanted.until or 0)
        ]
        # The ids are in the order in which they were written.
        found.sort(key=lambda launch: (launch.created_at, launch.id), reverse=True)
        return [launch.id for launch in found]


BIRTHS = st.tuples(
    st.integers(0, _TICKS - 1),
    st.sampled_from(["r0", "r1"]),
    st.sampled_from(["model:a/a", "b"]),
    st.sampled_from([1, 1000, 5000]),
)
# Writes between two pages: what is born, and which of those that are there is held.
WRITES = st.tuples(st.lists(BIRTHS, max_size=3), st.none() | st.integers(0, 20))
FILTERS = st.fixed_dictionaries(
    {
        "states": st.sampled_from([None, [READY], [HELD], [READY, HELD]]),
        "rule": st.sampled_from([None, "r0"]),
        "repos": st.sampled_from([None, ["b"], ["model:a/a", "b", "c"]]),
        "since": st.integers(0, _TICKS),
        "until": st.integers(0, _TICKS),
    }
)


@contextmanager
def opened(
    store: AbstractAsyncContextManager[Store],
) -> Iterator[tuple[Store, Callable[..., Any]]]:
    """Open a store, and what calls its methods from here."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(store) as ours:
        yield ours, lambda method, *args, **named: portal.call(partial(method, *args, **named))


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_pages_hold_what_was_there_all_the_time_once_and_in_order(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "sqlite":
        store: AbstractAsyncContextManager[Store] = sqlite_store(tmp_path / "model.db")
    else:
        store = postgres_store(request.getfixturevalue("postgres_url"))
    with opened(store) as (ours, call):

        @settings(max_examples=60, deadline=None)
        @given(
            st.lists(BIRTHS, max_size=8),
            st.lists(WRITES, max_size=6),
            FILTERS,
            st.integers(1, 4),
            st.integers(1, 4),
            st.sampled_from([1, 2000, 8000, listing.PAGE_BYTES]),
        )
        def holds(
            births: list[Any],
            writes: list[Any],
            given_filter: dict[str, Any],
            limit: int,
            scanned: int,
            page_bytes: int,
        ) -> None:
            monkeypatch.setattr(listing, "SCANNED", scanned)
            monkeypatch.setattr(listing, "PAGE_BYTES", page_bytes)
            history = History(NOON + next(_numbers) * _APART)
            for birth in births:
                call(ours.add, history.born(*birth))
            span = {name: history.begin + given_filter[name] for name in ("since", "until")}
            wanted = LaunchFilter(**{**given_filter, **span})
            always, ever = set(history.listed(wanted)), set(history.listed(wanted))
            read: list[str] = []
            after = None
            for born, held in itertools.chain(writes, itertools.repeat(([], None))):
                page = call(ours.launch_page, wanted, limit=limit, after=after)
                assert len(page.items) <= limit
                sizes = [len(spec_to_json(launch.spec)) for launch in page.items]
                assert sum(sizes[:-1]) < page_bytes
                read += [launch.id for launch in page.items]
                if page.next is None:
                    break
                after = page.next
                for birth in born:
                    call(ours.add, history.born(*birth))
                if held is not None and history.launches:
                    _hold(call, ours, history, held)
                always &= set(history.listed(wanted))
                ever |= set(history.listed(wanted))
            place = {name: (launch.created_at, name) for name, launch in history.launches.items()}
            assert read == sorted(set(read), key=lambda name: place[name], reverse=True)
            assert always <= set(read) <= ever

        holds()


def _hold(call: Callable[..., Any], store: Store, history: History, which: int) -> None:
    launches = list(history.launches.values())
    launch = launches[which % len(launches)]
    if launch.state == READY:
        held = moved(launch, HELD, now=launch.updated_at)
        call(store.replace, launch, held)
        history.launches[launch.id] = held
