"""Half a character is found wherever it stands, and nothing else is taken for one."""

from __future__ import annotations

from typing import Any

import pytest

from jobhook.core.texts import holds_half_a_character, is_one_line, shown, without_controls


@pytest.mark.parametrize("half", [0xD800, 0xDBFF, 0xDC00, 0xDFFF], ids=hex)
@pytest.mark.parametrize("around", ["{}", "a{}", "{}é", "\U0001f4a5{}\n{}"], ids=ascii)
def test_half_a_character_is_found_wherever_it_stands(half: int, around: str) -> None:
    assert holds_half_a_character(around.replace("{}", chr(half)))


@pytest.mark.parametrize("text", ["", "a\0", "\ud7ff\ue000", "\U0001f4a5", "\uffff"], ids=ascii)
def test_whole_characters_are_not_taken_for_halves(text: str) -> None:
    assert not holds_half_a_character(text)


@pytest.mark.parametrize(
    "text", ["", "acme/tiny-bert", "x" * 1000, "\u00a0鳥\U0001f426"], ids=ascii
)
def test_a_name_is_one_line(text: str) -> None:
    assert is_one_line(text)


@pytest.mark.parametrize(
    "text", ["x" * 1001, "\0", "a\n", "\x7f", "\x9b", "\u2028", "\ud800"], ids=ascii
)
def test_what_moves_the_cursor_or_never_ends_is_no_line(text: str) -> None:
    assert not is_one_line(text)


def test_what_moves_the_cursor_is_replaced() -> None:
    assert without_controls("a\x1b[31m\ud800é") == "a\ufffd[31m\ufffdé"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("x" * 50, repr("x" * 40), id="long"),
        pytest.param("\ud800\n", r"'\ud800\n'", id="no character"),
        pytest.param(-5, "'-5'", id="number"),
        pytest.param(10**5000, "<int>", id="huge"),
        pytest.param(1e300, "'1e+300'", id="float"),
        pytest.param(float("nan"), "'nan'", id="nan"),
        pytest.param(None, "'None'", id="none"),
        pytest.param(["hush"], "<list>", id="list"),
    ],
)
def test_a_value_is_shown_short_and_never_what_it_holds(value: Any, text: str) -> None:
    assert shown(value) == text
