"""Values for every parameter of the official client, and the calls made of them."""

from __future__ import annotations

import inspect
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from huggingface_hub import JobHardware, JobStage, Volume, WebhookWatchedItem

from agreement.answers import GROUP_ID, JOB_ID, SCHEDULE_ID, WEBHOOK_ID
from agreement.functions import parameters

MIXES = 24
LOCAL = __file__
_SEED = 20260101
_LABELS: Sequence[Any] = (
    {"a": "b"},
    None,
    {},
    {"a": "", "b-c": "d.e"},
    {"name": "named"},
    {"A_1": "x" * 100, "z": "1"},
    {"round": 7},
)
_PORTS: Sequence[Any] = (None, [], [8000], [8000, 8000, 65535, 1])

# The first value of a parameter that must be given is the one for when others are tried.
SAMPLES: Mapping[str, Sequence[Any]] = {
    "attempts": (None, 1, 3),
    "command": (["python", "-c", "print('Hello')"], ["a"], ["sh", "-c", "echo $HOME 'ünï'"]),
    "concurrency": (None, True, False),
    "dependencies": (None, [], ["trl"], ["torch>=2", "a b", "ü"]),
    "domains": (None, ["repo"], ["repo", "discussion"]),
    "env": (
        None,
        {},
        {"AB": "1", "C_d": ""},
        {"TEXT": "ünï\n\"'`$x` 😀"},
        {"NUMBER": 1, "REAL": 2.5},
    ),
    "expose": _PORTS,
    "expose_public": _PORTS,
    "flavor": (None, "cpu-basic", JobHardware.T4_SMALL, "of-tomorrow", ""),
    "follow": (False, True),
    "image": (
        "python:3.12",
        "ghcr.io/astral-sh/uv:python3.12-bookworm",
        "localhost:5000/a/b@sha256:0",
        "acme/app/",
        "https://huggingface.co/spaces/acme/app",
        "https://hf.co/spaces/acme/app",
        "huggingface.co/spaces/acme/app",
        "hf.co/spaces/acme/app.x",
        "registry.test/" + "i" * 40 + ":" + "t" * 80,
    ),
    "job_id": (JOB_ID,),
    "labels": _LABELS,
    "name": (None, "mine", "x" * 100, ""),
    "namespace": (None, "acme", "A-c.m_e"),
    "network_aliases": (None, [], ["a"], ["a", "b-1"]),
    "network_group": (None, "train", ""),
    "poll_interval": (1.0, 0.01, 3),
    "python": (None, "3.11", ""),
    "resource_group_id": (None, GROUP_ID, ""),
    "schedule": ("@hourly", "*/5 * * * *", "0 9 * * 1", "0 0 9 * * 1", "0,30 1-5 * * *"),
    "scheduled_job_id": (SCHEDULE_ID,),
    "script": (
        "https://acme.test/train.py",
        "http://acme.test/a%20b.py?raw=1#x",
        "lighteval",
        "no-such-file.py",
        "no/such.yaml",
        LOCAL,
    ),
    "script_args": (None, [], ["--epochs", "3"], ["a b", "ü"], ["no-such-file.toml"]),
    "secret": (None, "", "a secret"),
    "secrets": (None, {}, {"S": "v"}, {"S": "ü $x", "T_2": ""}, {"PIN": 1234}),
    "ssh": (False, True),
    "stages": (None, [], [JobStage.RUNNING], ["RUNNING", "COMPLETED"]),
    "status": (
        None,
        [],
        "RUNNING",
        "running",
        JobStage.ERROR,
        ["RUNNING", JobStage.SCHEDULING],
    ),
    "suspend": (None, True, False),
    "tail": (None, 0, 1, 10),
    "timeout": (None, 0, 0.0, 3600, 1.9, "1.5h", "90m", "45s", "2d", "3600"),
    "token": (None, "hf_other", True, False),
    "url": (None, "https://hooks.test/hub?a=b"),
    "volumes": (
        None,
        [],
        [Volume(type="bucket", source="acme/b", mount_path="/b")],
        [
            Volume(type="dataset", source="acme/d", mount_path="/d", revision="v1", path="in"),
            Volume(type="bucket", source="acme/b", mount_path="/b", read_only=False),
            Volume(type="model", source="m", mount_path="/m", read_only=True),
            Volume(type="space", source="acme/s", mount_path="/s"),
        ],
    ),
    "watched": (
        [{"type": "user", "name": "dev"}],
        [
            WebhookWatchedItem(type="org", name="acme"),
            {"type": "dataset", "name": "acme/d"},
        ],
    ),
    "webhook_id": (WEBHOOK_ID,),
}
# Where a parameter of the name means something else.
SAMPLES_OF: Mapping[tuple[str, str], Sequence[Any]] = {
    ("run_uv_job", "image"): (None, "", *SAMPLES["image"]),
    ("create_scheduled_uv_job", "image"): (None, "", *SAMPLES["image"]),
    ("create_webhook", "job_id"): (None, JOB_ID),
    ("update_webhook", "job_id"): (None, JOB_ID),
    ("update_webhook", "watched"): (None, *SAMPLES["watched"]),
    ("update_job_labels", "labels"): ({"a": "b"}, {}, {"a": "", "b-c": "d.e"}, {"round": 7}),
    ("update_scheduled_job_labels", "labels"): ({"a": "b"}, {}, {"a": ""}, {"round": 7}),
    ("wait_for_job", "job_id"): (JOB_ID, [JOB_ID], [JOB_ID, JOB_ID], []),
    ("wait_for_job", "timeout"): (None, 0, 5, 0.5),
    ("list_jobs", "timeout"): (None, 5),
    ("list_scheduled_jobs", "timeout"): (None, 5),
}
# What a function is asked with besides, when one parameter is tried.
BESIDES: Mapping[str, Mapping[str, Any]] = {
    "create_webhook": {"url": "https://hooks.test/hub"},
    "update_webhook": {"watched": [{"type": "user", "name": "dev"}], "domains": ["repo"]},
}
# What one parameter needs for the Hub to be asked at all.
BESIDES_OF: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("create_webhook", "job_id"): {"url": None},
    ("create_webhook", "secrets"): {"url": None, "job_id": JOB_ID},
    ("update_webhook", "secrets"): {"job_id": JOB_ID},
    ("run_job", "network_aliases"): {"network_group": "train"},
    ("run_uv_job", "network_aliases"): {"network_group": "train"},
}

Args = dict[str, Any]


def samples(function: str, parameter: str) -> Sequence[Any]:
    """What is tried for *parameter*; `KeyError` if nothing is."""
    return SAMPLES_OF.get((function, parameter)) or SAMPLES[parameter]


def needed(function: str) -> Args:
    """The least that *function* can be called with."""
    return {
        name: samples(function, name)[0]
        for name, parameter in parameters(function).items()
        if parameter.default is inspect.Parameter.empty
    }


def calls(function: str) -> Iterator[Args]:
    """Every value of every parameter by itself, then mixes of many, always the same ones."""
    least = needed(function)
    yield least
    for name in parameters(function):
        for value in samples(function, name):
            besides = BESIDES_OF.get((function, name), {})
            yield {**least, **BESIDES.get(function, {}), **besides, name: value}
    chance = random.Random(f"{_SEED} {function}")  # noqa: S311
    # What has little to mix is not mixed often.
    for _ in range(MIXES if len(parameters(function)) > 4 else MIXES // 10):
        given = {
            name: chance.choice(samples(function, name))
            for name in parameters(function)
            if name in least or chance.random() < 0.5
        }
        yield given
