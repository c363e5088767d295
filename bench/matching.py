"""The rows about rules: what one delivery costs against many, loading them, explaining them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from bench.payload import body
from bench.table import Row, Scale
from jobhook.adapters.rulefiles import load_rules
from jobhook.core.deliveries import Delivery, read_delivery
from jobhook.core.indexing import RuleIndex
from jobhook.core.matching import Decision, decide, explain
from jobhook.core.occasions import occasions_of
from jobhook.core.rules import Rule

_FIRE = ("model:acme/model-7", "model:acme/*", "model:*/model-*")
_LINEAR_TIMES = 5
# To look at the clock takes time as well.
_AT_ONCE = 5
_LOADS = 3
_EXPLAINED = 20


def matching(folder: Path, scale: Scale) -> Iterable[Row]:
    """Yield the rows; *folder* is for rule files."""
    number = scale.rules * 10
    mixes = [
        _Mix(_typical, 10),
        _Mix(_typical, number),
        _Mix(_wild, number),
        _Mix(_typical, number, skip_marker=True),
    ]
    for _ in range(scale.rounds):
        for mix in mixes:
            mix.take_a_turn(scale.matched)
    few, many, wild, asking = (min(mix.turns) for mix in mixes)
    what = f"match one event against {number:,} rules, of which three fire"
    yield _match_row(f"{what}: typical mix", 8, many, mixes[1])
    yield _match_row(f"{what}: half wildcards", 100, wild, mixes[2])
    yield Row("typical mix, until it is known which commit to look up", "", f"{asking:,.1f} µs")
    growth = many / few
    yield Row(f"growth from 10 to {number:,} rules", "≤ 3 ×", f"{growth:,.2f} ×", growth <= 3)
    yield _load(folder / "rules", number)
    yield _explain(scale.rules)


class _Mix:
    """Rules of which three fire, and what one read delivery cost them in each turn, in µs."""

    def __init__(self, repo_of: Callable[[int], str], number: int, **given: bool) -> None:
        others = [f"model:{repo_of(n)}" for n in range(number - len(_FIRE))]
        repos = enumerate([*others, *_FIRE])
        self._index = RuleIndex([_rule(n, repo, **given) for n, repo in repos])
        self._delivery = _delivery()
        self.turns: list[float] = []

    def take_a_turn(self, times: int) -> None:
        self.turns.append(_median_us(self._by_the_index, times))

    def linear_us(self) -> float:
        """Return what it costs to ask every rule in turn."""
        return _median_us(self._one_by_one, _LINEAR_TIMES)

    def _by_the_index(self) -> list[Decision]:
        occasions = occasions_of(self._delivery, me="acme", now=0)
        return [decide(occasions, rule) for rule in self._index.near(occasions)]

    def _one_by_one(self) -> list[Decision]:
        occasions = occasions_of(self._delivery, me="acme", now=0)
        return [decide(occasions, rule) for rule in self._index.rules]


def _median_us(match: Callable[[], list[Decision]], times: int) -> float:
    fired = [decision for decision in match() if decision.fired or decision.open]
    if len(fired) != len(_FIRE):
        raise ValueError(f"{len(fired)} rules fired")
    waits = []
    for _ in range(times // _AT_ONCE):
        begun = time.perf_counter()
        for _ in range(_AT_ONCE):
            match()
        waits.append((time.perf_counter() - begun) / _AT_ONCE)
    return statistics.median(waits) * 1e6


def _match_row(what: str, goal: float, us: float, mix: _Mix) -> Row:
    linear = mix.linear_us()
    return Row(
        what,
        f"≤ {goal:g} µs",
        f"{us:,.1f} µs (slowest of the turns {max(mix.turns):,.1f})",
        us <= goal,
        (f"index: {us:,.1f} µs", f"every rule in turn: {linear:,.0f} µs"),
    )


def _load(folder: Path, number: int) -> Row:
    folder.mkdir()
    for n in range(number):
        (folder / f"rule-{n}.yaml").write_text(_file(n))
    waits = []
    for _ in range(_LOADS):
        begun = time.perf_counter()
        load_rules(folder)
        waits.append(time.perf_counter() - begun)
    seconds = min(waits)
    what = f"load {number:,} rule files, an `if` in every tenth"
    return Row(what, "≤ 5 s", f"{seconds:.2f} s", seconds <= 5)


def _file(number: int) -> str:
    lines = [
        f"id: rule-{number}",
        f"description: What is done when the data of team {number} change.",
        "watch: [org:acme]",
        "on: [commit.pushed]",
        f'repos: ["model:{_typical(number)}", "!model:*/tmp-*"]',
        "refs: [main]",
        "run:",
        "  image: python:3.12",
        "  command: [python, train.py]",
        "  flavor: a10g-small",
        "  timeout: 2h",
        f'  env: {{TEAM: "{number}"}}',
        "cases:",
        "  - name: what somebody else pushes",
        "    event: {repo: {name: other/model}}",
        "    fires: false",
    ]
    if number % 10 == 0:
        lines.append(f"if: repo.private == false && repo.name != 'acme/old-{number}'")
    return "\n".join([*lines, ""])


def _explain(number: int) -> Row:
    rules = [
        _rule(
            n, f"model:{_typical(n)}", **({} if n % 10 else {"if": f"repo.name != 'acme/old-{n}'"})
        )
        for n in range(number)
    ]
    delivery = _delivery()
    waits = []
    for _ in range(_EXPLAINED):
        begun = time.perf_counter()
        occasions = occasions_of(delivery, me="acme", now=0)
        explained = [explain(occasions, rule) for rule in rules]
        waits.append(time.perf_counter() - begun)
        if not all(each.answers for each in explained):
            raise ValueError("a rule was not explained")
    ms = min(waits) * 1000
    return Row(
        f"explain one delivery against {number:,} rules", "≤ 50 ms", f"{ms:.1f} ms", ms <= 50
    )


def _typical(number: int) -> str:
    mix = {7: f"team-{number}/*", 8: f"team-{number}/*", 9: f"team-{number}/a*z"}
    return mix.get(number % 10, f"acme/exact-{number}")


def _wild(number: int) -> str:
    return f"team-{number}/*" if number % 2 else f"*/a{number}-*z"


def _rule(number: int, repo: str, **given: Any) -> Rule:
    return Rule.model_validate(
        {
            "id": f"rule-{number}",
            "on": ["commit.pushed"],
            "repos": [repo],
            "skip_marker": False,
            "run": {"image": "python:3.12", "command": ["true"]},
        }
        | given
    )


def _delivery() -> Delivery:
    delivery = read_delivery(body())
    if not isinstance(delivery, Delivery):
        raise TypeError(delivery.reason)
    return delivery
