"""Jobs: the wire's rules about a specification, and how long is `1.5h`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import make_spec
from jobhook.core.errors import UsageError
from jobhook.core.hardware import FLAVORS, JobHardware
from jobhook.core.jobs import (
    ENV_STRING_MAX_BYTES,
    JobSpec,
    JobStage,
    Volume,
)
from jobhook.core.timeouts import parse_timeout


def test_a_small_job_on_the_wire() -> None:
    assert make_spec().to_wire() == {
        "dockerImage": "python:3.12",
        "command": ["python", "-V"],
        "arguments": [],
        "environment": {},
        "flavor": "cpu-basic",
        "timeoutSeconds": 1800,
        "attempts": 1,
    }


def test_a_job_with_everything_on_the_wire() -> None:
    spec = make_spec(
        flavor="a10g-small",
        timeout=7200,
        env={"DATASET": "acme/corpus"},
        secrets={"HF_TOKEN": "hf_x"},
        labels={"team": "ml", "empty": ""},
    )
    assert spec.to_wire() == {
        "dockerImage": "python:3.12",
        "command": ["python", "-V"],
        "arguments": [],
        "environment": {"DATASET": "acme/corpus"},
        "flavor": "a10g-small",
        "timeoutSeconds": 7200,
        "attempts": 1,
        "secrets": {"HF_TOKEN": "hf_x"},
        "labels": {"team": "ml", "empty": ""},
    }


def test_the_wire_form_is_nobody_elses() -> None:
    spec = make_spec(env={"AB": "1"})
    spec.to_wire()["environment"]["AB"] = "2"
    assert spec.env == {"AB": "1"}


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("python:3.12", {"dockerImage": "python:3.12"}),
        ("ghcr.io/acme/train@sha256:ab", {"dockerImage": "ghcr.io/acme/train@sha256:ab"}),
        ("https://huggingface.co/spaces/acme/app", {"spaceId": "acme/app"}),
        ("https://hf.co/spaces/acme/app", {"spaceId": "acme/app"}),
        ("huggingface.co/spaces/acme/app", {"spaceId": "acme/app"}),
        ("hf.co/spaces/acme/app", {"spaceId": "acme/app"}),
        ("example.co/spaces/acme/app", {"dockerImage": "example.co/spaces/acme/app"}),
        ("spaces/acme/app", {"dockerImage": "spaces/acme/app"}),
        ("hf.co/acme/app", {"dockerImage": "hf.co/acme/app"}),
    ],
)
def test_an_image_is_one_of_docker_or_of_a_space(image: str, expected: dict[str, str]) -> None:
    body = make_spec(image=image).to_wire()
    assert {key: body[key] for key in ("dockerImage", "spaceId") if key in body} == expected


_ODD_VOLUMES: list[tuple[dict[str, Any], str]] = [
    ({"type": 5}, "volume type must be a text, not int"),
    ({"source": None}, "volume source must be a text, not NoneType"),
    ({"source": "\ud800"}, r"volume source '\ud800' may hold no"),
    ({"mount_path": b"/m"}, "volume mount_path must be a text, not bytes"),
    ({"revision": 5}, "volume revision must be a text, not int"),
    ({"path": ["x"]}, "volume path must be a text, not list"),
    ({"read_only": "no"}, "volume read_only must be True or False, not str"),
]


@pytest.mark.parametrize(
    ("given_parts", "words"),
    [
        pytest.param({"image": ""}, "image is empty", id="no-image"),
        pytest.param({"command": ()}, "command needs at least one word", id="no-command"),
        pytest.param({"command": ("a", "")}, "no word may be empty", id="empty-word"),
        pytest.param({"timeout": 0}, "timeout 0 must be at least 1 second", id="no-time"),
        pytest.param({"attempts": 0}, "attempts 0 must be at least 1", id="no-attempt"),
        pytest.param({"timeout": -1}, "timeout -1 must", id="less-than-no-time"),
        pytest.param({"env": {"A": "1"}}, "env name 'A'", id="env-of-one-letter"),
        pytest.param({"env": {"_AB": "1"}}, "env name '_AB'", id="env-starts-with-underscore"),
        pytest.param({"env": {"1AB": "1"}}, "env name '1AB'", id="env-starts-with-digit"),
        pytest.param({"env": {"A-B": "1"}}, "env name 'A-B'", id="env-with-dash"),
        pytest.param({"env": {"AB\n": "1"}}, r"env name 'AB\n'", id="env-ends-with-newline"),
        pytest.param({"env": {"ÄB": "1"}}, "env name 'ÄB'", id="env-not-ascii"),
        pytest.param({"env": {"": "1"}}, "env name ''", id="env-without-name"),
        pytest.param({"env": {"AB": "a\0"}}, "env AB holds a NUL", id="env-with-nul"),
        pytest.param({"env": {"AB": "\ud800"}}, "env AB", id="env-that-cannot-be-encoded"),
        pytest.param({"secrets": {"1A": ""}}, "secrets name '1A'", id="secret-with-digit"),
        pytest.param({"secrets": {"A B": ""}}, "secrets name 'A B'", id="secret-with-space"),
        pytest.param({"labels": {"": "a"}}, "label '=a'", id="label-without-key"),
        pytest.param({"labels": {"a b": "c"}}, "label 'a b=c'", id="label-with-space"),
        pytest.param({"labels": {"a": "b/c"}}, "label 'a=b/c'", id="label-with-slash"),
        pytest.param({"labels": {"a": "é"}}, "label 'a=é'", id="label-not-ascii"),
        pytest.param({"labels": {"a": "b\n"}}, r"label 'a=b\n'", id="label-ends-with-newline"),
        pytest.param({"labels": {"a" * 101: ""}}, "100 of each at most", id="label-key-long"),
        pytest.param({"labels": {"a": "b" * 101}}, "100 of each at most", id="label-value-long"),
        pytest.param(
            {"volumes": (Volume(type="kernel", source="a/b", mount_path="/m"),)},
            "volume type 'kernel': one of bucket",
            id="volume-of-another-type",
        ),
        pytest.param({"image": "a\0b"}, "no control characters", id="image-with-nul"),
        pytest.param({"image": "x" * 1001}, "1,000 characters at most", id="image-long"),
        pytest.param({"flavor": "\ud800"}, r"flavor '\ud800' may hold no", id="flavor-of-a-half"),
        pytest.param({"namespace": ".."}, "namespace '..' is no name", id="namespace-of-dots"),
        *(
            pytest.param(
                {"volumes": (Volume(**{"source": "a/b", "mount_path": "/m", **odd}),)}, words
            )
            for odd, words in _ODD_VOLUMES
        ),
        pytest.param({"expose": (10**5000,)}, "port <int> must be a number", id="port-huge"),
        pytest.param({"arch": "x86"}, "arch 'x86': one of amd64, arm64", id="arch"),
    ],
)
def test_a_job_that_the_hub_would_refuse_cannot_be_made(
    given_parts: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        make_spec(**given_parts)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "given_parts",
    [
        pytest.param({"env": {"Ab_1": ""}}, id="empty-env-value"),
        pytest.param({"env": {"AB": "鳥\U0001f426\n"}}, id="env-value-of-any-text"),
        pytest.param({"secrets": {"A": "x"}}, id="secret-of-one-letter"),
        pytest.param({"labels": {"A" * 100: "b" * 100}}, id="label-as-long-as-may-be"),
        pytest.param({"labels": {"a.b_c-1": "1.2_3-4"}}, id="label-of-all-that-may-be"),
        pytest.param({"flavor": "gb300x72"}, id="flavor-of-tomorrow"),
        pytest.param({"timeout": 1}, id="one-second"),
    ],
)
def test_a_job_that_the_hub_would_take_can_be_made(given_parts: dict[str, Any]) -> None:
    assert isinstance(make_spec(**given_parts), JobSpec)


@pytest.mark.parametrize("char", ["a", "é", "鳥", "\U0001f426"], ids=["1", "2", "3", "4"])
def test_a_variable_may_fill_what_linux_gives_it_to_the_byte(char: str) -> None:
    room = ENV_STRING_MAX_BYTES - len("NAME=\0")
    size = len(char.encode())
    full = char * (room // size) + "a" * (room % size)
    assert make_spec(env={"NAME": full}).env["NAME"] == full
    with pytest.raises(UsageError, match="env NAME holds a NUL or is over 131,072 bytes"):
        make_spec(env={"NAME": full + "a"})


def test_a_job_does_not_print_its_secrets() -> None:
    spec = make_spec(secrets={"HF_TOKEN": "hf_hidden"})
    assert "hf_hidden" not in repr(spec)


def test_a_refusal_does_not_print_secrets() -> None:
    with pytest.raises(UsageError) as caught:
        make_spec(secrets={"not a name": "hf_hidden"})
    assert "hf_hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (90, 90),
        ("90", 90),
        ("90s", 90),
        (" 5m ", 300),
        ("1.5h", 5400),
        ("2h", 7200),
        ("2d", 172_800),
        ("1.9", 1),
        ("0.5m", 30),
        ("0001s", 1),
    ],
)
def test_a_length_of_time(value: str | int, seconds: int) -> None:
    assert parse_timeout(value) == seconds


@pytest.mark.parametrize(
    "value",
    [
        0,
        -5,
        True,
        False,
        "",
        "0",
        "0.9s",
        "0d",
        "-1h",
        "+1h",
        "1 h",
        "1H",
        "1w",
        "h",
        "1h30m",
        "1e3",
        "1.h",
        ".5h",
        "1,5h",
        "nan",
        "inf",
        "0x10",
        "1_000",
        "9" * 17,
        "9" * 5000,
        pytest.param(10**16, id="int-of-17-digits"),
        pytest.param(10**5000, id="int-of-5001-digits"),
        pytest.param(True, id="a-flag"),
        pytest.param([10**5000], id="a-list"),
        pytest.param(None, id="none"),
    ],
)
def test_what_is_no_length_of_time(value: Any) -> None:
    with pytest.raises(UsageError, match=r"is no length of time: write seconds") as caught:
        parse_timeout(value)
    assert len(str(caught.value)) < 150


@given(st.text(st.sampled_from("0123456789. smhdSx-+e") | st.characters(), max_size=20))
def test_a_length_of_time_is_a_positive_integer_or_refused(value: str) -> None:
    try:
        assert parse_timeout(value) >= 1
    except UsageError as exc:
        assert "is no length of time" in str(exc)  # noqa: PT017 - any text may be either


@pytest.mark.parametrize(
    ("stage", "is_final"),
    [
        ("SCHEDULING", False),
        ("RUNNING", False),
        ("COMPLETED", True),
        ("ERROR", True),
        ("CANCELED", True),
        ("DELETED", True),
    ],
)
def test_a_final_stage(stage: str, *, is_final: bool) -> None:
    assert JobStage(stage).is_final is is_final


def test_there_are_no_other_stages_and_no_flavor_twice() -> None:
    assert len(JobStage) == 6
    assert len(set(FLAVORS)) == len(FLAVORS) == 26


@pytest.mark.parametrize(
    ("volume", "uri"),
    [
        pytest.param(Volume(source="acme/m", mount_path="/m"), "hf://models/acme/m:/m", id="model"),
        pytest.param(
            Volume(
                type="dataset",
                source="acme/d",
                mount_path="/d",
                revision="a/b",
                path="en",
                read_only=True,
            ),
            "hf://datasets/acme/d@a%2Fb/en:/d:ro",
            id="dataset",
        ),
        pytest.param(
            Volume(type="space", source="a/s", mount_path="/s", revision="refs/pr/1"),
            "hf://spaces/a/s@refs/pr/1:/s",
            id="special-ref",
        ),
        pytest.param(
            Volume(type="bucket", source="acme/b", mount_path="/b", read_only=False),
            "hf://buckets/acme/b:/b:rw",
            id="bucket",
        ),
    ],
)
def test_a_volume_as_the_command_line_writes_it(volume: Volume, uri: str) -> None:
    assert volume.to_uri() == uri


def test_what_is_left_to_the_hub_is_not_sent() -> None:
    spec = make_spec(timeout=None, attempts=None)
    assert not {"timeoutSeconds", "attempts"} & spec.to_wire().keys()
    assert spec.seconds == 1800


def test_every_flavor_has_a_price() -> None:
    assert set(FLAVORS) == set(JobHardware)
