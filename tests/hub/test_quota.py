from __future__ import annotations

import pytest

from jobhook.core.pacing import Quota
from jobhook.hub.quota import read_quota

KNOWN = Quota(left=7, resets_in=9)


@pytest.mark.parametrize(
    ("status", "headers", "quota"),
    [
        pytest.param(200, {}, KNOWN, id="nothing told"),
        pytest.param(200, {"ratelimit": '"api";r=5;t=55'}, Quota(left=5, resets_in=55), id="left"),
        pytest.param(
            200, {"ratelimit": '"api"; r=5; t=55'}, Quota(left=5, resets_in=55), id="with blanks"
        ),
        pytest.param(
            200,
            {"ratelimit": '"pages";r=1;t=2, "api";r=5;t=55'},
            Quota(left=5, resets_in=55),
            id="of several buckets",
        ),
        pytest.param(200, {"ratelimit": '"resolvers";r=1;t=2'}, KNOWN, id="of another bucket"),
        pytest.param(
            200,
            {"ratelimit-policy": '"fixed window";"api";q=6000;w=60'},
            Quota(6000, 60, left=7, resets_in=9),
            id="policy",
        ),
        pytest.param(
            200, {"ratelimit-policy": '"fixed window";"api";q=0;w=0'}, KNOWN, id="no quota at all"
        ),
        pytest.param(
            200, {"ratelimit": '"api";r=5'}, Quota(left=5, resets_in=300), id="until when is untold"
        ),
        pytest.param(
            200,
            {"ratelimit": '"api";r=5;t=999999'},
            Quota(left=5, resets_in=300),
            id="no longer than a window",
        ),
        pytest.param(
            200,
            {"ratelimit-policy": '"api";q=10;w=999999', "ratelimit": '"api";r=5;t=99999'},
            Quota(10, 3600, left=5, resets_in=3600),
            id="and no window longer than an hour",
        ),
        pytest.param(
            200, {"ratelimit": '"api";r=-1;t=1.5', "ratelimit-policy": '"api";q=x'}, KNOWN, id="odd"
        ),
        pytest.param(
            429, {"retry-after": "30"}, Quota(left=0, resets_in=30), id="too many, with a time"
        ),
        pytest.param(
            429, {"ratelimit": '"api";r=0;t=55'}, Quota(left=0, resets_in=55), id="too many, told"
        ),
        pytest.param(429, {}, Quota(left=0, resets_in=60), id="too many, and no more said"),
    ],
)
def test_an_answer_tells_what_is_left(status: int, headers: dict[str, str], quota: Quota) -> None:
    assert read_quota(KNOWN, status, headers) == quota
