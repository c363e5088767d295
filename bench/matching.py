"""The rows about rules: what one delivery costs against many, loading them, explaining them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.payload import body
from bench.table import Row, Scale
from jobhook.adapters.rulefiles import load_rules
from jobhook.core.deliveries import Delivery, read_delivery
from jobhook.core.indexing import RuleIndex
from jobhook.core.matching import decide, explain
from jobhook.core.occasions import Occasion, occasions_of
from jobhook.core.rules import Rule

_FIRE = ("model:acme/model-7", "model:acme/*", "model:*/model-*")
_LINEAR_ROUNDS = 20
_LOADS = 3
_EXPLAINED = 20


def matching(folder: Path, scale: Scale) -> Iterable[Row]:
    """Yield the rows; *folder* is for rule files."""
    number = scale.rules * 10
    few, many, wild = (
        _matched(*mix, scale) for mix in ((_typical, 10), (_typical, number), (_wild, number))
    )
    what = f"match one event against {number:,} rules, of which three fire"
    yield _match_row(f"{what}: typical mix", 8, many)
    yield _match_row(f"{what}: half wildcards", 100, wild)
    growth = many.indexed / few.indexed
    yield Row(f"growth from 10 to {number:,} rules", "≤ 3 ×", f"{growth:,.2f} ×", growth <= 3)
    yield _load(folder / "rules", number)
    yield _explain(scale.rules)


@dataclass(frozen=True, slots=True)
class _Cost:
    """Microseconds from a read delivery to verdicts with reasons: by the index, and of all."""

    indexed: float
    linear: float


def _matched(repo_of: Callable[[int], str], number: int, scale: Scale) -> _Cost:
    others = [f"model:{repo_of(n)}" for n in range(number - len(_FIRE))]
    index = RuleIndex([_rule(n, repo) for n, repo in enumerate([*others, *_FIRE])])
    delivery = _delivery()

    def by_the_index() -> int:
        occasions = _occasions(delivery)
        return _fired(occasions, index.near(occasions))

    def one_by_one() -> int:
        return _fired(_occasions(delivery), index.rules)

    rounds = min(scale.matched, _LINEAR_ROUNDS)
    return _Cost(_median_us(by_the_index, scale.matched), _median_us(one_by_one, rounds))


def _fired(occasions: Sequence[Occasion], rules: Iterable[Rule]) -> int:
    fired = 0
    for rule in rules:
        if decide(occasions, rule).fired:
            fired += 1
    return fired


def _median_us(match: Callable[[], int], rounds: int) -> float:
    waits = []
    for _ in range(rounds):
        begun = time.perf_counter()
        fired = match()
        waits.append(time.perf_counter() - begun)
        if fired != len(_FIRE):
            raise ValueError(f"{fired} rules fired")
    return statistics.median(waits) * 1e6


def _match_row(what: str, goal: float, cost: _Cost) -> Row:
    return Row(
        what,
        f"≤ {goal:g} µs",
        f"{cost.indexed:,.1f} µs",
        cost.indexed <= goal,
        (f"index: {cost.indexed:,.1f} µs", f"every rule in turn: {cost.linear:,.0f} µs"),
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
    seconds = statistics.median(waits)
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
    rules = [_rule(n, f"model:{_typical(n)}", n % 10 == 0) for n in range(number)]
    delivery = _delivery()
    waits = []
    for _ in range(_EXPLAINED):
        begun = time.perf_counter()
        occasions = _occasions(delivery)
        explained = [explain(occasions, rule) for rule in rules]
        waits.append(time.perf_counter() - begun)
        if not all(each.answers for each in explained):
            raise ValueError("a rule was not explained")
    ms = statistics.median(waits) * 1000
    return Row(
        f"explain one delivery against {number:,} rules", "≤ 50 ms", f"{ms:.1f} ms", ms <= 50
    )


def _typical(number: int) -> str:
    mix = {7: f"team-{number}/*", 8: f"team-{number}/*", 9: f"team-{number}/a*z"}
    return mix.get(number % 10, f"acme/exact-{number}")


def _wild(number: int) -> str:
    return f"team-{number}/*" if number % 2 else f"*/a{number}-*z"


def _rule(number: int, repo: str, has_condition: bool = False) -> Rule:
    given = {
        "id": f"rule-{number}",
        "on": ["commit.pushed"],
        "repos": [repo],
        "skip_marker": False,
        "run": {"image": "python:3.12", "command": ["true"]},
    }
    condition = {"if": f"repo.name != 'acme/old-{number}'"} if has_condition else {}
    return Rule.model_validate(given | condition)


def _delivery() -> Delivery:
    delivery = read_delivery(body())
    if not isinstance(delivery, Delivery):
        raise TypeError(delivery.reason)
    return delivery


def _occasions(delivery: Delivery) -> tuple[Occasion, ...]:
    return occasions_of(delivery, me="acme", now=0)
