"""Read a folder of rule files: all of it or nothing, with every problem and its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from jobhook.adapters.folders import visible_in
from jobhook.adapters.scripts import scripts_among, scripts_of
from jobhook.adapters.yaml_faults import YamlFault
from jobhook.adapters.yaml_marks import Document, read_yaml
from jobhook.core.advice import USUAL, Surroundings, advice_on, advice_on_cases
from jobhook.core.cases import broken_cases
from jobhook.core.codes import ERROR, WARNING
from jobhook.core.errors import Problem, RulesError, UsageError
from jobhook.core.mistakes import read_rule
from jobhook.core.rules import Rule, RuleSet
from jobhook.core.tokens import masked
from jobhook.core.uv import Scripts
from jobhook.core.wording import Keys, Mistake

FILE_MAX_BYTES = 256 * 1024
# Of one file; whoever has seen so many mends some of them first.
_PROBLEMS_MAX = 100
# Of a line that is longer, nothing is shown.
_SOURCE_MAX = 2000

_ENDINGS = {".yaml", ".yml"}


def load_rules(folder: Path, *, run_cases: bool = False) -> RuleSet:
    """
    Return the rules in *folder* and below.

    With *run_cases*, an example that does not hold is a problem as well.

    Raises:
        UsageError: If there is no such folder.
        RulesError: If anything is wrong with any file.
    """
    checked = check_files(rule_files(folder), folder, run_cases=run_cases)
    if checked.problems:
        raise RulesError(checked.problems)
    return RuleSet(tuple(file.rule for file in checked.files), checked.warnings)


@dataclass(frozen=True, slots=True)
class RuleFile:
    """A rule and the file that it is from."""

    rule: Rule
    file: str


@dataclass(frozen=True, slots=True)
class Checked:
    """
    What was found in rule files, in their order.

    Attributes:
        files: Those that hold a rule.
    """

    files: tuple[RuleFile, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def rule_files(folder: Path) -> list[Path]:
    """
    Return the rule files in *folder* and below.

    Raises:
        UsageError: If there is no such folder.
        RulesError: If it, or a folder below, cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no rules folder at {folder}: give another with JOBHOOK_RULES")
    try:
        paths = [Path(entry.path) for entry in visible_in(folder)]
    except OSError as exc:
        where, message = exc.filename or str(folder), f"the folder cannot be read: {exc.strerror}"
        raise RulesError((Problem(where, 1, 1, message, code="unreadable-file"),)) from exc
    return sorted(path for path in paths if is_rule_file(path))


def is_rule_file(path: PurePath) -> bool:
    """Whether a file of that name is read as a rule."""
    return path.suffix.lower() in _ENDINGS


def check_files(
    paths: Sequence[Path],
    folder: Path,
    *,
    run_cases: bool = False,
    around: Surroundings = USUAL,
) -> Checked:
    """
    Return what the files at *paths* hold, with everything that is wrong with any of them.

    Scripts that they name lie in *folder*. With *run_cases*, examples that do not hold and rules
    without one that fires are told as well.
    """
    return _checked(
        ((str(path), _read(path)) for path in paths),
        lambda value: scripts_of(value, folder),
        run_cases=run_cases,
        around=around,
    )


def check_texts(files: Mapping[str, str], *, around: Surroundings = USUAL) -> Checked:
    """
    Return what rule files hold that are given as texts by name, as `check_files` does with cases.

    Scripts that they name are among *files*, under the names that the rules give them.
    """
    return _checked(
        ((name, _read_text(files[name])) for name in sorted(files) if is_rule_file(PurePath(name))),
        lambda value: scripts_among(value, files),
        run_cases=True,
        around=around,
    )


def _checked(
    documents: Iterable[tuple[str, Document]],
    scripts: Callable[[Any], Scripts],
    *,
    run_cases: bool,
    around: Surroundings,
) -> Checked:
    found: list[RuleFile] = []
    problems: list[Problem] = []
    warnings: list[Problem] = []
    ids: dict[str, str] = {}
    for file, document in documents:
        wrong = [_fault(file, document, fault) for fault in document.faults]
        rule: Rule | tuple[Mistake, ...] = ()
        if document.whole:
            rule = read_rule(document.value, scripts(document.value))
        mistakes = rule if isinstance(rule, tuple) else _broken(rule, run_cases=run_cases)
        wrong += _told(file, document, (*mistakes, *_misplaced(document, file, ids)))
        problems += sorted(_hushed(wrong))[:_PROBLEMS_MAX]
        if isinstance(rule, Rule):
            found.append(RuleFile(rule, file))
            advice = _advice(rule, around, run_cases=run_cases)
            warnings += _told(file, document, advice, severity=WARNING)
    return Checked(tuple(found), tuple(problems), tuple(sorted(warnings)))


def _read(path: Path) -> Document:
    if not path.is_file():
        # A pipe would be waited for, and a folder has no content.
        return _unreadable("this is no regular file")
    try:
        with path.open("rb") as file:
            content = file.read(FILE_MAX_BYTES + 1)
    except OSError as exc:
        return _unreadable(f"the file cannot be read: {exc.strerror}")
    return _read_content(content)


def _read_text(text: str) -> Document:
    # Half a character, which JSON can name, is refused with all else that is not UTF-8.
    return _read_content(text.encode(errors="surrogatepass"))


def _read_content(content: bytes) -> Document:
    if len(content) > FILE_MAX_BYTES:
        return _unreadable(f"the file is over {FILE_MAX_BYTES:,} bytes")
    try:
        return read_yaml(content.decode("utf-8"))
    except UnicodeDecodeError:
        return _unreadable("the file is not UTF-8")


def _unreadable(message: str) -> Document:
    return Document(None, whole=False, faults=(YamlFault(1, 1, message, "unreadable-file"),))


def _fault(file: str, document: Document, fault: YamlFault) -> Problem:
    message, source = masked(fault.message), _source(document, fault.line)
    return Problem(file, fault.line, fault.column, message, code=fault.code, source=source)


def _told(
    file: str, document: Document, found: Iterable[Mistake], *, severity: str = ERROR
) -> list[Problem]:
    return [_problem(file, document, mistake, severity) for mistake in found]


def _problem(file: str, document: Document, mistake: Mistake, severity: str) -> Problem:
    keys, message = _as_written(document, mistake.keys), mistake.message
    place = document.place(keys)
    if mistake.within:
        exact = document.within(keys, *mistake.within)
        if exact is None:
            line, column = mistake.within
            message += f" (line {line}, column {column} of it)"
        place = exact or document.text_place(keys)
    return Problem(
        file,
        *place,
        masked(message),
        code=mistake.code,
        severity=severity,
        source=_source(document, place[0]),
    )


def _as_written(document: Document, keys: Keys) -> Keys:
    # One job, text or block may stand where the model always has a list.
    value, written = document.value, list[str | int]()
    for key in keys:
        if key == 0 and not isinstance(value, list):
            continue
        written.append(key)
        value = _at(value, key)
    return tuple(written)


def _at(value: Any, key: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(key)
    is_item = isinstance(value, list) and isinstance(key, int) and key < len(value)
    return value[key] if is_item else None


def _misplaced(document: Document, file: str, ids: dict[str, str]) -> Iterator[Mistake]:
    id_ = document.value.get("id") if isinstance(document.value, dict) else None
    if not isinstance(id_, str):
        return
    path = PurePath(file)
    if id_ != path.stem:
        message = f"the id is {id_[:64]!r} and the file {path.name!r}: they must be the same"
        yield Mistake(("id",), "id-mismatch", message)
    elif id_ in ids:
        message = f"there is a rule {id_!r} already, in {ids[id_]}"
        yield Mistake(("id",), "duplicate-id", message)
    ids.setdefault(id_, file)


def _broken(rule: Rule, *, run_cases: bool) -> Iterator[Mistake]:
    if run_cases:
        for keys, message in broken_cases(rule):
            yield Mistake(("cases", *keys), "case-fails", message)


def _advice(rule: Rule, around: Surroundings, *, run_cases: bool) -> Iterator[Mistake]:
    yield from advice_on(rule, around)
    if run_cases:
        yield from advice_on_cases(rule)


def _source(document: Document, number: int) -> str:
    line = document.line(number)
    return masked(line) if len(line) <= _SOURCE_MAX else ""


def _hushed(problems: list[Problem]) -> list[Problem]:
    # What only the name beside it makes a secret has no shape by which it could be masked.
    lines = {problem.line for problem in problems if problem.code == "secret-in-env"}
    return [replace(each, source="") if each.line in lines else each for each in problems]
