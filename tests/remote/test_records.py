from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from canned import CannedServer, answer, raw
from factories import BODY, NOON, ROOT, make_entry, make_launch, make_stored, make_token
from jobhook.adapters.rulefiles import load_rules
from jobhook.core.audits import AuditFilter
from jobhook.core.deliveries import DeliveryState
from jobhook.core.errors import NoSuchRecord, UsageError
from jobhook.core.explanations import Told
from jobhook.core.filters import ANY_DELIVERY, ANY_LAUNCH, DeliveryFilter, LaunchFilter
from jobhook.core.launches import LaunchState
from jobhook.core.records import Verdict
from jobhook.core.viewing import (
    audit_view,
    delivery_detail,
    delivery_summary,
    launch_detail,
    launch_summary,
    rule_detail,
    rule_summaries,
    token_view,
)
from jobhook.core.views import CheckReport, Explanation, PauseView
from jobhook.core.watches import REPO_TYPES
from jobhook.remote.records import RemoteRecords
from jobhook.remote.rules import RemoteRules
from jobhook.remote.transport import ServiceTransport
from jobhook.web.api.answering import dumped

pytestmark = pytest.mark.anyio

LAUNCH = make_launch(repo="dataset:acme/corpus")
SUMMARY = launch_summary(LAUNCH, [], by_setting=False)
DETAIL = launch_detail(LAUNCH, NOON, [], by_setting=False)
STORED = make_stored(repo_type="dataset", repo_name="acme/corpus", events=("commit.pushed",))
DELIVERY = delivery_detail(
    STORED, BODY, verdicts=(Verdict("retrain", fired=True, reason="it is due"),), launches=["l1"]
)
RULES = load_rules(ROOT / "rules")
GONE = answer(404, {"error": {"code": "not_found", "message": "there is no such", "details": None}})


@pytest.fixture
def records(service: ServiceTransport) -> RemoteRecords:
    return RemoteRecords(service)


@pytest.fixture
def rules(service: ServiceTransport) -> RemoteRules:
    return RemoteRules(service)


def page(items: Any, cursor: str | None = None) -> bytes:
    return raw(dumped({"items": items, "next_cursor": cursor}))


async def test_what_is_shown_there_is_shown_here(
    server: CannedServer, records: RemoteRecords
) -> None:
    pause = PauseView(scope="everything", since=None, by="ana", reason="")
    server.answers = [raw(dumped(DETAIL)), raw(dumped(DELIVERY)), raw(BODY), page([pause])]
    assert await records.launch("l1") == DETAIL
    assert await records.delivery("d/1") == DELIVERY
    assert await records.body("d1") == BODY
    assert await records.pauses() == (pause,)
    assert [asked.target.removeprefix("/api/v1") for asked in server.asked] == [
        "/launches/l1",
        "/deliveries/d%2F1",
        "/deliveries/d1/body",
        "/pauses",
    ]


@pytest.mark.parametrize("name", ["launch", "delivery", "body"])
async def test_what_is_not_there_is_no_record(
    server: CannedServer, records: RemoteRecords, name: str
) -> None:
    server.answers = [GONE]
    with pytest.raises(NoSuchRecord, match="there is no such"):
        await getattr(records, name)("x1")


@pytest.mark.parametrize(
    ("limit", "sizes", "read"),
    [
        pytest.param(0, ["1000", "1000"], 3, id="all"),
        pytest.param(3, ["3", "3"], 3, id="as many as there are"),
        pytest.param(1, ["1"], 1, id="one"),
        pytest.param(5000, ["1000", "1000"], 3, id="more than a page"),
    ],
)
async def test_so_many_are_read_and_no_more(
    server: CannedServer, records: RemoteRecords, limit: int, sizes: list[str], read: int
) -> None:
    server.answers = [page([SUMMARY, SUMMARY], "c1"), page([SUMMARY])]
    assert await records.launches(limit=limit) == (SUMMARY,) * read
    targets = [f"/api/v1/launches?limit={size}" for size in sizes]
    assert server.asked[0].target == targets[0]
    assert [each.target for each in server.asked[1:]] == [f"{t}&cursor=c1" for t in targets[1:]]


@pytest.mark.parametrize(
    ("wanted", "query"),
    [
        (ANY_DELIVERY, ""),
        (DeliveryFilter(state=DeliveryState.MATCHED), "state=matched&"),
        (DeliveryFilter(repo="acme/corpus"), "repo=acme%2Fcorpus&"),
        (
            DeliveryFilter(repo_type="dataset", repo="acme/corpus"),
            "repo=dataset%3Aacme%2Fcorpus&",
        ),
        (
            DeliveryFilter(since=NOON, until=NOON + 1),
            "since=2027-01-15T08%3A00%3A00.000Z&until=2027-01-15T08%3A00%3A00.001Z&",
        ),
    ],
)
async def test_deliveries_are_asked_for_by_what_is_wanted(
    server: CannedServer, records: RemoteRecords, wanted: DeliveryFilter, query: str
) -> None:
    summary = delivery_summary(STORED, ("l1",))
    server.answers = [page([summary])]
    assert await records.deliveries(wanted, limit=1) == (summary,)
    assert server.asked[0].target == f"/api/v1/deliveries?{query}limit=1"


@pytest.mark.parametrize(
    ("wanted", "query"),
    [
        (ANY_LAUNCH, ""),
        (LaunchFilter(states=[LaunchState.HELD, LaunchState.GONE]), "state=held&state=gone&"),
        (LaunchFilter(rule="retrain", delivery="d1"), "rule=retrain&delivery=d1&"),
        (LaunchFilter(repos=["dataset:acme/corpus"]), "repo=dataset%3Aacme%2Fcorpus&"),
        (LaunchFilter(repos=[f"{kind}:acme/x" for kind in REPO_TYPES]), "repo=acme%2Fx&"),
        (LaunchFilter(reason="over"), "reason=over&"),
        (LaunchFilter(since=NOON), "since=2027-01-15T08%3A00%3A00.000Z&"),
    ],
)
async def test_launches_are_asked_for_by_what_is_wanted(
    server: CannedServer, records: RemoteRecords, wanted: LaunchFilter, query: str
) -> None:
    server.answers = [page([SUMMARY])]
    assert await records.launches(wanted, limit=1) == (SUMMARY,)
    assert server.asked[0].target == f"/api/v1/launches?{query}limit=1"


async def test_what_is_named_is_read_one_by_one_and_what_is_not_there_is_left_out(
    server: CannedServer, records: RemoteRecords
) -> None:
    newer = replace(DETAIL, id="l2", created_at=DETAIL.created_at.replace(year=2030))
    server.answers = [raw(dumped(DETAIL)), GONE, raw(dumped(newer))]
    found = await records.launches(LaunchFilter(ids=["a", "b", "c", "a"]), limit=0)
    assert {each.id for each in found} <= {"l1", "l2"}
    assert [each.created_at for each in found] == sorted(
        (each.created_at for each in found), reverse=True
    )
    server.answers = [raw(dumped(DELIVERY))]
    assert await records.deliveries(DeliveryFilter(ids=["d1"]), limit=1) == (
        delivery_summary(STORED, ("l1",)),
    )


async def test_tokens_and_who_changed_what_are_shown_to_those_who_may_see_it(
    server: CannedServer, records: RemoteRecords
) -> None:
    token = token_view(make_token(), NOON)
    older, newer = (audit_view(make_entry(seq=seq)) for seq in (1, 2))
    server.answers = [page([token]), page([newer]), page([newer, older])]
    assert await records.tokens() == (token,)
    wanted = AuditFilter(who="ci", did="launches.retry", about="l1", since=NOON)
    assert await records.audits(wanted, limit=1) == (newer,)
    assert await records.audits(limit=5, before=2) == (older,)
    assert [asked.target.removeprefix("/api/v1") for asked in server.asked] == [
        "/tokens",
        "/audit?who=ci&did=launches.retry&about=l1&since=2027-01-15T08%3A00%3A00.000Z&limit=1",
        "/audit?limit=1000",
    ]


async def test_nothing_that_is_named_is_nothing(
    server: CannedServer, records: RemoteRecords
) -> None:
    assert await records.launches(LaunchFilter(ids=[]), limit=0) == ()
    assert server.asked == []


async def test_rules_are_those_in_force_there(
    server: CannedServer, rules: RemoteRules, records: RemoteRecords
) -> None:
    summaries = rule_summaries(RULES)
    detail = rule_detail(RULES.rules[0], RULES)
    server.answers = [page(summaries), raw(dumped(detail)), GONE]
    assert await rules.rules() == summaries
    assert await rules.rule(detail.id) == detail
    with pytest.raises(NoSuchRecord):
        await rules.rule("x")
    assert await rules.version() == await records.rules_version()


async def test_a_payload_is_explained_by_the_rules_there(
    server: CannedServer, rules: RemoteRules
) -> None:
    told = Explanation(
        rule="retrain", fired=True, reason="it is", event="commit.pushed", conditions=(), jobs=()
    )
    report = CheckReport(ok=True, problems=(), rules=())
    server.answers = [page([told]), raw(dumped(report))]
    assert await rules.explain(BODY, rule="retrain") == (told,)
    asked = {"payload": json.loads(BODY), "offline": False}
    assert json.loads(server.asked[0].body) == {**asked, "rule": "retrain"}
    assert await rules.check({"a.yaml": "id: a"}) == report
    assert json.loads(server.asked[1].body) == {"files": {"a.yaml": "id: a"}}


async def test_what_is_said_of_a_payload_is_told_there(
    server: CannedServer, service: ServiceTransport
) -> None:
    server.answers = [page([])]
    told = Told(files=("a.csv",), actor="ana:write", message="m")
    await RemoteRules(service, offline=True).explain(BODY, told=told)
    asked = json.loads(server.asked[0].body)
    assert asked.pop("payload") == json.loads(BODY)
    said = {"files": ["a.csv"], "actor": "ana:write", "message": "m"}
    assert asked == {"offline": True, **said}


async def test_what_is_no_payload_is_not_sent(server: CannedServer, rules: RemoteRules) -> None:
    with pytest.raises(UsageError):
        await rules.explain(b"{")
    assert server.asked == []
