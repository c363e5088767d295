from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobhook.adapters.yaml_marks import YamlFault, read_yaml


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


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        pytest.param("a: 1\na: 2", 2, 1, "stands twice", id="duplicate key"),
        pytest.param("a: &x [1]\nb: *x", 1, 4, "aliases", id="alias"),
        pytest.param("a: !!python/object:os.system {}", 1, 4, "tag", id="python object"),
        pytest.param("a: !mine b", 1, 4, "tag", id="own tag"),
        pytest.param("? [a]\n: b", 1, 3, "plain text", id="list as a key"),
        pytest.param("a: [b", 2, 1, "expected", id="not closed"),
        pytest.param("a: b: c", 1, 5, "not allowed", id="no YAML"),
        pytest.param("a: 1\n---\nb: 2", 2, 1, "another document", id="two documents"),
        pytest.param("a: !!int x", 1, 4, "tag", id="a tag that lies"),
        pytest.param("a: \x01", 1, 1, "not YAML", id="control character"),
    ],
)
def test_what_is_not_plain_data_is_refused_at_its_place(
    text: str, line: int, column: int, message: str
) -> None:
    with pytest.raises(YamlFault, match=message) as caught:
        read_yaml(text)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_a_billion_laughs_are_refused_at_once() -> None:
    levels = ["a0: &a0 [x, x]"]
    levels += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 100)]
    with pytest.raises(YamlFault, match="aliases"):
        read_yaml("\n".join(levels))


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(YamlFault):
        read_yaml("[" * 100_000)


def test_every_key_and_item_has_its_place() -> None:
    document = read_yaml("a:\n  b: 1\n  c:\n    - x\n    - {d: 2}\n")
    assert document.place(("a", "b")) == (2, 3)
    assert document.place(("a", "c", 1)) == (5, 7)
    assert document.place(("a", "c", 1, "d")) == (5, 8)


def test_what_stands_nowhere_is_placed_above_it() -> None:
    document = read_yaml("a:\n  b: 1\n")
    assert document.place(("a", "missing", 3)) == (1, 1)
    assert document.place(()) == (1, 1)


@given(st.text())
def test_any_text_is_data_or_a_fault(text: str) -> None:
    fault = None
    try:
        read_yaml(text)
    except YamlFault as exc:
        fault = exc
    assert fault is None or (fault.line >= 1 and str(fault))
