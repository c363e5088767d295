"""The examples that a rule file holds: what comes in, and what the rule must make of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from jobhook.core.strict import Strict


def _as_file(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


def _as_actor(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


def _as_list(value: object) -> object:
    return [value] if isinstance(value, dict) else value


class FileBlock(Strict):
    """A file that the push of an example changed; its path alone means an edit."""

    path: str = Field(description="The path in the repo.", examples=["data/train.parquet"])
    action: Literal["add", "edit", "delete"] = Field(
        default="edit", description="What was done to it."
    )
    size: int | None = Field(default=None, ge=0, description="Its bytes, if that matters.")


class ActorBlock(Strict):
    """Who did it, in an example; the name alone will do."""

    name: str = Field(description="The user's name on the Hub.", examples=["ada"])
    role: str | None = Field(default=None, description="The role in the org, if that matters.")


class CommitBlock(Strict):
    """The newest commit of the push of an example."""

    message: str = Field(description="The whole message, which begins with the title.")


class Case(Strict):
    """An example that the rule must hold to; `jobhook rules check` runs it."""

    name: str = Field(description="What the example shows.", examples=["a push to our data"])
    event: dict[str, Any] = Field(
        default={},
        description="Merged over a sample payload of the rule's first event.",
        examples=[{"repo": {"type": "dataset", "name": "acme/corpus"}}],
    )
    files: tuple[Annotated[FileBlock, BeforeValidator(_as_file)], ...] = Field(
        default=(),
        strict=False,
        description="The files that the push changed: paths, or `{path, action, size}`.",
    )
    actor: Annotated[ActorBlock, BeforeValidator(_as_actor)] | None = Field(
        default=None, description="Who did it: a name, or `{name, role}`."
    )
    commit: CommitBlock | None = Field(default=None, description="The newest commit of the push.")
    fires: bool = Field(description="Whether the rule must fire.")
    reason: str | None = Field(
        default=None,
        description="Text that must stand in the reason for the verdict.",
        examples=["is not among the rule's refs"],
    )
    job: Annotated[tuple[dict[str, Any], ...], BeforeValidator(_as_list)] | None = Field(
        default=None,
        strict=False,
        description="What the job must be, in the words of `rules test --json`: each given key "
        "must be so. A list if there are several jobs.",
        examples=[{"flavor": "a10g-small", "timeoutSeconds": 7200}],
    )
