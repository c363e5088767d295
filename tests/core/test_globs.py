"""Globs: what they match, and that nobody can make them take for ever."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobhook.core.globs import GlobList, glob_matches, glob_problem


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        pytest.param("main", "main", True, id="plain"),
        pytest.param("main", "Main", False, id="case-matters"),
        pytest.param("main", "mainline", False, id="the-whole-name"),
        pytest.param("main", "my/main", False, id="the-whole-name-from-the-start"),
        pytest.param("", "", True, id="empty"),
        pytest.param("v*", "v1.2", True, id="star"),
        pytest.param("v*", "v", True, id="star-matches-nothing"),
        pytest.param("v*", "v1/2", False, id="star-stays-in-its-part"),
        pytest.param("*", "a/b", False, id="star-is-one-part"),
        pytest.param("*/*", "a/b", True, id="two-parts"),
        pytest.param("*.csv", ".csv", True, id="star-before"),
        pytest.param("a*b*c", "aXbYbZc", True, id="star-goes-back"),
        pytest.param("*ab", "aab", True, id="star-tries-again"),
        pytest.param("?", "é", True, id="any-character"),
        pytest.param("?", "", False, id="but-one"),
        pytest.param("a?b", "a/b", False, id="question-mark-is-no-slash"),
        pytest.param("**", "", True, id="any-parts-of-nothing"),
        pytest.param("**", "a/b/c", True, id="any-parts"),
        pytest.param("a/**", "a", True, id="no-parts-after"),
        pytest.param("a/**", "a/b/c", True, id="parts-after"),
        pytest.param("a/**", "ab/c", False, id="not-within-a-part"),
        pytest.param("**/b", "b", True, id="no-parts-before"),
        pytest.param("**/b", "a/x/b", True, id="parts-before"),
        pytest.param("a/**/b", "a/b", True, id="no-parts-between"),
        pytest.param("a/**/b", "a/b/x/b", True, id="runs-try-again"),
        pytest.param("data/**/*.parquet", "data/2026/08/x.parquet", True, id="of-the-docs"),
        pytest.param("data/**/*.parquet", "data/x.parquet.bak", False, id="not-of-the-docs"),
        pytest.param("[ab]", "a", False, id="no-classes"),
        pytest.param("[ab]*", "[ab]c", True, id="brackets-are-plain"),
        pytest.param("a.c*", "abc", False, id="dot-is-plain"),
        pytest.param(r"a\*", "a*", False, id="no-escapes"),
        pytest.param("{a,b}?", "{a,b}c", True, id="no-choices"),
        pytest.param("a*", "a\nb", True, id="newline-is-a-character"),
    ],
)
def test_a_glob_matches(pattern: str, name: str, *, expected: bool) -> None:
    assert glob_matches(pattern, name) is expected


def naive_parts(pattern: Sequence[str], name: Sequence[str]) -> bool:
    if not pattern:
        return not name
    if pattern[0] == "**":
        return any(naive_parts(pattern[1:], name[skip:]) for skip in range(len(name) + 1))
    return bool(name) and naive_text(pattern[0], name[0]) and naive_parts(pattern[1:], name[1:])


def naive_text(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(naive_text(pattern[1:], text[skip:]) for skip in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and naive_text(pattern[1:], text[1:])


@settings(max_examples=500)
@given(
    st.text(st.sampled_from("aab/*?"), max_size=9), st.text(st.sampled_from("aab/*"), max_size=9)
)
@example("**/*a/**/b*", "a/aa/b/ba")
@example("**/**", "")
@example("/", "/")
def test_globs_agree_with_the_naive_reading(pattern: str, name: str) -> None:
    assert glob_matches(pattern, name) == naive_parts(pattern.split("/"), name.split("/"))


@given(st.lists(st.sampled_from(["**", "*", "a", "a*", "?b"]), min_size=1, max_size=5), st.data())
def test_globs_of_whole_parts_agree_with_the_naive_reading(
    pattern: list[str], data: st.DataObject
) -> None:
    name = data.draw(st.lists(st.sampled_from(["a", "ab", "b"]), min_size=1, max_size=6))
    assert glob_matches("/".join(pattern), "/".join(name)) == naive_parts(pattern, name)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        pytest.param("*a*a*a*a*a*a*a*b", "a" * 1_000_000, id="many-stars"),
        pytest.param("*?*?*?*?*?*?b", "a" * 250_000, id="stars-and-any"),
        pytest.param("*ab", "a" * 250_000, id="a-near-miss-everywhere"),
        pytest.param("**/a/**/a/**/a/**/b", "a/" * 125_000, id="many-runs"),
        pytest.param("**/*a*a*b/**/c", "aaaa/" * 50_000, id="stars-inside-runs"),
        pytest.param("*a" * 255 + "b", "a" * 4096, id="the-longest-pattern-and-ref"),
        pytest.param("**/a/" * 102 + "b", "a/" * 2048, id="the-most-runs-and-the-longest-ref"),
        pytest.param("*" + "a" * 510 + "b", "a" * 2048, id="the-longest-way-back"),
    ],
)
def test_a_hostile_name_is_soon_refused(pattern: str, name: str) -> None:
    # A reader that goes back further than its last run would not be done in this century.
    assert not glob_matches(pattern, name)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        pytest.param("*", "a" * 1_000_000, id="one-star"),
        pytest.param("**", "a/" * 500_000, id="one-run"),
        pytest.param("**/b", "a/" * 250_000 + "b", id="the-last-part"),
        pytest.param("*b", "a" * 1_000_000 + "b", id="the-last-character"),
    ],
)
def test_a_name_of_a_megabyte_can_match(pattern: str, name: str) -> None:
    assert glob_matches(pattern, name)


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        pytest.param("main", None, id="plain"),
        pytest.param("a/**/b/**", None, id="runs"),
        pytest.param("**", None, id="only-a-run"),
        pytest.param("a" * 512, None, id="as-long-as-may-be"),
        pytest.param("", "may not be empty", id="empty"),
        pytest.param("a" * 513, "512 characters at most", id="too-long"),
        pytest.param("a**", "must stand alone", id="run-after-text"),
        pytest.param("data/**.csv", "must stand alone", id="run-before-text"),
        pytest.param("***", "must stand alone", id="three-stars"),
    ],
)
def test_a_pattern_that_cannot_be_meant_is_refused(pattern: str, problem: str | None) -> None:
    answer = glob_problem(pattern)
    assert answer is None if problem is None else problem in str(answer)


@pytest.mark.parametrize(
    ("patterns", "allowed", "refused"),
    [
        pytest.param(["main"], "main", "dev other", id="one"),
        pytest.param(["main", "v*"], "main v1", "dev", id="two"),
        pytest.param(["*", "!dev"], "main", "dev", id="an-exception"),
        pytest.param(["*", "!v*", "v1"], "main v1", "v2", id="an-exception-to-the-exception"),
        pytest.param(["v1", "!v*"], "", "v1 v2 main", id="the-last-match-wins"),
        pytest.param(["!dev"], "main v1", "dev", id="exclusions-alone-exclude-from-all"),
        pytest.param(["!dev", "!v*"], "main", "dev v1", id="two-exclusions"),
        pytest.param(["!dev", "main"], "main", "dev other", id="an-exclusion-before-what-is-meant"),
    ],
)
def test_a_list_of_globs_allows(patterns: list[str], allowed: str, refused: str) -> None:
    globs = GlobList(tuple(patterns))
    assert [name for name in allowed.split() if not globs.allows((name,))] == []
    assert [name for name in refused.split() if globs.allows((name,))] == []


def test_any_of_a_things_names_may_match() -> None:
    globs = GlobList(("main", "!refs/heads/wip-*"))
    assert globs.allows(("refs/heads/main", "main"))
    assert not globs.allows(("refs/heads/wip-1", "wip-1"))


def test_the_last_match_is_told() -> None:
    globs = GlobList(("v*", "!v2", "main"))
    assert globs.last_match(("v1",)) == "v*"
    assert globs.last_match(("v2",)) == "!v2"
    assert globs.last_match(("dev",)) is None
