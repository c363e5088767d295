"""What a rule may run: every field of a job, and one way to say what runs."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from factories import make_rule, make_spec
from jobhook.core.actions import Action, place_of
from jobhook.core.errors import UsageError
from jobhook.core.inlining import FILES_VARIABLE, LocalFile, inlined
from jobhook.core.jobs import JobSpec, Network, Volume
from jobhook.core.payloads import Payload
from jobhook.core.uv import SCRIPTS
from jobhook.core.uv_runs import UV_IMAGE

IMAGE = {"image": "python:3.12", "command": ["python"]}
VOLUME = {"type": "model", "source": "acme/m", "mountPath": "/m"}
SCRIPT = b"print('hello')\n"
GROUP = "0123456789abcdef01234567"


def make_action(**given: Any) -> Action:
    scripts = {"train.py": SCRIPT, "gone.py": UsageError("there is no file gone.py")}
    return Action.model_validate(given, context={SCRIPTS: scripts})


def refusal_of(**given: Any) -> str:
    """The one thing that is wrong, with its place."""
    with pytest.raises(ValidationError) as caught:
        make_action(**given)
    (error,) = caught.value.errors()
    return f"{'.'.join(map(str, error['loc']))}: {error['msg']}"


def spec_of(**given: Any) -> JobSpec:
    return make_action(**given).spec({})


@pytest.mark.parametrize(
    ("given_parts", "expected"),
    [
        pytest.param({"args": ["a", "${x}"]}, {"args": ("a", "${x}")}, id="args"),
        pytest.param({"labels": {"team": "ml"}}, {"labels": {"team": "ml"}}, id="labels"),
        pytest.param({"namespace": "acme"}, {"namespace": "acme"}, id="namespace"),
        pytest.param(
            {"volumes": [VOLUME]},
            {"volumes": (Volume(type="model", source="acme/m", mount_path="/m"),)},
            id="volume",
        ),
        pytest.param(
            {"volumes": [VOLUME | {"revision": "v1", "readOnly": True, "path": "a/b"}]},
            {
                "volumes": (
                    Volume(
                        type="model",
                        source="acme/m",
                        mount_path="/m",
                        revision="v1",
                        read_only=True,
                        path="a/b",
                    ),
                )
            },
            id="volume-with-all",
        ),
        pytest.param({"expose": [8080]}, {"expose": (8080,)}, id="expose"),
        pytest.param({"expose_public": [1, 65535]}, {"expose_public": (1, 65535)}, id="public"),
        pytest.param({"ssh": True}, {"ssh": True}, id="ssh"),
        pytest.param({"resource_group_id": GROUP}, {"resource_group_id": GROUP}, id="group"),
        pytest.param(
            {"network": {"group": "a-1", "aliases": ["db"]}},
            {"network": Network(group="a-1", aliases=("db",))},
            id="network",
        ),
        pytest.param({"arch": "arm64"}, {"arch": "arm64"}, id="arch"),
        pytest.param({"attempts": 1}, {}, id="attempts"),
    ],
)
def test_every_field_of_a_job_can_be_said(
    given_parts: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert spec_of(**IMAGE, **given_parts) == make_spec(command=("python",), **expected)


@pytest.mark.parametrize(
    ("given_parts", "words"),
    [
        pytest.param({"attempts": 2}, "attempts: is always 1: a job that", id="attempts"),
        pytest.param({"attempts": True}, "attempts: is always 1", id="attempts-true"),
        pytest.param({"labels": {"a b": "c"}}, "label 'a b=c': only letters", id="label-key"),
        pytest.param({"labels": {"a": "b c"}}, "label 'a=b c': only letters", id="label-value"),
        pytest.param(
            {"labels": {"jobhook-launch": "l1"}}, "jobhook finds its jobs", id="label-of-ours"
        ),
        pytest.param({"labels": {"a": "${{ x }}"}}, "labels.a: `${{ x }}` is no", id="label-word"),
        pytest.param({"env": {"AB": "${{ repo.nam }}"}}, "env.AB: ", id="env-word"),
        pytest.param({"namespace": "a/b"}, "namespace 'a/b' is no name", id="namespace"),
        pytest.param({"namespace": ""}, "namespace '' is no name", id="namespace-empty"),
        pytest.param({"volumes": [VOLUME | {"type": "kernel"}]}, "volumes.0.type", id="type"),
        pytest.param({"volumes": [VOLUME | {"mountPath": "m"}]}, "begins with `/`", id="path"),
        pytest.param({"volumes": [VOLUME | {"source": ""}]}, "needs a source", id="source"),
        pytest.param({"volumes": [VOLUME | {"mount_path": "/"}]}, "volumes.0.mount_path", id="key"),
        pytest.param({"expose": [0]}, "from 1 to 65535", id="port-0"),
        pytest.param({"expose": [65536]}, "from 1 to 65535", id="port-high"),
        pytest.param({"expose": ["80"]}, "expose.0: ", id="port-a-text"),
        pytest.param({"expose": list(range(1, 22))}, "20 ports at most", id="ports-many"),
        pytest.param(
            {"expose": list(range(1, 20)), "expose_public": [90, 91]}, "20 ports", id="ports-sum"
        ),
        pytest.param({"ssh": "yes"}, "ssh: ", id="ssh"),
        pytest.param({"resource_group_id": "x"}, "24 hexadecimal digits", id="group"),
        pytest.param({"network": {"group": "A"}}, "network group 'A': lower-case", id="network"),
        pytest.param(
            {"network": {"group": "a", "aliases": ["b" * 35]}}, "network alias ", id="alias"
        ),
        pytest.param({"network": {"aliases": ["a"]}}, "network.group: ", id="network-no-group"),
        pytest.param({"arch": "x86"}, "arch: ", id="arch"),
        pytest.param({"payload": "some"}, "payload: ", id="payload"),
        pytest.param({"command": ["a\0b"]}, "no NUL", id="nul"),
        pytest.param({"args": ["a\ud800b"]}, "half of a character", id="half-a-character"),
        pytest.param(
            {"command": ["hf", "--token", "hf_" + "a" * 30]}, "command.2: it holds what", id="token"
        ),
        pytest.param({"args": ["AKIAIOSFODNN7EXAMPLE"]}, "args.0: it holds what", id="args-token"),
        pytest.param({"env": {"AB": "x" * 131_080}}, "is over 131,072 bytes", id="env-long"),
    ],
)
def test_what_the_hub_would_refuse_is_refused_before(
    given_parts: dict[str, Any], words: str
) -> None:
    assert words in refusal_of(**IMAGE | given_parts)


@pytest.mark.parametrize(
    ("given_parts", "words"),
    [
        pytest.param({}, "`image`, `uv` and `from_job`: here is none", id="nothing"),
        pytest.param({"command": ["a"]}, "here is none", id="a-command-alone"),
        pytest.param(
            {**IMAGE, "uv": {"script": "train.py"}}, "here is `image` and `uv`", id="image-and-uv"
        ),
        pytest.param(
            {**IMAGE, "from_job": "j1"}, "here is `image` and `from_job`", id="image-and-job"
        ),
        pytest.param(
            {"uv": {"script": "train.py"}, "from_job": "j1"}, "`uv` and `from_job`", id="uv-and-job"
        ),
        pytest.param({"image": "a"}, "`command` is missing", id="no-command"),
        pytest.param({"image": "", "command": ["a"]}, "image is empty", id="image-empty"),
        pytest.param(
            {"uv": {"script": "train.py"}, "args": ["a"]}, "`uv.args` holds", id="args-of-a-script"
        ),
        pytest.param(
            {"from_job": "j1", "command": ["a"]}, "they are the job's own", id="command-of-a-job"
        ),
        pytest.param({"from_job": ""}, "from_job: '' is no job", id="job-empty"),
        pytest.param({"from_job": "a/b/c"}, "from_job: 'a/b/c' is no job", id="job-path"),
        pytest.param({"from_job": "/j1"}, "from_job: '/j1' is no job", id="job-no-namespace"),
        pytest.param({"from_job": "${{ repo.id }}"}, "in the values of `env`", id="job-template"),
    ],
)
def test_one_thing_is_said_to_run(given_parts: dict[str, Any], words: str) -> None:
    assert words in refusal_of(**given_parts)


# -- scripts --


def test_a_script_with_a_url_runs_as_the_official_client_has_it() -> None:
    uv = {
        "script": "https://acme.test/train.py",
        "args": ["--epochs", "3"],
        "dependencies": ["torch>=2", "trl"],
        "python": "3.11",
    }
    assert spec_of(uv=uv, env={"AB": "1"}) == make_spec(
        image=UV_IMAGE,
        command=(
            *("uv", "run", "--with", "torch>=2", "--with", "trl", "--python", "3.11"),
            *("https://acme.test/train.py", "--epochs", "3"),
        ),
        env={"AB": "1"},
    )


def test_a_script_beside_the_rules_travels_with_its_job() -> None:
    spec = spec_of(uv={"script": "train.py", "args": ["a b", "--"], "dependencies": ["trl"]})
    uv = ("uv", "run", "--with", "trl")
    assert (spec.command, spec.env) == inlined([*uv, LocalFile("train.py", SCRIPT), "a b", "--"])


def test_a_word_that_is_called_like_the_script_stays_a_word() -> None:
    spec = spec_of(uv={"script": "train.py", "args": ["train.py"]})
    assert (spec.command, spec.env) == inlined(
        ["uv", "run", LocalFile("train.py", SCRIPT), "train.py"]
    )


def test_what_the_script_says_is_nowhere_in_the_command() -> None:
    spec = spec_of(uv={"script": "train.py"})
    assert "hello" not in " ".join(spec.command)
    assert spec.command[2] == spec_of(uv={"script": "train.py", "python": "3.12"}).command[2]


def test_a_changed_script_is_a_changed_rule() -> None:
    run = {"uv": {"script": "train.py"}}
    first, same, other = (
        type(make_rule()).model_validate(
            {"id": "a", "on": ["commit.pushed"], "run": run},
            context={SCRIPTS: {"train.py": content}},
        )
        for content in (b"1", b"1", b"2")
    )
    assert first == same != other
    assert first.fingerprint == same.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("uv", "words"),
    [
        pytest.param({"script": "gone.py"}, "uv.script: there is no file gone.py", id="gone"),
        pytest.param({"script": "x.py"}, "uv.script: there is no file x.py in the", id="unread"),
        pytest.param({"script": "http://a/x.py"}, "must begin with https://", id="http"),
        pytest.param({"script": "hf://a/x.py"}, "must begin with https://", id="another-scheme"),
        pytest.param({"script": "train.sh"}, "a file that ends in .py", id="shell"),
        pytest.param({"script": ""}, "uv.script: ", id="empty"),
        pytest.param({}, "uv.script: ", id="none"),
        pytest.param({"script": "train.py", "python": "--x"}, "no version of Python", id="python"),
        pytest.param({"script": "train.py", "python": ""}, "no version of Python", id="no-python"),
        pytest.param({"script": "train.py", "dependencies": ["-r"]}, "no dependency", id="option"),
        pytest.param({"script": "train.py", "dependencies": [""]}, "no dependency", id="dep-empty"),
        pytest.param({"script": "train.py", "args": ["${{ x }}"]}, "uv.args.0: `${{", id="args"),
        pytest.param({"script": "${{ x }}"}, "uv.script: `${{ … }}` may stand", id="template"),
        pytest.param({"script": "train.py", "with": []}, "uv.with: Extra", id="key"),
        pytest.param({"script": "train.py", "args": ["hf_" + "a" * 30]}, "uv.args.0", id="token"),
        pytest.param({"script": "https://me:secret@a/x.py"}, "uv.script: it", id="url-token"),
    ],
)
def test_a_script_that_cannot_run_is_refused(uv: dict[str, Any], words: str) -> None:
    assert words in refusal_of(uv=uv)


def test_a_script_that_does_not_fit_one_variable_is_refused() -> None:
    scripts = {"noise.py": os.urandom(100_000)}
    with pytest.raises(ValidationError, match=r"noise\.py is too long to travel"):
        Action.model_validate({"uv": {"script": "noise.py"}}, context={SCRIPTS: scripts})


# -- jobs that are repeated --

SOURCE = make_spec(
    image="hf.co/spaces/acme/app",
    command=("python", "app.py"),
    args=("--fast",),
    flavor="a10g-small",
    timeout=7200,
    env={"AB": "1", "CD": "2", "WEBHOOK_PAYLOAD": "{}", "JOBHOOK_LAUNCH_ID": "l0"},
    secrets={"HF_TOKEN": ""},
    labels={"team": "ml", "name": "app", "jobhook-launch": "l0"},
    volumes=(Volume(type="model", source="a/b", mount_path="/m"),),
)


def test_a_job_is_repeated_without_its_secrets_and_volumes_and_what_we_gave_it() -> None:
    assert make_action(from_job="j1").spec({}, source=SOURCE) == make_spec(
        image="hf.co/spaces/acme/app",
        command=("python", "app.py"),
        args=("--fast",),
        flavor="a10g-small",
        timeout=7200,
        env={"AB": "1", "CD": "2"},
        labels={"team": "ml", "name": "app"},
    )


def test_a_job_that_carries_files_is_repeated_with_them() -> None:
    source = replace(SOURCE, env={FILES_VARIABLE: "1 x", "JOBHOOK_LAUNCH_ID": "l0"})
    spec = make_action(from_job="j1").spec({}, source=source)
    assert spec.env == {FILES_VARIABLE: "1 x"}


def test_what_the_rule_says_goes_before_what_the_job_had() -> None:
    action = make_action(
        from_job="acme/j1",
        flavor="cpu-basic",
        timeout="30m",
        env={"AB": "${{ repo.name }}"},
        labels={"team": "ops"},
        secrets=["HF_TOKEN"],
        volumes=[VOLUME],
    )
    spec = action.spec({"repo": {"name": "a/b"}}, source=SOURCE)
    assert (spec.flavor, spec.timeout) == ("cpu-basic", 1800)
    assert spec.env == {"AB": "a/b", "CD": "2"}
    assert spec.labels == {"team": "ops", "name": "app"}
    assert spec.secrets == {"HF_TOKEN": ""}
    assert [volume.source for volume in spec.volumes] == ["acme/m"]


def test_what_the_rule_hands_over_as_a_secret_is_not_kept_for_all_to_read() -> None:
    spec = make_action(from_job="j1", secrets=["CD"]).spec({}, source=SOURCE)
    assert (spec.env, spec.secrets) == ({"AB": "1"}, {"CD": ""})


def test_a_job_that_is_not_known_cannot_be_repeated() -> None:
    with pytest.raises(UsageError, match="job j1 is not known"):
        make_action(from_job="j1").spec({})


@pytest.mark.parametrize(
    ("source", "place"), [("j1", ("own", "j1")), ("acme/j1", ("acme", "j1"))], ids=["bare", "full"]
)
def test_a_repeated_job_is_in_our_namespace_unless_it_says_another(
    source: str, place: tuple[str, str]
) -> None:
    assert make_action(from_job=source).source_job == source
    assert make_action(**IMAGE).source_job is None
    assert place_of(source, "own") == place


# -- the payload, and trust --


@pytest.mark.parametrize("word", ["full", "minimal", "none"])
def test_how_much_of_the_payload_a_job_gets(word: str) -> None:
    assert make_action(**IMAGE, payload=word).payload == Payload(word)
    assert make_action(**IMAGE).payload == Payload.FULL


def test_the_webhooks_secret_is_a_secret_like_others() -> None:
    rule = make_rule(pass_webhook_secret=True, run={**IMAGE, "secrets": ["A"]})
    assert rule.secret_names == ("WEBHOOK_SECRET", "A")


@pytest.mark.parametrize("on", ["pr.opened", "comment.created", "discussion"])
def test_strangers_are_not_handed_the_webhooks_secret(on: str) -> None:
    with pytest.raises(ValidationError, match="may not hand out WEBHOOK_SECRET"):
        make_rule(on=[on], pass_webhook_secret=True)
    trusting = make_rule(on=[on], pass_webhook_secret=True, trust_strangers=True)
    assert trusting.secret_names == ("WEBHOOK_SECRET",)
