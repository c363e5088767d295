"""What the YAML parser stumbles over, in the words of someone who knows no more than examples."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import yaml

_WORD = re.compile(r"[^\s,\]}]+")
_SHOWN = 40
_QUOTES = "put the whole text in quotes"


@dataclass(frozen=True, slots=True)
class YamlFault:
    """
    A place where text is no plain YAML; *line* and *column* count from 1.

    Attributes:
        code: One of `jobhook.core.codes`.
    """

    line: int
    column: int
    message: str
    code: str = "not-yaml"


def fault_at(mark: Any, message: str, code: str) -> YamlFault:
    """Return a fault where the parser's *mark* stands."""
    return YamlFault(mark.line + 1, mark.column + 1, message, code)


def fault_of(error: yaml.YAMLError, text: str) -> YamlFault:
    """Return what the parser's *error* over *text* means to its author."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return _Stumble(error, text).fault()
    position = getattr(error, "position", None)
    before = text[:position] if isinstance(position, int) else ""
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    message = str(error).splitlines()[0]
    return YamlFault(line, column, f"this is not YAML: {message}")


def unquoted(mark: Any, word: str, meaning: str) -> YamlFault:
    """Return the fault of a text that begins with a character that has a *meaning*."""
    word = word[:_SHOWN]
    message = f"`{word}` begins with `{word[:1]}`, which is {meaning} to YAML: put it in quotes"
    return fault_at(mark, f"{message}, {json.dumps(word, ensure_ascii=False)}", "yaml-unquoted")


class _Stumble:
    def __init__(self, error: yaml.MarkedYAMLError, text: str) -> None:
        self._problem, self._context = error.problem or "this is not YAML", error.context or ""
        self._mark: Any = error.problem_mark
        self._start: Any = error.context_mark or error.problem_mark
        self._text = text

    def fault(self) -> YamlFault:
        for told in (self._character(), self._mapping(), self._unclosed(), self._odd_line()):
            if told:
                return told
        return fault_at(self._mark, f"this is not YAML: {self._problem}", "not-yaml")

    def _character(self) -> YamlFault | None:
        if self._context == "while scanning an alias":
            return unquoted(self._start, self._word(self._start), "an alias")
        if self._context == "while scanning a tag":
            return unquoted(self._start, self._word(self._start), "a tag")
        if "tab character" in self._problem or (self._cannot_start and self._at_mark() == "\t"):
            message = "there is a tab here: YAML is indented with spaces, two for each level"
            return fault_at(self._mark, message, "yaml-tab")
        if self._cannot_start:
            return unquoted(self._mark, self._word(self._mark), "no beginning of a text")
        return None

    @property
    def _cannot_start(self) -> bool:
        return "cannot start any token" in self._problem

    def _mapping(self) -> YamlFault | None:
        if not self._problem.startswith("mapping values are not allowed"):
            return None
        if re.fullmatch(r"\s*(?:- +)?[\w-]+", self._before()):
            return self._misplaced()
        message = f"a colon with a space after it, within a text, begins a block: {_QUOTES}"
        return fault_at(self._mark, message, "yaml-unquoted")

    def _misplaced(self) -> YamlFault:
        message = (
            "this line stands too far left or right: keys of one block stand below one another"
        )
        column = len(self._before()) - len(self._before().lstrip()) + 1
        return YamlFault(self._mark.line + 1, column, message)

    def _unclosed(self) -> YamlFault | None:
        if "expected ',' or" in self._problem:
            bracket = self._text[self._start.index : self._start.index + 1]
            near = f"line {self._mark.line + 1}, column {self._mark.column + 1}"
            message = (
                f"the bracket `{bracket}` is not closed before {near}, or a text in it holds "
                f"one of `[ ] {{ }} ,` and needs quotes"
            )
            return fault_at(self._start, message, "not-yaml")
        if self._context.endswith("a quoted scalar"):
            if "escape" in self._problem:
                message = "within double quotes a backslash begins an escape: use single quotes"
                return fault_at(self._mark, message, "not-yaml")
            return fault_at(self._start, "the quote that opens here is not closed", "not-yaml")
        return None

    def _odd_line(self) -> YamlFault | None:
        if "could not find expected ':'" in self._problem:
            message = "there is no `key: value` here: a colon with a space after it is missing"
            return fault_at(self._start, message, "not-yaml")
        if self._at_mark() in {"]", "}"}:
            return fault_at(self._mark, "this bracket closes nothing", "not-yaml")
        if "expected node content" in self._problem:
            message = "something is missing before this: a value, or a closing bracket"
            return fault_at(self._mark, message, "not-yaml")
        if "did not find expected key" in self._problem:
            if re.search(r"""["']\s*$""", self._before()):
                message = (
                    "a text that begins with a quote ends at the next one: put the whole in the "
                    "other kind of quotes"
                )
                return fault_at(self._mark, message, "yaml-unquoted")
            return self._misplaced()
        if "block sequence entries are not allowed" in self._problem:
            message = "a list begins on a line of its own, or stands in brackets: [a, b]"
            return fault_at(self._mark, message, "not-yaml")
        return None

    def _word(self, mark: Any) -> str:
        found = _WORD.match(self._text, mark.index)
        return found[0] if found else self._text[mark.index : mark.index + 1]

    def _at_mark(self) -> str:
        return self._text[self._mark.index : self._mark.index + 1]

    def _before(self) -> str:
        return self._text[: self._mark.index].rpartition("\n")[2]
