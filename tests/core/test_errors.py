"""Errors: one tree, drawn as it is, and each carries what its catcher needs."""

from __future__ import annotations

import inspect
import re

import pytest

from jobhook.core import errors
from jobhook.core.errors import HubBusy, HubError, JobHookError, OutcomeUnknown, Problem, RulesError


def drawn_tree() -> dict[str, str]:
    """The tree of the module's docstring: the name of every error, and of the one above it."""
    parents: dict[str, str] = {}
    above = ["Exception"]
    for indent, name in re.findall(r"^( *)\* (\w+)", errors.__doc__ or "", re.MULTILINE):
        depth = len(indent) // 2
        above[depth + 1 :] = [name]
        parents[name] = above[depth]
    return parents


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    real = {
        name: cls.__bases__[0].__name__
        for name, cls in vars(errors).items()
        if inspect.isclass(cls) and issubclass(cls, Exception)
    }
    assert drawn_tree() == real


def test_a_rules_error_says_every_problem_on_a_line_of_its_own() -> None:
    problems = (Problem("a.yaml", 3, 1, "no key `imgae`"), Problem("b.yaml", 1, 7, "no id"))
    error = RulesError(problems)
    assert error.problems == problems
    assert str(error) == "a.yaml:3:1: no key `imgae`\nb.yaml:1:7: no id"


def test_problems_sort_by_file_then_place() -> None:
    first, second = Problem("a", 2, 9, "z"), Problem("a", 10, 1, "y")
    third = Problem("b", 1, 1, "x")
    assert sorted([third, second, first]) == [first, second, third]


def test_a_hub_error_keeps_its_evidence() -> None:
    error = HubError("no such repo", status=404, code="RepoNotFound", request_id="Root=1-a")
    assert str(error) == "no such repo"
    assert (error.status, error.code, error.request_id) == (404, "RepoNotFound", "Root=1-a")


def test_a_hub_error_without_an_answer_has_no_status() -> None:
    error = OutcomeUnknown("the answer never came")
    assert (error.status, error.code, error.request_id) == (None, None, None)


def test_a_busy_hub_may_say_how_long_to_wait() -> None:
    error = HubBusy("slow down", retry_after=12.5, status=429, code="TooMany", request_id="r")
    assert (error.retry_after, error.status) == (12.5, 429)
    assert (error.code, error.request_id) == ("TooMany", "r")
    assert HubBusy("the connection was refused").retry_after is None


def test_one_clause_catches_everything_we_raise() -> None:
    with pytest.raises(JobHookError):
        raise RulesError(())
