"""Imports go down. A module that stands on no floor, or reaches up or sideways, fails here."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from factories import ROOT

PACKAGE = ROOT / "service" / "jobhook"

# From the lowest up. Modules of one tuple stand side by side and may not import one another,
# except within a folder, whose own order is not this test's business.
FLOORS: list[tuple[str, ...]] = [
    (
        "core.accounts",
        "core.codes",
        "core.errors",
        "core.hardware",
        "core.jsonable",
        "core.names",
        "core.slips",
        "core.strict",
        "core.uv_runs",
        "core.texts",
        "failpoints",
    ),
    (
        "core.access",
        "core.deliveries",
        "core.dotenv",
        "core.durations",
        "core.examples",
        "core.globs",
        "core.job_ids",
        "core.jobs",
        "core.pacing",
        "core.pages",
        "core.samples",
        "core.schedules",
        "core.script_headers",
        "core.timeouts",
    ),
    (
        "core.cron",
        "core.audits",
        "core.changes",
        "core.events",
        "core.figures",
        "core.job_names",
        "core.findings",
        "core.inlining",
        "core.payloads",
        "core.records",
        "core.repeats",
        "core.templates",
        "core.tokens",
        "core.volumes",
    ),
    ("core.operations", "core.watches", "core.uv", "core.expressions", "core.lookups"),
    ("core.occasions", "core.actions"),
    ("core.checks",),
    ("core.combining", "core.looking"),
    ("core.conditions",),
    ("core.rules",),
    ("core.indexing", "core.matching", "core.registration", "core.wording"),
    ("core.contradictions", "core.mistakes"),
    ("core.launches",),
    (
        "core.planning",
        "core.guards",
        "core.filters",
        "core.causes",
        "core.health",
        "core.timeline",
    ),
    ("core.advice", "core.cases", "core.direct", "core.recurring", "core.views"),
    ("core.viewing", "core.explanations"),
    ("hub",),
    ("ports",),
    ("flows", "adapters", "devhub", "remote"),
    ("web",),
    ("database",),
    ("settings",),  # high, so that nobody below can reach for the environment
    ("stores",),
    ("metering", "workers"),
    ("callers",),
    ("door",),
    ("wiring",),
    ("cli",),
    ("__main__",),
]
EVERYWHERE = ("jobhook.__init__", "jobhook.core.__init__")
CORE_MAY_IMPORT = {"cel_expr_python", "cronsim", "google", "pydantic", "pydantic_core"}
CORE_MAY_NOT_IMPORT = {
    "asyncio", "http", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "socket",
    "ssl", "subprocess", "tempfile", "threading", "time", "urllib", "uuid",
}  # fmt: skip


def modules() -> list[tuple[str, Path]]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found.append((".".join(parts), path))
    return [(name, path) for name, path in found if name not in EVERYWHERE]


def floor_of(module: str) -> tuple[int, str]:
    """The number of the floor, and the room on it."""
    inner = module.removeprefix("jobhook.")
    for number, rooms in enumerate(FLOORS):
        for room in rooms:
            if inner == room or inner.startswith(f"{room}."):
                return number, room
    pytest.fail(f"{module} stands on no floor: add it to FLOORS")


def imports_of(path: Path, module: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                above = module.split(".")[: -node.level]
                yield ".".join([*above, *filter(None, [node.module])])
            elif node.module == "jobhook":
                yield from (f"jobhook.{alias.name}" for alias in node.names if alias.name[0] != "_")
            else:
                yield node.module or ""


@pytest.mark.parametrize(("module", "path"), modules(), ids=lambda value: str(value))
def test_a_module_imports_downwards_only(module: str, path: Path) -> None:
    floor, room = floor_of(module)
    for name in imports_of(path, module):
        if name.startswith("jobhook."):
            below, other = floor_of(name)
            assert below < floor or other == room, f"{module} imports {name}"


@pytest.mark.parametrize(
    ("module", "path"),
    [(module, path) for module, path in modules() if module.startswith("jobhook.core.")],
    ids=lambda value: str(value),
)
def test_the_core_is_pure(module: str, path: Path) -> None:
    for name in imports_of(path, module):
        top = name.partition(".")[0]
        if top != "jobhook":
            assert top in sys.stdlib_module_names or top in CORE_MAY_IMPORT, name
            assert top not in CORE_MAY_NOT_IMPORT, name


def test_only_the_settings_and_the_doors_read_the_environment() -> None:
    readers = {
        module
        for module, path in modules()
        if "os.environ" in path.read_text(encoding="utf-8") or "getenv" in path.read_text("utf-8")
    }
    assert readers == {"jobhook.cli.options", "jobhook.hub.login"}


def test_every_floor_has_somebody_on_it() -> None:
    standing = {floor_of(module) for module, _ in modules()}
    assert standing == {(n, room) for n, rooms in enumerate(FLOORS) for room in rooms}


def test_the_source_roots_are_no_packages() -> None:
    assert not (ROOT / "service" / "__init__.py").exists()
    assert not list((ROOT / "rules").rglob("*.py"))
