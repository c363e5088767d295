"""Templates: names out of a list, and what a stranger wrote stays data that fits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from factories import NOON, make_spec, sample
from jobhook.core.deliveries import Delivery, read_delivery
from jobhook.core.expressions import CONTEXT
from jobhook.core.jobs import ENV_STRING_MAX_BYTES
from jobhook.core.occasions import occasions_of
from jobhook.core.templates import (
    FILLED_MAX_BYTES,
    WORDS,
    Templated,
    render,
    render_env,
    render_labels,
)

TEMPLATED: TypeAdapter[str] = TypeAdapter(Templated)


def parts_of(number: str) -> dict[str, Any]:
    delivery = read_delivery(sample(number))
    assert isinstance(delivery, Delivery)
    return dict(occasions_of(delivery, me=None, now=NOON)[0].parts)


def titled(title: str) -> dict[str, Any]:
    return {"discussion": {"title": title}}


def test_every_word_but_the_rules_id_is_one_that_expressions_know() -> None:
    known = {f"{above}.{name}" for above, names in CONTEXT.items() for name in names}
    assert set(WORDS) - known == {"rule.id"}


@pytest.mark.parametrize("word", WORDS)
def test_every_word_may_be_used(word: str) -> None:
    text = f"a ${{{{ {word} }}}} b ${{{{{word}}}}}"
    assert TEMPLATED.validate_python(text) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("${{ repo.nmae }}", "did you mean `repo.name`?", id="misspelt"),
        pytest.param("${{ repo }}", "no name that can be filled in", id="a-whole-part"),
        pytest.param("${{ }}", "there are event.name,", id="empty"),
        pytest.param("${{ env.HF_TOKEN }}", "no name that can be filled in", id="unknown"),
        pytest.param("${{ secrets.HF_TOKEN }}", "no name that", id="a-secret"),
        pytest.param("${{ files.path }}", "no name that", id="a-list"),
        pytest.param("${{ repo.name + 'x' }}", "no name that", id="an-expression"),
        pytest.param("${{ repo.name | upper }}", "no name that", id="a-filter"),
        pytest.param("${{ repo\n.name }}", "no name that", id="in-two-lines"),
        pytest.param("a ${{ repo.name", "is not closed", id="not-closed"),
        pytest.param("${{ ${{ repo.name }} }}", "no name that", id="nested"),
        pytest.param("${{ repo.name }} ${{", "is not closed", id="one-of-two-closed"),
    ],
)
def test_nothing_else_stands_in_a_template(text: str, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TEMPLATED.validate_python(text)
    assert words in caught.value.errors()[0]["msg"]


@pytest.mark.parametrize("text", ["", "$HOME", "{{ x }}", "${x}", "$ {{ repo.name }}", "}}"])
def test_what_is_no_template_is_left_as_it_is(text: str) -> None:
    assert render(TEMPLATED.validate_python(text), parts_of("14")) == text


@pytest.mark.parametrize(
    ("number", "template", "expected"),
    [
        ("14", "${{ repo.type }}s/${{repo.name}}", "datasets/tinylab/birdsong-clips"),
        ("14", "${{ event.name }} ${{ ref.short }}", "commit.pushed main"),
        ("27", "${{ discussion.num }} ${{ discussion.isPullRequest }}", "4 true"),
        ("05", "[${{ discussion.title }}${{ discussion.num }}]", "[]"),
        ("05", "${{ repo.private }}", "false"),
    ],
)
def test_a_name_stands_for_what_came(number: str, template: str, expected: str) -> None:
    assert render(template, parts_of(number)) == expected


def test_what_stands_for_a_name_is_no_template_again() -> None:
    values = titled("${{ repo.name }} \\1 \\g<0>")
    assert render("${{ discussion.title }}", values) == "${{ repo.name }} \\1 \\g<0>"


@pytest.mark.parametrize("char", ["a", "鳥", "\U0001f426"], ids=["ascii", "three", "four"])
def test_a_value_that_is_too_long_for_a_process_is_cut_at_a_character(char: str) -> None:
    env = render_env({"AB": "t: ${{ discussion.title }}"}, titled(char * 140_000))
    size = len(f"AB={env['AB']}\0".encode())
    assert ENV_STRING_MAX_BYTES - len(char.encode()) < size <= ENV_STRING_MAX_BYTES
    assert set(env["AB"]) == {*"t: ", char}


def test_what_no_process_can_be_given_is_taken_out() -> None:
    assert render_env({"AB": "${{ discussion.title }}"}, titled("a\0b\ud800c")) == {"AB": "ab?c"}


def test_many_long_values_together_leave_room_for_the_process() -> None:
    env = {f"V{n}": "${{ comment.content }}" for n in range(20)}
    filled = render_env(env, {"comment": {"content": "c" * 130_000}})
    assert sum(map(len, filled.values())) == FILLED_MAX_BYTES
    assert list(filled) == list(env)


def test_what_the_author_wrote_is_not_cut() -> None:
    long = {f"V{n}": "x" * 130_000 for n in range(5)}
    assert render_env(long, {}) == long
    assert render_labels({"a": "b"}, {}) == {"a": "b"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("acme/corpus", "acme-corpus"),
        ("a b\n$(x)", "a-b---x-"),
        ("鳥", "-"),
        ("v1.2_b-c", "v1.2_b-c"),
        ("x" * 300, "x" * 100),
    ],
)
def test_the_value_of_a_label_is_made_fit(name: str, expected: str) -> None:
    assert render_labels({"a": "${{ repo.name }}"}, {"repo": {"name": name}}) == {"a": expected}


@given(st.text(max_size=300))
def test_whatever_a_stranger_writes_makes_a_job_that_the_hub_takes(text: str) -> None:
    env = render_env({"AB": "${{ discussion.title }}"}, titled(text))
    labels = render_labels({"a": "${{ discussion.title }}"}, titled(text))
    assert make_spec(env=env, labels=labels).env == {"AB": text.replace("\0", "")}
