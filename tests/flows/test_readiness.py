from __future__ import annotations

import pytest

from fakes import HandClock
from jobhook.adapters.store_sqlite import SqliteStore
from jobhook.core.errors import StoreUnavailable
from jobhook.flows.readiness import Readiness

pytestmark = pytest.mark.anyio


async def test_it_is_well_as_long_as_something_can_be_written(
    store: SqliteStore, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    readiness = Readiness(store, clock)
    await readiness.step()
    assert readiness.is_well

    async def full(*_: object) -> None:
        raise StoreUnavailable("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(store, "remember", full)
        with pytest.raises(StoreUnavailable):
            await readiness.step()
        assert not readiness.is_well
    await readiness.step()
    assert readiness.is_well
