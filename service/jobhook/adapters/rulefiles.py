"""Read a folder of rule files: all of it or nothing, with every problem and its place."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from jobhook.adapters.folders import visible_in
from jobhook.adapters.scripts import scripts_of
from jobhook.adapters.yaml_marks import Document, YamlFault, read_yaml
from jobhook.core.actions import Action, NetworkBlock, VolumeBlock
from jobhook.core.cases import broken_cases
from jobhook.core.conditions import CommentCondition, Conditions
from jobhook.core.errors import Problem, RulesError, UsageError, did_you_mean
from jobhook.core.rules import RESERVED_KEYS, Case, Rule, RuleSet, warnings_of
from jobhook.core.strict import Strict
from jobhook.core.uv import SCRIPTS, Uv

FILE_MAX_BYTES = 256 * 1024
Keys = tuple[str | int, ...]

_ENDINGS = {".yaml", ".yml"}
_BLOCKS: dict[str, type[Strict]] = {
    "": Rule,
    "run": Action,
    "uv": Uv,
    "volumes": VolumeBlock,
    "network": NetworkBlock,
    "cases": Case,
    "comment": CommentCondition,
    "any": Conditions,
    "all": Conditions,
    "not": Conditions,
}
# What pydantic finds, in the words of someone who writes YAML.
_SENTENCES = {
    "missing": "is missing",
    "string_type": 'must be text; put it in quotes: "{value}"',
    "string_pattern_mismatch": "{value!r} must be lower-case letters, digits and `-`, 63 at most",
    "bool_type": "must be true or false",
    "dict_type": "must be a block of `key: value` lines",
    "model_type": "must be a block of `key: value` lines",
    "tuple_type": "must be a list: [{value}]",
    "too_short": "needs at least one item",
    "too_long": "has too many items",
    "int_type": "must be a length of time such as 30m",
}


def load_rules(folder: Path, *, run_cases: bool = False) -> RuleSet:
    """
    Return the rules in *folder* and below.

    With *run_cases*, an example that does not hold is a problem as well.

    Raises:
        UsageError: If there is no such folder.
        RulesError: If anything is wrong with any file.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no rules folder at {folder}: give another with JOBHOOK_RULES")
    rules: list[Rule] = []
    problems: list[Problem] = []
    warnings: list[Problem] = []
    files: dict[str, str] = {}
    for path in _rule_files(folder):
        try:
            document = _read(path)
            rule = _rule(document, path, folder)
        except RulesError as exc:
            problems += exc.problems
            continue
        rules.append(rule)
        problems += _misplaced(rule, path, document, files)
        if run_cases:
            problems += _at(
                path, document, ((("cases", i), text) for i, text in broken_cases(rule))
            )
        warnings += _at(path, document, warnings_of(rule))
    if problems:
        raise RulesError(tuple(sorted(problems)))
    return RuleSet(tuple(rules), tuple(warnings))


def _rule_files(folder: Path) -> list[Path]:
    try:
        paths = [Path(entry.path) for entry in visible_in(folder)]
    except OSError as exc:
        where = Path(exc.filename or folder)
        raise _broken(where, 1, 1, f"the folder cannot be read: {exc.strerror}") from exc
    return sorted(path for path in paths if path.suffix.lower() in _ENDINGS)


def _read(path: Path) -> Document:
    if not path.is_file():
        # A pipe would be waited for, and a folder has no content.
        raise _broken(path, 1, 1, "this is no regular file")
    try:
        with path.open("rb") as file:
            content = file.read(FILE_MAX_BYTES + 1)
        return read_yaml(_bounded(content).decode("utf-8"))
    except UnicodeDecodeError as exc:
        raise _broken(path, 1, 1, "the file is not UTF-8") from exc
    except OSError as exc:
        raise _broken(path, 1, 1, f"the file cannot be read: {exc.strerror}") from exc
    except YamlFault as exc:
        raise _broken(path, exc.line, exc.column, str(exc)) from exc


def _bounded(content: bytes) -> bytes:
    if len(content) > FILE_MAX_BYTES:
        raise YamlFault(f"the file is over {FILE_MAX_BYTES:,} bytes", None)
    return content


def _broken(path: Path, line: int, column: int, message: str) -> RulesError:
    return RulesError((Problem(str(path), line, column, message),))


def _rule(document: Document, path: Path, folder: Path) -> Rule:
    handed_in = {SCRIPTS: scripts_of(document.value, folder)}
    try:
        return Rule.model_validate(document.value, context=handed_in)
    except ValidationError as exc:
        found = _first_causes(exc.errors(include_url=False))
        raise RulesError(tuple(_at(path, document, map(_explained, found)))) from exc


def _first_causes(errors: list[Any]) -> list[Any]:
    # pydantic counts the items of a list without the wrong ones, and then misses them.
    return [
        error
        for error in errors
        if error["type"] != "too_short"
        or not any(e["loc"][:-1][: len(error["loc"])] == error["loc"] for e in errors)
    ]


def _at(path: Path, document: Document, found: Iterable[tuple[Keys, str]]) -> list[Problem]:
    return [
        Problem(str(path), *document.place(_as_written(document, keys)), message)
        for keys, message in found
    ]


def _as_written(document: Document, keys: Keys) -> Keys:
    # `run:` may be one job; the model always has a list.
    one_job = isinstance(document.value, dict) and isinstance(document.value.get("run"), dict)
    return ("run", *keys[2:]) if one_job and keys[:2] == ("run", 0) else keys


def _misplaced(rule: Rule, path: Path, document: Document, files: dict[str, str]) -> list[Problem]:
    problems = []
    if rule.id != path.stem:
        message = f"the id is {rule.id!r} and the file {path.name!r}: they must be the same"
        problems += _at(path, document, [(("id",), message)])
    elif rule.id in files:
        message = f"there is a rule {rule.id!r} already, in {files[rule.id]}"
        problems += _at(path, document, [(("id",), message)])
    files.setdefault(rule.id, str(path))
    return problems


def _explained(error: Any) -> tuple[Keys, str]:
    keys, kind, value = error["loc"], error["type"], error["input"]
    if not keys and kind in {"model_type", "dict_type"}:
        return (), "the file holds no rule: it must be a block of `key: value` lines"
    if kind == "extra_forbidden":
        blocks = [str(key) for key in keys[:-1] if key in _BLOCKS]
        return keys, _unknown_key(str(keys[-1]), blocks[-1] if blocks else "")
    if kind == "rule":
        return keys, f"{_named(keys)}{error['msg']}"
    sentence = _SENTENCES.get(kind, error["msg"].lower()).format(value=value)
    if kind == "missing":
        return keys[:-1], f"`{keys[-1]}` {sentence}"
    return keys, f"{_named(keys)}{sentence}"


def _unknown_key(key: str, block: str) -> str:
    if key in RESERVED_KEYS:
        return (
            f"`{key}` is a word of the language that this version cannot carry out yet: remove it"
        )
    fields = _BLOCKS[block].model_fields.items()
    known = [field.alias or name for name, field in fields]
    return f"there is no key `{key}` here{did_you_mean(key, known)}"


def _named(keys: Keys) -> str:
    names = [str(key) for key in keys if isinstance(key, str)]
    return f"`{'.'.join(names)}` " if names else ""
