"""Rules: strict about every word, and close-fisted with secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from factories import make_rule
from jobhook.core.actions import Action
from jobhook.core.deliveries import Delivery, read_delivery
from jobhook.core.errors import Problem, did_you_mean
from jobhook.core.events import EVENTS, RAW, SCOPES, STRANGERS_EVENTS
from jobhook.core.examples import Case
from jobhook.core.globs import GlobList
from jobhook.core.occasions import short_ref
from jobhook.core.rules import RESERVED_KEYS, Rule, RuleSet, rule_schema
from jobhook.core.watches import WATCH_TYPES, Watch, parse_watch

SMALL: dict[str, Any] = {"image": "python:3.12", "command": ["python", "-V"]}
TOKEN = "hf_" + "aB3" * 11 + "z"


def action(**given_parts: Any) -> dict[str, Any]:
    return SMALL | given_parts


def refusals(**given_parts: Any) -> list[str]:
    """Every reason why a rule with these parts is refused, each after its place."""
    with pytest.raises(ValidationError) as caught:
        make_rule(**given_parts)
    errors = caught.value.errors()
    # Pydantic says of a list with a bad item also that it is too short: that is no news.
    above = {error["loc"][:end] for error in errors for end in range(len(error["loc"]))}
    return [
        f"{'.'.join(map(str, error['loc']))}: {error['msg']}"
        for error in errors
        if error["loc"] not in above
    ]


def test_a_small_rule_has_the_defaults_of_the_docs() -> None:
    rule = Rule.model_validate({"id": "a", "on": ["commit.pushed"], "run": SMALL})
    assert (rule.description, rule.watch, rule.repos, rule.refs) == ("", (), None, None)
    assert (rule.trust_strangers, rule.cases) == (False, ())
    (only,) = rule.run
    assert (only.flavor, only.timeout, only.env, only.secrets) == ("cpu-basic", 1800, {}, ())


def test_a_full_rule_is_read() -> None:
    rule = make_rule(
        description="Fine-tune when the data changes.",
        watch=["org:acme", "dataset:acme/corpus"],
        on=["commit.pushed", "repo.content"],
        repos=["dataset:acme/*", "!dataset:acme/tmp-*"],
        refs=["main", "refs/heads/v*"],
        run=[action(timeout="2h", env={"AB": "1"}, secrets=["HF_TOKEN"]), action()],
        cases=[{"name": "ours", "event": {"repo": {"type": "dataset"}}, "fires": True}],
    )
    assert rule.watch == (Watch("org", "acme"), Watch("dataset", "acme/corpus"))
    assert [job.timeout for job in rule.run] == [7200, 1800]
    assert rule.run[0].spec({}).secrets == {"HF_TOKEN": ""}
    assert rule.run[0].spec({}).env == {"AB": "1"}
    assert rule.cases == (Case(name="ours", event={"repo": {"type": "dataset"}}, fires=True),)


@pytest.mark.parametrize("key", [*sorted(RESERVED_KEYS), "imgae", "On", "", "secrets", "env"])
def test_an_unknown_key_of_a_rule_is_refused(key: str) -> None:
    assert refusals(**{key: "x"}) == [f"{key}: Extra inputs are not permitted"]


@pytest.mark.parametrize("key", ["volume", "label", "retries", "script", "Image", "x"])
def test_an_unknown_key_of_a_job_is_refused(key: str) -> None:
    assert refusals(run=action(**{key: "x"})) == [f"run.0.{key}: Extra inputs are not permitted"]


@pytest.mark.parametrize("key", ["file", "author", "fire"])
def test_an_unknown_key_of_a_case_is_refused(key: str) -> None:
    case = {"name": "a", "fires": True, key: "x"}
    assert refusals(cases=[case]) == [f"cases.0.{key}: Extra inputs are not permitted"]


def test_reserved_keys_are_keys_that_nothing_has() -> None:
    assert not RESERVED_KEYS & (set(Rule.model_fields) | set(Action.model_fields))


@pytest.mark.parametrize(
    ("given_parts", "words"),
    [
        pytest.param({"id": ""}, "id: ", id="id-empty"),
        pytest.param({"id": "Retrain"}, "id: ", id="id-upper-case"),
        pytest.param({"id": "a_b"}, "id: ", id="id-underscore"),
        pytest.param({"id": "a/b"}, "id: ", id="id-slash"),
        pytest.param({"id": "retrain\n"}, "id: ", id="id-newline"),
        pytest.param({"id": "a" * 64}, "id: ", id="id-long"),
        pytest.param({"id": 1}, "id: ", id="id-number"),
        pytest.param({"on": []}, "on: ", id="no-event"),
        pytest.param({"on": "commit.pushed"}, "on: ", id="on-a-text"),
        pytest.param({"on": [1]}, "on.0: Input should be a valid string", id="on-a-number"),
        pytest.param(
            {"on": ["commit.push"]},
            "on.0: there is no event 'commit.push'; did you mean `commit.pushed`?",
            id="event-misspelt",
        ),
        pytest.param({"on": ["xyz"]}, "on.0: there is no event 'xyz'", id="event-unknown"),
        pytest.param({"on": ["repo.config.dois"]}, "on.0: there is no event", id="narrower-scope"),
        pytest.param({"watch": "org:acme"}, "watch: ", id="watch-a-text"),
        pytest.param({"watch": ["orgs:acme"]}, "did you mean `org`?", id="watch-misspelt"),
        pytest.param({"repos": []}, "repos: ", id="no-repos"),
        pytest.param({"repos": ["acme/*"]}, "'acme/*' names no type", id="repos-without-type"),
        pytest.param({"repos": ["!acme/*"]}, "'!acme/*' names no type", id="exclusion-no-type"),
        pytest.param({"repos": ["datasets:acme/*"]}, "'datasets", id="repos-of-no-type"),
        pytest.param({"repos": ["org:acme/*"]}, "'org", id="repos-of-an-owner"),
        pytest.param({"repos": ["model:a/b**"]}, "`**` must stand", id="repos-glob"),
        pytest.param({"repos": ["model:*"]}, "any is `model:*/*`", id="repos-without-a-slash"),
        pytest.param({"repos": ["!model:acme"]}, "matches no repo", id="excluded-owner-alone"),
        pytest.param({"refs": ["!!main"]}, "begins and ends with", id="ref-twice-excluded"),
        pytest.param({"refs": [" main"]}, "begins and ends with", id="ref-with-a-space"),
        pytest.param({"refs": ["main/"]}, "begins and ends with", id="ref-with-a-slash"),
        pytest.param({"repos": [1]}, "repos.0: ", id="repos-a-number"),
        pytest.param({"refs": []}, "refs: ", id="no-refs"),
        pytest.param({"refs": [""]}, "refs.0: '': a pattern may not be empty", id="ref-empty"),
        pytest.param({"refs": ["!"]}, "refs.0: '!': a pattern may not", id="ref-excludes-nothing"),
        pytest.param({"refs": ["v**"]}, "refs.0: 'v**': `**` must stand", id="ref-glob"),
        pytest.param({"refs": [1.0]}, "refs.0: ", id="ref-a-number"),
        pytest.param({"trust_strangers": "yes"}, "trust_strangers: ", id="trust-a-text"),
        pytest.param({"trust_strangers": 1}, "trust_strangers: ", id="trust-a-number"),
        pytest.param({"run": []}, "run: ", id="no-jobs"),
        pytest.param({"run": None}, "run: ", id="run-null"),
        pytest.param({"run": "python"}, "run: ", id="run-a-text"),
        pytest.param({"run": [SMALL] * 26}, "run: ", id="too-many-jobs"),
        pytest.param({"run": {"image": "i"}}, "run.0: `command` is missing", id="no-command"),
        pytest.param(
            {"run": {"command": ["c"]}}, "`uv` and `from_job`: here is none", id="no-image"
        ),
        pytest.param({"run": action(command=[])}, "`command` is missing", id="command-empty"),
        pytest.param({"run": action(command="ls")}, "run.0.command: ", id="command-a-text"),
        pytest.param({"run": action(command=[""])}, "command needs at least", id="word-empty"),
        pytest.param({"run": action(command=[1])}, "run.0.command.0: ", id="word-a-number"),
        pytest.param({"run": action(image="")}, "image is empty", id="image-empty"),
        pytest.param({"run": action(env={"AB": 1})}, "run.0.env.AB: ", id="env-a-number"),
        pytest.param({"run": action(env={"AB": True})}, "run.0.env.AB: ", id="env-a-bool"),
        pytest.param({"run": action(env={"A-B": "1"})}, "env name 'A-B'", id="env-name"),
        pytest.param({"run": action(secrets="HF_TOKEN")}, "run.0.secrets: ", id="secrets-a-text"),
        pytest.param({"run": action(secrets={"A": "b"})}, "run.0.secrets: ", id="secrets-values"),
        pytest.param({"run": action(secrets=["A B"])}, "secrets name 'A B'", id="secret-name"),
        pytest.param({"run": action(env={"AB": "a" * 140_000})}, "131,072", id="env-too-long"),
        pytest.param({"cases": [{"name": "a"}]}, "cases.0.fires: Field required", id="case-fires"),
        pytest.param({"cases": [{"fires": True}]}, "cases.0.name: Field required", id="case-name"),
        pytest.param(
            {"cases": [{"name": "a", "fires": "yes"}]}, "cases.0.fires: ", id="case-fires-a-text"
        ),
        pytest.param(
            {"cases": [{"name": "a", "fires": True, "event": []}]},
            "cases.0.event: ",
            id="case-list",
        ),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(given_parts: dict[str, Any], words: str) -> None:
    assert any(words in refusal for refusal in refusals(**given_parts))


@pytest.mark.parametrize("rule_id", ["a", "0", "-", "a-1", "a" * 63])
def test_an_id_of_a_rule(rule_id: str) -> None:
    assert make_rule(id=rule_id).id == rule_id


@pytest.mark.parametrize("word", [*EVENTS, *SCOPES])
def test_every_event_and_every_raw_scope_may_set_a_rule_off(word: str) -> None:
    assert make_rule(on=[word]).on == (word,)


@pytest.mark.parametrize("kind", ["model", "dataset", "space", "bucket", "kernel"])
def test_repos_of_any_known_type_may_be_named(kind: str) -> None:
    assert make_rule(repos=[f"{kind}:acme/*", f"!{kind}:acme/tmp"]).repos


@pytest.mark.parametrize("pattern", ["*:acme/*", "?odel:acme/m", "data*:acme/d", "!*:acme/tmp"])
def test_the_type_of_repos_may_be_a_glob(pattern: str) -> None:
    assert make_rule(repos=[pattern]).repos == (pattern,)


# -- what is watched --


@pytest.mark.parametrize(
    ("text", "expected", "is_owner"),
    [
        ("user:@me", Watch("user", "@me"), True),
        ("user:ada", Watch("user", "ada"), True),
        ("org:acme", Watch("org", "acme"), True),
        ("model:acme/m", Watch("model", "acme/m"), False),
        ("dataset:acme/d.v1_2", Watch("dataset", "acme/d.v1_2"), False),
        ("space:acme/s", Watch("space", "acme/s"), False),
        ("bucket:acme/b", Watch("bucket", "acme/b"), False),
        ("kernel:acme/k", Watch("kernel", "acme/k"), False),
    ],
)
def test_what_can_be_watched(text: str, expected: Watch, *, is_owner: bool) -> None:
    watch = parse_watch(text)
    assert watch == expected
    assert str(watch) == text
    assert watch.is_owner is is_owner


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("acme", "'acme' is not `type:name`", id="no-type"),
        pytest.param("", "'' is not `type:name`", id="empty"),
        pytest.param(5, "5 is not `type:name`", id="number"),
        pytest.param({"org": "acme"}, "is not `type:name`", id="object"),
        pytest.param("datset:a/b", "did you mean `dataset`?", id="misspelt"),
        pytest.param("repo:a/b", "'repo' cannot be watched", id="unknown"),
        pytest.param(":acme", "'' cannot be watched", id="type-empty"),
        pytest.param("org:", "'' is no name of a org", id="name-empty"),
        pytest.param("org:a/b", "'a/b' is no name of a org", id="owner-with-slash"),
        pytest.param("org:a b", "'a b' is no name of a org", id="owner-with-space"),
        pytest.param("org:acme\n", "is no name of a org", id="owner-with-newline"),
        pytest.param("org:@me", "'@me' is no name of a org", id="me-is-no-org"),
        pytest.param("user:@you", "'@you' is no name of a user", id="nobody"),
        pytest.param("model:acme", "write `model:owner/name`", id="repo-without-owner"),
        pytest.param("model:a/b/c", "'a/b/c' is no repo", id="repo-with-two-slashes"),
        pytest.param("model:a/", "'a/' is no repo", id="repo-without-name"),
        pytest.param("model:a/b:c", "'a/b:c' is no repo", id="repo-with-colon"),
    ],
)
def test_what_cannot_be_watched(text: object, words: str) -> None:
    (refusal,) = refusals(watch=[text])
    assert words in refusal


def delivery_on(kind: str, name: str) -> Delivery:
    event = {"scope": "repo", "action": "update"}
    body = json.dumps({"event": event, "repo": {"type": kind, "name": name}}).encode()
    delivery = read_delivery(body)
    assert isinstance(delivery, Delivery)
    return delivery


@pytest.mark.parametrize(
    ("watch", "kind", "name", "me", "expected"),
    [
        pytest.param("org:acme", "model", "acme/m", None, True, id="of-the-org"),
        pytest.param("org:acme", "model", "acme2/m", None, False, id="of-another-org"),
        pytest.param("org:acme", "model", "other/acme", None, False, id="named-like-the-org"),
        pytest.param("org:acme", "bucket", "acme/b", None, True, id="any-type"),
        pytest.param("user:ada", "model", "ada/m", "bob", True, id="of-a-user"),
        pytest.param("user:@me", "model", "ada/m", "ada", True, id="of-the-tokens-user"),
        pytest.param("user:@me", "model", "bob/m", "ada", False, id="of-somebody-else"),
        pytest.param("user:@me", "model", "ada/m", None, False, id="nobody-is-known"),
        pytest.param("user:@me", "model", "@me/m", None, False, id="somebody-called-me"),
        pytest.param("user:@me", "model", "None/m", None, False, id="somebody-called-none"),
        pytest.param("model:acme/m", "model", "acme/m", None, True, id="the-repo"),
        pytest.param("model:acme/m", "dataset", "acme/m", None, False, id="of-another-type"),
        pytest.param("model:acme/m", "model", "acme/mm", None, False, id="of-another-name"),
    ],
)
def test_a_watch_covers(
    watch: str, kind: str, name: str, me: str | None, *, expected: bool
) -> None:
    assert parse_watch(watch).covers(delivery_on(kind, name), me) is expected


# -- the job --


@pytest.mark.parametrize(
    ("written", "seconds"), [("2h", 7200), (90, 90), ("90", 90), ("1.5h", 5400), ("1d", 86400)]
)
def test_a_timeout_of_a_rule(written: str | int, seconds: int) -> None:
    assert make_rule(run=action(timeout=written)).run[0].timeout == seconds


@pytest.mark.parametrize("written", ["soon", "", 0, -1, "0s", "2 h", "9" * 20])
def test_a_timeout_that_is_no_time_is_refused(written: str | int) -> None:
    (refusal,) = refusals(run=action(timeout=written))
    assert refusal.startswith("run.0.timeout: timeout ")
    assert refusal.endswith("write seconds, or a number with s, m, h or d")


@pytest.mark.parametrize("written", [True, None, 1.5, [1], {"h": 2}], ids=repr)
def test_a_timeout_that_is_not_even_text_is_refused(written: object) -> None:
    (refusal,) = refusals(run=action(timeout=written))
    assert refusal == "run.0.timeout: Input should be a valid integer"


@pytest.mark.parametrize(
    "given_parts",
    [
        pytest.param({"image": "i:${{ repo.name }}"}, id="image"),
        pytest.param({"command": ["sh", "-c", "echo ${{ comment.content }}"]}, id="command"),
        pytest.param({"command": ["${{x}}"]}, id="command-first"),
        pytest.param({"flavor": "${{ repo.name }}"}, id="flavor"),
        pytest.param({"secrets": ["${{ repo.name }}"]}, id="secrets"),
        pytest.param({"args": ["--title", "${{ discussion.title }}"]}, id="args"),
        pytest.param({"namespace": "${{ repo.owner }}"}, id="namespace"),
        pytest.param({"resource_group_id": "${{ repo.id }}"}, id="resource-group"),
        pytest.param({"network": {"group": "${{ repo.owner }}"}}, id="network-group"),
        pytest.param({"network": {"group": "g", "aliases": ["${{x}}"]}}, id="network-alias"),
        *(
            pytest.param(
                {"volumes": [{"type": "model", "source": "a/b", "mountPath": "/m"} | {key: text}]},
                id=f"volumes-{key}",
            )
            for key, text in [
                ("source", "${{ repo.name }}"),
                ("mountPath", "/${{ repo.name }}"),
                ("revision", "${{ ref.newSha }}"),
                ("path", "x ${{"),
            ]
        ),
    ],
)
def test_a_template_is_refused_where_a_stranger_could_shape_the_job(
    given_parts: dict[str, Any],
) -> None:
    (refusal,) = refusals(run=action(**given_parts))
    assert "may stand in the values of `env` and `labels` only" in refusal
    assert "put it into `env`, or read it from WEBHOOK_PAYLOAD" in refusal


@pytest.mark.parametrize("text", ["$HOME", "${HOME}", "{{ x }}", "$({x})"])
def test_what_a_shell_reads_is_no_template(text: str) -> None:
    assert make_rule(run=action(command=["sh", "-c", text])).run[0].command[2] == text


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(TOKEN, id="token"),
        pytest.param(f"Bearer {TOKEN}", id="in-a-header"),
        pytest.param(f"https://u:{TOKEN}@huggingface.co", id="in-a-url"),
        pytest.param(f"a\nHF_TOKEN={TOKEN}\n", id="in-a-file"),
        pytest.param("hf_oauth_eyJhbGciOiJFZERTQSJ9.eyJzdWIi", id="oauth-token"),
    ],
)
def test_a_token_in_env_is_refused_and_not_repeated(value: str) -> None:
    (refusal,) = refusals(run=action(env={"AUTH": value}))
    assert "the value of AUTH looks like a token" in refusal
    assert value not in refusal


@pytest.mark.parametrize(
    "value", ["hf_transfer", "hf_hub_download", "hf_", "shf_" + "a" * 30, "HF_" + "A" * 30]
)
def test_what_only_begins_like_a_token_may_be_in_env(value: str) -> None:
    assert make_rule(run=action(env={"AUTH": value})).run[0].env == {"AUTH": value}


INJECTED = [
    "WEBHOOK_PAYLOAD",
    "WEBHOOK_SECRET",
    "WEBHOOK_X",
    "JOBHOOK_LAUNCH_ID",
    "JOBHOOK_RULE",
    "JOBHOOK_X",
]


@pytest.mark.parametrize("name", INJECTED)
def test_a_name_that_is_injected_may_not_be_in_env(name: str) -> None:
    (refusal,) = refusals(run=action(env={name: "x"}))
    assert f"env: {name}: names with WEBHOOK_ or JOBHOOK_ are injected" in refusal


@pytest.mark.parametrize("name", INJECTED)
def test_a_name_that_is_injected_may_not_be_a_secret(name: str) -> None:
    (refusal,) = refusals(run=action(secrets=[name]))
    assert "are injected" in refusal


@pytest.mark.parametrize("name", ["WEBHOOKS", "MY_WEBHOOK_URL", "webhook_url", "JOBHOOKS"])
def test_a_name_that_is_only_like_an_injected_one_may_be_in_env(name: str) -> None:
    assert make_rule(run=action(env={name: "x"})).run[0].env == {name: "x"}


def test_a_name_in_env_and_in_secrets_is_refused() -> None:
    (refusal,) = refusals(run=action(env={"HF_TOKEN": "x"}, secrets=["A", "HF_TOKEN"]))
    assert "HF_TOKEN stands in env and in secrets: keep one" in refusal


def test_a_secret_named_twice_is_handed_over_once() -> None:
    (only,) = make_rule(run=action(secrets=["A", "A"])).run
    assert only.spec({}).secrets == {"A": ""}


def test_25_jobs_may_be_launched() -> None:
    assert len(make_rule(run=[SMALL] * 25).run) == 25


# -- strangers (T16) --

SECRET_JOB = action(secrets=["HF_TOKEN", "OTHER"])


@pytest.mark.parametrize("event", [*sorted(STRANGERS_EVENTS), "discussion", "discussion.comment"])
def test_a_rule_that_strangers_set_off_hands_out_no_secrets(event: str) -> None:
    (refusal,) = refusals(on=["commit.pushed", event], run=[action(), SECRET_JOB])
    assert f"strangers can cause {event}, so this rule may not hand out HF_TOKEN, OTHER" in refusal
    assert make_rule(on=[event]).strangers_may_cause() == event
    assert make_rule(on=[event], run=SECRET_JOB, trust_strangers=True).trust_strangers


@pytest.mark.parametrize("event", sorted({*EVENTS, *SCOPES} - STRANGERS_EVENTS))
def test_a_rule_that_only_owners_set_off_may_hand_out_secrets(event: str) -> None:
    if not event.startswith("discussion"):
        rule = make_rule(on=[event], run=SECRET_JOB)
        assert rule.strangers_may_cause() is None


@pytest.mark.parametrize(
    "refs",
    [
        pytest.param(["refs/pr/*"], id="full"),
        pytest.param(["pr/*"], id="short"),
        pytest.param(["refs/pr/12"], id="one"),
        pytest.param(["pr/12"], id="one-short"),
        pytest.param(["refs/pr/1?"], id="some"),
        pytest.param(["refs/p?/12"], id="hidden-in-the-middle"),
        pytest.param(["refs/*/12"], id="hidden-by-a-star"),
        pytest.param(["*/*"], id="two-parts"),
        pytest.param(["refs/**"], id="all-refs"),
        pytest.param(["**"], id="all"),
        pytest.param(["pr/**"], id="below-pr"),
        pytest.param(["refs/pr/12/**"], id="one-and-below"),
        pytest.param(["pr/12/**"], id="one-and-below-short"),
        pytest.param(["**/12/**"], id="one-anywhere"),
        pytest.param(["main", "refs/pr/*"], id="beside-main"),
        pytest.param(["!main"], id="all-but-main"),
        pytest.param(["!dev", "!v*"], id="all-but-two"),
        pytest.param(["!refs/pr/1"], id="all-but-one-pr"),
        pytest.param(["!refs/pr/*", "refs/pr/2*"], id="a-pr-again"),
    ],
)
def test_raw_content_that_may_be_a_pull_request_hands_out_no_secrets(refs: list[str]) -> None:
    (refusal,) = refusals(on=["repo.content"], refs=refs, run=SECRET_JOB)
    assert "strangers can cause repo.content on pull requests" in refusal
    trusting = make_rule(on=["repo.content"], refs=refs, run=SECRET_JOB, trust_strangers=True)
    assert trusting.strangers_may_cause()


@pytest.mark.parametrize(
    "conditions",
    [
        pytest.param({"any": [{"refs": ["pr/*"]}, {"private": True}]}, id="any"),
        pytest.param({"not": {"refs": ["main"]}}, id="not"),
        pytest.param({"all": [{"any": [{"refs": ["main"]}]}]}, id="deep-within"),
    ],
)
def test_what_refs_within_other_conditions_come_to_is_not_guessed(
    conditions: dict[str, Any],
) -> None:
    (refusal,) = refusals(on=["repo.content/update"], run=SECRET_JOB, **conditions)
    assert "strangers can cause repo.content/update on pull requests" in refusal
    make_rule(on=["repo.content"], refs=["main"], run=SECRET_JOB, **conditions)


@pytest.mark.parametrize(
    "refs",
    [
        pytest.param(["main"], id="main"),
        pytest.param(["v*", "release/1.0"], id="short"),
        pytest.param(["refs/heads/**"], id="full"),
        pytest.param(["refs/tags/*", "!refs/tags/v0*"], id="tags"),
        pytest.param(["refs/convert/parquet"], id="conversions"),
        pytest.param(["*"], id="any-short-name-of-one-part"),
        pytest.param(["main", "!pr/*"], id="pull-requests-excluded"),
        pytest.param(["!pr/*", "!main"], id="only-exclusions-and-of-all-pull-requests"),
        pytest.param(["**/release/*"], id="too-many-parts-for-a-pull-request"),
        pytest.param(["refs/heads/**", "release/**"], id="below-a-name"),
    ],
)
def test_raw_content_of_other_refs_may_hand_out_secrets(refs: list[str]) -> None:
    rule = make_rule(on=["repo.content"], refs=refs, run=SECRET_JOB)
    assert rule.strangers_may_cause() is None


def test_raw_content_without_refs_is_of_branches_and_may_hand_out_secrets() -> None:
    assert make_rule(on=["repo.content"], run=SECRET_JOB).strangers_may_cause() is None


@given(
    st.lists(
        st.builds(
            lambda sign, parts: sign + "/".join(parts),
            st.sampled_from(["", "", "", "!"]),
            st.lists(
                st.sampled_from(["refs", "pr", "heads", "12", "*", "**", "?", "1*", "p?", "main"]),
                min_size=1,
                max_size=4,
            ),
        ),
        min_size=1,
        max_size=3,
    ),
    st.integers(1, 130),
)
def test_a_rule_with_secrets_never_allows_a_pull_requests_ref(refs: list[str], num: int) -> None:
    ref = f"refs/pr/{num}"
    try:
        make_rule(on=["repo.content"], refs=refs, run=SECRET_JOB)
    except ValidationError:
        return
    assert not GlobList(tuple(refs)).allows((ref, short_ref(ref)))


# -- about rules --


def test_a_fingerprint_is_that_of_all_the_rule_says() -> None:
    rule = make_rule()
    assert len(rule.fingerprint) == 64
    assert rule.fingerprint == make_rule().fingerprint
    others = [
        make_rule(description="x"),
        make_rule(watch=["org:acme2"]),
        make_rule(refs=["main"]),
        make_rule(run=action(timeout=1)),
        make_rule(run=action(secrets=["A"])),
        make_rule(cases=[{"name": "a", "fires": True}]),
    ]
    assert len({other.fingerprint for other in [rule, *others]}) == 7


def test_a_fingerprint_does_not_ask_how_a_rule_was_written() -> None:
    one = make_rule(run=action(timeout="2h", flavor="cpu-basic"))
    assert one.fingerprint == make_rule(run=[action(timeout=7200)]).fingerprint


def test_a_rule_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(make_rule(), "id", "other")  # noqa: B010 - the type checker would see it too


def test_the_secrets_that_rules_want() -> None:
    rules = (
        make_rule(id="a", run=[action(secrets=["A", "B"]), action(secrets=["C"])]),
        make_rule(id="b", run=action(secrets=["A"])),
        make_rule(id="c"),
    )
    assert RuleSet(rules).secret_names == {"A", "B", "C"}
    assert RuleSet().secret_names == frozenset()
    assert RuleSet(warnings=(Problem("a", 1, 1, "b"),)).rules == ()


def test_a_set_has_one_version_however_its_files_lie_and_another_when_a_rule_changes() -> None:
    one, two = make_rule(id="one"), make_rule(id="two")
    version = RuleSet((one, two)).version
    assert version == RuleSet((two, one), (Problem("a", 1, 1, "b"),)).version
    others = [(one,), (one, make_rule(id="three")), (one, make_rule(id="two", description="x"))]
    assert len({version, RuleSet().version, *(RuleSet(other).version for other in others)}) == 5


@pytest.mark.parametrize(
    ("word", "expected"),
    [("datset", "; did you mean `dataset`?"), ("zzz", ""), ("", "")],
)
def test_did_you_mean(word: str, expected: str) -> None:
    assert did_you_mean(word, iter(WATCH_TYPES)) == expected


# -- the schema --


def test_the_schema_knows_every_key_and_no_other() -> None:
    schema = rule_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(schema["properties"]) == {
        field.alias or name for name, field in Rule.model_fields.items()
    }
    assert set(schema["required"]) == {"id", "on", "run"}
    blocks = [schema, *schema["$defs"].values()]
    assert [block["additionalProperties"] for block in blocks] == [False] * 11
    assert all("description" in about for block in blocks for about in block["properties"].values())


def test_the_schema_offers_the_events_and_what_can_be_watched() -> None:
    properties = rule_schema()["properties"]
    assert properties["on"]["items"]["enum"] == [*EVENTS, *RAW]
    assert properties["watch"]["items"]["pattern"] == (
        "^(user|org|model|dataset|space|bucket|kernel):"
    )


def test_the_schema_takes_one_job_or_a_list() -> None:
    run = rule_schema()["properties"]["run"]
    one = {"$ref": "#/$defs/Action"}
    assert run["anyOf"] == [one, {"type": "array", "items": one, "minItems": 1, "maxItems": 25}]
    assert "type" not in run


def test_the_schema_takes_a_timeout_as_text_or_number() -> None:
    assert rule_schema()["$defs"]["Action"]["properties"]["timeout"]["type"] == [
        "string",
        "integer",
    ]
