"""The table of a script that says how to run it: read as `hf jobs uv run` reads it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from huggingface_hub.cli._uv_script_header import _extract_pep_723_block, parse_uv_script_header
from huggingface_hub.errors import CLIError
from hypothesis import given, settings
from hypothesis import strategies as st

from jobhook.core.errors import UsageError
from jobhook.core.script_headers import KEYS, ScriptHeader, _block, read_header

ALL = """\
dependencies = ["torch"]
[tool.uv]
a = 1
[tool.hf-jobs]
image = "acme/image"
flavor = "t4-small"
python = "3.12"
timeout = "1.5h"
name = "tränken"
namespace = "acme"
network_group = "g"
env = { AB = "1", CD = "" }
secrets = ["HF_TOKEN"]
labels = { team = "ml" }
volumes = ["hf://buckets/acme/b:/b"]
network_aliases = ["db"]
"""


def script_with(toml: str, *, end: str = "\n") -> bytes:
    block = "".join(f"# {line}".rstrip() + end for line in toml.splitlines())
    return f"# /// script{end}{block}# ///{end}print(1){end}".encode()


def table(toml: str) -> bytes:
    return script_with(f"[tool.hf-jobs]\n{toml}")


def refusal_of(script: bytes) -> str:
    with pytest.raises(UsageError) as caught:
        read_header(script, "train.py")
    return str(caught.value)


def as_official(script: bytes) -> ScriptHeader:
    theirs = parse_uv_script_header(script.decode())
    told = {} if theirs is None else asdict(theirs)
    ours: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in told.items()}
    return ScriptHeader(**ours)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(script_with(ALL), id="every-key"),
        pytest.param(script_with(ALL, end="\r\n"), id="windows"),
        pytest.param(script_with(ALL, end="\r"), id="old-mac"),
        pytest.param(b"#!/usr/bin/env python\n\n" + table('image = "a"'), id="after-other-lines"),
        pytest.param(table('image = "a"').removesuffix(b"\nprint(1)\n"), id="nothing-after"),
        pytest.param(table("timeout = 90"), id="timeout-in-seconds"),
        pytest.param(table('name = "a"\nlabels = {name = "b"}'), id="name-twice"),
        pytest.param(table(""), id="table-empty"),
        pytest.param(table('image = "a"') + table('image = "b"'), id="two-blocks"),
        pytest.param(b"# /// other\n# x\n# ///\n" + table('image = "a"'), id="another-block"),
        pytest.param(script_with("tool = {hf-jobs = {image = 'a'}}"), id="inline"),
        pytest.param(script_with('dependencies = ["torch"]'), id="no-table"),
        pytest.param(script_with("this is [no TOML"), id="not-ours-to-judge"),
        pytest.param(b"# /// script\n# [tool.hf-jobs]\nprint(1)\n", id="never-closed"),
        pytest.param(b"# /// script\n# ///\n", id="nothing-within"),
        pytest.param(b"# /// script\n# ///\n\n" + table('image = "a"'), id="nothing-within-one"),
        pytest.param(b"print(1)\n", id="no-block"),
        pytest.param(b"", id="empty"),
    ],
)
def test_a_header_is_read_as_the_official_client_reads_it(script: bytes) -> None:
    assert read_header(script, "train.py") == as_official(script)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        pytest.param(table('flavour = "a"'), "no key 'flavour'; did you mean `flavor`?", id="key"),
        pytest.param(table("flavour = 1"), "it knows image, flavor, python", id="known-keys"),
        pytest.param(table("image = 1"), "`image` in [tool.hf-jobs] must be a text", id="image"),
        pytest.param(table("python = 3.12"), "a text, and is a number", id="python"),
        pytest.param(table("name = true"), "a text, and is true or false", id="name"),
        pytest.param(table("flavor = 2020-01-01"), "a text, and is a time or date", id="flavor"),
        pytest.param(table("timeout = 1.5"), 'such as "30m", or a whole', id="timeout"),
        pytest.param(table("timeout = true"), "seconds, and is true or false", id="timeout-true"),
        pytest.param(table("env = ['A']"), "a table of texts, and is a list", id="env"),
        pytest.param(table("env = {AB = 1}"), "`env.AB` in [tool.hf-jobs] must", id="env-value"),
        pytest.param(table("labels.a.b = 'c'"), "`labels.a` in", id="label"),
        pytest.param(table("secrets = 'A'"), "a list of texts, and is a text", id="secrets"),
        pytest.param(table("secrets = {A = 'hush'}"), "a list of names, without", id="values"),
        pytest.param(table("volumes = ['a', {}]"), "`volumes[1]` in", id="volume"),
        pytest.param(table("network_aliases = 'a'"), "a list of texts", id="aliases"),
        pytest.param(script_with("[tool]\nhf-jobs = 1"), "as a table, in a line", id="no-table"),
        pytest.param(script_with("[tool.hf-jobs"), "is no TOML: Expected ']'", id="toml"),
        pytest.param(table("a = 1\n///"), "is no TOML: Invalid", id="closing-line-within"),
    ],
)
def test_what_a_header_cannot_say_is_told_with_the_name_of_the_script(
    script: bytes, words: str
) -> None:
    with pytest.raises(CLIError):
        as_official(script)
    told = refusal_of(script)
    assert told.startswith("train.py: ")
    assert words in told


@pytest.mark.parametrize(
    ("script", "words"),
    [
        pytest.param(script_with("tool = 'hf-jobs'"), "as a table", id="tool-a-text"),
        pytest.param(table("a = '\xff'").replace(b"\xc3\xbf", b"\xff"), "is no UTF-8", id="bytes"),
        pytest.param(table("image = " + "[" * 5000), "is no TOML", id="deep"),
        pytest.param(table("image = " + "9" * 5000), "is no TOML", id="long-number"),
        pytest.param(table("timeout = 0x" + "f" * 5000), "and is a whole number", id="long-hex"),
        pytest.param(table("x" * 5000 + " = 1"), f"no key '{'x' * 60}';", id="long-key"),
    ],
)
def test_what_trips_the_official_client_up_is_a_sentence(script: bytes, words: str) -> None:
    assert words in refusal_of(script)


def test_a_secret_that_stands_in_the_header_is_not_told() -> None:
    assert "hush" not in refusal_of(table("secrets = {A = 'hush'}"))


def test_what_is_no_text_around_the_block_does_not_matter() -> None:
    script = b"# -*- coding: latin-1 -*-\n# \xe9t\xe9\n\n" + table('image = "a"')
    assert read_header(script, "train.py").image == "a"


LINES = ["# /// script", "# /// other", "# ///", "#", "# a", "#b", "x", "", "# /// script "]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(LINES), max_size=12))
def test_the_block_is_the_one_of_the_reference(lines: list[str]) -> None:
    script = "\n".join(lines)
    theirs = _extract_pep_723_block(script) or ""
    assert _block(script.encode()).decode() == theirs.removesuffix("\n")


def test_a_script_of_openings_alone_is_read_once() -> None:
    assert _block(b"# /// script\n" * 80_000) == b""


# -- beside the options --

SAID = ScriptHeader(
    image="script",
    timeout="1h",
    name="named",
    env={"AB": "script", "CD": "script"},
    secrets=("A", "B"),
    labels={"team": "script", "kind": "script"},
    volumes=("hf://a/a:/a", "hf://a/b:/b:ro"),
    network_aliases=("script",),
)


@pytest.mark.parametrize(
    ("options", "merged"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"image": "option"}, {"image": "option"}, id="image"),
        pytest.param({"image": ""}, {"image": ""}, id="image-empty"),
        pytest.param({"flavor": "option"}, {"flavor": "option"}, id="flavor"),
        pytest.param(
            {"env": {"AB": "option", "EF": "option"}},
            {"env": {"AB": "option", "CD": "script", "EF": "option"}},
            id="env",
        ),
        pytest.param({"secrets": ("B", "C")}, {"secrets": ("A", "B", "C")}, id="secrets"),
        pytest.param(
            {"labels": {"team": "option"}},
            {"labels": {"team": "option", "kind": "script", "name": "named"}},
            id="labels",
        ),
        pytest.param(
            {"labels": {"name": "option"}},
            {"labels": {"team": "script", "kind": "script", "name": "option"}},
            id="label-name",
        ),
        pytest.param(
            {"name": "option"},
            {"labels": {"team": "script", "kind": "script", "name": "option"}},
            id="name",
        ),
        pytest.param(
            {"volumes": ("hf://x/x:/b",)}, {"volumes": ("hf://a/a:/a", "hf://x/x:/b")}, id="mount"
        ),
        pytest.param(
            {"volumes": ("hf://x/x",)}, {"volumes": (*SAID.volumes, "hf://x/x")}, id="no-mount"
        ),
        pytest.param({"network_aliases": ("db",)}, {"network_aliases": ("db",)}, id="aliases"),
    ],
)
def test_options_go_before_what_the_script_says(
    options: dict[str, object], merged: dict[str, object]
) -> None:
    labels = {"team": "script", "kind": "script", "name": "named"}
    expected = {**asdict(SAID), "name": None, "labels": labels, **merged}
    assert SAID.beneath(ScriptHeader(**options)) == ScriptHeader(**expected)  # type: ignore[arg-type]


def test_every_key_of_the_official_client_is_known() -> None:
    assert set(asdict(as_official(script_with(ALL)))) == set(KEYS)
    assert all(asdict(as_official(script_with(ALL))).values())
