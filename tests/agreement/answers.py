"""What the Hub answers: whole objects, as the wire has them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from agreement.recorder import Asked, Recorder, Reply, Told, say

JOB_ID = "6b04c6af477a260049000002"
SCHEDULE_ID = "6b04c6af477a260049000003"
WEBHOOK_ID = "6b04c6af477a260049000004"
GROUP_ID = "0123456789abcdef01234567"

Wire = dict[str, Any]

ACCOUNT: Wire = {
    "type": "user",
    "id": "6b04c6af477a260049000001",
    "name": "dev",
    "fullname": "Dev",
    "isPro": True,
    "orgs": [{"type": "org", "id": "6b04c6af477a260049000009", "name": "acme"}],
    "auth": {"type": "access_token", "accessToken": {"displayName": "t", "role": "write"}},
}
OWNER: Wire = {
    "id": "6b04c6af477a260049000009",
    "name": "acme",
    "type": "org",
    "avatarUrl": "https://cdn.test/acme.png",
}
BUCKET: Wire = {
    "type": "bucket",
    "source": "acme/b",
    "mountPath": "/b",
    "readOnly": False,
    "path": "in",
}
DATASET: Wire = {
    "type": "dataset",
    "source": "acme/d",
    "mountPath": "/d",
    "revision": "v1",
    "readOnly": True,
}
SPEC: Wire = {
    "dockerImage": "python:3.12",
    "command": ["python", "-V"],
    "arguments": ["-x"],
    "environment": {"AB": "1"},
    "secrets": ["HF_TOKEN"],
    "flavor": "t4-small",
    "arch": "amd64",
    "timeout": 1800,
    "retry": 2,
    "labels": {"name": "n", "empty": ""},
    "volumes": [DATASET, BUCKET],
    "expose": {"ports": [8000, 8001], "portsPublic": [8001]},
    "resourceGroupId": GROUP_ID,
}
JOB: Wire = {
    **SPEC,
    "id": JOB_ID,
    "type": "job",
    "createdAt": "2026-01-02T03:04:05.678Z",
    "startedAt": "2026-01-02T03:04:06.000Z",
    "finishedAt": "2026-01-02T03:05:06.000Z",
    "network": {"group": "train", "aliases": ["master"]},
    "createdBy": {"id": "6b04c6af477a260049000001", "name": "dev"},
    "owner": OWNER,
    "initiator": {"type": "user", "id": "6b04c6af477a260049000001", "name": "dev"},
    "resourceGroup": {"id": GROUP_ID, "name": "gpu", "numUsers": 2},
    "durations": {"schedulingSecs": 1, "runningSecs": 60, "totalSecs": 61},
    "status": {
        "stage": "COMPLETED",
        "message": None,
        "failureCount": 1,
        "exposeUrls": [f"https://{JOB_ID}--8000.hf.jobs", f"https://{JOB_ID}--8001.hf.jobs"],
        "sshUrl": f"ssh://{JOB_ID}@ssh.hf.jobs",
    },
    "hfToken": {"ownerName": "dev", "tokenRole": "write"},
}
SCHEDULE: Wire = {
    "id": SCHEDULE_ID,
    "type": "scheduled-job",
    "createdAt": "2026-01-02T03:04:05.678Z",
    "schedule": "@hourly",
    "suspend": False,
    "concurrency": True,
    "status": {
        "lastJob": {"id": JOB_ID, "at": "2026-01-02T04:00:00.000Z"},
        "nextJobRunAt": "2026-01-02T05:00:00.000Z",
    },
    "owner": OWNER,
    "initiator": {"type": "user", "id": "6b04c6af477a260049000001", "name": "dev"},
    "jobSpec": SPEC,
}
WEBHOOK: Wire = {
    "id": WEBHOOK_ID,
    "url": "https://hooks.test/hub",
    "disabled": False,
    "watched": [
        {"type": "user", "name": "dev", "avatarUrl": "https://cdn.test/dev.png"},
        {"type": "dataset", "name": "acme/d"},
    ],
    "hasSecret": True,
    "domains": ["repo", "discussion"],
    "lastTriggerAt": "2026-01-02T03:04:05.678Z",
}
HARDWARE: list[Wire] = [
    {
        "name": "cpu-basic",
        "prettyName": "CPU Basic",
        "cpu": "2 vCPU",
        "ram": "16 GB",
        "ephemeralStorage": "50 GB",
        "accelerator": None,
        "unitCostMicroUSD": 167,
        "unitCostUSD": 0.000167,
        "unitLabel": "minute",
    },
    {
        "name": "t4-small",
        "prettyName": "Nvidia T4 - small",
        "cpu": "4 vCPU",
        "ram": "15 GB",
        "ephemeralStorage": "50 GB",
        "accelerator": {
            "type": "gpu",
            "model": "T4",
            "quantity": "1",
            "vram": "16 GB",
            "manufacturer": "Nvidia",
        },
        "unitCostMicroUSD": 6667,
        "unitCostUSD": 0.006667,
        "unitLabel": "minute",
    },
]
METRIC: Wire = {
    "cpu_usage_pct": 1,
    "cpu_millicores": 2000,
    "memory_used_bytes": 929792,
    "memory_total_bytes": 17179869184,
    "rx_bps": 0,
    "tx_bps": 0,
    "gpus": {"d9": {"utilization": 0, "memory_used_bytes": 0, "memory_total_bytes": 1}},
    "replica": "4dzsh",
}
STREAM: Mapping[str, str] = {"content-type": "text/event-stream"}


def _told(whole: Wire) -> Callable[[Asked], Reply]:
    """Answer with *whole*, as of the namespace that is asked for."""

    def tell(asked: Asked) -> Reply:
        return say(whole | {"owner": OWNER | {"name": asked.path.split("/")[3]}})

    return tell


def usual() -> dict[str, Told]:
    """Answer every question with something whole."""
    return {
        "account": say(ACCOUNT),
        "hardware": say(HARDWARE),
        "job": _told(JOB),
        "jobs": say([JOB]),
        "schedule": _told(SCHEDULE),
        "schedules": say([SCHEDULE]),
        "webhook": say({"webhook": WEBHOOK}),
        "webhooks": say([WEBHOOK]),
        "logs": Reply(headers=STREAM),
        "metrics": Reply(headers=STREAM, body=f"data: {json.dumps(METRIC)}\n\n".encode()),
        "done": Reply(),
    }


def reset(recorder: Recorder) -> None:
    """Forget what was asked and what was to be answered."""
    recorder.asked = []
    recorder.answers = usual()
