from __future__ import annotations

from typing import Any

import pytest

from factories import NOON, make_launch, make_rule
from jobhook.core import health
from jobhook.core.accounts import Account
from jobhook.core.errors import Problem
from jobhook.core.health import Finding
from jobhook.core.launches import LaunchState
from jobhook.core.records import Backlog, Pause
from jobhook.core.rules import RuleSet

GIB = 1 << 30


def check(finding: Finding, state: str, told: str) -> None:
    assert finding.state == state, finding
    assert told in finding.told


@pytest.mark.parametrize(
    ("secrets", "state", "told"),
    [
        pytest.param([], "fail", "jobhook secret new", id="none"),
        pytest.param(["s" * 32, "s" * 31], "warn", "fewer than 32", id="one is short"),
        pytest.param(["s" * 32], "ok", "1 set", id="long enough"),
    ],
)
def test_webhook_secrets_are_judged_and_not_told(secrets: list[str], state: str, told: str) -> None:
    finding = health.of_webhook_secrets(secrets)
    check(finding, state, told)
    assert "sss" not in finding.told


@pytest.mark.parametrize(
    ("url", "register", "state", "told"),
    [
        pytest.param(None, None, "warn", "no webhook is registered", id="none"),
        pytest.param(None, True, "fail", "JOBHOOK_PUBLIC_URL", id="none, but to be registered"),
        pytest.param("https://a.test", False, "warn", "jobhook apply", id="not registered"),
        pytest.param("http://a.test", None, "warn", "in the open", id="without TLS"),
        pytest.param("https://a.test", None, "ok", "https://a.test", id="with TLS"),
    ],
)
def test_the_public_url_is_judged(
    url: str | None, register: bool | None, state: str, told: str
) -> None:
    check(health.of_public_url(url, register), state, told)


def test_rules_are_counted_and_their_warnings_told() -> None:
    check(health.of_rules(RuleSet()), "warn", "nothing is ever launched")
    check(health.of_rules(RuleSet((make_rule(),))), "ok", "1 loaded")
    problem = Problem("a.yaml", 1, 1, "odd")
    check(health.of_rules(RuleSet((make_rule(),), (problem,))), "warn", "a.yaml:1:1: odd")


def test_rules_that_are_not_those_in_force_are_told() -> None:
    rules = RuleSet((make_rule(),))
    check(health.of_rules_in_force(rules.version, rules), "ok", rules.version)
    check(
        health.of_rules_in_force("v0", rules),
        "warn",
        f"v0, but the folder holds version {rules.version}",
    )
    check(health.of_rules_in_force("v0", RuleSet()), "warn", "holds none that can be used")


def test_secrets_that_rules_name_must_be_there() -> None:
    check(health.of_job_secrets(["B", "A"], ["C"]), "fail", "JOBHOOK_SECRET_A, JOBHOOK_SECRET_B")
    check(health.of_job_secrets(["A"], ["A"]), "ok", "1 named by rules")
    check(health.of_job_secrets([], []), "ok", "none needed")


@pytest.mark.parametrize(
    ("free", "state"), [(GIB, "ok"), (GIB - 1, "warn"), (100 << 20, "warn"), (0, "fail")]
)
def test_the_disk_needs_room(free: int, state: str) -> None:
    check(health.of_disk(free), state, "GiB free")


def pause(scope: str) -> Pause:
    return Pause(scope=scope, since=NOON, by="ana")


@pytest.mark.parametrize(
    ("scopes", "by_setting", "state", "told"),
    [
        pytest.param([], False, "ok", "nothing is paused", id="nothing"),
        pytest.param([], True, "warn", "JOBHOOK_PAUSE", id="the setting"),
        pytest.param(["everything"], False, "warn", "`jobhook resume` ends", id="everything"),
        pytest.param(["rule:retrain"], False, "warn", "resume --rule retrain` ends", id="a rule"),
        pytest.param(
            ["everything", "repo:model:a/b"],
            False,
            "warn",
            "`jobhook resume` and `jobhook resume --repo model:a/b` end that",
            id="two",
        ),
        pytest.param(["rule:retrian"], False, "warn", "misspelt", id="a rule that is not there"),
        pytest.param(["repo:model:a/b"], False, "warn", "repo:model:a/b", id="a repo"),
    ],
)
def test_pauses_are_told(scopes: list[str], by_setting: bool, state: str, told: str) -> None:
    finding = health.of_pauses([*map(pause, scopes)], ["retrain"], by_setting=by_setting)
    check(finding, state, told)


def test_launches_that_do_not_go_on_are_counted() -> None:
    check(health.of_launches([]), "ok", "none is held")
    states = [LaunchState.UNKNOWN, LaunchState.HELD, LaunchState.HELD]
    stuck = [make_launch(state=state) for state in states]
    check(health.of_launches(stuck), "warn", "2 held, 1 unknown: see why with `jobhook launches ls")


MINUTE = 60_000


@pytest.mark.parametrize(
    ("backlog", "is_worked_on", "state", "told"),
    [
        pytest.param(Backlog(0, None, 0), False, "ok", "none quarantined", id="nothing"),
        pytest.param(Backlog(3, NOON - MINUTE, 0), False, "ok", "3 undecided", id="new ones"),
        pytest.param(
            Backlog(3, NOON - 2 * MINUTE, 0),
            False,
            "fail",
            "3 undecided, the oldest for 2 min; nobody decides them: start `jobhook serve`",
            id="nobody works",
        ),
        pytest.param(
            Backlog(3, NOON - 180 * MINUTE, 2),
            True,
            "warn",
            "the oldest for 3 h; 2 quarantined: see in the log",
            id="somebody works",
        ),
        pytest.param(Backlog(1, NOON - 72 * 60 * MINUTE, 0), True, "warn", "3 days", id="days"),
        pytest.param(
            Backlog(0, None, 2), True, "warn", "2 quarantined: see why with", id="quarantined"
        ),
    ],
)
def test_deliveries_that_nobody_decided_are_told_with_the_age_of_the_oldest(
    backlog: Backlog, is_worked_on: bool, state: str, told: str
) -> None:
    check(health.of_deliveries(backlog, NOON, is_worked_on=is_worked_on), state, told)


def test_who_leads_is_told_as_where_to_look_for_it() -> None:
    check(health.of_leader("web-1:42:ab12"), "ok", "web-1, process 42, decides")
    check(health.of_leader(None), "warn", "nobody decides or launches")


@pytest.mark.parametrize(
    ("told_at", "state", "told"),
    [
        pytest.param(None, "warn", "does not tell the time", id="not told"),
        pytest.param(NOON, "ok", "within 1 s", id="equal"),
        pytest.param(NOON - 30_000, "ok", "within 31 s", id="just good enough"),
        pytest.param(NOON - 31_000, "warn", "31 s ahead of", id="ahead"),
        pytest.param(NOON + 90_000, "warn", "90 s behind", id="behind"),
    ],
)
def test_our_clock_is_judged_by_the_hubs(told_at: int | None, state: str, told: str) -> None:
    check(health.of_clock(NOON, told_at), state, told)


JOB, HOOKS = frozenset({"job.write"}), frozenset({"user.webhooks.write"})
FINE = {"role": "fineGrained"}


@pytest.mark.parametrize(
    ("given", "state", "told"),
    [
        pytest.param({"role": "write", "orgs": {}}, "fail", "no member of acme", id="no member"),
        pytest.param({"role": "read"}, "fail", "only read", id="a token that reads"),
        pytest.param(
            {"role": "write", "orgs": {"acme": "read"}}, "fail", "only read", id="a reader"
        ),
        pytest.param({"role": "write"}, "warn", "fine-grained", id="a token for all"),
        pytest.param({"role": "god"}, "warn", "fine-grained", id="the user's own"),
        pytest.param({}, "warn", "does not say", id="nothing is told"),
        pytest.param(FINE, "fail", "lacks job.write on acme", id="no scopes"),
        pytest.param(
            {**FINE, "scoped": {"dev": JOB | HOOKS}}, "fail", "job.write on acme", id="elsewhere"
        ),
        pytest.param(
            {**FINE, "scoped": {"acme": JOB}}, "fail", "user.webhooks.write on dev", id="no hooks"
        ),
        pytest.param(
            {**FINE, "scoped": {"acme": JOB, "dev": HOOKS}}, "ok", "and no more", id="just enough"
        ),
        pytest.param(
            {**FINE, "everywhere": JOB | HOOKS}, "ok", "and no more", id="wherever the user may"
        ),
        pytest.param(
            {**FINE, "scoped": {"acme": JOB | {"repo.write"}, "dev": HOOKS}},
            "warn",
            "take away repo.write",
            id="more in the org",
        ),
        pytest.param(
            {**FINE, "scoped": {"acme": JOB, "dev": HOOKS | JOB}},
            "warn",
            "take away job.write",
            id="jobs elsewhere too",
        ),
        pytest.param(
            {**FINE, "everywhere": {"post.write"}, "scoped": {"acme": JOB, "dev": HOOKS}},
            "warn",
            "take away post.write",
            id="more everywhere",
        ),
    ],
)
def test_a_token_may_do_what_is_needed_and_no_more(
    given: dict[str, Any], state: str, told: str
) -> None:
    rights = Account(**{"name": "dev", "orgs": {"acme": "write"}} | given)
    check(health.of_token(rights, "acme"), state, told)


@pytest.mark.parametrize(
    ("given", "state", "told"),
    [
        pytest.param({}, "fail", "no member of lab: a rule has its jobs run there", id="no member"),
        pytest.param({"orgs": {"acme": "write", "lab": "read"}}, "fail", "in lab", id="a reader"),
        pytest.param(
            {"orgs": {"acme": "write", "lab": "write"}, "scoped": {"acme": JOB, "dev": HOOKS}},
            "fail",
            "lacks job.write on lab",
            id="no scope",
        ),
        pytest.param(
            {
                "orgs": {"acme": "write", "lab": "write"},
                "scoped": {"acme": JOB, "lab": JOB, "dev": HOOKS},
            },
            "ok",
            "in acme and lab and no more",
            id="just enough",
        ),
    ],
)
def test_a_token_may_start_jobs_wherever_rules_have_them_run(
    given: dict[str, Any], state: str, told: str
) -> None:
    rights = Account(**{"name": "dev", "orgs": {"acme": "write"}} | FINE | given)
    check(health.of_token(rights, "acme", {"lab"}), state, told)


def test_the_webhooks_secret_is_set_under_the_name_of_its_setting() -> None:
    finding = health.of_job_secrets(["WEBHOOK_SECRET"], [])
    check(finding, "fail", "set JOBHOOK_WEBHOOK_SECRETS")


def test_a_users_own_namespace_needs_no_org() -> None:
    rights = Account(name="dev", role="fineGrained", scoped={"dev": JOB | HOOKS})
    check(health.of_token(rights, "dev"), "ok", "in dev and no more")
