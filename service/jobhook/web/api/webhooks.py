"""Webhooks on the Hub: the settings of the user whose token the service has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints
from typing_extensions import TypeAliasType

from jobhook.core.access import Role
from jobhook.hub.models import WebhookInfo
from jobhook.web.api.given import Given, said, unsaid
from jobhook.web.api.hub_calls import CHANGED, HUB
from jobhook.web.api.job_kinds import LINE_MAX, HubId, HubName, Secrets
from jobhook.web.api.operations import Call, Operation

_ADDRESS = "^https?://[A-Za-z0-9._-]+(:[0-9]{1,5})?([/?#][!-~]*)?$"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookPage:
    """
    All webhooks.

    Attributes:
        items: In the Hub's order.
        next_cursor: Null: there is one page.
    """

    items: list[WebhookInfo]
    next_cursor: str | None = None


class Watched(Given):
    """Something that a webhook watches."""

    type: Literal["user", "org", "model", "dataset", "space", "bucket", "kernel"] = Field(
        description="A user, an org, or a type of repo."
    )
    name: HubName = Field(description="A user, an org, or a repo as `owner/name`.")


Address = Annotated[str, StringConstraints(max_length=LINE_MAX, pattern=_ADDRESS)]
Domain = TypeAliasType("Domain", Literal["repo", "discussion"])
Domains = Annotated[tuple[Domain, ...], Field(min_length=1)]
WatchedItems = Annotated[tuple[Watched, ...], Field(min_length=1)]
WebhookSecret = Annotated[
    str,
    StringConstraints(pattern="^[ -~]*$"),
    Field(json_schema_extra={"format": "password", "writeOnly": True}),
]


class _Target(Given):
    url: Address | None = Field(None, description="Where it is sent; this or `job_id`.")
    job_id: HubId | None = Field(
        None, description="The job that is run again, with the payload in `WEBHOOK_PAYLOAD`."
    )


class _Signed(Given):
    domains: Domains | None = Field(None, description="`repo`, `discussion` or both.")
    secret: WebhookSecret | None = Field(
        None, repr=False, description="What the Hub sends with it, for the receiver to check."
    )
    secrets: Secrets | None = Field(
        None, repr=False, description="Secrets of the job: its source's are not copied."
    )


class _Watching(Given):
    watched: WatchedItems = Field(description="Users, orgs and repos.")


class _MayWatch(Given):
    watched: WatchedItems | None = Field(
        None, description="Users, orgs and repos; they stay as they are if null."
    )


# The bases are read from the right: that is the order of the arguments.
class CreateWebhook(_Signed, _Watching, _Target):
    """A webhook to make: with `url` or `job_id`, and not both. Without `domains` it is for both."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": said("url", "string"),
            "then": unsaid("job_id", "secrets"),
            "else": said("job_id", "string"),
        }
    )


class UpdateWebhook(_Signed, _MayWatch, _Target):
    """
    What is to be changed; what is null stays as it is.

    Of `secrets`, which need `job_id`, those named are replaced, an empty value deletes one, and the
    others stay.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "if": said("url", "string"),
            "then": unsaid("job_id", "secrets"),
            "else": {"if": said("secrets", "object"), "then": said("job_id", "string")},
        }
    )


async def list_webhooks(call: Call) -> WebhookPage:
    """Return every webhook."""
    return WebhookPage(items=await call.services.hub.list_webhooks())


async def inspect(call: Call) -> WebhookInfo:
    """Return one webhook."""
    return await call.services.hub.get_webhook(call.params["webhook_id"])


async def create(call: Call) -> WebhookInfo:
    """Make a webhook."""
    body: CreateWebhook = call.body
    return await call.services.hub.create_webhook(
        url=body.url,
        job_id=body.job_id,
        watched=[each.model_dump() for each in body.watched],
        domains=body.domains,
        secret=body.secret,
        secrets=body.secrets,
    )


async def update(call: Call) -> WebhookInfo:
    """Change a webhook."""
    body: UpdateWebhook = call.body
    watched = None if body.watched is None else [each.model_dump() for each in body.watched]
    return await call.services.hub.update_webhook(
        call.params["webhook_id"],
        url=body.url,
        job_id=body.job_id,
        watched=watched,
        domains=body.domains,
        secret=body.secret,
        secrets=body.secrets,
    )


async def enable(call: Call) -> WebhookInfo:
    """Let a webhook deliver again."""
    return await call.services.hub.enable_webhook(call.params["webhook_id"])


async def disable(call: Call) -> WebhookInfo:
    """Let a webhook deliver nothing."""
    return await call.services.hub.disable_webhook(call.params["webhook_id"])


async def delete(call: Call) -> None:
    """Delete a webhook."""
    await call.services.hub.delete_webhook(call.params["webhook_id"])


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="webhooks.list",
        method="GET",
        path="/webhooks",
        summary="Every webhook of the token's user.",
        role=Role.VIEWER,
        handle=list_webhooks,
        answer=WebhookPage,
        faults=HUB,
    ),
    Operation(
        name="webhooks.create",
        method="POST",
        path="/webhooks",
        summary="Have what happens on the Hub sent to an address, or a job started.",
        description="The service makes its own by itself: see `jobhook apply`.",
        role=Role.ADMIN,
        handle=create,
        answer=WebhookInfo,
        status=201,
        body=CreateWebhook,
        example={
            "url": "https://hooks.example.org/hub",
            "watched": [{"type": "org", "name": "acme"}],
            "domains": ["repo"],
            "secret": "a long text that nobody can guess",
        },
        faults=CHANGED,
        takes_key=True,
    ),
    Operation(
        name="webhooks.inspect",
        method="GET",
        path="/webhooks/{webhook_id}",
        summary="One webhook.",
        role=Role.VIEWER,
        handle=inspect,
        answer=WebhookInfo,
        faults=HUB,
    ),
    Operation(
        name="webhooks.update",
        method="PUT",
        path="/webhooks/{webhook_id}",
        summary="Change a webhook; what is null stays as it is.",
        role=Role.ADMIN,
        handle=update,
        answer=WebhookInfo,
        body=UpdateWebhook,
        example={"domains": ["repo", "discussion"]},
        faults=CHANGED,
    ),
    Operation(
        name="webhooks.enable",
        method="POST",
        path="/webhooks/{webhook_id}/enable",
        summary="Let a disabled or suspended webhook deliver again.",
        role=Role.ADMIN,
        handle=enable,
        answer=WebhookInfo,
        faults=CHANGED,
    ),
    Operation(
        name="webhooks.disable",
        method="POST",
        path="/webhooks/{webhook_id}/disable",
        summary="Let a webhook deliver nothing.",
        role=Role.ADMIN,
        handle=disable,
        answer=WebhookInfo,
        faults=CHANGED,
    ),
    Operation(
        name="webhooks.delete",
        method="DELETE",
        path="/webhooks/{webhook_id}",
        summary="Delete a webhook.",
        role=Role.ADMIN,
        handle=delete,
        status=204,
        faults=CHANGED,
    ),
)
