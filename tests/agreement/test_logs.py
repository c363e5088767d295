"""A job's log comes whole and once, where the official client manages and where it does not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from agreement.answers import JOB, JOB_ID, METRIC, reset
from agreement.comparing import disagreements
from agreement.recorder import Asked, Recorder, Reply, say
from agreement.sides import Official, Outcome, Side, outcome
from agreement.streams import LOGS, Told, stream

_JOB = {"job_id": JOB_ID, "namespace": "acme"}


def _running(stage: str) -> Reply:
    return say(JOB | {"status": {"stage": stage, "message": None}})


def _read(side: Side, recorder: Recorder, function: str, kind: str, told: Told) -> Outcome:
    """Let the job run until its last connection has ended."""
    reset(recorder)

    def stage(asked: Asked) -> Reply:
        had = sum(each.path.endswith(kind) for each in recorder.asked)
        return _running(told.stage if had >= len(told.streams) else "RUNNING")

    recorder.answers |= {kind: [*told.streams], "job": stage}
    return outcome(side, recorder, function, {**_JOB, **told.args})


@pytest.mark.parametrize("told", LOGS.values(), ids=LOGS)
def test_every_line_comes_once(
    recorder: Recorder, theirs: Official, ours: Side, told: Told
) -> None:
    mine = _read(ours, recorder, "fetch_job_logs", "logs", told)
    assert (mine.error, mine.result) == (None, [*told.lines])
    official = _read(theirs, recorder, "fetch_job_logs", "logs", told)
    assert (official.result == mine.result) is not bool(told.official)
    first, *later = (each for each in mine.asked if each.path.endswith("/logs"))
    assert first == official.asked[0]
    # What begins later can be compared with nothing that was seen.
    assert not any(each.query for each in later)


def _metric(cpu: int) -> bytes:
    return f"event: metric\ndata: {json.dumps(METRIC | {'cpu_usage_pct': cpu})}\n\n".encode()


METRICS = {
    "one": Told(streams=[stream(_metric(1), _metric(2))], lines=[], args={}),
    "followed": Told(streams=[stream(_metric(1), _metric(2))], lines=[]),
    "a drop": Told(streams=[stream(_metric(1), broken=True), stream(_metric(2))], lines=[]),
    "a job that is over": Told(streams=[say({"error": "Job is over"}, 406)], lines=[]),
    "a job that is over, of old": Told(streams=[say({"error": "Oops"}, 500)], lines=[]),
    "no events": Told(streams=[stream(b": keep-alive\n\n")], lines=[], args={}),
}


@pytest.mark.parametrize("told", METRICS.values(), ids=METRICS)
def test_metrics_are_the_same(recorder: Recorder, theirs: Official, ours: Side, told: Told) -> None:
    official = _read(theirs, recorder, "fetch_job_metrics", "metrics", told)
    mine = _read(ours, recorder, "fetch_job_metrics", "metrics", told)
    assert (official.error, mine.error) == (None, None)
    assert official.result == mine.result


STAGES: Mapping[str, tuple[list[str], Mapping[str, Any]]] = {
    "over": (["COMPLETED"], {}),
    "later": (["SCHEDULING", "RUNNING", "ERROR"], {"poll_interval": 0.001}),
    "a stage of ours": (["SCHEDULING", "RUNNING"], {"poll_interval": 0.001, "stages": ["RUNNING"]}),
    "over before it": (["CANCELED"], {"stages": ["RUNNING"]}),
    "too late": (["RUNNING"], {"timeout": 0}),
    "a stage of tomorrow": (["PAUSED", "DELETED"], {"poll_interval": 0.001}),
    "none at all": (["COMPLETED"], {"job_id": []}),
    "negative": (["COMPLETED"], {"timeout": -1}),
    "without rest": (["COMPLETED"], {"poll_interval": 0}),
}


@pytest.mark.parametrize(("stages", "args"), STAGES.values(), ids=STAGES)
def test_a_job_is_waited_for(
    recorder: Recorder,
    theirs: Official,
    ours: Side,
    stages: list[str],
    args: Mapping[str, Any],
) -> None:
    recorder.answers["job"] = [_running(stage) for stage in stages]
    official = outcome(theirs, recorder, "wait_for_job", {**_JOB, **args})
    recorder.answers["job"] = [_running(stage) for stage in stages]
    mine = outcome(ours, recorder, "wait_for_job", {**_JOB, **args})
    assert list(disagreements(official, mine)) == []
    assert isinstance(official.error, TimeoutError) == isinstance(mine.error, TimeoutError)
