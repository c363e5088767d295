"""What the Hub answers is read as the official client reads it, field by field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Event
from typing import Any

import pytest

from agreement.answers import (
    HARDWARE,
    JOB,
    JOB_ID,
    SCHEDULE,
    SCHEDULE_ID,
    WEBHOOK,
    WEBHOOK_ID,
    Wire,
    reset,
)
from agreement.comparing import disagreements
from agreement.differences import of_answers
from agreement.recorder import Asked, Recorder, Reply, say
from agreement.sides import Official, Side, outcome
from agreement.variants import variants
from jobhook.core.errors import HubError

_MINE = {"namespace": "acme"}
# Kind of answer: what is asked for it, the whole of it, and how it is wrapped.
KINDS: Mapping[str, tuple[str, Mapping[str, Any], Wire, Callable[[Wire], Any]]] = {
    "job": ("inspect_job", {"job_id": JOB_ID} | _MINE, JOB, lambda wire: wire),
    "jobs": ("list_jobs", _MINE, JOB, lambda wire: [JOB, wire]),
    "schedule": (
        "inspect_scheduled_job",
        {"scheduled_job_id": SCHEDULE_ID} | _MINE,
        SCHEDULE,
        lambda wire: wire,
    ),
    "schedules": ("list_scheduled_jobs", _MINE, SCHEDULE, lambda wire: [wire, SCHEDULE]),
    "webhook": (
        "get_webhook",
        {"webhook_id": WEBHOOK_ID},
        WEBHOOK | {"job": JOB},
        lambda wire: {"webhook": wire},
    ),
    "webhooks": ("list_webhooks", {}, WEBHOOK | {"job": JOB}, lambda wire: [wire]),
    "hardware": ("list_jobs_hardware", {}, HARDWARE[1], lambda wire: [*HARDWARE, wire]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_in_every_variant(
    recorder: Recorder, theirs: Official, ours: Side, kind: str
) -> None:
    function, args, whole, wrapped = KINDS[kind]
    expected, seen, unexpected = of_answers(kind), set[int](), dict[str, str]()
    for name, wire in variants(whole):
        recorder.answers[kind] = say(wrapped(wire))
        official = outcome(theirs, recorder, function, args)
        mine = outcome(ours, recorder, function, args)
        if official.error:
            # Reading on is no harm; what falls over must not do it with a bare KeyError.
            if not isinstance(mine.error, HubError | None):
                unexpected[name] = repr(mine.error)
            continue
        for what, how in disagreements(official, mine):
            covering = [n for n, each in enumerate(expected) if each.covers(name, what)]
            seen.update(covering)
            if not covering:
                unexpected[f"{name}: {what}"] = how
    assert unexpected == {}
    assert [each for n, each in enumerate(expected) if n not in seen] == []


ERRORS = {
    "plain": say({"error": "Flavor zebra is not known"}, 400, X_Request_Id="Root=1-a"),
    "several": say({"error": ["one", "two"]}, 400),
    "messages": say({"errors": [{"message": "one"}]}, 400),
    "described": say({"error": "invalid", "error_description": "more of it"}, 400),
    "unauthorized": say({"error": "Invalid username or password."}, 401),
    "no credit": say({"error": "Pre-paid credit balance is insufficient"}, 402),
    "forbidden": say({"error": "Not yours"}, 403),
    "missing": say({"error": "Not found"}, 404, X_Error_Code="RepoNotFound"),
    "running": say({"error": "Already running"}, 409),
    "text": Reply(status=400, body=b"plainly no", headers={"content-type": "text/plain"}),
    "nothing": Reply(status=404),
}


@pytest.mark.parametrize("answer", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize(
    ("function", "kind", "args"),
    [
        ("run_job", "job", {"image": "a", "command": ["b"]} | _MINE),
        ("inspect_job", "job", {"job_id": JOB_ID} | _MINE),
        ("trigger_scheduled_job", "job", {"scheduled_job_id": SCHEDULE_ID} | _MINE),
        ("list_jobs", "jobs", _MINE),
        ("fetch_job_logs", "logs", {"job_id": JOB_ID} | _MINE),
        ("delete_webhook", "done", {"webhook_id": WEBHOOK_ID}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_refusal_has_the_same_status_and_the_hubs_own_words(
    recorder: Recorder,
    theirs: Official,
    ours: Side,
    answer: Reply,
    function: str,
    kind: str,
    args: Mapping[str, Any],
) -> None:
    recorder.answers[kind] = answer
    official = outcome(theirs, recorder, function, args)
    mine = outcome(ours, recorder, function, args)
    assert official.error
    assert list(disagreements(official, mine)) == []
    assert isinstance(mine.error, HubError)
    assert (mine.error.code, mine.error.request_id) == (
        answer.headers.get("X-Error-Code"),
        answer.headers.get("X-Request-Id"),
    )
    words = {"Flavor zebra is not known", "plainly no", "one", "more of it", "Not yours"}
    for word in words:
        assert word in str(mine.error) or word.encode() not in answer.body


@pytest.mark.parametrize(
    ("function", "kind"), [("list_jobs", "jobs"), ("list_scheduled_jobs", "schedules")]
)
def test_a_list_is_waited_for_as_long_as_is_said(
    recorder: Recorder, ours: Side, function: str, kind: str
) -> None:
    had_enough = Event()

    def late(asked: Asked) -> Reply:
        had_enough.wait(3)
        return say([])

    recorder.answers[kind] = late
    result = outcome(ours, recorder, function, {"timeout": 0.1, **_MINE})
    had_enough.set()
    assert isinstance(result.error, HubError)


def test_pages_are_read_to_the_last(recorder: Recorder, theirs: Official, ours: Side) -> None:
    def pages() -> list[Reply]:
        link = f'<{recorder.url}/api/jobs/acme?stage=ERROR&cursor=%2Ba>; rel="next"'
        ids = [f"6b04c6af477a26004900001{n}" for n in range(3)]
        jobs = [JOB | {"id": each} for each in ids]
        return [say(jobs[:2], Link=link), say([], Link=link), say(jobs[2:])]

    args = {"status": "ERROR", **_MINE}
    recorder.answers["jobs"] = pages()
    official = outcome(theirs, recorder, "list_jobs", args)
    recorder.answers["jobs"] = pages()
    mine = outcome(ours, recorder, "list_jobs", args)
    assert len(official.result) == 3
    assert list(disagreements(official, mine)) == []
    assert len({each.query for each in mine.asked}) == 2
    reset(recorder)
