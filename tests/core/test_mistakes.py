"""What is wrong with a rule is told all at once, in the words of someone who writes YAML."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobhook.core.actions import Action
from jobhook.core.codes import CODES
from jobhook.core.contradictions import contradictions
from jobhook.core.examples import Case
from jobhook.core.mistakes import read_rule
from jobhook.core.rules import Rule
from jobhook.core.wording import Mistake

JOB: dict[str, Any] = {"image": "python:3.12", "command": ["python"]}
RULE: dict[str, Any] = {"id": "a", "on": ["commit.pushed"], "run": JOB}
TOKEN = "hf_" + "aB3" * 11


def mistakes(value: Any) -> list[Mistake]:
    found = read_rule(value)
    assert isinstance(found, tuple)
    return list(found)


def job(**given: Any) -> dict[str, Any]:
    return {"run": JOB | given}


def test_a_rule_without_a_mistake_is_read() -> None:
    assert isinstance(read_rule(RULE), Rule)


@pytest.mark.parametrize(
    ("parts", "code", "sentence"),
    [
        # keys
        pytest.param({"nope": 1}, "unknown-key", "there is no key `nope` here", id="key"),
        pytest.param(
            {"tittles": 1},
            "unknown-key",
            "there is no key `tittles` here; did you mean `titles`?",
            id="key-misspelt",
        ),
        pytest.param(
            {"Private": True},
            "unknown-key",
            "there is no key `Private` here; did you mean `private`?",
            id="key-in-capitals",
        ),
        pytest.param(
            {"x" * 100: 1}, "unknown-key", f"there is no key `{'x' * 60}…` here", id="long-key"
        ),
        pytest.param(
            {"branches": ["main"]},
            "unknown-key",
            "there is no key `branches` here: write `refs`, a list: `refs: [main]`",
            id="branches",
        ),
        pytest.param(
            {"repo": "acme/x"},
            "unknown-key",
            'there is no key `repo` here: write `repos`, a list: `repos: ["dataset:acme/*"]`',
            id="repo",
        ),
        pytest.param(
            {"schedule": "0 * * * *"},
            "unknown-key",
            "there is no key `schedule` here: a rule has no schedule, it answers events: for a "
            "clock there are the Hub's own schedules",
            id="schedule",
        ),
        pytest.param(
            {"any": [{"branch": "main"}]},
            "unknown-key",
            "there is no key `branch` here: write `refs`, a list: `refs: [main]`",
            id="key-within-any",
        ),
        pytest.param(
            {"comment": {"matches": "x", "prefix": "/x"}},
            "unknown-key",
            "there is no key `prefix` here: write `starts_with`: `comment: {starts_with:",
            id="key-of-a-comment",
        ),
        pytest.param(
            {"cases": [{"name": "x", "fires": True, "payload": {}}]},
            "unknown-key",
            "there is no key `payload` here: write `event`",
            id="key-of-a-case",
        ),
        pytest.param(
            job(gpu="a10g"),
            "unknown-key",
            "there is no key `gpu` here: the hardware is a `flavor`, as in `flavor: a10g-small`",
            id="key-of-a-job",
        ),
        pytest.param(
            job(steps=[]),
            "unknown-key",
            "there is no key `steps` here: a job has no steps: `command` is one command, as in "
            "`command: [python, train.py]`",
            id="steps",
        ),
        pytest.param(
            {"debounce": {}},
            "reserved-key",
            "`debounce` is a word of the language that this version cannot carry out yet: "
            "remove it",
            id="reserved",
        ),
        # events
        pytest.param(
            {"on": ["comit.pushed"]},
            "unknown-event",
            "`on`: there is no event 'comit.pushed'; did you mean `commit.pushed`?",
            id="event-misspelt",
        ),
        pytest.param(
            {"on": ["push"]},
            "unknown-event",
            "`on`: there is no event 'push': write `commit.pushed`",
            id="push",
        ),
        pytest.param(
            {"on": ["commit"]},
            "unknown-event",
            "`on`: there is no event 'commit': write `commit.pushed`",
            id="commit",
        ),
        pytest.param(
            {"on": ["workflow_dispatch"]},
            "unknown-event",
            "`on`: there is no event 'workflow_dispatch': a rule has no schedule, it answers "
            "events: for a clock there are the Hub's own schedules",
            id="event-of-a-clock",
        ),
        pytest.param(
            {"on": ["zzz"]}, "unknown-event", "`on`: there is no event 'zzz'", id="event-unknown"
        ),
        # kinds of values
        pytest.param(
            {"on": "push"}, "bad-type", "`on` must be a list: [commit.pushed]", id="on-a-text"
        ),
        pytest.param(
            {"on": {"push": {"branches": ["main"]}}},
            "bad-type",
            "`on` must be a list of events, as in `on: [commit.pushed]`; branches go into `refs`, "
            "as in `refs: [main]`",
            id="on-of-github-actions",
        ),
        pytest.param(
            {"watch": "org:acme"},
            "bad-type",
            '`watch` must be a list: ["org:acme"]',
            id="watch-a-text",
        ),
        pytest.param(
            {"refs": "main"}, "bad-type", "`refs` must be a list: [main]", id="refs-a-text"
        ),
        pytest.param(
            {"refs": [1.0]},
            "bad-type",
            '`refs` must be text; put it in quotes: "1.0"',
            id="ref-a-number",
        ),
        pytest.param(
            {"refs": ["main", True]},
            "bad-type",
            '`refs` must be text; put it in quotes: "true"',
            id="ref-a-truth-value",
        ),
        pytest.param(
            {"refs": [[]]},
            "bad-type",
            '`refs` must be text; put it in quotes: "…"',
            id="ref-a-list",
        ),
        pytest.param(
            {"run": {"image": "x"}},
            "missing-key",
            "`command` is missing: write, for instance, `command: [python, train.py]`",
            id="command-missing",
        ),
        pytest.param(
            {"cases": [{"name": "x", "fires": True, "commit": {}}]},
            "missing-key",
            "`message` is missing",
            id="message-missing",
        ),
        pytest.param({"refs": []}, "empty-value", "`refs` needs at least one item", id="no-refs"),
        pytest.param(
            {"refs": None},
            "empty-value",
            "`refs` is empty: remove it, or say what it wants",
            id="refs-without-a-value",
        ),
        pytest.param(
            {"private": "Yes"},
            "bad-type",
            "`private` must be true or false; write `private: true`",
            id="private-a-word",
        ),
        pytest.param(
            {"private": 1}, "bad-type", "`private` must be true or false", id="private-a-number"
        ),
        pytest.param(
            {"any": {"refs": ["main"]}},
            "bad-type",
            "`any` must be a list, with a `-` before each condition, as in `any: [{refs: [main]}]`",
            id="any-a-block",
        ),
        pytest.param(
            {"not": [{"refs": ["main"]}]},
            "bad-type",
            "`not` must be a block of `key: value` lines",
            id="not-a-list",
        ),
        pytest.param(
            {"if": True},
            "bad-type",
            "`if` must be an expression in text, such as `repo.private == false`",
            id="if-a-truth-value",
        ),
        pytest.param(
            {"run": "python train.py"},
            "bad-type",
            "`run` must be a job, as in `run: {image: python:3.12, command: [python, train.py]}`",
            id="run-a-text",
        ),
        pytest.param(
            {"run": ["python"]},
            "bad-type",
            "`run` must be a job, as in `run: {image: python:3.12, command: [python, train.py]}`",
            id="run-a-list-of-texts",
        ),
        pytest.param(
            {"run": [JOB] * 26}, "too-many", "`run` has too many items", id="too-many-jobs"
        ),
        pytest.param(
            job(command='python train.py --name "a b"'),
            "bad-type",
            '`run.command` must be a list, word by word: [python, train.py, "--name", "a b"]',
            id="command-a-text",
        ),
        pytest.param(
            job(command="python train.py ${{ repo.name }}"),
            "bad-type",
            "`run.command` must be a list, word by word, and no template may stand in it: put that "
            "into `env`, as in `command: [sh, -c, 'echo \"$REPO\"']` and "
            '`env: {REPO: "${{ repo.name }}"}`',
            id="command-a-text-with-a-template",
        ),
        pytest.param(
            job(command="it's"),
            "bad-type",
            '`run.command` must be a list, word by word: ["it\'s"]',
            id="command-that-no-shell-reads",
        ),
        pytest.param(
            job(secrets={"HF_TOKEN": "x"}),
            "bad-type",
            "`run.secrets` must be a list of names, as in `secrets: [HF_TOKEN]`: the service has "
            "the values",
            id="secrets-a-block",
        ),
        pytest.param(
            job(env=["A=1"]),
            "bad-type",
            '`run.env` must be a block, as in `env: {EPOCHS: "3"}`',
            id="env-a-list",
        ),
        pytest.param(
            job(env={"EPOCHS": 3}),
            "bad-type",
            '`run.env.EPOCHS` must be text; put it in quotes: "3"',
            id="env-a-number",
        ),
        pytest.param(
            job(timeout=1.5),
            "bad-type",
            "`run.timeout` must be a length of time such as 30m",
            id="timeout-a-fraction",
        ),
        pytest.param(
            job(timeout="2 hours"),
            "bad-timeout",
            "`run.timeout`: timeout '2 hours' is no length of time: write seconds, or a number "
            "with s, m, h or d",
            id="timeout",
        ),
        pytest.param(
            {"id": "Retrain"},
            "bad-id",
            "`id` 'Retrain' must be lower-case letters, digits and `-`, 63 at most",
            id="id",
        ),
        pytest.param(
            {"cases": [{"name": "x", "fires": True, "files": [{"path": "a", "size": "b"}]}]},
            "bad-type",
            "`cases.files.size` must be a whole number",
            id="size-of-a-file",
        ),
        pytest.param(
            {"cases": [{"name": "x", "fires": True, "files": [{"path": "a", "size": -1}]}]},
            "bad-value",
            "`cases.files.size` input should be greater than or equal to 0",
            id="what-has-no-sentence-of-its-own",
        ),
        pytest.param(
            {"verify": "yes"},
            "bad-value",
            "`verify` must be 'hub' or 'off'",
            id="one-of-some-words",
        ),
        # values
        pytest.param(
            {"watch": ["acme"]},
            "bad-watch",
            "`watch`: 'acme' is not `type:name`: write, for instance, `user:@me` or `org:acme`",
            id="watch",
        ),
        pytest.param(
            {"repos": ["datasets:acme/*"]},
            "unknown-repo-type",
            "`repos`: 'datasets' is no type of repo; did you mean `dataset`?",
            id="repo-type",
        ),
        pytest.param(
            {"repos": ["!org:acme/*"]},
            "unknown-repo-type",
            "`repos`: 'org' is no type of repo: for all repos of an owner write `*:owner/*`",
            id="repos-of-an-owner",
        ),
        pytest.param(
            {"repos": ["acme/*"]},
            "bad-pattern",
            "`repos`: 'acme/*' names no type: write `dataset:owner/name`, or `*:owner/name` for "
            "any",
            id="repos-without-a-type",
        ),
        pytest.param(
            {"refs": ["v**"]},
            "bad-pattern",
            "`refs`: 'v**': `**` must stand alone between slashes, as in `data/**/*.csv`",
            id="pattern",
        ),
        pytest.param({"titles": [""]}, "bad-pattern", "1 to 512 characters", id="title"),
        pytest.param(
            {"watch": [{"org": "acme"}]},
            "bad-watch",
            '`watch`: must be text; put it in quotes: "org:acme"',
            id="watch-with-a-space",
        ),
        pytest.param(
            {"repos": [{"dataset": "acme/*"}]},
            "bad-type",
            '`repos` must be text; put it in quotes: "dataset:acme/*"',
            id="repos-with-a-space",
        ),
        pytest.param(
            {"comment": "/x"},
            "bad-type",
            "`comment` must be a block, as in `comment: {starts_with: /retrain}`",
            id="comment-a-text",
        ),
        # expressions
        pytest.param(
            {"if": "repo.privat"},
            "bad-expression",
            "`if`: undefined field 'privat' not found in struct 'repo'; did you mean `private`?",
            id="field-misspelt",
        ),
        pytest.param(
            {"if": "rep.private"}, "bad-expression", "; did you mean `repo`?", id="name-misspelt"
        ),
        pytest.param(
            {"if": "${{ repo.private }}"},
            "bad-expression",
            "; write the expression alone, without `${{ }}`",
            id="expression-in-braces",
        ),
        pytest.param(
            {"if": "repo.private and true"},
            "bad-expression",
            "; write `&&` for and, `||` for or, `!` for not",
            id="and",
        ),
        pytest.param(
            {"if": "repo.private = true"}, "bad-expression", "; compare with `==`", id="equals"
        ),
        pytest.param(
            {"if": "repo.name"},
            "bad-expression",
            "`if`: it gives string, and not true or false",
            id="no-truth-value",
        ),
        pytest.param(
            {"comment": {"matches": "a("}},
            "bad-expression",
            "`comment.matches`: invalid regular expression",
            id="regular-expression",
        ),
        # jobs
        pytest.param(
            job(command=["a", "${{ repo.name }}"]),
            "template",
            "`run.command`: `${{ … }}` may stand",
            id="template",
        ),
        pytest.param(
            job(env={"WEBHOOK_X": "a"}), "reserved-name", "are injected", id="injected-name"
        ),
        pytest.param(
            job(env={"AB": "x"}, secrets=["AB"]), "reserved-name", "keep one", id="name-in-both"
        ),
        pytest.param(
            job(env={"AB": TOKEN}), "secret-in-env", "hand it over in `secrets`", id="token"
        ),
        pytest.param(
            job(command=["curl", f"hf:{TOKEN}"]), "secret-in-env", "looks like a token", id="word"
        ),
        pytest.param(
            job(uv={"script": "https://x/a.py"}), "bad-job", "exactly one of", id="two-ways"
        ),
        pytest.param({"run": {"uv": {"script": "a.sh"}}}, "bad-script", "ends in .py", id="script"),
        pytest.param(
            {"run": {"uv": {"script": "https://x/a.py", "packages": []}}},
            "unknown-key",
            "there is no key `packages` here",
            id="key-of-uv",
        ),
        pytest.param(
            {"run": {"command": ["x"], "from_job": "a"}}, "bad-job", "the job's own", id="no-image"
        ),
        pytest.param({"run": {}}, "missing-key", "here is none", id="nothing-to-run"),
        pytest.param(job(labels={"jobhook-x": "a"}), "reserved-name", "labels with", id="label"),
        pytest.param(
            job(env={"AB": "${{ repo.nam }}"}), "template", "did you mean `repo.name`?", id="name"
        ),
        pytest.param(job(attempts=2), "bad-value", "is always 1", id="attempts"),
        pytest.param(job(env={"A-B": "x"}), "bad-job", "env name 'A-B'", id="name-of-env"),
        pytest.param(
            {"on": ["pr.opened"], **job(secrets=["A"])},
            "secrets-to-strangers",
            "strangers can cause pr.opened",
            id="strangers",
        ),
    ],
)
def test_a_mistake_has_a_code_and_a_sentence(
    parts: dict[str, Any], code: str, sentence: str
) -> None:
    (mistake,) = mistakes(RULE | parts)
    assert mistake.code == code
    assert sentence in mistake.message
    assert not sentence.startswith("`") or mistake.message.startswith(sentence)


@pytest.mark.parametrize("value", [None, [], "a", 1], ids=repr)
def test_what_is_no_block_is_no_rule(value: Any) -> None:
    assert mistakes(value) == [
        Mistake(
            (),
            "no-rule",
            "the file holds no rule: it must be a block of `key: value` lines",
        )
    ]


def told(value: Any) -> list[tuple[str, str]]:
    return [(".".join(map(str, each.keys)), each.code) for each in mistakes(value)]


def test_what_is_wrong_with_several_parts_is_told_at_once() -> None:
    rule = {
        "id": "a",
        "on": ["nope", "commit.pushed", "nor"],
        "refs": None,
        "repos": ["x", "model:a/b"],
        "watch": ["acme"],
        "any": [{"refs": []}, 5],
        "comment": {"starts_with": [1], "matches": "a("},
        "run": [
            {"image": "x"},
            {"image": "x", "command": ["a", 3], "env": {"WEBHOOK_A": "x", "JOBHOOK_B": "y"}},
            7,
        ],
        "cases": [{"name": "x"}, "x"],
    }
    assert sorted(told(rule)) == sorted(
        [
            ("on.0", "unknown-event"),
            ("on.2", "unknown-event"),
            ("refs", "empty-value"),
            ("repos.0", "bad-pattern"),
            ("watch.0", "bad-watch"),
            ("any.0.refs", "empty-value"),
            ("any.1", "bad-type"),
            ("comment.starts_with.0", "bad-type"),
            ("comment.matches", "bad-expression"),
            ("run.0", "missing-key"),
            ("run.1.command.1", "bad-type"),
            ("run.1.env.WEBHOOK_A", "reserved-name"),
            ("run.1.env.JOBHOOK_B", "reserved-name"),
            ("run.2", "bad-type"),
            ("cases.0", "missing-key"),
            ("cases.1", "bad-type"),
        ]
    )


def test_what_a_wrong_key_hides_is_told_as_well() -> None:
    rule = RULE | {"on": ["pr.opened", "nope"], "x": 1} | job(secrets=["A"], timeout="soon")
    assert sorted(told(rule)) == [
        ("on.1", "unknown-event"),
        ("run.0.secrets", "secrets-to-strangers"),
        ("run.0.timeout", "bad-timeout"),
        ("x", "unknown-key"),
    ]


def test_every_name_that_is_taken_is_told() -> None:
    rule = RULE | job(env={"AB": "x", "WEBHOOK_A": "y"}, secrets=["JOBHOOK_C", "AB"])
    assert sorted(told(rule)) == [
        ("run.0.env.AB", "reserved-name"),
        ("run.0.env.WEBHOOK_A", "reserved-name"),
        ("run.0.secrets.0", "reserved-name"),
    ]


def test_a_part_that_cannot_be_left_out_hides_nothing() -> None:
    rule = {"on": 5, "run": {"image": 3, "command": 4, "env": {"WEBHOOK_A": "x"}}}
    assert sorted(told(rule)) == [
        ("", "missing-key"),
        ("on", "bad-type"),
        ("run.0.command", "bad-type"),
        ("run.0.env.WEBHOOK_A", "reserved-name"),
        ("run.0.image", "bad-type"),
    ]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        pytest.param(
            {"id": "a", "event": ["push"], "run": JOB}, [("event", "unknown-key")], id="on"
        ),
        pytest.param(
            {"name": "a", "on": ["commit.pushed"], "run": JOB}, [("name", "unknown-key")], id="id"
        ),
        pytest.param(
            RULE | {"run": {"image": "a", "cmd": ["x"]}},
            [("run.0.cmd", "unknown-key")],
            id="command",
        ),
        pytest.param(
            RULE | {"comment": {"startswith": "/x"}},
            [("comment.startswith", "unknown-key")],
            id="says-something",
        ),
        pytest.param(
            {"id": "a", "nope": 1, "run": JOB},
            [("", "missing-key"), ("nope", "unknown-key")],
            id="something-else",
        ),
    ],
)
def test_a_key_that_is_only_misnamed_is_not_told_to_be_missing(
    rule: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert sorted(told(rule)) == expected


def test_a_place_within_a_text_is_told() -> None:
    (mistake,) = mistakes(RULE | {"if": "true &&\n repo.privat"})
    assert mistake.within == (2, 6)


def test_looking_again_has_an_end() -> None:
    names = {f"WEBHOOK_{number}": "x" for number in range(500)}
    assert len(mistakes(RULE | job(env=names))) == 20


WORDS = [*Rule.model_fields, "not", "if", *Action.model_fields, *Case.model_fields, "starts_with"]
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "main", "commit.pushed", "model:a/b", "!**", "true", "${{", "2h", TOKEN])
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(parts=st.dictionaries(st.sampled_from(WORDS), ANYTHING, max_size=6), whole=st.booleans())
def test_whatever_stands_in_a_file_is_a_rule_or_told(parts: Any, *, whole: bool) -> None:
    found = read_rule((RULE if whole else {}) | parts)
    if isinstance(found, tuple):
        assert found
        assert all(mistake.code in CODES and mistake.message for mistake in found)
    else:
        assert isinstance(list(contradictions(found)), list)


def test_of_very_many_mistakes_the_first_are_told() -> None:
    found = read_rule({f"k{number}": 1 for number in range(5_000)})
    assert isinstance(found, tuple)
    assert len(found) == 200
