"""What cannot be, by parameter: ours says so, and nothing is sent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from huggingface_hub import Volume

from agreement.functions import FUNCTIONS, parameters

HIDDEN = "hide-me"

_BUCKET = {"type": "bucket", "source": "acme/b", "mount_path": "/b"}
_LABELS = ({"a b": "c"}, {"": "c"}, {"a": "b c"}, {"a" * 101: "b"}, {"a": "x" * 101})
_PORTS = ([0], [65536], [*range(1, 22)], ["http"])

REFUSED: Mapping[str, Sequence[Any]] = {
    "attempts": (0, -1, "many"),
    "command": ([], [""], ["a\0"], "python -V"),
    "domains": ([], ["discussions"]),
    "env": (
        {"_A": "1"},
        {"A": "1"},
        {"A B": "1"},
        {"AB": "a\0"},
        {"AB": "\ud800"},
        {"AB": None},
        {"AB": ["1"]},
        {"AB": "x" * 131_072},
    ),
    "expose": _PORTS,
    "expose_public": _PORTS,
    "image": ("",),
    "labels": _LABELS,
    "name": ("a b", "x" * 101, "ü"),
    "namespace": ("", "a/b", "../admin", "a b"),
    "network_aliases": (["UP"], ["a" * 35], ["a_b"]),
    "network_group": ("UP", "a" * 47),
    "poll_interval": (0, -1),
    "resource_group_id": ("gpu",),
    "schedule": (
        "",
        "@midnight",
        "hourly",
        "* * * *",
        "0 9 * * MON",
        "1-5,10 * * * *",
        "L * * * *",
    ),
    "script_args": ([""],),
    "secret": ("ü", "a\nb"),
    "secrets": ({"1A": HIDDEN}, {"A B": HIDDEN}, {"A": f"{HIDDEN}\0"}, {"A": [HIDDEN]}),
    "stages": (["SLEEPING"],),
    "status": ("SLEEPING", ["RUNNING", ""], "RUNNING,ERROR"),
    "tail": (-1,),
    "timeout": ("abc", -1, "5x", "-5m", "1.5.2h", "h", math.nan, math.inf),
    "url": ("hooks.test", "ftp://hooks.test/"),
    "volumes": (
        [Volume(**{**_BUCKET, "type": "disk"})],
        [Volume(**{**_BUCKET, "mount_path": "b"})],
        [Volume(**{**_BUCKET, "source": ""})],
    ),
    "watched": ([], [{"type": "planet", "name": "a"}], [{"type": "user"}], [{"name": "a"}]),
}
REFUSED_OF: Mapping[tuple[str, str], Sequence[Any]] = {
    ("wait_for_job", "timeout"): (-1, math.nan),
    ("list_jobs", "timeout"): (-1, 0),
    ("list_scheduled_jobs", "timeout"): (-1, 0),
    # Where a script is run, there is an image for when none is named.
    ("run_uv_job", "image"): (),
    ("create_scheduled_uv_job", "image"): (),
    # It is a filter: what no label can be is found on no job.
    ("list_jobs", "labels"): (),
    ("list_scheduled_jobs", "labels"): (),
}


def refused() -> Iterator[tuple[str, str, Any]]:
    """Yield function, parameter and value."""
    for function in FUNCTIONS:
        for name in parameters(function):
            for value in REFUSED_OF.get((function, name), REFUSED.get(name, ())):
                yield function, name, value
