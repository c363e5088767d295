"""The scheduled jobs of a devhub: what one may ask for, what is kept, what is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, StringConstraints, model_validator

from jobhook.core.cron import Schedule
from jobhook.core.errors import UsageError

from .accounts import Namespace
from .jobspec import Body, JobBody
from .wire import stamp


def _checked(text: str) -> str:
    try:
        Schedule(text)
    except UsageError as exc:
        raise ValueError(str(exc).removeprefix("schedule ")) from exc
    return text


class RecurringBody(JobBody):
    """A job that runs again and again: nobody waits to log in, and no other job for it."""

    @model_validator(mode="after")
    def _only_what_recurs(self) -> RecurringBody:
        if self.network or (self.ssh and self.ssh.enabled):
            raise ValueError("a scheduled job has no ssh and no network group")
        return self


class ScheduleChange(Body):
    """When a scheduled job is to run from now on."""

    schedule: Annotated[str, StringConstraints(min_length=1), AfterValidator(_checked)]


class ScheduleBody(ScheduleChange):
    """What a new scheduled job must hold."""

    job_spec: RecurringBody
    suspend: bool = False
    concurrency: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LastJob:
    """The job that a schedule launched last."""

    id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledJob:
    """
    A job and when to run it.

    Attributes:
        next_at: When it is due next, also while it is suspended; None if never again.
    """

    id: str
    owner: Namespace
    creator: Namespace
    body: JobBody
    schedule: str
    created_at: datetime
    next_at: datetime | None
    suspend: bool = False
    concurrency: bool = False
    last: LastJob | None = None

    def is_due(self, moment: datetime) -> bool:
        """Whether it is to run at *moment*."""
        return not self.suspend and self.next_at is not None and self.next_at <= moment

    def to_wire(self, url: str) -> dict[str, Any]:
        """Return the scheduled job as the Hub tells it."""
        last = self.last and {"id": self.last.id, "at": stamp(self.last.at)}
        status: dict[str, Any] = {"lastJob": last}
        if self.next_at:
            status["nextJobRunAt"] = stamp(self.next_at)
        return {
            "type": "scheduled-job",
            "id": self.id,
            "createdAt": stamp(self.created_at),
            "schedule": self.schedule,
            "suspend": self.suspend,
            "concurrency": self.concurrency,
            "jobSpec": self.body.to_wire(),
            "owner": self.owner.to_wire(url),
            "initiator": self.creator.to_wire(url),
            "status": status,
        }

    def to_stored(self) -> dict[str, Any]:
        """Return what `from_stored` reads; the secrets too, for every run needs them."""
        return {
            "id": self.id,
            "owner": {"name": self.owner.name, "type": self.owner.type},
            "creator": self.creator.name,
            "body": self.body.to_stored(),
            "schedule": self.schedule,
            "suspend": self.suspend,
            "concurrency": self.concurrency,
            "createdAt": self.created_at,
            "last": self.last,
        }

    @classmethod
    def from_stored(cls, stored: dict[str, Any], now: datetime) -> ScheduledJob:
        """Return what `to_stored` described; what was due before *now* is missed for good."""
        last = stored["last"]
        return cls(
            id=stored["id"],
            owner=Namespace(**stored["owner"]),
            creator=Namespace(name=stored["creator"], type="user"),
            body=JobBody.model_validate(stored["body"]),
            schedule=stored["schedule"],
            created_at=datetime.fromisoformat(stored["createdAt"]),
            next_at=Schedule(stored["schedule"]).after(now),
            suspend=stored["suspend"],
            concurrency=stored["concurrency"],
            last=last and LastJob(id=last["id"], at=datetime.fromisoformat(last["at"])),
        )
