"""What can go wrong on demand: the kinds of fault, as values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from jobhook.core.jobs import JobStage

from .limits import MIB

if TYPE_CHECKING:
    from datetime import datetime

    from .jobs import Job

_DAY_MS = 24 * 60 * 60 * 1000

_Ms = Annotated[int, Field(ge=0, le=_DAY_MS)]
_Size = Annotated[int, Field(ge=0, le=1024 * MIB)]
_Header = Annotated[
    str, StringConstraints(pattern=r"^[\x21-\x7e]([\x20-\x7e]{0,498}[\x21-\x7e])?$")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request, as far as a fault looks at it; *route* is empty where no route answers."""

    method: str
    path: str
    route: str


class Execute(StrEnum):
    """Whether a request is carried out."""

    NO = "no"
    YES = "yes"
    TWICE = "twice"


class AnswerKind(StrEnum):
    """What the client gets to read."""

    REAL = "real"
    DROP = "drop"
    RESET = "reset"
    EMPTY = "empty"
    HTML = "html"
    TEXT = "text"
    NO_ID = "no-id"
    TRUNCATED = "truncated"
    SLOW = "slow"
    HUGE = "huge"


class Labels(StrEnum):
    """What becomes of the labels of a job."""

    LOWER = "lower"


class Filter(StrEnum):
    """What becomes of the label filter of a list."""

    IGNORE = "ignore"
    FOLD = "fold"


# Answers that can be given though nothing was carried out.
_INVENTED = {AnswerKind.DROP, AnswerKind.RESET, AnswerKind.EMPTY, AnswerKind.HTML, AnswerKind.TEXT}
_SIZED = {AnswerKind.TRUNCATED, AnswerKind.HUGE}


class Fault(BaseModel):
    """
    Something that goes wrong with the requests that it meets.

    What a key means stands with it: the README tells it in the same words.

    Attributes:
        route: A name of a route, or a method and a path; both may hold `*`.
        spec: The text that this was read from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    route: str
    spec: str
    skip: int = Field(0, ge=0, le=1_000_000_000, description="not the first so many times")
    count: int | None = Field(None, ge=1, le=1_000_000_000, description="so many times, then never")
    rate: float | None = Field(None, gt=0, le=1, description="with this probability (0.1)")

    def meets(self, asked: Asked) -> bool:
        """Whether *asked* is one of the requests that this is about."""
        method, blank, path = self.route.partition(" ")
        if blank:
            return method in ("*", asked.method) and fnmatchcase(asked.path, path)
        return fnmatchcase(asked.route, self.route)


class RequestFault(Fault):
    """One request goes wrong on its way."""

    execute: Execute | None = Field(
        None,
        description="whether it is carried out first: `no`, `yes` or `twice`; left out, it is `no` "
        "where `status`, `redirect` or a lost connection is the answer, else `yes`",
    )
    late: _Ms | None = Field(
        None, description="carried out once, so many ms later, whatever is answered now"
    )
    delay: _Ms = Field(0, description="ms to wait before all else")
    hold: _Ms = Field(0, description="ms to wait before the answer")
    status: int | None = Field(None, ge=200, le=599, description="answer with this status")
    retry_after: _Header | None = Field(None, description="the answer's `Retry-After`")
    ratelimit: _Header | None = Field(None, description="the answer's `RateLimit`")
    redirect: _Header | None = Field(None, description="a URL to redirect to, with `status` or 307")
    answer: AnswerKind = Field(
        AnswerKind.REAL,
        description="`drop` (the connection is closed), `reset` (by RST), `empty`, `html`, `text`, "
        "`no-id`, `truncated`, `slow` or `huge`",
    )
    bytes: _Size | None = Field(
        None, description="the length for `truncated` (else half) and `huge` (else 6 MiB)"
    )
    pause: _Ms | None = Field(None, description="ms between two bytes of `slow` (else 1000)")
    cut: _Size | None = Field(
        None, description="drop the connection after so many bytes of the request's body"
    )
    hangup: _Ms | None = Field(
        None, description="close the idle connection, unannounced, so many ms after the answer"
    )

    @property
    def times(self) -> int:
        """Return how often the request is carried out before it is answered."""
        if self.late is not None:
            return 0
        given = self.execute or (Execute.NO if self._says_no else Execute.YES)
        return {Execute.NO: 0, Execute.YES: 1, Execute.TWICE: 2}[given]

    @property
    def drops(self) -> bool:
        """Whether the connection ends without an answer."""
        return self.answer in (AnswerKind.DROP, AnswerKind.RESET)

    @property
    def _says_no(self) -> bool:
        return self.status is not None or self.redirect is not None or self.drops

    @model_validator(mode="after")
    def _does_something(self) -> RequestFault:
        effects = self.model_fields_set.difference(Fault.model_fields)
        if not effects:
            raise ValueError("it says nothing that goes wrong: add status=500, delay=2000, …")
        if self.cut is not None and effects != {"cut"}:
            raise ValueError("cut stands alone: a request that is cut off is never carried out")
        return self

    @model_validator(mode="after")
    def _has_an_answer(self) -> RequestFault:
        if self.late is not None and self.execute is not None:
            raise ValueError("late and execute exclude each other: late carries it out once")
        has_one = self.times or self._says_no or self.answer in _INVENTED
        if self.cut is None and not has_one:
            raise ValueError(
                "a request that is not carried out first has no answer of its own: add "
                "status=CODE, redirect=URL or answer=drop|reset|empty|html|text"
            )
        return self

    @model_validator(mode="after")
    def _options_belong(self) -> RequestFault:
        if self.bytes is not None and self.answer not in _SIZED:
            raise ValueError("bytes belongs to answer=truncated or answer=huge")
        if self.pause is not None and self.answer is not AnswerKind.SLOW:
            raise ValueError("pause belongs to answer=slow")
        if self.redirect is not None and not 300 <= (self.status or 307) < 400:
            raise ValueError("a redirect has a status of 300 to 399")
        return self


class JobFault(Fault):
    """The Hub tells of a job otherwise than it is; what runs, and the ledger, are not touched."""

    lag: _Ms | None = Field(None, description="in no list until so many ms after its creation")
    unlisted: _Ms | None = Field(None, description="in no list from so many ms after its creation")
    gone: _Ms | None = Field(None, description="not found at all from so many ms on")
    deleted: _Ms | None = Field(None, description="in the stage DELETED from so many ms on")
    wiped: _Ms | None = Field(None, description="without its labels from so many ms on")
    labels: Labels | None = Field(None, description="`lower`: its labels are told in lower case")

    def told(self, job: Job, at: datetime, *, listed: bool) -> Job | None:
        """Return *job* as it is told of at that moment, None if it is not, in a list or alone."""
        age = (at - job.created_at).total_seconds() * 1000
        if _passed(self.gone, age):
            return None
        if listed and (_passed(self.unlisted, age) or (self.lag is not None and age < self.lag)):
            return None
        if _passed(self.deleted, age):
            job = replace(job, stage=JobStage.DELETED)
        labels = {} if _passed(self.wiped, age) else job.body.labels
        if self.labels is Labels.LOWER:
            labels = {key.lower(): value.lower() for key, value in labels.items()}
        return replace(job, body=job.body.model_copy(update={"labels": labels}))


class ListFault(Fault):
    """A list of jobs does not heed what it was asked."""

    filter: Filter | None = Field(
        None, description="`ignore` the label filter, or `fold` the case of labels in it"
    )
    page: int | None = Field(None, ge=1, le=1000, description="jobs on a page")

    def carries(self, labels: dict[str, str], key: str, value: str) -> bool:
        """Whether a job with *labels* passes the filter for *key* and *value*."""
        if self.filter is Filter.IGNORE:
            return True
        if self.filter is Filter.FOLD:
            folded = {key.lower(): value.lower() for key, value in labels.items()}
            return folded.get(key.lower()) == value.lower()
        return labels.get(key) == value


def _passed(after: int | None, age: float) -> bool:
    return after is not None and age >= after
