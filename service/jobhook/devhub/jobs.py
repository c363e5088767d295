"""One job of a devhub: what is known of it, and how that is told."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from jobhook.core.jobs import JobStage

from .accounts import Namespace
from .jobspec import JobBody
from .wire import now, stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Initiator:
    """What set a job off, where it was nobody at their keyboard."""

    type: Literal["scheduled-job", "duplicated-job", "webhook"]
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """
    What is known of one job.

    Attributes:
        initiator: What set it off, None where its creator asked for it.
        forgetful: Whether nothing but the names is known of its secrets any more.
    """

    id: str
    owner: Namespace
    creator: Namespace
    body: JobBody
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    stage: JobStage = JobStage.SCHEDULING
    message: str | None = None
    failures: int = 0
    initiator: Initiator | None = None
    forgetful: bool = False

    def to_wire(self, url: str) -> dict[str, Any]:
        """Return the job as the Hub tells it; what is not known is absent."""
        initiator = asdict(self.initiator) if self.initiator else self.creator.to_wire(url)
        return {
            "type": "job",
            "id": self.id,
            "createdAt": stamp(self.created_at),
            **self._moments(),
            **self.body.to_wire(),
            "createdBy": {"id": self.creator.id, "name": self.creator.name},
            "owner": self.owner.to_wire(url),
            "initiator": initiator,
            "durations": self._durations(),
            "status": self._status(url),
        }

    def _status(self, url: str) -> dict[str, Any]:
        status: dict[str, Any] = {"stage": self.stage, "message": self.message}
        if self.failures:
            status["failureCount"] = self.failures
        if self.body.expose and self.body.expose.ports:
            # Not at hf.jobs, as the Hub's are: here the job really listens, and there a client
            # would show its token to strangers.
            host = urlsplit(url).netloc.removesuffix(f":{urlsplit(url).port}")
            status["exposeUrls"] = [f"http://{host}:{port}" for port in self.body.expose.ports]
        if self.body.ssh and self.body.ssh.enabled:
            status["sshUrl"] = f"ssh://{self.id}@ssh.devhub.invalid"
        return status

    def _moments(self) -> dict[str, str]:
        known = {"startedAt": self.started_at, "finishedAt": self.finished_at}
        return {name: stamp(moment) for name, moment in known.items() if moment}

    def _durations(self) -> dict[str, int]:
        """Return whole seconds; those of a job that has not started are only the total."""
        end = self.finished_at or now()
        spans = {"totalSecs": (self.created_at, end)}
        if self.started_at:
            spans["schedulingSecs"] = (self.created_at, self.started_at)
            spans["runningSecs"] = (self.started_at, end)
        return {
            name: int((until - since).total_seconds()) for name, (since, until) in spans.items()
        }

    def to_stored(self) -> dict[str, Any]:
        """Return what `from_stored` reads; of secrets the names."""
        body = {**self.body.to_stored(), "secrets": dict.fromkeys(self.body.secrets, "")}
        return {
            "id": self.id,
            "owner": {"name": self.owner.name, "type": self.owner.type},
            "creator": self.creator.name,
            "body": body,
            "stage": self.stage,
            "message": self.message,
            "failures": self.failures,
            "initiator": self.initiator,
            "createdAt": self.created_at,
            "startedAt": self.started_at,
            "finishedAt": self.finished_at,
        }

    @classmethod
    def from_stored(cls, stored: dict[str, Any]) -> Job:
        """Return the job that `to_stored` described."""
        moments = {
            name: datetime.fromisoformat(stored[key]) if stored[key] else None
            for name, key in (("started_at", "startedAt"), ("finished_at", "finishedAt"))
        }
        return cls(
            id=stored["id"],
            owner=Namespace(**stored["owner"]),
            creator=Namespace(name=stored["creator"], type="user"),
            body=JobBody.model_validate(stored["body"]),
            forgetful=bool(stored["body"]["secrets"]),
            stage=JobStage(stored["stage"]),
            message=stored["message"],
            failures=stored["failures"],
            initiator=Initiator(**stored["initiator"]) if stored.get("initiator") else None,
            created_at=datetime.fromisoformat(stored["createdAt"]),
            **moments,
        )
