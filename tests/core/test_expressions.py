"""Expressions: what is wrong with one is told when it is loaded, and nothing runs for long."""

from __future__ import annotations

import pytest

from factories import NOON
from jobhook.core.expressions import BadExpression, context_of, parse_expression, parse_pattern

CONTEXT = context_of(
    {
        "repo": {"type": "dataset", "name": "acme/corpus", "private": True},
        "ref": {"name": "refs/heads/main", "short": "main"},
    },
    now=NOON,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("repo.private", True, id="a-field"),
        pytest.param("ref.short in ['main', 'dev']", True, id="a-list"),
        pytest.param("repo.name.matches('^acme/c.*s$')", True, id="a-pattern"),
        pytest.param("now > timestamp('2026-01-01T00:00:00Z')", True, id="the-time"),
        pytest.param("comment.content == ''", True, id="what-did-not-come-is-empty"),
        pytest.param("discussion.num == 0 && !discussion.isPullRequest", True, id="nor-a-number"),
        pytest.param("1 / discussion.num == 1", "divide by zero", id="it-fails"),
    ],
)
def test_an_expression_is_true_of_a_context_or_not(text: str, expected: bool | str) -> None:
    assert parse_expression(text).holds(CONTEXT) == expected


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        pytest.param(
            "repo.privat", "undefined field 'privat' not found in struct 'repo'", (1, 5), id="field"
        ),
        pytest.param(
            "repos.private",
            "undeclared reference to 'repos.private': there are actor, comment, commit, "
            "discussion, event, files, now, ref, refs, repo",
            (1, 6),
            id="name",
        ),
        pytest.param(
            "true &&\n repo.private == 'yes'",
            "found no matching overload for '_==_' applied to '(bool, string)'",
            (2, 15),
            id="type",
        ),
        pytest.param("repo.name", "it gives string, and not true or false", None, id="no-truth"),
        pytest.param("(", "Syntax error: mismatched input '<EOF>'", (1, 2), id="syntax"),
        pytest.param(
            "repo.name.matches('(')",
            "invalid regular expression: missing ): (",
            None,
            id="pattern",
        ),
        pytest.param(
            "(" * 300 + "true" + ")" * 300,
            "Expression recursion limit exceeded. limit: 32",
            None,
            id="nested-too-deeply",
        ),
        pytest.param(
            "repo.name == '\ud800'", "it holds half a character", None, id="half-a-character"
        ),
        pytest.param(
            f"repo.name == '{'a' * 4096}'",
            "it may have 4,096 characters at most",
            None,
            id="too-long",
        ),
    ],
)
def test_what_is_wrong_with_an_expression_is_told_with_its_place(
    text: str, message: str, place: tuple[int, int] | None
) -> None:
    with pytest.raises(BadExpression) as caught:
        parse_expression(text)
    assert (str(caught.value), caught.value.place) == (message, place)


def test_an_expression_that_would_run_for_ever_is_refused() -> None:
    ten = "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]"
    names = "abcdefgh"
    text = "true"
    for name in names:
        text = f"{ten}.all({name}, {text})"
    with pytest.raises(BadExpression, match="Iteration budget exceeded"):
        parse_expression(text)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        pytest.param("^/train\\b", "/train now", True, id="start"),
        pytest.param("^/train\\b", "please /train", False, id="not-the-start"),
        pytest.param("(?i)lgtm", "LGTM!", True, id="any-case"),
        pytest.param("(a+)+$", "a" * 60_000 + "b", False, id="what-would-take-others-for-ever"),
    ],
)
def test_a_pattern_is_found_in_a_text(pattern: str, text: str, *, expected: bool) -> None:
    assert parse_pattern(pattern)(text) is expected


def test_a_pattern_that_is_none_is_told() -> None:
    with pytest.raises(BadExpression, match=r"^invalid regular expression: missing \): \($"):
        parse_pattern("(")
    with pytest.raises(BadExpression, match=r"^it holds half a character$"):
        parse_pattern("\ud800")


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        pytest.param("event.name == 'commit.pushed'", set(), id="only-within-a-text"),
        pytest.param("commit.message == 'commit'", {"commit"}, id="within-and-outside"),
        pytest.param("refs.exists(commit, commit.name == 'v1')", set(), id="another-of-that-name"),
        pytest.param("\"it's\" != '' && commit.message != \"'\"", {"commit"}, id="mixed-quotes"),
        pytest.param(r"'\'' != '' && commit.message != '\''", {"commit"}, id="escaped-quotes"),
        pytest.param("'''it's''' != '' && commit.message != ''", {"commit"}, id="three-quotes"),
        pytest.param("repo.private // it's\n|| commit.message != '", None, id="a-broken-text"),
        pytest.param("repo.private // it's\n|| commit.message != ''", {"commit"}, id="a-comment"),
    ],
)
def test_what_an_expression_asks_the_hub_is_not_hidden_by_texts(
    text: str, asks: set[str] | None
) -> None:
    if asks is None:
        with pytest.raises(BadExpression):
            parse_expression(text)
    else:
        assert parse_expression(text).asks == asks
