"""What the rules say, and say of deliveries, over HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator
from typing_extensions import TypeAliasType

from jobhook.core.access import Role
from jobhook.core.explanations import Told
from jobhook.core.views import CheckReport, Explanation, RuleDetail, RuleSummary
from jobhook.web.api.given import Given, Named, said, unsaid
from jobhook.web.api.operations import Call, Operation

_FILES_MAX = 1000
_EXAMPLE = "on: [commit.pushed]\nrun:\n  image: python:3.12\n  command: [python, train.py]\n"
_PAYLOAD = {
    "event": {"action": "update", "scope": "repo.content"},
    "repo": {"type": "dataset", "name": "acme/corpus", "id": "621ffdc036468d709f17434d"},
}


RuleFiles = TypeAliasType(
    "RuleFiles",
    Annotated[
        dict[
            Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]{0,199}$")],
            Annotated[str, Field(max_length=256 * 1024)],
        ],
        Named(),
        Field(min_length=1, max_length=_FILES_MAX),
    ],
)


class FilesGiven(Given):
    """Rule files, and the scripts that they name."""

    files: Annotated[RuleFiles, Field(description="Their texts, by their names.")]


class Explained(Given):
    """A delivery, of which rules are asked why they fire."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": said("payload", "object"),
            "then": unsaid("delivery"),
            "else": said("delivery", "string"),
        }
    )

    payload: Annotated[
        dict[str, Any] | None, Field(description="A payload, as the Hub sends it.")
    ] = None
    delivery: Annotated[
        str | None, Field(pattern=r"^[a-z0-9]{1,64}$", description="Or a delivery that is kept.")
    ] = None
    rule: Annotated[
        str | None, Field(pattern=r"^[a-z0-9-]{1,63}$", description="Only this rule.")
    ] = None

    files: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=1000)], ...] | None,
        Field(max_length=1000, description="Which files changed, instead of asking the Hub."),
    ] = None
    actor: Annotated[
        str | None,
        Field(
            pattern="^[!-9;-~]{1,100}(:[a-z]{1,20})?$",
            description="Who did it, as `name` or `name:role`, instead of asking the Hub.",
        ),
    ] = None
    message: Annotated[
        str | None,
        Field(max_length=10_000, description="The message of the commit, instead of asking."),
    ] = None
    offline: Annotated[bool, Field(description="Whether the Hub is asked nothing.")] = False

    @model_validator(mode="after")
    def _one_of_them(self) -> Explained:
        if (self.payload is None) == (self.delivery is None):
            raise ValueError("give a payload or a delivery, one of them")
        return self


@dataclass(frozen=True, slots=True)
class RuleList:
    """
    The rules.

    Attributes:
        items: All of them, by id.
        next_cursor: Always null: all of them are here.
    """

    items: tuple[RuleSummary, ...]
    next_cursor: None = None


@dataclass(frozen=True, slots=True)
class ExplanationList:
    """
    What rules say of a delivery.

    Attributes:
        items: One for each rule.
        next_cursor: Always null: all of them are here.
    """

    items: tuple[Explanation, ...]
    next_cursor: None = None


async def _list(call: Call) -> RuleList:
    return RuleList(await call.services.rules.rules())


async def _one(call: Call) -> RuleDetail:
    return await call.services.rules.rule(call.params["rule_id"])


async def _check(call: Call) -> CheckReport:
    return await call.services.rules.check(call.body.files)


async def _explain(call: Call) -> ExplanationList:
    asked = call.body
    # Numbers of any length, as they came; of `orjson` there is an end at 64 bits.
    body = (
        json.dumps(asked.payload, separators=(",", ":"), ensure_ascii=False).encode()
        if asked.payload is not None
        else await call.services.records.body(asked.delivery)
    )
    # Whoever makes payloads up would learn of every repo that our token sees.
    is_made_up = asked.payload is not None and not call.caller.role.may(Role.OPERATOR)
    offline = asked.offline or is_made_up
    rules = call.services.rules_offline if offline else call.services.rules
    told = Told(files=asked.files, actor=asked.actor, message=asked.message)
    return ExplanationList(await rules.explain(body, rule=asked.rule, told=told))


OPERATIONS = (
    Operation(
        name="rules.list",
        method="GET",
        path="/rules",
        summary="List the rules in force.",
        role=Role.VIEWER,
        handle=_list,
        answer=RuleList,
    ),
    Operation(
        name="rules.show",
        method="GET",
        path="/rules/{rule_id}",
        summary="Show a rule.",
        description="With what it can cost, and what its author should know of it.",
        role=Role.VIEWER,
        handle=_one,
        answer=RuleDetail,
    ),
    Operation(
        name="rules.check",
        method="POST",
        path="/rules/check",
        summary="Check rule files.",
        description="They are validated and their examples are run; nothing is changed.",
        role=Role.VIEWER,
        handle=_check,
        body=FilesGiven,
        answer=CheckReport,
        is_question=True,
        example={"files": {"retrain.yaml": _EXAMPLE}},
    ),
    Operation(
        name="rules.explain",
        method="POST",
        path="/rules/explain",
        summary="Explain what rules say of a delivery.",
        description="Of one that is kept or of a payload. Nothing is launched; what only the Hub "
        "knows it is asked, a few times at most, but not for a viewer's payload.",
        role=Role.VIEWER,
        handle=_explain,
        body=Explained,
        answer=ExplanationList,
        is_question=True,
        example={"payload": _PAYLOAD},
    ),
)
