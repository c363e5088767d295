"""Half a character is found wherever it stands, and nothing else is taken for one."""

from __future__ import annotations

import pytest

from jobhook.core.texts import holds_half_a_character


@pytest.mark.parametrize("half", [0xD800, 0xDBFF, 0xDC00, 0xDFFF], ids=hex)
@pytest.mark.parametrize("around", ["{}", "a{}", "{}é", "\U0001f4a5{}\n{}"], ids=ascii)
def test_half_a_character_is_found_wherever_it_stands(half: int, around: str) -> None:
    assert holds_half_a_character(around.replace("{}", chr(half)))


@pytest.mark.parametrize("text", ["", "a\0", "\ud7ff\ue000", "\U0001f4a5", "\uffff"], ids=ascii)
def test_whole_characters_are_not_taken_for_halves(text: str) -> None:
    assert not holds_half_a_character(text)
