"""`jobhook rules check` and `jobhook rules codes`: what is wrong with rule files, and why."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from jobhook.adapters.rulefiles import Checked, check_files, is_rule_file, rule_files
from jobhook.cli.options import AsJson, RulesFolder, settings_with
from jobhook.cli.output import plain, print_json, print_table, say, warn
from jobhook.cli.places import surroundings
from jobhook.core.codes import CODES, COST, ERROR, NOTE, described
from jobhook.core.errors import Problem, RulesError, UsageError, did_you_mean
from jobhook.core.jsonable import in_json
from jobhook.settings import Settings

if TYPE_CHECKING:
    from jobhook.core.views import CheckedRule, CheckReport

_COLOURS = {"error": "bold red", "warning": "bold yellow"}
# Of a source line, so much is shown, with the place in it.
_EXCERPT = 120
_DEAREST = 20
_WORD = re.compile(r"[^\s,:\]}]+")


class Format(StrEnum):
    """How problems are told."""

    HUMAN = "human"
    JSON = "json"
    GITHUB = "github"


Files = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[FILE]...", help="Rule files (default: all of the rules folder)."),
]
Strictly = Annotated[bool, typer.Option("--strict", help="Fail on warnings too.")]
WithCosts = Annotated[
    bool, typer.Option("--costs", help="In JSON: a note on what a launch of each rule costs.")
]
How = Annotated[
    Format | None,
    typer.Option("--format", help="human, json, or github for annotations in GitHub Actions."),
]


def check(
    files: Files = None,
    rules: RulesFolder = None,
    strict: Strictly = False,
    how: How = None,
    costs: WithCosts = False,
    as_json: AsJson = False,
) -> None:
    """
    Validate rule files and run the rules' own cases; exit 1 if anything is wrong.

    A folder without rules is no error, as a service runs with it; it is warned of. What the codes
    mean is told by `jobhook rules codes`.
    """
    form = _format(how, as_json=as_json)
    settings = settings_with(rules=rules)
    report = _report(files, settings)
    if form is Format.JSON:
        _print_json(report, costs=costs)
    elif form is Format.GITHUB:
        _print_github(report, strict=strict)
    else:
        _print_human(report, strict=strict)
    if not report.ok or (strict and report.problems):
        raise typer.Exit(1)


def _report(files: list[Path] | None, settings: Settings) -> CheckReport:
    from jobhook.adapters.reports import report_of

    try:
        paths = _given(files) if files else rule_files(settings.rules)
    except RulesError as exc:
        return report_of(Checked(problems=exc.problems))
    if not paths:
        warn(f"jobhook: there is no rule file (*.yaml) in {settings.rules}: nothing is launched")
    around = surroundings(settings)
    return report_of(check_files(paths, settings.rules, run_cases=True, around=around))


def codes(
    code: Annotated[str | None, typer.Argument(metavar="[CODE]", help="One of them.")] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print all there is to say, as a page.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what the codes of `rules check` mean: all of them, or one with an example."""
    if code is not None and code not in CODES:
        raise UsageError(f"there is no code {code!r}{did_you_mean(code, CODES)}")
    chosen = CODES if code is None else {code: CODES[code]}
    if as_json:
        print_json([{"code": name, **asdict(about)} for name, about in chosen.items()])
    elif markdown or code:
        text = "\n".join(described(name, about) for name, about in chosen.items())
        for line in text.splitlines():
            say(line)
    else:
        rows = ((name, about.severity, _gist(about.meaning)) for name, about in chosen.items())
        print_table(("CODE", "SEVERITY", "MEANING"), rows, empty="there are no codes")


def _gist(meaning: str) -> str:
    return meaning.partition(". ")[0].rstrip(".")


def _format(how: Format | None, *, as_json: bool) -> Format:
    if as_json and how not in (None, Format.JSON):
        raise UsageError(f"--json and --format {how} contradict one another: give one")
    return Format.JSON if as_json else how or Format.HUMAN


def _given(files: Iterable[Path]) -> list[Path]:
    paths = list(dict.fromkeys(files))
    for path in paths:
        if not path.exists():
            raise UsageError(f"there is no file {path}")
        if not is_rule_file(path):
            raise UsageError(f"{path} is no rule file: their names end in .yaml or .yml")
    return paths


def _print_json(report: CheckReport, *, costs: bool) -> None:
    notes = [_cost_note(rule) for rule in report.rules] if costs else []
    print_json([*in_json(report.problems), *notes])


def _cost_note(found: CheckedRule) -> dict[str, Any]:
    message = f"one launch of {found.rule} costs {_dollars(found.usd)} at most"
    problem = Problem(found.file, 1, 1, message, code=COST, severity=NOTE)
    return {**asdict(problem), "rule": found.rule, "usd": found.usd}


def _print_github(report: CheckReport, *, strict: bool) -> None:
    for problem in report.problems:
        say(_annotation(problem))
    _print_verdict(report, strict=strict)


def _annotation(problem: Problem) -> str:
    properties = {
        "file": problem.file,
        "line": problem.line,
        "col": problem.column,
        "title": problem.code,
    }
    told = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    return f"::{problem.severity} {told}::{_data(problem.message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _print_human(report: CheckReport, *, strict: bool) -> None:
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    sys.stdout.flush()
    for problem in report.problems:
        _print_problem(console, problem)
    _print_verdict(report, strict=strict)
    if report.problems:
        say("`jobhook rules codes CODE` says more about what stands in brackets")
    if report.rules and report.ok:
        _print_costs(report.rules)


def _print_problem(console: Console, problem: Problem) -> None:
    colour = _COLOURS[problem.severity]
    line = Text(plain(f"{problem.file}:{problem.line}:{problem.column}: "), style="bold")
    line.append(f"{problem.severity}: ", style=colour)
    line.append(plain(problem.message), style="not bold")
    line.append(f" [{problem.code}]", style="not bold dim")
    console.print(line)
    if problem.source.strip():
        before, source, width = _excerpt(problem)
        number = f"{problem.line:>6}"
        console.print(Text(f"{number} | ", style="dim").append(source, style="not dim"))
        caret = Text(f"{'':>{len(number)}} | ", style="dim")
        console.print(caret.append(" " * before + "^" * width, style=f"not dim {colour}"))


def _excerpt(problem: Problem) -> tuple[int, str, int]:
    """Return the cells before the place, what is shown of its line, and the cells to mark."""
    at = problem.column - 1
    start = max(0, at - _EXCERPT // 2) if len(problem.source) > _EXCERPT else 0
    shown = problem.source[start : start + _EXCERPT].replace("\t", " ")
    cut = "…" if start else ""
    word = _WORD.match(shown, at - start)
    width = cell_len(plain(word[0])) if word else 1
    return cell_len(cut + plain(shown[: at - start])), cut + plain(shown), width


def _print_verdict(report: CheckReport, *, strict: bool) -> None:
    problems = sum(problem.severity == ERROR for problem in report.problems)
    warnings = len(report.problems) - problems
    told = f", {_count(warnings, 'warning')}" if warnings else ""
    if problems:
        say(f"{_count(problems, 'problem')}{told}: nothing would be loaded")
        return
    cases = sum(rule.cases for rule in report.rules)
    failed = ": not fine with --strict" if strict and warnings else ""
    say(f"{_count(len(report.rules), 'rule')} and {_count(cases, 'case')} hold{told}{failed}")


def _print_costs(rules: Sequence[CheckedRule]) -> None:
    dearest = sorted(rules, key=lambda each: (each.usd is not None, -(each.usd or 0)))[:_DEAREST]
    rows = ((each.rule, _dollars(each.usd), _jobs(each)) for each in dearest)
    print_table(("RULE", "A LAUNCH COSTS AT MOST", "ITS JOBS"), rows, empty="")
    if len(rules) > _DEAREST:
        say(f"and {_count(len(rules) - _DEAREST, 'rule')} that cost no more than these")


def _jobs(found: CheckedRule) -> str:
    return ", ".join(f"{job.flavor} for {length(job.timeout)}" for job in found.jobs)


def length(seconds: int) -> str:
    """Return a timeout as people write it."""
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def _dollars(usd: float | None) -> str:
    if usd is None:
        return "nobody knows what"
    return f"${usd:.2f}" if usd >= 0.01 or usd == 0 else "under $0.01"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
