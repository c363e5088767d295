from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobhook.adapters.yaml_marks import read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("on: [a]", {"on": ["a"]}, id="on is a key"),
        pytest.param("yes", "yes", id="yes is text"),
        pytest.param("off", "off", id="off is text"),
        pytest.param("true", True, id="true"),
        pytest.param("False", False, id="False"),
        pytest.param("12", 12, id="integer"),
        pytest.param("-1.5e3", -1500.0, id="float"),
        pytest.param("1.5h", "1.5h", id="a length of time is text"),
        pytest.param("0x10", "0x10", id="no hexadecimal"),
        pytest.param("1:30", "1:30", id="no sexagesimal"),
        pytest.param("2026-11-23", "2026-11-23", id="no dates"),
        pytest.param(".nan", ".nan", id="no NaN"),
        pytest.param("9" * 30, "9" * 30, id="no endless numbers"),
        pytest.param("null", None, id="null"),
        pytest.param("~", None, id="tilde"),
        pytest.param("a:", {"a": None}, id="empty value"),
        pytest.param("'12'", "12", id="quoted"),
        pytest.param("", None, id="empty file"),
        pytest.param("a: {b: [1, {c: d}]}", {"a": {"b": [1, {"c": "d"}]}}, id="nested"),
    ],
)
def test_plain_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    assert read_yaml(text).value == value


def faults(text: str) -> list[tuple[int, int, str]]:
    """The place and the code of whatever is no plain YAML."""
    return [(fault.line, fault.column, fault.code) for fault in read_yaml(text).faults]


@pytest.mark.parametrize(
    ("text", "line", "column", "code", "message"),
    [
        pytest.param("a: 1\na: 2", 2, 1, "duplicate-key", "'a' stands twice", id="duplicate-key"),
        pytest.param("a: &x [1]", 1, 4, "yaml-feature", "anchors and aliases", id="anchor"),
        pytest.param("a: *x", 1, 4, "yaml-unquoted", 'in quotes, "*x"', id="alias"),
        pytest.param("a: !!python/object:os.system {}", 1, 4, "yaml-feature", "tag", id="object"),
        pytest.param("a: !!int x", 1, 4, "yaml-feature", "the tag", id="a-tag-that-lies"),
        pytest.param("a: !mine b", 1, 4, "yaml-unquoted", 'in quotes, "!mine b"', id="own-tag"),
        pytest.param("a: !b.c", 1, 4, "yaml-unquoted", 'in quotes, "!b.c"', id="not"),
        pytest.param("? [a]\n: b", 1, 3, "yaml-feature", "plain text", id="list-as-a-key"),
        pytest.param("a: 1\n---\nb: 2", 2, 1, "yaml-feature", "another document", id="documents"),
        pytest.param("a: [b", 1, 4, "not-yaml", "the bracket `[` is not closed", id="bracket"),
        pytest.param("a: {b: [x}\n", 1, 8, "not-yaml", "not closed before line 1", id="brackets"),
        pytest.param("a: [b]]", 1, 7, "not-yaml", "this bracket closes nothing", id="one-too-many"),
        pytest.param("a: 'b", 1, 4, "not-yaml", "the quote that opens here", id="quote"),
        pytest.param('a: "\\s"', 1, 5, "not-yaml", "use single quotes", id="escape"),
        pytest.param("a: b: c", 1, 5, "yaml-unquoted", "a colon with a space", id="colon"),
        pytest.param("a: 'b' c", 1, 8, "yaml-unquoted", "the other kind of quotes", id="quoted"),
        pytest.param("a: b\n c: d", 2, 2, "not-yaml", "too far left or right", id="indented"),
        pytest.param("a: |\n  x\n y", 3, 2, "not-yaml", "too far left or right", id="outdented"),
        pytest.param("a: 1\nb\nc: 2", 2, 1, "not-yaml", "no `key: value` here", id="no-colon"),
        pytest.param("a: }", 1, 4, "not-yaml", "closes nothing", id="closing-bracket"),
        pytest.param("a: - b", 1, 4, "not-yaml", "a list begins on a line", id="list-in-line"),
        pytest.param("a:\n\t- b", 2, 1, "yaml-tab", "indented with spaces", id="tab"),
        pytest.param("a: b\n\tc: d", 2, 1, "yaml-tab", "indented with spaces", id="tab-below-text"),
        pytest.param("a: [*]", 1, 5, "yaml-unquoted", "begins with `*`", id="star"),
        pytest.param("a: [*fix*]", 1, 5, "yaml-unquoted", 'in quotes, "*fix*"', id="stars"),
        pytest.param("a: [b, !v*, !c]", 1, 8, "yaml-unquoted", 'quotes, "!v*"', id="exclusion"),
        pytest.param("a: [!b/c]", 1, 5, "yaml-unquoted", 'quotes, "!b/c"', id="exclusion-alone"),
        pytest.param("a: @me", 1, 4, "yaml-unquoted", 'in quotes, "@me"', id="at"),
        pytest.param("a: > b", 1, 6, "not-yaml", "this is not YAML: did not find", id="other"),
        pytest.param("a: \x01", 1, 4, "not-yaml", "this is not YAML", id="control-character"),
    ],
)
def test_what_is_not_plain_data_is_told_at_its_place(
    text: str, line: int, column: int, code: str, message: str
) -> None:
    fault = read_yaml(text).faults[0]
    assert (fault.line, fault.column, fault.code) == (line, column, code)
    assert message in fault.message


def test_reading_goes_on_after_what_is_no_plain_data() -> None:
    document = read_yaml("a: 1\na: 2\nb: !x\nc: [!v*, *y, &z 1]\n? [d]\n: e\nf: 3\n")
    assert document.whole
    assert document.value == {"a": 1, "b": "!x", "c": ["!v*", "*y", 1], "f": 3}
    assert faults(document.text) == [
        (2, 1, "duplicate-key"),
        (3, 4, "yaml-unquoted"),
        (4, 5, "yaml-unquoted"),
        (4, 10, "yaml-unquoted"),
        (4, 14, "yaml-feature"),
        (5, 3, "yaml-feature"),
    ]


def test_what_was_found_before_the_text_breaks_is_told() -> None:
    document = read_yaml("a: 1\na: 2\nb: [\n")
    assert not document.whole
    assert faults(document.text) == [(2, 1, "duplicate-key"), (4, 1, "not-yaml")]


def test_a_billion_laughs_are_not_laughed() -> None:
    levels = ["a0: &a0 [x, x]"]
    levels += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 100)]
    document = read_yaml("\n".join(levels))
    assert document.value["a99"] == ["*a98", "*a98"]
    assert len(document.faults) == 298


def test_deep_nesting_is_refused() -> None:
    document = read_yaml("[" * 100_000)
    assert not document.whole
    assert [fault.code for fault in document.faults] == ["yaml-feature"]


def test_every_key_and_item_has_its_place() -> None:
    document = read_yaml("a:\n  b: 1\n  c:\n    - x\n    - {d: 2}\n")
    assert document.place(("a", "b")) == (2, 3)
    assert document.place(("a", "c", 1)) == (5, 7)
    assert document.place(("a", "c", 1, "d")) == (5, 8)


def test_what_stands_nowhere_is_placed_above_it() -> None:
    document = read_yaml("a:\n  b: 1\n")
    assert document.place(("a", "missing", 3)) == (1, 1)
    assert document.place(()) == (1, 1)


def test_of_a_key_that_stands_twice_the_first_counts() -> None:
    document = read_yaml("a: {b: 1}\n? [x]\n: y\na: {b: 2}\n")
    assert document.place(("a", "b")) == (1, 5)


@pytest.mark.parametrize(
    ("text", "place", "found"),
    [
        pytest.param("if: repo.privat", (1, 5), (1, 9), id="plain"),
        pytest.param("if: 'repo.privat'", (1, 5), (1, 10), id="single-quotes"),
        pytest.param('if: "repo.privat"', (1, 5), (1, 10), id="double-quotes"),
        pytest.param("if: |\n  a &&\n  b.c", (2, 2), (3, 4), id="block"),
        pytest.param("if: |-  # why\n\n    a &&\n     b.c", (3, 3), (4, 7), id="block-indented"),
        pytest.param("if: |\n  a &&\n", (2, 1), (3, 3), id="after-the-block"),
        pytest.param("if: |2\n   a", (1, 2), (2, 4), id="block-with-its-indent-said"),
        pytest.param("if: >\n  a &&\n  b.c", (1, 7), (3, 4), id="folded"),
        pytest.param("if: a &&\n  b.c", (1, 7), (2, 4), id="plain-over-lines"),
        pytest.param("if: 'a &&\n  b.c'", (1, 1), (1, 6), id="quoted-over-lines"),
        pytest.param("if: >\n  a\n\n  b", (1, 3), None, id="folded-with-a-gap"),
        pytest.param("if: >\n  a", (1, 9), None, id="behind-the-end"),
        pytest.param("if: 'it''s'", (1, 4), None, id="doubled-quote"),
        pytest.param('if: "\\"a"', (1, 2), None, id="escape"),
        pytest.param("if: [a]", (1, 1), None, id="no-text"),
    ],
)
def test_a_place_within_a_text_is_found_in_the_file(
    text: str, place: tuple[int, int], found: tuple[int, int] | None
) -> None:
    assert read_yaml(text).within(("if",), *place) == found


def test_a_text_begins_where_its_value_stands() -> None:
    document = read_yaml("a:  'b'\nc: [d]\n")
    assert document.text_place(("a",)) == (1, 5)
    assert document.text_place(("c",)) == (2, 1)


def test_a_line_is_that_of_the_file() -> None:
    document = read_yaml("a: 1\r\nb: 2")
    assert [document.line(number) for number in (1, 2, 3)] == ["a: 1", "b: 2", ""]


@given(st.text())
def test_any_text_is_data_or_a_fault(text: str) -> None:
    document = read_yaml(text)
    assert document.whole or document.faults
    assert all(fault.line >= 1 and fault.column >= 1 and fault.message for fault in document.faults)


@given(st.text(alphabet=" \n-:'\"[]{}|>ab.#\\", max_size=60), st.integers(1, 3), st.integers(1, 9))
def test_places_can_be_asked_of_any_text(text: str, line: int, column: int) -> None:
    document = read_yaml(text)
    if document.whole:
        keys = list(document.value) if isinstance(document.value, dict) else []
        for key in keys:
            assert document.place((key,))[0] >= 1
            document.within((key,), line, column)
            assert document.text_place((key,))[0] >= 1
