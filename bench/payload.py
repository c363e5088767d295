"""What is sent: a delivery of 2 KB as the Hub sends it, each time with another `Webhook-Id`."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable

from jobhook.core.samples import merged, sample_payload

SECRET = "a-secret-of-the-bench-that-is-long-enough"  # noqa: S105 - it opens nothing
BODY_BYTES = 2085
_numbers = itertools.count()


def body(*, repo: str = "acme/model-7", sha: str = "2" * 40) -> bytes:
    """Return a push to the branch main of the model *repo*, padded to 2,085 bytes."""
    change = {"ref": "refs/heads/main", "oldSha": "1" * 40, "newSha": sha}
    payload = merged(
        sample_payload("commit.pushed"), {"repo": {"name": repo}, "updatedRefs": [change]}
    )
    payload["padding"] = ""
    payload["padding"] = "x" * (BODY_BYTES - len(json.dumps(payload)))
    return json.dumps(payload).encode()


def requests(
    path: str, *, secret: str = SECRET, make_body: Callable[[int], bytes] | None = None
) -> Callable[[], bytes]:
    """Return what makes the next request, with an id that was never used before."""
    fixed = body()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"X-Webhook-Secret: {secret}\r\nContent-Length: {BODY_BYTES}\r\nWebhook-Id: "
    ).encode()
    # The process is part of the id, so that a second run finds none of the first's.
    run = os.urandom(4).hex().encode()

    def next_request() -> bytes:
        number = next(_numbers)
        content = make_body(number) if make_body else fixed
        return b"%s%s-%012d\r\n\r\n%s" % (head, run, number, content)

    return next_request
