"""Webhooks on the Hub: the settings of the token's user."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from jobhook.core.errors import OutcomeUnknown, UsageError, did_you_mean
from jobhook.core.jobs import secret_problems
from jobhook.core.texts import shown
from jobhook.hub.arguments import a_line, a_text, an_id, listed, no_problem, texts
from jobhook.hub.calls import HubCalls, now, unreadable
from jobhook.hub.models import WebhookInfo, WebhookWatchedItem
from jobhook.hub.reading import read_webhook
from jobhook.hub.streams import Listing
from jobhook.hub.transport import ANSWER_MAX_BYTES, CallToken

WATCHED_TYPES = ("user", "org", "model", "dataset", "space", "bucket", "kernel")
DOMAINS = ("repo", "discussion")
_PATH = "/api/settings/webhooks"
Watched = Iterable[WebhookWatchedItem | Mapping[str, str]]


class WebhooksApi(HubCalls):
    """The calls under `/api/settings/webhooks`, with the arguments of the official client."""

    def list_webhooks(self, *, token: CallToken = None) -> Listing[WebhookInfo]:
        """Return every webhook of the token's user."""
        return Listing(self._webhook_pages(token))

    async def _webhook_pages(self, token: CallToken) -> AsyncGenerator[list[WebhookInfo], None]:
        pages = self._pages(_PATH, (), read_webhook, token=token, answer_max=ANSWER_MAX_BYTES)
        async for page in pages:
            yield page

    async def get_webhook(self, webhook_id: str, *, token: CallToken = None) -> WebhookInfo:
        """Return one webhook; raises `HubNotFound` when there is none."""
        answer = await self.transport.get(_own_path(webhook_id), token=token)
        with unreadable("the Hub answered with something that is no webhook"):
            return read_webhook(answer.body["webhook"])

    async def create_webhook(
        self,
        *,
        url: str | None = None,
        job_id: str | None = None,
        watched: Watched,
        domains: Iterable[str] | None = None,
        secret: str | None = None,
        secrets: Mapping[str, str] | None = None,
        token: CallToken = None,
    ) -> WebhookInfo:
        """
        Have what happens sent to *url*, or a job started; the request is sent once.

        Args:
            url: Where it is sent; this or *job_id*.
            job_id: The job that is run again, with the payload in `WEBHOOK_PAYLOAD`.
            watched: Users, orgs and repos, at least one.
            domains: `repo`, `discussion` or, if None, both.
            secret: What the Hub sends with it, for the receiver to check; printable ASCII.
            secrets: Secrets of the job: its source's are not copied.
            token: Another token than the hub's, or False for none.

        Raises:
            UsageError: The Hub would not take it; nothing was sent.
            OutcomeUnknown: It may be there; *look_for* says what to look for.
        """
        if (url is None) == (job_id is None):
            raise UsageError("a webhook needs either a url or a job_id, and not both")
        body: dict[str, Any] = {
            "watched": _watched(watched),
            "domains": _domains(DOMAINS if domains is None else domains),
            **_target(url, job_id, secret, secrets),
        }
        since = now()
        try:
            return await self._write(_PATH, body, token)
        except OutcomeUnknown as exc:
            target = {"url": url} if job_id is None else {"job_id": job_id}
            raise exc.with_clue(**target, since=since) from exc

    async def update_webhook(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        job_id: str | None = None,
        watched: Watched | None = None,
        domains: Iterable[str] | None = None,
        secret: str | None = None,
        secrets: Mapping[str, str] | None = None,
        token: CallToken = None,
    ) -> WebhookInfo:
        """
        Change a webhook; what is None stays as it is.

        What an update leaves out may be emptied by the Hub: where *watched* or *domains* is None,
        the webhook is read first and they are sent as they are. Of *secrets*, those named are
        replaced, an empty value deletes one, and the others stay.

        Raises:
            UsageError: The Hub would not take it; nothing was sent.
        """
        if url is not None and job_id is not None:
            raise UsageError("a webhook has either a url or a job_id, and not both")
        path, target = _own_path(webhook_id), _target(url, job_id, secret, secrets)
        told: dict[str, Any] = {} if watched is None else {"watched": _watched(watched)}
        told |= {} if domains is None else {"domains": _domains(domains)}
        if len(told) < 2:
            known = await self.get_webhook(webhook_id, token=token)
            watches = [{"type": item.type, "name": item.name} for item in known.watched]
            told = {"watched": watches, "domains": known.domains} | told
        return await self._write(path, {**told, **target}, token, harmless=True)

    async def enable_webhook(self, webhook_id: str, *, token: CallToken = None) -> WebhookInfo:
        """Let a disabled or suspended webhook deliver again."""
        return await self._write(f"{_own_path(webhook_id)}/enable", None, token, harmless=True)

    async def disable_webhook(self, webhook_id: str, *, token: CallToken = None) -> WebhookInfo:
        """Let a webhook deliver nothing."""
        return await self._write(f"{_own_path(webhook_id)}/disable", None, token, harmless=True)

    async def delete_webhook(self, webhook_id: str, *, token: CallToken = None) -> None:
        """Delete a webhook."""
        await self.transport.delete(_own_path(webhook_id), token=token)

    async def _write(
        self, path: str, body: dict[str, Any] | None, token: CallToken, *, harmless: bool = False
    ) -> WebhookInfo:
        answer = await self.transport.change(
            "POST", path, json_body=body, token=token, harmless=harmless
        )
        with unreadable(f"the Hub's answer to POST {path} names no webhook", changed=True):
            return read_webhook(answer.body["webhook"])


def _target(
    url: str | None, job_id: str | None, secret: str | None, secrets: Mapping[str, str] | None
) -> dict[str, Any]:
    """Return where a webhook sends, and with which secrets, as far as that is said."""
    told: dict[str, Any] = {}
    if url is not None:
        told["url"] = _an_address(url)
    if job_id is not None:
        told["jobSourceId"] = an_id("job", job_id)
    if secret is not None:
        if not all(" " <= char <= "\x7f" for char in a_text("secret", secret)):
            raise UsageError("the secret of a webhook may hold printable ASCII only")
        told["secret"] = secret
    if secrets is not None:
        if job_id is None:
            raise UsageError("secrets are those of a job: they need a job_id")
        told["secrets"] = texts("secrets", secrets)
        no_problem(secret_problems(told["secrets"]))
    return told


def _an_address(url: Any) -> str:
    told = a_line("url", url)
    try:
        parts = urlsplit(told)
        is_one = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:  # half an IPv6 address
        is_one = False
    if not is_one:
        raise UsageError(f"url {shown(told, 120)} is no http(s) address")
    return told


def _watched(given: Watched) -> list[dict[str, str]]:
    told = [_watched_item(item) for item in listed("watched", given)]
    if not told:
        raise UsageError("watched is empty: name a user, an org or a repo")
    return told


def _watched_item(item: WebhookWatchedItem | Mapping[str, str]) -> dict[str, str]:
    kind, name = (
        item.get(key) if isinstance(item, Mapping) else getattr(item, key, None)
        for key in ("type", "name")
    )
    if not isinstance(kind, str) or not isinstance(name, str):
        raise UsageError("watched is a list of what has a `type` and a `name`")
    if kind not in WATCHED_TYPES:
        hint = did_you_mean(kind[:40], WATCHED_TYPES)
        raise UsageError(f"watched type {shown(kind)}: one of {', '.join(WATCHED_TYPES)}{hint}")
    if not name:
        raise UsageError(f"watched {kind} needs a name")
    return {"type": kind, "name": a_line(f"the name of a watched {kind}", name)}


def _domains(given: Iterable[str]) -> list[str]:
    told: list[Any] = [given] if isinstance(given, str) else list(listed("domains", given))
    for domain in told:
        if domain not in DOMAINS:
            hint = did_you_mean(domain[:40], DOMAINS) if isinstance(domain, str) else ""
            raise UsageError(f"domain {shown(domain)}: one of {', '.join(DOMAINS)}{hint}")
    if not told:
        raise UsageError(f"domains is empty: name {' or '.join(DOMAINS)}")
    return told


def _own_path(webhook_id: str) -> str:
    return f"{_PATH}/{an_id('webhook', webhook_id)}"
