from __future__ import annotations

import pytest

from fakes import ScriptedHub
from jobhook.core.errors import HubBusy
from jobhook.flows.identity import Identity

pytestmark = pytest.mark.anyio


async def test_it_asks_until_the_hub_answers(
    hub: ScriptedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Identity, "longest_pause", 0.001)
    hub.failures += [HubBusy("down"), HubBusy("down")]
    identity = Identity(hub, None)
    await identity.run()
    assert (identity.me, identity.id, identity.namespace) == ("acme", "u-acme", "acme")


async def test_jobs_may_run_elsewhere_than_with_the_user(hub: ScriptedHub) -> None:
    identity = Identity(hub, "my-org")
    await identity.run()
    assert (identity.me, identity.namespace) == ("acme", "my-org")
