"""
Everything that is wrong with a rule, at once.

The models say what is wrong with each value, and stop at the first thing that is wrong with several
together. Here a rule is looked at again without what was wrong, until nothing new is found.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from pydantic import ValidationError

from jobhook.core.rules import Rule
from jobhook.core.uv import SCRIPTS, Scripts
from jobhook.core.wording import Keys, Mistake, mistake_of, place_of

# Each looks at the whole rule once more.
_ROUNDS = 20
# Each is put into words, which takes a quarter of a millisecond.
_MISTAKES_MAX = 200
# What stands in for a part that is wrong and that its block cannot do without.
_JOB = {"image": "x", "command": ["x"]}
_STAND_INS: Mapping[str, Any] = {
    "id": "x",
    "on": ["repo.updated"],
    "run": [_JOB],
    "starts_with": ["x"],
    "matches": "x",
    "name": "x",
    "path": "x",
    "script": "https://x",
    "message": "x",
    "fires": True,
    **_JOB,
}
_ITEM_STAND_INS: Mapping[str | int, Any] = {
    "run": _JOB,
    "cases": {"name": "x", "fires": True},
    "files": "x",
    "any": {},
    "all": {},
}


def read_rule(value: object, scripts: Scripts | None = None) -> Rule | tuple[Mistake, ...]:
    """
    Return the rule that the content of a file is, or what is wrong with it, up to 200 mistakes.

    *scripts* are those beside the rules that it names.
    """
    handed_in = {SCRIPTS: scripts or {}}
    try:
        return Rule.model_validate(value, context=handed_in)
    except ValidationError as exc:
        errors = _all_errors(value, exc.errors(include_url=False), handed_in)
        found = tuple(map(mistake_of, islice(errors, _MISTAKES_MAX)))
        return tuple(mistake for mistake in found if not _follows(mistake, found))


def _follows(missing: Mistake, found: tuple[Mistake, ...]) -> bool:
    """Whether a key is missing because it was called something else, which is told already."""
    return missing.code == "missing-key" and any(
        other.code == "unknown-key"
        and other.keys[:-1] == missing.keys
        and missing.message.split()[0][:-1] in other.message.partition(" here")[2]
        for other in found
    )


def _all_errors(rule: object, errors: list[Any], handed_in: Mapping[str, Any]) -> Iterator[Any]:
    known: set[Keys] = set()
    misnamed: set[Keys] = set()
    for _ in range(_ROUNDS):
        errors = [error for error in _first_causes(errors) if _is_news(error, known, misnamed)]
        yield from errors
        if not errors or not isinstance(rule, dict):
            return
        known |= {place_of(error) for error in errors}
        misnamed |= {each["loc"] for each in errors if each["type"] == "extra_forbidden"}
        try:
            Rule.model_validate(_mended(rule, known), context=dict(handed_in))
        except ValidationError as exc:
            errors = exc.errors(include_url=False)
        else:
            return


def _is_news(error: Any, known: set[Keys], misnamed: set[Keys]) -> bool:
    place = place_of(error)
    if error.get("ctx", {}).get("code") == "missing-key":
        # The key that is missing is most likely the one that was told to be unknown.
        return place not in known and not any(other[:-1] == place for other in misnamed)
    return place not in known


def _first_causes(errors: list[Any]) -> list[Any]:
    # pydantic counts the items of a list without the wrong ones, and then misses them.
    return [
        error
        for error in errors
        if error["type"] != "too_short"
        or not any(e["loc"][:-1][: len(error["loc"])] == error["loc"] for e in errors)
    ]


def _mended(rule: dict[str, Any], places: set[Keys]) -> dict[str, Any]:
    """Return *rule* with something harmless at each of *places*, or nothing where that will do."""
    result = copy.deepcopy(rule)
    if isinstance(result.get("run"), dict):
        result["run"] = [result["run"]]
    for place in sorted(filter(None, places), key=len, reverse=True):
        _mend(result, place, places)
    return result


def _mend(rule: dict[str, Any], place: Keys, places: set[Keys]) -> None:
    above = _found(rule, place[:-1])
    if isinstance(above, list):
        _mend_item(rule, above, place, places)
        return
    key = str(place[-1])
    above.pop(key, None)
    if key in _STAND_INS and "env" not in place[:-1]:
        above[key] = copy.deepcopy(_STAND_INS[key])


def _mend_item(rule: dict[str, Any], items: list[Any], place: Keys, places: set[Keys]) -> None:
    name, at = place[-2], place[-1]
    sound = [item for i, item in enumerate(items) if (*place[:-1], i) not in places]
    if name in _ITEM_STAND_INS:
        items[int(at)] = copy.deepcopy(_ITEM_STAND_INS[str(name)])
    elif sound:
        items[int(at)] = sound[0]
    else:
        _mend(rule, place[:-1], places)


def _found(rule: Any, place: Keys) -> dict[str, Any] | list[Any]:
    """Return the block or list at *place*; an empty one if none is there."""
    for key in place:
        inside = dict(enumerate(rule)) if isinstance(rule, list) else rule
        rule = inside.get(key) if isinstance(inside, dict) else None
    return rule if isinstance(rule, dict | list) else {}
