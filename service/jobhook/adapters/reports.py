"""What was found in rule files, as people and programs are shown it."""

from __future__ import annotations

from jobhook.adapters.rulefiles import Checked
from jobhook.core.viewing import check_report
from jobhook.core.views import CheckReport


def report_of(checked: Checked) -> CheckReport:
    """Return *checked* as it is shown."""
    found = ((each.rule, each.file) for each in checked.files)
    return check_report(found, checked.problems, checked.warnings)
