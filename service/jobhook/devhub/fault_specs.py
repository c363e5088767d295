"""The text that a person writes for a fault: `jobs.create status=500 execute=yes rate=0.1`."""

from __future__ import annotations

import shlex
from fnmatch import fnmatchcase
from typing import Any

from pydantic import ValidationError

from jobhook.core.errors import UsageError, did_you_mean

from .faults import Fault, JobFault, ListFault, RequestFault
from .wire import sentence

SPEC_MAX_CHARS = 1000
# The names of the routes; a test holds the app to this list.
ROUTES = (
    "buckets",
    "discussions.comment",
    "discussions.create",
    "discussions.edit",
    "discussions.hide",
    "discussions.inspect",
    "discussions.merge",
    "discussions.status",
    "discussions.title",
    "hardware",
    "jobs.cancel",
    "jobs.check",
    "jobs.count",
    "jobs.create",
    "jobs.duplicate",
    "jobs.expose",
    "jobs.inspect",
    "jobs.labels",
    "jobs.list",
    "jobs.logs",
    "jobs.metrics",
    "orgs.members",
    "page",
    "repos.branch",
    "repos.commit",
    "repos.commits",
    "repos.configure",
    "repos.create",
    "repos.delete",
    "repos.file",
    "repos.inspect",
    "repos.preupload",
    "repos.refs",
    "repos.revision",
    "repos.tag",
    "repos.tree",
    "repos.unbranch",
    "repos.untag",
    "repos.validate",
    "schedules.create",
    "schedules.delete",
    "schedules.inspect",
    "schedules.labels",
    "schedules.list",
    "schedules.resume",
    "schedules.run",
    "schedules.schedule",
    "schedules.suspend",
    "webhooks.create",
    "webhooks.delete",
    "webhooks.disable",
    "webhooks.enable",
    "webhooks.inspect",
    "webhooks.list",
    "webhooks.update",
    "whoami",
)

# What a kind's own keys are, and which route alone it is about.
_ROUTES: dict[type[Fault], str | None] = {
    RequestFault: None,
    JobFault: "jobs.create",
    ListFault: "jobs.list",
}


def _keys(kind: type[Fault]) -> dict[str, str]:
    """Return what can be said in a fault of this *kind* alone, with its meaning."""
    known = {name: field.description for name, field in kind.model_fields.items()}
    shared = set() if kind is Fault else set(Fault.model_fields)
    return {name: told for name, told in known.items() if told and name not in shared}


_OWNERS = {key: kind for kind in _ROUTES for key in _keys(kind)}

# Every key, with its meaning.
KEYS = {**_keys(Fault), **_keys(RequestFault), **_keys(JobFault), **_keys(ListFault)}


def parse_fault(spec: str) -> Fault:
    """
    Return the fault that *spec* describes: `jobs.create status=500 execute=yes rate=0.1`.

    Raises:
        UsageError: If it cannot be.
    """
    try:
        return _parse(spec)
    except ValidationError as exc:
        raise UsageError(f"the fault {_short(spec)} is wrong: {sentence(exc)}") from exc
    except ValueError as exc:
        raise UsageError(f"the fault {_short(spec)} is wrong: {exc}") from exc


def _parse(spec: str) -> Fault:
    if len(spec) > SPEC_MAX_CHARS:
        raise ValueError(f"it is over {SPEC_MAX_CHARS} characters")
    words = shlex.split(spec)
    ends = next((at for at, word in enumerate(words) if "=" in word), len(words))
    route = _route(words[:ends])
    given: dict[str, Any] = {}
    for word in words[ends:]:
        key, _, value = word.partition("=")
        if key in given:
            raise ValueError(f"{key} is given twice")
        given[key] = value
    kind = _kind(given)
    if (only := _ROUTES[kind]) not in (None, route):
        own = ", ".join(key for key in given if key in _OWNERS)
        raise ValueError(f"{own} can only be said of the route {only}")
    return kind.model_validate({**given, "route": route, "spec": spec})


def _route(words: list[str]) -> str:
    if len(words) == 2 and (words[0] == "*" or words[0].isupper()) and words[1][:1] in ("/", "*"):
        return " ".join(words)
    if len(words) == 1 and any(fnmatchcase(name, words[0]) for name in ROUTES):
        return words[0]
    raise ValueError(
        "it must begin with a route (METHOD /path, both may hold *, or one of "
        f"{', '.join(ROUTES)}), and go on with KEY=VALUE"
    )


def _kind(given: dict[str, Any]) -> type[Fault]:
    """Return the kind whose keys are *given*; those that all kinds have make none."""
    for key in given:
        if key not in KEYS:
            hint = did_you_mean(key, KEYS) or f": there are {', '.join(KEYS)}"
            raise ValueError(f"{key[:40]!r} is no key of a fault{hint}")
    own = [key for key in given if key in _OWNERS]
    kinds = {_OWNERS[key] for key in own}
    if len(kinds) > 1:
        raise ValueError(f"{', '.join(own)} are not of one kind: make them two faults")
    return kinds.pop() if kinds else RequestFault


def _short(spec: str) -> str:
    return repr(spec if len(spec) <= 80 else f"{spec[:79]}…")
