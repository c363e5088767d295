"""What gives a list when it is awaited gives the same one by one."""

from __future__ import annotations

import pytest

from agreement.answers import JOB, SCHEDULE, WEBHOOK
from agreement.recorder import Recorder, say
from jobhook.hub.client import AsyncHub

pytestmark = pytest.mark.anyio


async def test_a_list_is_awaited_or_gone_through(recorder: Recorder) -> None:
    recorder.answers |= {
        "jobs": say([JOB] * 3),
        "schedules": say([SCHEDULE] * 3),
        "webhooks": say([WEBHOOK] * 3),
    }
    async with AsyncHub(recorder.url, "hf_given") as hub:
        jobs = await hub.list_jobs(namespace="acme")
        assert [each async for each in hub.list_jobs(namespace="acme")] == jobs
        schedules = await hub.list_scheduled_jobs(namespace="acme")
        assert [each async for each in hub.list_scheduled_jobs(namespace="acme")] == schedules
        webhooks = await hub.list_webhooks()
        assert [each async for each in hub.list_webhooks()] == webhooks
    assert [len(each) for each in (jobs, schedules, webhooks)] == [3, 3, 3]
