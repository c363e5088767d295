"""The rules in force at a service elsewhere, and what they say of a delivery."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from jobhook.core.errors import HubNotFound, NoSuchRecord, UsageError
from jobhook.core.explanations import NOTHING_TOLD, Told
from jobhook.core.views import CheckReport, Explanation, RuleDetail, RuleSummary
from jobhook.hub.calls import segment
from jobhook.remote.calls import Page, RemoteCalls
from jobhook.remote.jobs import given
from jobhook.remote.transport import ServiceTransport


class RemoteRules(RemoteCalls):
    """
    Tells what the rules of a service say; see `ports.RulesReader`.

    *offline* keeps the service from asking the Hub.
    """

    def __init__(self, service: ServiceTransport, *, offline: bool = False) -> None:
        self.service = service
        self._offline = offline

    async def version(self) -> str | None:
        # Whoever asks from elsewhere has no other rules to compare them with.
        return None

    async def rules(self) -> tuple[RuleSummary, ...]:
        page = await self._get(Page[RuleSummary], "/rules")
        return tuple(page.items)

    async def rule(self, rule_id: str) -> RuleDetail:
        try:
            return await self._get(RuleDetail, f"/rules/{segment(rule_id)}")
        except HubNotFound as exc:
            raise NoSuchRecord(str(exc)) from exc

    async def check(self, files: Mapping[str, str]) -> CheckReport:
        return await self._change(CheckReport, "POST", "/rules/check", {"files": dict(files)})

    async def explain(
        self,
        body: bytes,
        *,
        rule: str | None = None,
        told: Told = NOTHING_TOLD,
        key: str = "explained",
    ) -> tuple[Explanation, ...]:
        asked = {
            "payload": _payload(body),
            "offline": self._offline,
            **given(rule=rule, files=told.files, actor=told.actor, message=told.message),
        }
        page = await self._change(Page[Explanation], "POST", "/rules/explain", asked)
        return tuple(page.items)


def _payload(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise UsageError("that is no delivery: it is no JSON") from exc
