"""
Where ours does on purpose what the official client does not do, and why.

Every entry must occur for each of its functions when the samples are called; one that does not is
out of date and fails the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from agreement.functions import JOBS, SCHEDULES
from agreement.samples import LOCAL
from jobhook.core.jobs import LABEL_MAX

RUNS = ("run_job", "run_uv_job")
SCHEDULED = ("create_scheduled_job", "create_scheduled_uv_job")
STARTS = RUNS + SCHEDULED
IN_A_NAMESPACE = tuple(
    name for name in JOBS + SCHEDULES if name not in {"list_jobs_hardware", "list_jobs"}
)

Args = Mapping[str, Any]


def _always(args: Args) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """
    What may differ for some functions.

    Attributes:
        what: Its name, as `disagreements` gives it; a pattern.
        when: The calls that it is expected of; others must agree.
    """

    functions: Sequence[str]
    what: str
    reason: str
    when: Callable[[Args], bool] = _always

    def covers(self, what: str, args: Args) -> bool:
        return fnmatchcase(what, self.what) and self.when(args)


def _has_numbers(name: str) -> Callable[[Args], bool]:
    return lambda args: any(not isinstance(each, str) for each in (args.get(name) or {}).values())


def _names_no_namespace(args: Args) -> bool:
    return args.get("namespace") is None


def _is_named_too_long(args: Args) -> bool:
    return args.get("name") is None and len(str(args["image"])) > LABEL_MAX


DIFFERENCES: Sequence[Difference] = (
    Difference(
        functions=IN_A_NAMESPACE,
        what="whoami.often",
        when=_names_no_namespace,
        reason="whose token it is, is asked once per token and not before every call",
    ),
    Difference(
        functions=("list_jobs",),
        what="whoami.*",
        when=_names_no_namespace,
        reason="the official client asks its module's own endpoint about the saved token",
    ),
    Difference(
        functions=STARTS,
        what="body*.environment.*",
        when=_has_numbers("env"),
        reason="the Hub's schema wants text: numbers are sent as text",
    ),
    Difference(
        functions=(*STARTS, "create_webhook", "update_webhook"),
        what="body*.secrets.*",
        when=_has_numbers("secrets"),
        reason="the Hub's schema wants text: numbers are sent as text",
    ),
    Difference(
        functions=(*STARTS, "update_job_labels", "update_scheduled_job_labels"),
        what="body*.labels.*",
        when=_has_numbers("labels"),
        reason="the Hub's schema wants text: numbers are sent as text",
    ),
    Difference(
        functions=("run_job", "create_scheduled_job"),
        what="body*.labels.name",
        when=_is_named_too_long,
        reason="the automatic name is cut to what the Hub takes for a label",
    ),
    Difference(
        functions=("run_uv_job", "create_scheduled_uv_job"),
        what="accepted",
        when=lambda args: args["script"] == LOCAL,
        reason="local files travel with the job, and need no bucket, which this Hub does not have",
    ),
    Difference(
        functions=("cancel_job",),
        what="result",
        reason="the Hub answers with the job, and it is given back",
    ),
    Difference(
        functions=("wait_for_job",),
        what="requests",
        when=lambda args: isinstance(args["job_id"], list),
        reason="several jobs are looked at with one call, where that is fewer",
    ),
    Difference(
        functions=("update_webhook",),
        what="requests",
        when=lambda args: None in (args.get("watched"), args.get("domains")),
        reason="the Hub wants both, and none empty: the webhook is read, and sent whole",
    ),
)


def of(function: str) -> list[Difference]:
    """The differences that are expected of *function*."""
    return [each for each in DIFFERENCES if function in each.functions]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """
    What may be read otherwise from an answer.

    Attributes:
        kind: Of the answer, as `recorder.ROUTES` names it; a pattern, as are the others.
        variant: What was done to the answer.
        what: The part of the result that differs, as `disagreements` names it.
    """

    kind: str
    variant: str
    what: str
    reason: str

    def covers(self, variant: str, what: str) -> bool:
        return fnmatchcase(variant, self.variant) and fnmatchcase(what, self.what)


_NO_NAME = "what has no id, name or stage is of no use: it cannot be asked for again, or waited for"
_NEVER = "the Hub never says so; None is what is not known"

READINGS: Sequence[Reading] = (
    *(
        Reading(kind=kind, variant=variant, what="refused", reason=_NO_NAME)
        for kind, variant in (
            ("[jsw]*", "null id"),
            ("[jsw]*", "empty id"),
            ("[js]*", "* owner.name"),
            ("webhook*", "* watched.0.*"),
            ("job*", "* status.stage"),
            ("hardware", "* name"),
        )
    ),
    Reading(
        kind="hardware",
        variant="* unit*",
        what="refused",
        reason="a flavor without a price would pass every limit on prices",
    ),
    *(
        Reading(kind=kind, variant=variant, what=what, reason=_NEVER)
        for kind, variant, what in (
            ("[jsw]*", "empty *dockerImage", "*.docker_image"),
            ("[sw]*", "empty *timeout", "*.timeout"),
            ("[js]*", "null owner.id", "result.owner.id"),
            ("[js]*", "* owner.type", "result.owner.type"),
            ("webhook*", "null disabled", "result.disabled"),
            ("webhook*", "null domains", "result.domains"),
        )
    ),
)


def of_answers(kind: str) -> list[Reading]:
    """What is expected to differ in what is read from an answer of *kind*."""
    return [each for each in READINGS if fnmatchcase(kind, each.kind)]
