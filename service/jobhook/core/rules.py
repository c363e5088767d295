"""
The language of the rule files: strict, because our colleagues write it.

A rule that holds a key or a word that we do not know is refused; what would be ignored in silence
would never fire, and nobody would see why. The models here give the JSON Schema of `rules/`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from jobhook.core.actions import Action
from jobhook.core.checks import BranchCheck, Check, WatchCheck
from jobhook.core.conditions import Conditions, EventName
from jobhook.core.errors import Problem
from jobhook.core.events import PUSHES, RAW, STRANGERS_EVENTS
from jobhook.core.examples import Case
from jobhook.core.findings import Kind, Lookup
from jobhook.core.globs import glob_matches
from jobhook.core.hardware import FLAVORS
from jobhook.core.looking import AskedFor, ClaimCheck, SkipCheck
from jobhook.core.payloads import WEBHOOK_SECRET
from jobhook.core.strict import fault, tuple_of
from jobhook.core.watches import WatchItem

# Keys of the language that this version cannot carry out yet: ignoring them could cost money.
RESERVED_KEYS = frozenset("debounce concurrency limits budget approve".split())


def _as_list(value: object) -> object:
    return [value] if isinstance(value, dict) else value


# Above it, what a delivery tells of is read back from the Hub unless the rule says otherwise.
_DEAR_USD_PER_HOUR = 1.0
# So many digits tell all sets apart that anybody writes, and can be read out.
_VERSION_DIGITS = 16

RuleId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,63}$")]


class Rule(Conditions):
    """One rule: what sets it off, and which jobs it launches."""

    id: RuleId = Field(description="The same as the file's name without its ending.")
    description: str = Field(default="", description="One sentence for people.")
    watch: tuple[WatchItem, ...] = Field(
        default=(), strict=False, description="What the webhook watches, and a filter."
    )
    on: tuple[EventName, ...] = tuple_of("Events, any of which sets the rule off.", least=1)
    skip_marker: bool = Field(
        default=True,
        description="Whether `[skip jobs]` in the message of a pushed commit is honoured.",
    )
    verify: Literal["hub", "off"] | None = Field(
        default=None,
        description="`hub`: read back from the Hub what the delivery tells of before any money is "
        "spent; the default where a job costs over $1 an hour.",
    )
    trust_strangers: bool = Field(
        default=False,
        description="Lets a rule carry secrets although strangers can set it off.",
    )
    pass_webhook_secret: bool = Field(
        default=False,
        description="Hands the job the webhook's secret, as the secret WEBHOOK_SECRET.",
    )
    run: Annotated[tuple[Action, ...], BeforeValidator(_as_list)] = Field(
        strict=False,
        min_length=1,
        max_length=25,
        description="One job, or a list of jobs.",
        json_schema_extra=lambda schema: _one_or_many(schema),
    )
    cases: tuple[Case, ...] = Field(default=(), strict=False, description="Examples to hold to.")

    @model_validator(mode="after")
    def _keeps_secrets_from_strangers(self) -> Self:
        carries = self.secret_names
        cause = self.strangers_may_cause()
        if carries and cause and not self.trust_strangers:
            jobs = [at for at, action in enumerate(self.run) if action.secrets]
            raise fault(
                f"strangers can cause {cause}, so this rule may not hand out {', '.join(carries)}: "
                "drop the secrets, or say `trust_strangers: true` if the job runs no foreign code",
                code="secrets-to-strangers",
                at=("run", jobs[0], "secrets") if jobs else ("pass_webhook_secret",),
            )
        return self

    def is_pinned_to(self, repo_id: str) -> bool:
        """Whether the rule names the repo by this id, and not by a name that can be taken over."""
        return f"id:{repo_id}" in (self.repos or ())

    @property
    def secret_names(self) -> tuple[str, ...]:
        """Every secret that it hands to its jobs."""
        own = [WEBHOOK_SECRET] if self.pass_webhook_secret else []
        named = [name for action in self.run for name in action.secrets]
        return tuple(dict.fromkeys((*own, *named)))

    @cached_property
    def sources(self) -> Mapping[str, Lookup]:
        """What it takes to know the jobs that its own repeat, by `Action.source_job`."""
        named = (action.source_job for action in self.run)
        return {source: Lookup(Kind.JOB, (source,)) for source in named if source}

    def strangers_may_cause(self) -> str | None:
        """Return the first event in `on` that anybody who sees the repo can cause, or None."""
        for name in self.on:
            if name in STRANGERS_EVENTS or name.startswith("discussion"):
                return name
            if name.partition("/")[0] == "repo.content" and self._lets_pull_requests_in():
                return f"{name} on pull requests"
        return None

    def _lets_pull_requests_in(self) -> bool:
        # What `refs` within `any` or `not` comes to, nobody has to work out who reads the rule.
        return self.names_refs if self.refs is None else _may_be_pull_request(self.refs)

    @cached_property
    def asked(self) -> tuple[Check, ...]:
        """All that must hold for the rule to fire, made ready to be asked often."""
        watch = [WatchCheck(self.watch)] if self.watch else []
        # Of the others, each event is about refs of one kind, and was asked for by name.
        raw = not self.names_refs and any(name in RAW for name in self.on)
        branch = [BranchCheck(self.on)] if raw else []
        return (*watch, *self.checks(self.on), *branch, *self._last_asked())

    def _last_asked(self) -> Iterator[Check]:
        if self.skip_marker and not PUSHES.isdisjoint(n.partition("/")[0] for n in self.on):
            yield SkipCheck()
        if self.verifies:
            yield ClaimCheck()
        if asks := frozenset().union(*(action.asks for action in self.run)):
            yield AskedFor(asks)

    @property
    def verifies(self) -> bool:
        """Whether what a delivery tells of is read back from the Hub."""
        dear = any(_may_be_dear(action) for action in self.run)
        return self.verify == "hub" or (self.verify is None and dear)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all the rule says, kept with every launch it causes."""
        scripts = [action.uv.digest for action in self.run if action.uv]
        said = "\n".join([self.model_dump_json(), *scripts])
        return hashlib.sha256(said.encode()).hexdigest()


def _may_be_dear(action: Action) -> bool:
    # A job that is repeated may run on anything; so may one on hardware that we do not know.
    is_copied = action.source_job is not None and "flavor" not in action.model_fields_set
    flavor = None if is_copied else FLAVORS.get(action.flavor)
    return flavor is None or flavor.usd_per_hour > _DEAR_USD_PER_HOUR


def _may_be_pull_request(patterns: tuple[str, ...]) -> bool:
    wanted = [pattern.split("/") for pattern in patterns if not pattern.startswith("!")]
    if wanted:
        return any(_may_be(parts, above) for parts in wanted for above in (["pr"], ["refs", "pr"]))
    # Exclusions alone allow the rest: one of them must leave out every pull request.
    return not {"!pr/*", "!pr/**", "!refs/pr/*", "!refs/pr/**"} & set(patterns)


def _may_be(parts: list[str], above: list[str]) -> bool:
    # Whether the pattern can match *above* and then any one part.
    if not parts:
        return False
    if parts[0] == "**":
        if _may_be(parts[1:], above):
            return True
        return _may_be(parts, above[1:]) if above else all(part == "**" for part in parts[1:])
    if above:
        return glob_matches(parts[0], above[0]) and _may_be(parts[1:], above[1:])
    return all(part == "**" for part in parts[1:])


def _one_or_many(schema: dict[str, Any]) -> None:
    items = schema.pop("items")
    limits = {key: schema.pop(key) for key in ("minItems", "maxItems")}
    del schema["type"]
    schema["anyOf"] = [items, {"type": "array", "items": items, **limits}]


@dataclass(frozen=True)
class RuleSet:
    """Rules that were loaded together, and what their authors should know about them."""

    rules: tuple[Rule, ...] = ()
    warnings: tuple[Problem, ...] = ()

    @cached_property
    def version(self) -> str:
        """A hash of all that the rules say, wherever their files lie."""
        said = sorted(f"{rule.id} {rule.fingerprint}\n" for rule in self.rules)
        return hashlib.sha256("".join(said).encode()).hexdigest()[:_VERSION_DIGITS]

    @property
    def secret_names(self) -> frozenset[str]:
        """Every secret that a rule wants to hand to its job."""
        return frozenset(name for rule in self.rules for name in rule.secret_names)

    @property
    def namespaces(self) -> frozenset[str]:
        """Where jobs run whose rule says so."""
        named = (action.namespace for rule in self.rules for action in rule.run)
        return frozenset(name for name in named if name)


def setting_of(secret: str) -> str:
    """Return the name of the setting that gives the service the value of *secret*."""
    return "JOBHOOK_WEBHOOK_SECRETS" if secret == WEBHOOK_SECRET else f"JOBHOOK_SECRET_{secret}"


def rule_schema() -> dict[str, Any]:
    """Return the JSON Schema of a rule file, for editors."""
    schema = _without_null(Rule.model_json_schema())
    case = schema["$defs"]["Case"]["properties"]
    # What pydantic cannot know: what the models make of a shorter way to write it.
    for block in (case["actor"], case["files"]["items"]):
        block["anyOf"] = [{"type": "string"}, {"$ref": block.pop("$ref")}]
    job = schema["$defs"]["Action"]["properties"]
    job["flavor"]["examples"] = list(FLAVORS)
    job["timeout"]["pattern"] = "^[0-9]+([.][0-9]+)?[smhd]?$"
    jobs = {"type": case["job"].pop("type"), "items": case["job"].pop("items")}
    case["job"]["anyOf"] = [jobs["items"], jobs]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _without_null(schema: Any) -> Any:
    # A key that is left out is None; one that is there and empty is a mistake.
    if isinstance(schema, list):
        return [_without_null(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _without_null(value) for key, value in schema.items()}
    if kept.get("default", ...) is None:
        del kept["default"]
    if {"type": "null"} in kept.get("anyOf", ()):
        rest = [each for each in kept.pop("anyOf") if each != {"type": "null"}]
        kept |= rest[0] if len(rest) == 1 else {"anyOf": rest}
    return kept
