"""What cannot be, by parameter: ours says so, and nothing is sent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from huggingface_hub import Volume

from agreement.functions import FUNCTIONS, parameters

HIDDEN = "hide-me"

_BUCKET = {"type": "bucket", "source": "acme/b", "mount_path": "/b"}
_LABELS: Sequence[Any] = (
    {"a b": "c"},
    {"": "c"},
    {"a": "b c"},
    {"a" * 101: "b"},
    {"a": "x" * 101},
    {"a": "\ud800"},
    [],
)
# Python does not write it down.
_HUGE = 10**5000
_PORTS = ([0], [65536], [*range(1, 22)], ["http"], [_HUGE], [[80]])
_NO_IDS = (None, 5, _HUGE, ["a b"], {"a": "b"}, "\ud800")
_NO_LINES = ("a\0b", "\ud800", "x" * 1001, 5, ["x"])
_NO_NAMES = tuple([{"type": "user", "name": name}] for name in (None, b"a", "\ud800", "x" * 1001))
_ODD_FIELDS: Sequence[Mapping[str, Any]] = (
    {"type": 5},
    {"source": 5},
    {"source": "\ud800"},
    {"mount_path": None},
    {"revision": 5},
    {"path": b"x"},
    {"read_only": "no"},
)

REFUSED: Mapping[str, Sequence[Any]] = {
    "attempts": (0, -1, "many", _HUGE, True),
    "concurrency": ("no", 0),
    "command": ([], [""], ["a\0"], "python -V"),
    "domains": ([], ["discussions"], 5, [5]),
    "env": (
        {"_A": "1"},
        {"A": "1"},
        {"A B": "1"},
        {"AB": "a\0"},
        {"AB": "\ud800"},
        {"AB": None},
        {"AB": ["1"]},
        {"AB": "x" * 131_072},
        {"AB": _HUGE},
        [],
    ),
    "expose": _PORTS,
    "expose_public": _PORTS,
    "flavor": (b"cpu-basic", ["cpu-basic"], "\ud800", "cpu\0", "x" * 1001),
    "follow": ("no", 1),
    "image": ("", *_NO_LINES),
    "job_id": _NO_IDS,
    "labels": _LABELS,
    "name": ("a b", "x" * 101, "ü"),
    "namespace": ("", "a/b", "../admin", "a b", ".", "..", 5, ["acme"], b"acme"),
    "network_aliases": (["UP"], ["a" * 35], ["a_b"]),
    "network_group": ("UP", "a" * 47, 5, ["a"]),
    "poll_interval": (0, -1, None, "1", math.nan, _HUGE),
    "python": (5, "3.12\n"),
    "resource_group_id": ("gpu", 5, ["gpu"]),
    "schedule": (
        "",
        "@midnight",
        "hourly",
        "* * * *",
        "0 9 * * MON",
        "1-5,10 * * * *",
        "L * * * *",
        None,
        5,
        ["@daily"],
    ),
    "scheduled_job_id": _NO_IDS,
    "script_args": ([""],),
    "secret": ("ü", "a\nb", [HIDDEN], {HIDDEN: HIDDEN}, 5),
    "secrets": (
        {"1A": HIDDEN},
        {"A B": HIDDEN},
        {"A": f"{HIDDEN}\0"},
        {"A": [HIDDEN]},
        {"A": _HUGE},
    ),
    "ssh": ("no", 1),
    "stages": (["SLEEPING"], [5], [_HUGE]),
    "status": ("SLEEPING", ["RUNNING", ""], "RUNNING,ERROR", 5, [_HUGE]),
    "suspend": ("no", 0),
    "tail": (-1, _HUGE, "5"),
    "timeout": ("abc", -1, "5x", "-5m", "1.5.2h", "h", math.nan, math.inf, "", False, [], _HUGE),
    "url": ("hooks.test", "ftp://hooks.test/", "http://[::1", "http://a\nb/", 5, ["http://a/"]),
    "volumes": (
        [Volume(**{**_BUCKET, "type": "disk"})],
        [Volume(**{**_BUCKET, "mount_path": "b"})],
        [Volume(**{**_BUCKET, "source": ""})],
        *([Volume(**{**_BUCKET, **odd})] for odd in _ODD_FIELDS),
    ),
    "watched": (
        [],
        [{"type": "planet", "name": "a"}],
        [{"type": "user"}],
        [{"name": "a"}],
        *_NO_NAMES,
        5,
    ),
    "webhook_id": _NO_IDS,
}
REFUSED_OF: Mapping[tuple[str, str], Sequence[Any]] = {
    ("wait_for_job", "timeout"): (-1, math.nan, "5", [], _HUGE),
    ("list_jobs", "timeout"): (-1, 0, math.nan, "5", [], _HUGE),
    ("list_scheduled_jobs", "timeout"): (-1, 0, math.nan, "5", [], _HUGE),
    # Where a script is run, there is an image for when none is named.
    ("run_uv_job", "image"): _NO_LINES,
    ("create_scheduled_uv_job", "image"): _NO_LINES,
    ("create_webhook", "job_id"): _NO_IDS[1:],
    ("update_webhook", "job_id"): _NO_IDS[1:],
    # None would take all of them away.
    ("update_job_labels", "labels"): (*_LABELS, None),
    ("update_scheduled_job_labels", "labels"): (*_LABELS, None),
}


def refused() -> Iterator[tuple[str, str, Any]]:
    """Yield function, parameter and value."""
    for function in FUNCTIONS:
        for name in parameters(function):
            for value in REFUSED_OF.get((function, name), REFUSED.get(name, ())):
                yield function, name, value
