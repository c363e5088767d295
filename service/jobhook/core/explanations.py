"""Tell why rules fire on a delivery or do not, condition by condition, and what they would run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from jobhook.core.cases import found_by
from jobhook.core.deliveries import Delivery
from jobhook.core.errors import JobHookError
from jobhook.core.examples import Case
from jobhook.core.findings import Found, Kind, Lookup, Unavailable
from jobhook.core.matching import Decision, explain
from jobhook.core.occasions import Occasion
from jobhook.core.planning import Origin, plan_launches, shown_job
from jobhook.core.rules import Rule
from jobhook.core.views import Explanation

# Each job holds the payload: of many rules that fire on a large one, the first are shown whole.
JOBS_MAX_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """
    What somebody says about a delivery, so that the Hub need not be asked.

    Attributes:
        files: The paths of the files that changed; null if that is not said.
        actor: Who did it, as `name` or `name:role`.
        message: The message of the commit.
    """

    files: tuple[str, ...] | None = None
    actor: str | None = None
    message: str | None = None

    def of(self, lookup: Lookup, delivery: Delivery) -> Found | Unavailable | None:
        """Return what was said that answers *lookup* about *delivery*; None if nothing does."""
        return found_by(lookup, self._case, delivery) if self._answers(lookup) else None

    def _answers(self, lookup: Lookup) -> bool:
        match lookup.kind:
            case Kind.FILES:
                return self.files is not None
            case Kind.COMMIT:
                return self.message is not None or self.actor is not None
            case Kind.DISCUSSION:
                return self.actor is not None
        return lookup.kind == Kind.ROLE and ":" in (self.actor or "")

    @property
    def _case(self) -> Case:
        """The example that says the same."""
        name, colon, role = (self.actor or "").partition(":")
        files = {} if self.files is None else {"files": [{"path": path} for path in self.files]}
        actor = {"actor": {"name": name, "role": role if colon else None}} if name else {}
        commit = {"message": self.message or ""}
        told = {"name": "told", "fires": True, "commit": commit}
        return Case.model_validate({**told, **files, **actor})


NOTHING_TOLD = Told()


def explanations(
    occasions: Sequence[Occasion], rules: Sequence[Rule], body: bytes, origin: Origin
) -> Iterator[Explanation]:
    """
    Yield for each of *rules* why it fires or does not, with the jobs that it owes.

    *occasions* are those of *body*, with all that is known of it.
    """
    room = JOBS_MAX_BYTES
    for rule in rules:
        explained = explain(occasions, rule)
        jobs, warnings = _jobs(explained.decision, body, origin, room)
        room -= sum(map(_size, jobs))
        yield Explanation(
            rule=rule.id,
            fired=explained.decision.fired,
            reason=explained.decision.reason,
            event=explained.event,
            conditions=explained.answers,
            jobs=jobs,
            warnings=warnings,
        )


def _jobs(
    decision: Decision, body: bytes, origin: Origin, room: int
) -> tuple[tuple[dict[str, Any], ...], tuple[str, ...]]:
    """Return the jobs that *decision* owes, and why the others are not among them."""
    jobs: list[dict[str, Any]] = []
    warnings: list[str] = []
    for launch in plan_launches(decision, origin, now=0):
        if launch.reason:
            warnings.append(f"the job would be {launch.state}: {launch.reason}")
        elif room <= 0:
            warnings.append("the job is not shown, as there are too many: ask about this rule only")
        else:
            try:
                jobs.append(shown_job(launch, body))
                room -= _size(jobs[-1])
            except JobHookError as exc:
                warnings.append(f"the job would be rejected: {exc}")
    return tuple(jobs), tuple(warnings)


def _size(job: dict[str, Any]) -> int:
    return sum(len(value) for value in job["environment"].values())
