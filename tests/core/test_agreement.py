"""The index, the matcher and a naive reading of the language say the same of whatever comes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from factories import NOON, make_rule
from jobhook.core.deliveries import Delivery, read_delivery
from jobhook.core.events import EVENTS, RAW, SCOPES, Event, events_of
from jobhook.core.indexing import RuleIndex
from jobhook.core.matching import decide, explain
from jobhook.core.occasions import occasions_of
from jobhook.core.rules import Rule
from jobhook.core.samples import merged, sample_payload

ME = "ab"
IDS = ("a" * 24, "b" * 24)
Given = dict[str, Any]

# Expressions, and what they mean in Python.
MEANT: dict[str, Callable[[Delivery, Event], bool]] = {
    "true": lambda _, __: True,
    "repo.private": lambda delivery, _: bool(delivery.repo.private),
    "event.name == 'commit.pushed'": lambda _, event: event.name == "commit.pushed",
    "ref.short == 'main'": lambda _, event: event.ref in {"refs/heads/main", "refs/tags/main"},
    "1 / discussion.num > 0": lambda delivery, _: _divided(delivery),
}


class Fails(Exception):
    """An expression fails, and with it the whole rule."""


def _divided(delivery: Delivery) -> bool:
    number = delivery.discussion.num if delivery.discussion else 0
    if number == 0:
        raise Fails
    return number == 1


# -- the naive reading, slow and short: no index, no regular expression for globs --


def fires(rule: Given, delivery: Delivery, me: str | None) -> bool:
    try:
        return any(_all_hold(rule, delivery, event, me) for event in events_of(delivery))
    except Fails:
        return False


def _all_hold(rule: Given, delivery: Delivery, event: Event, me: str | None) -> bool:
    repo = delivery.repo
    watched = {
        f"{repo.type}:{repo.name}",
        f"user:{repo.owner}",
        f"org:{repo.owner}",
        *(["user:@me"] if repo.owner == me else []),
    }
    if rule["watch"] and watched.isdisjoint(rule["watch"]):
        return False
    if not _hold(rule, delivery, event, rule["on"]):
        return False
    if _names_refs(rule) or event.ref is None or event.ref.startswith("refs/heads/"):
        return True
    return event.name in rule["on"] and event.name != event.scope


def _hold(asked: Given, delivery: Delivery, event: Event, on: list[str]) -> bool:
    ask: dict[str, Callable[[Any], bool]] = {
        "repos": lambda repos: _last(repos, _names_of(delivery)),
        "private": lambda private: delivery.repo.private is private,
        "on": lambda words: bool(
            {event.name, event.scope, f"{event.scope}/{event.action}"} & {*words}
        ),
        "refs": lambda refs: event.ref is not None and _last(refs, _refs_of(event.ref)),
        "titles": lambda titles: _title(titles, delivery),
        "comment": lambda wanted: _comment(wanted, delivery, event, on),
        "all": lambda parts: all(_hold(part, delivery, event, on) for part in parts),
        "any": lambda parts: True in [_hold(part, delivery, event, on) for part in parts],
        "not": lambda part: not _hold(part, delivery, event, on),
        "if": lambda text: MEANT[text](delivery, event),
    }
    # In this order, because what fails counts only once it is reached; all of `any` is.
    return all(ask[key](asked[key]) for key in ask if key in asked)


def _names_of(delivery: Delivery) -> list[str]:
    return [f"{delivery.repo.type}:{delivery.repo.name}", f"id:{delivery.repo.id}"]


def _refs_of(ref: str) -> list[str]:
    return [ref, re.sub("^refs/(heads/|tags/)?", "", ref)]


def _names_refs(asked: Given) -> bool:
    within = [
        *asked.get("any", []),
        *asked.get("all", []),
        *([asked["not"]] if "not" in asked else []),
    ]
    return "refs" in asked or any(map(_names_refs, within))


def _last(patterns: Sequence[str], names: Sequence[str]) -> bool:
    last = [
        not pattern.startswith("!")
        for pattern in patterns
        if any(_glob(pattern.removeprefix("!"), name) for name in names)
    ]
    return last[-1] if last else all(pattern.startswith("!") for pattern in patterns)


def _glob(pattern: str, name: str) -> bool:
    if pattern.startswith("id:") or name.startswith("id:"):
        return pattern == name
    return _parts(pattern.split("/"), name.split("/"))


def _parts(pattern: Sequence[str], name: Sequence[str]) -> bool:
    if not pattern:
        return not name
    if pattern[0] == "**":
        return any(_parts(pattern[1:], name[skip:]) for skip in range(len(name) + 1))
    return bool(name) and _text(pattern[0], name[0]) and _parts(pattern[1:], name[1:])


def _text(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(_text(pattern[1:], text[skip:]) for skip in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and _text(pattern[1:], text[1:])


def _title(titles: Sequence[str], delivery: Delivery) -> bool:
    if delivery.discussion is None:
        return False
    return _last(
        [t.replace("/", "\0") for t in titles], [delivery.discussion.title.replace("/", "\0")]
    )


def _comment(wanted: Given, delivery: Delivery, event: Event, on: list[str]) -> bool:
    comment = delivery.comment
    if comment is None:
        return False
    if event.name in {"comment.edited", "comment.hidden"} and event.name not in on:
        return False
    starts = wanted.get("starts_with", [""])
    begins = any(comment.content.lstrip().startswith(start) for start in starts)
    return begins and re.search(wanted.get("matches", ""), comment.content) is not None


# -- what is drawn --

# Few and alike, so that patterns often fit.
names = st.sampled_from(["a", "ab", "abb"])
parts = st.sampled_from(["a", "ab", "*", "a*", "*b", "a*b", "?b", "ab*"])
kinds = st.sampled_from(
    ["model", "model", "model", "model", "model", "dataset", "bucket", "kernel"]
)
excluded = st.sampled_from(["", "", "", "", "!"])
globs = st.builds(
    "{}{}:{}/{}".format,
    excluded,
    st.one_of(kinds, st.sampled_from(["*", "data*", "*e*", "?odel"])),
    parts,
    st.one_of(
        parts, st.just("**"), st.builds("**/{}".format, parts), st.builds("{}/**".format, parts)
    ),
)
ids = st.builds("{}id:{}".format, excluded, st.sampled_from(IDS))
repos = st.lists(st.one_of(globs, globs, ids), min_size=1, max_size=3)
watches = st.one_of(
    st.just("user:@me"),
    st.builds("{}:{}".format, st.sampled_from(["org", "user"]), names),
    st.builds("{}:{}/{}".format, kinds, names, names),
)
words = st.lists(st.sampled_from([*EVENTS, *RAW]), min_size=1, max_size=5, unique=True)
ref_globs = [
    "main",
    "*",
    "**",
    "ma?n",
    "v*",
    "pr/*",
    "refs/heads/*",
    "refs/**",
    "convert/**",
    "a/*",
]
refs = st.lists(
    st.builds("{}{}".format, excluded, st.sampled_from(ref_globs)), min_size=1, max_size=3
)
titles = st.lists(
    st.builds(
        "{}{}".format, excluded, st.sampled_from(["*", "Fix*", "*/*", "A sample", "**", "?*"])
    ),
    min_size=1,
    max_size=3,
)
comments = st.fixed_dictionaries(
    {"starts_with": st.lists(st.sampled_from(["/go", "H", "x"]), min_size=1, max_size=2)},
    optional={"matches": st.sampled_from(["lo$", "^/", "e.l", "nothing"])},
)


def blocks(inner: st.SearchStrategy[Given]) -> st.SearchStrategy[Given]:
    return st.fixed_dictionaries(
        {},
        optional={
            "repos": repos,
            "on": words,
            "refs": refs,
            "private": st.booleans(),
            "titles": titles,
            "comment": comments,
            "if": st.sampled_from(list(MEANT)),
            "any": st.lists(inner, min_size=1, max_size=2),
            "all": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
        },
    )


leaves = st.one_of(
    st.builds(lambda given: {"repos": given}, repos),
    st.builds(lambda given: {"on": given}, words),
    st.builds(lambda given: {"refs": given}, refs),
    st.builds(lambda given: {"private": given}, st.booleans()),
    st.builds(lambda given: {"if": given}, st.sampled_from(list(MEANT))),
)
conditions = st.recursive(leaves, blocks, max_leaves=4)
# Most rules are on what happens, and ask little, so that some of them fire.
HERE = "here"
rules_given = st.builds(
    lambda head, more: more | head,
    st.fixed_dictionaries(
        {
            "on": st.one_of(words, st.just([HERE]), st.just([HERE])),
            "watch": st.one_of(st.just([]), st.just([]), st.lists(watches, max_size=2)),
        }
    ),
    st.one_of(
        st.just({}),
        st.builds(lambda given: {"repos": given}, repos),
        st.builds(lambda given: {"repos": given}, repos),
        st.builds(lambda given: {"not": given}, conditions),
        st.builds(lambda given: {"any": given}, st.lists(conditions, min_size=1, max_size=2)),
        conditions,
    ),
)

shas = st.sampled_from([None, "1", "2"])
full_refs = ["heads/main", "heads/a/b", "tags/v1", "tags/main", "pr/4", "convert/parquet", "new/x"]
changes = st.fixed_dictionaries(
    {"ref": st.sampled_from([f"refs/{ref}" for ref in full_refs]), "oldSha": shas, "newSha": shas}
)
scopes = [
    *SCOPES,
    "repo.content.lfs",
    "repo.config.dois",
    "discussion.pin",
    "user.profile",
    "repo.",
]
# A few old models have no owner.
repo_names = st.one_of(names, st.builds("{}/{}".format, names, names), st.just("a/b/c"))
overs = st.fixed_dictionaries(
    {
        "repo": st.fixed_dictionaries(
            {"type": kinds, "name": repo_names, "id": st.sampled_from(IDS)},
            optional={"private": st.sampled_from([True, False, None])},
        )
    },
    optional={
        "event": st.fixed_dictionaries(
            {},
            optional={
                "scope": st.sampled_from(scopes),
                "action": st.sampled_from(["create", "update", "delete", "move", "pin"]),
            },
        ),
        "updatedRefs": st.lists(changes, max_size=3),
        "discussion": st.fixed_dictionaries(
            {"num": st.integers(0, 2), "title": st.sampled_from(["Fix/it", "A sample", "", "Fix"])},
            optional={
                "isPullRequest": st.booleans(),
                "status": st.sampled_from(["open", "merged"]),
            },
        ),
        "comment": st.fixed_dictionaries(
            {"content": st.sampled_from(["/go now", " Hello", "", "x"]), "hidden": st.booleans()}
        ),
    },
)


def delivery_of(event: str, over: Given) -> Delivery:
    delivery = read_delivery(json.dumps(merged(sample_payload(event), over)).encode())
    assert isinstance(delivery, Delivery)
    return delivery


def here(rules: Sequence[Given], event: str) -> list[Given]:
    """Rules of which some are on *event*."""
    return [rule | {"on": [event] if rule["on"] == [HERE] else rule["on"]} for rule in rules]


def made(rules: Sequence[Given]) -> list[Rule]:
    return [make_rule(id=f"r{n}", **given) for n, given in enumerate(rules)]


@settings(max_examples=600)
@given(
    st.lists(rules_given, min_size=1, max_size=8),
    st.sampled_from([*EVENTS, *RAW]),
    overs,
    st.sampled_from([ME, None]),
)
@example([{"on": ["repo.content"], "watch": []}], "tag.created", {}, None)
@example([{"on": ["repo"], "watch": ["user:@me"]}], "repo", {"repo": {"name": ME}}, ME)
@example(
    [{"on": ["commit.pushed"], "watch": [], "repos": ["model:a/**"]}],
    "commit.pushed",
    {"repo": {"name": "a"}},
    None,
)
def test_a_rule_fires_where_a_naive_reading_says_so_and_then_it_is_near(
    given_rules: list[Given], event: str, over: Given, me: str | None
) -> None:
    asked = here(given_rules, event)
    delivery, rules = delivery_of(event, over), made(asked)
    occasions = occasions_of(delivery, me=me, now=NOON)
    expected = [f"r{n}" for n, each in enumerate(asked) if fires(each, delivery, me)]
    assert [rule.id for rule in rules if decide(occasions, rule).fired] == expected
    near = RuleIndex(rules).near(occasions)
    assert [rule.id for rule in near if decide(occasions, rule).fired] == expected
    assert list(near) == [rule for rule in rules if rule in near]


@settings(max_examples=200)
@given(rules_given, st.sampled_from([*EVENTS, *RAW]), overs)
def test_a_rule_that_fires_holds_in_every_condition_and_another_tells_one_that_does_not(
    given_rule: Given, event: str, over: Given
) -> None:
    (rule,) = made(here([given_rule], event))
    occasions = occasions_of(delivery_of(event, over), me=ME, now=NOON)
    explanation = explain(occasions, rule)
    held = [answer.holds for answer in explanation.answers]
    assert explanation.decision == decide(occasions, rule)
    assert explanation.decision.fired == all(held)
    assert explanation.decision.reason
    assert "\n" not in explanation.decision.reason


@settings(max_examples=200)
@given(st.lists(rules_given, min_size=1, max_size=6), st.sampled_from(EVENTS), overs)
def test_what_is_near_does_not_depend_on_what_else_there_is(
    given_rules: list[Given], event: str, over: Given
) -> None:
    rules = made(here(given_rules, event))
    occasions = occasions_of(delivery_of(event, over), me=ME, now=NOON)
    alone = [rule for rule in rules if RuleIndex([rule]).near(occasions)]
    assert list(RuleIndex(rules).near(occasions)) == alone
