"""
Everything jobhook raises on purpose, grouped by whose fault it is.

* JobHookError
  * UsageError               the caller's: an argument or option that cannot be; a ValueError too
    * MissingFile              a file that is named is not there
    * FilesTooLong             files do not fit one variable of a job
  * NoSuchRecord             there is no delivery, launch or rule of that id
  * WaitTimeout              what was waited for has not come; a TimeoutError too
  * TooManyCallers             as many as may be are followed already
  * MissingSecret            the service lacks a secret that a rule hands to its job
  * NotLaunched              what a person asked for was not started, and will not be
    * LimitReached             a limit is used up, or nobody knows what it would cost
    * Paused                   a person has paused it
  * SettingsError            whoever runs the service: a setting is missing or wrong
  * DeliveryError            the sender's
    * WrongSecret              -> 401
    * BodyTooLarge             -> 413
    * EncodingRefused          -> 415
  * AccessError              the caller's of the API
    * NotSignedIn              no valid token came with the call
    * NotAllowed               the token's role may not do this
  * StillRunning             the same call is being answered already; ask again later
  * KeyReused                an Idempotency-Key was used for something else before
  * NameTaken                something else has that name
  * RulesError               the rule author's; carries every problem found
  * StoreError               our database's
    * StoreUnavailable         nothing was stored; try again
    * LaunchMoved              somebody else has moved that launch on; not a failure
  * HubError                 the Hub's, or the way to it
    * HubRefused               a clear no; asking again will not help
      * HubUnauthorized          the token is missing or unknown (401)
      * HubForbidden             the token may not do this (403)
      * HubNotFound              there is no such thing, or not for us (404)
      * ListTooLong              what is asked for may stand where nobody reads
    * HubBusy                  a clear no for now; nothing was done, try later
    * OutcomeUnknown           it may have been done; look before asking again

Errors are split by what the caller does next. The text of each is one sentence for a person.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self


class JobHookError(Exception):
    """Base of everything jobhook raises on purpose; `str()` is one sentence for a person."""


class UsageError(JobHookError, ValueError):
    """An argument or option that cannot be."""


class MissingFile(UsageError, FileNotFoundError):
    """A local file that an argument names is not there."""


class FilesTooLong(UsageError):
    """Local files do not fit one variable of a job's environment, and must get there otherwise."""


class NoSuchRecord(JobHookError):
    """There is no delivery, launch or rule of that id."""


class WaitTimeout(JobHookError, TimeoutError):
    """What was waited for has not come in the time that was given."""


class TooManyCallers(JobHookError):
    """So many ask for the same at once that no more can; later they may."""


class MissingSecret(JobHookError):
    """The service lacks a secret that a rule wants to hand to its job."""


class NotLaunched(JobHookError):
    """
    What a person asked for was not started, and is not going to be unless it is asked for again.

    Attributes:
        launch_id: The launch that says so, if there is one.
        retry_after: Seconds after which it may go, or None where nobody can tell.
    """

    def __init__(self, reason: str, *, launch_id: str | None = None) -> None:
        super().__init__(reason)
        self.launch_id = launch_id
        self.retry_after: float | None = None


class LimitReached(NotLaunched):
    """
    A limit of the service is used up, or nothing can be reserved because there is no price.

    Attributes:
        limit: `usd_per_day`, `schedule` (what one can cost in a day) or `price` (there is none).
    """

    def __init__(self, reason: str, *, limit: str, launch_id: str | None = None) -> None:
        super().__init__(reason, launch_id=launch_id)
        self.limit = limit


class Paused(NotLaunched):
    """
    A person, or a setting, lets nothing of the kind be started for now.

    Attributes:
        scope: What is paused: `everything`, `rule:<id>`, `repo:<type:owner/name>`, or the name of
            the setting.
    """

    def __init__(self, reason: str, *, scope: str, launch_id: str | None = None) -> None:
        super().__init__(reason, launch_id=launch_id)
        self.scope = scope


class SettingsError(JobHookError):
    """A setting is missing, misspelt or wrong."""


class DeliveryError(JobHookError):
    """The sender of a delivery did something that cannot be accepted."""


class WrongSecret(DeliveryError):
    """The webhook secret is missing, repeated, too long or wrong."""


class BodyTooLarge(DeliveryError):
    """The body is over the limit, counted and not as declared."""


class EncodingRefused(DeliveryError):
    """The body is encoded; nothing here inflates what a stranger sends."""


class AccessError(JobHookError):
    """Whoever calls may not."""


class NotSignedIn(AccessError):
    """No token came with the call, or none that is good for anything."""


class NotAllowed(AccessError):
    """The role of whoever calls is not enough."""


class StillRunning(JobHookError):
    """
    The same call came before and has no answer yet; nothing was done for this one.

    Attributes:
        launch_id: The launch that will say what came of it, if one is known.
    """

    def __init__(self, message: str, *, launch_id: str | None = None) -> None:
        super().__init__(message)
        self.launch_id = launch_id


class KeyReused(JobHookError):
    """An Idempotency-Key came before with another call; nothing was done for this one."""


class NameTaken(JobHookError):
    """Something else has the name already; nothing was made."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """
    One thing that is wrong with a rule file, or most likely not meant.

    Attributes:
        file: Where it is wrong.
        line: From 1.
        column: From 1.
        message: What is wrong, and what to write instead, in one sentence.
        code: What kind of thing it is: one of `jobhook.core.codes`.
        severity: `error`, which keeps the rules from being loaded, or `warning`.
        source: The line of the file; empty if it has none.
    """

    file: str
    line: int
    column: int
    message: str
    code: str = ""
    severity: str = "error"
    source: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class RulesError(JobHookError):
    """
    Rule files that cannot be used; nothing was loaded.

    Attributes:
        problems: Every problem found in every file, in the order of the files.
    """

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class StoreError(JobHookError):
    """The database cannot be used as it is."""


class StoreUnavailable(StoreError):
    """Nothing was stored: the database is busy, full or gone for now."""


class LaunchMoved(StoreError):
    """The launch is no longer in the state that the caller knew; nothing was changed."""


class HubError(JobHookError):
    """
    The Hub, or the way to it, failed us.

    Attributes:
        status: The HTTP status, or None when no answer came.
        code: The Hub's `X-Error-Code`, or None.
        request_id: What to quote to the Hub's support, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_id = request_id


class HubRefused(HubError):
    """The Hub said no, and nothing was done."""


class HubUnauthorized(HubRefused):
    """The token is missing or unknown to the Hub."""


class HubForbidden(HubRefused):
    """The token is known but may not do this."""


class HubNotFound(HubRefused):
    """There is no such thing, or it is not ours to see."""


class ListTooLong(HubRefused):
    """The Hub's list goes on for longer than it is read: what was not seen may still be there."""


class HubBusy(HubError):
    """
    Nothing was done, and the same request may succeed later.

    Attributes:
        retry_after: Seconds the Hub asked us to wait, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, status=status, code=code, request_id=request_id)
        self.retry_after = retry_after


class OutcomeUnknown(HubError):
    """
    The request may or may not have been carried out; asking again could do it twice.

    Attributes:
        look_for: What the thing that may have been made is known by (`namespace`, `labels`, …), and
            `since`, an ISO 8601 time before the request; empty where nobody said.
    """

    look_for: Mapping[str, Any] = MappingProxyType({})

    def with_clue(self, **look_for: Any) -> Self:
        """Return the same error, which says what to look for before asking again."""
        self.look_for = look_for
        told = ", ".join(f"{name} {value}" for name, value in look_for.items())
        self.args = (f"{self}; before asking again look for {told}",)
        return self


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?` for a near miss, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean `{near[0]}`?" if near else ""
