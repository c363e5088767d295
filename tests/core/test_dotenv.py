from __future__ import annotations

import random

import pytest
from huggingface_hub.utils._dotenv import load_dotenv

from jobhook.core.dotenv import read_dotenv
from jobhook.core.errors import UsageError

HERE = {"NAME": "here", "OTHER": "there"}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        pytest.param("", {}, id="nothing"),
        pytest.param("  \n# a comment\n", {}, id="nothing to read"),
        pytest.param("A=1", {"A": "1"}, id="plain"),
        pytest.param(
            "A=1\nB=2\r\nC=3\rD=4", dict(zip("ABCD", "1234", strict=True)), id="line ends"
        ),
        pytest.param("A=x\u2028y", {"A": "x\u2028y"}, id="a separator that ends no line"),
        pytest.param("A = 1", {"A": "1"}, id="white space around it"),
        pytest.param("export A=1", {"A": "1"}, id="as a shell has it"),
        pytest.param("A=", {"A": ""}, id="empty"),
        pytest.param("A=a=b", {"A": "a=b"}, id="a second equal sign"),
        pytest.param("A=a b # c", {"A": "a b"}, id="a comment after white space"),
        pytest.param("A=#c", {"A": "#c"}, id="no comment without white space"),
        pytest.param("A= # c", {"A": ""}, id="a comment in place of the value"),
        pytest.param("A='a # b' # c", {"A": "a # b"}, id="single quotes"),
        pytest.param('A="a # b"#c', {"A": "a # b"}, id="double quotes"),
        pytest.param(r"A='\n\$'", {"A": r"\n\$"}, id="no escapes in single quotes"),
        pytest.param(r'A="\n\t\"\\\$\x"', {"A": '\n\t"\\$\\x'}, id="escapes in double quotes"),
        pytest.param(r"A=\n", {"A": r"\n"}, id="no escapes without quotes"),
        pytest.param('A="a" "b"', {"A": 'a" "b'}, id="quotes within the same quotes"),
        pytest.param("A=it's", {"A": "it's"}, id="an apostrophe"),
        pytest.param("A=1\nA=2", {"A": "2"}, id="twice"),
        pytest.param("NAME", {"NAME": "here"}, id="a name alone"),
        pytest.param("NAME # c\nexport OTHER", dict(HERE), id="names with something beside them"),
        pytest.param("GONE", {"GONE": None}, id="a name that has no value here"),
        pytest.param("GONE=1\nGONE", {"GONE": "1"}, id="a name that has one in the file"),
    ],
)
def test_env_files_are_read(text: str, values: dict[str, str | None]) -> None:
    assert read_dotenv(text, HERE) == values


@pytest.mark.parametrize("line", ["1A=x", "A-B=x", "=x", "A b", "hidden words", "é=1"])
def test_a_line_that_is_none_is_told_by_its_number_and_not_by_what_it_holds(line: str) -> None:
    with pytest.raises(UsageError) as told:
        read_dotenv(f"A=1\n{line}\n", HERE)
    assert str(told.value).startswith("line 2 is no NAME=VALUE")
    assert line not in str(told.value)


@pytest.mark.parametrize("value", ['"', "'", '"a', "'a b", '"hidden # x'])
def test_a_quote_that_is_not_closed_is_no_value(value: str) -> None:
    with pytest.raises(UsageError, match=r"^line 2: the quote is not closed") as told:
        read_dotenv(f"A=1\nB={value}\nMORE==\n", HERE)
    assert "hidden" not in str(told.value)


def test_whatever_can_be_read_is_read_as_the_official_client_reads_it() -> None:
    chance = random.Random(5)  # noqa: S311 - the same lines every time
    bits = ["A", "NAME", "=", '"', "'", "\\", "#", " ", "\t", "n", "export ", "1", "$"]
    read = 0
    for _ in range(3000):
        start = chance.choice(["", "A=", "export NAME ="])
        line = start + "".join(chance.choices(bits, k=chance.randint(1, 9)))
        official = load_dotenv(line, HERE)
        try:
            ours = {name: value for name, value in read_dotenv(line, HERE).items() if value}
        except UsageError as exc:
            if "not closed" in str(exc):
                continue
            ours = {}
        assert ours == {name: value for name, value in official.items() if value}, line
        read += bool(ours)
    assert read > 1000
