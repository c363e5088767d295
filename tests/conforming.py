"""
Schemathesis over the whole OpenAPI document, against a service beside a devhub that runs nothing.

What is generated may be anything, commands too: the devhub's jobs end at once, and no process ever
begins.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import schemathesis
from schemathesis import engine
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.engine import events
from schemathesis.generation.case import Case
from schemathesis.hooks import HookContext
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.schemas import BaseSchema

from jobhook.devhub import running
from jobhook.devhub.processes import Ending
from jobhook.flows import stopping
from jobhook.web.api.operations import EVENTS
from town import running_town, until

ADMIN = "an-admin-token-of-the-tests-only-0123456789"
_ENDED = "launches?repo=dev/first&state=completed"
_RULE = "watch: [user:dev]\non: [commit.pushed]\nrun: {image: i, command: [echo, hello]}\n"
ALL_PHASES = ("examples", "coverage", "fuzzing", "stateful")


@dataclass(frozen=True, slots=True)
class Exemption:
    """
    What a service may answer although the document says otherwise.

    Attributes:
        told: The code, or how the message is.
        why: Why the document cannot say it.
    """

    told: str
    why: str

    def excuses(self, failure: Failure, status: int, code: str, message: str) -> bool:
        """Whether *failure* is one of these."""
        is_told = self.told == code or re.search(self.told, message)
        return status == 422 and isinstance(failure, RejectedPositiveData) and bool(is_told)


EXEMPTIONS = (
    Exemption("key_reused", "no schema knows which keys were used for something else"),
    Exemption("^(the cursor|cursor: )", "no schema knows which cursors a list gave"),
    Exemption("is no id of an event", "no schema knows which ids a stream gave"),
    Exemption("^there is no rule ", "which rules there are, their files say"),
    Exemption("^this is no delivery", "a payload is the Hub's, and new kinds come without notice"),
    Exemption("has expired already", "no schema knows what time it is"),
    Exemption("20 ports at most", "it is the sum of the lengths of two lists"),
    Exemption("never comes|begins after its end", "which date comes after which is arithmetic"),
    Exemption(
        "is no name in `files`|is neither the script nor one", "names in one part, used in another"
    ),
)


@dataclass(slots=True)
class Tally:
    """
    What was seen of each operation, by its id.

    Attributes:
        answers: How often each status was answered.
        broken: What did not hold.
        excused: How often each exemption was needed, by its reason.
    """

    answers: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    broken: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    excused: Counter[str] = field(default_factory=Counter)

    @property
    def cases(self) -> int:
        return sum(sum(each.values()) for each in self.answers.values())

    @property
    def server_errors(self) -> int:
        return sum(
            count
            for each in self.answers.values()
            for status, count in each.items()
            if status >= 500
        )


def conform(
    url: str,
    document: Mapping[str, Any],
    token: str | None,
    *,
    examples: int,
    seed: int,
    phases: tuple[str, ...] = ALL_PHASES,
    narrowed: Callable[[BaseSchema], BaseSchema] = lambda schema: schema,
) -> Tally:
    """Call everything that *document* has, or what is *narrowed* of it, and return what came."""
    schema = _schema(url, document, token, examples=examples, seed=seed, phases=phases)
    tally = Tally()
    schema.hook("filter_failure")(_judge(tally))
    schema.hook("after_call")(_count(tally))
    for event in engine.from_schema(narrowed(schema)).execute():
        if isinstance(event, events.NonFatalError):
            tally.broken[event.label].append(str(event.value))
        assert not isinstance(event, events.FatalError), event
    return tally


def _schema(
    url: str,
    document: Mapping[str, Any],
    token: str | None,
    *,
    examples: int,
    seed: int,
    phases: tuple[str, ...],
) -> BaseSchema:
    schema = schemathesis.openapi.from_dict(
        _with_events(document), config=SchemathesisConfig(seed=seed)
    )
    headers = {"Authorization": f"Bearer {token}"} if token else None
    schema.config.update(
        base_url=url, headers=headers, continue_on_failure=True, request_timeout=20
    )
    # A feed never ends, and tells nothing more unless something happens.
    schema.config.max_stream_events = 1
    # What is too long may be so for its whole request.
    schema.config.checks.negative_data_rejection.expected_statuses += ["413", "431"]
    schema.config.phases.update(phases=[*phases])
    schema.config.phases.coverage.unexpected_methods = {"patch", "trace"}
    schema.config.generation.update(max_examples=examples, no_shrink=True, database=":memory:")
    return schema


def _with_events(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return *document* with what it says of events in the words of OpenAPI 3.2."""
    told: dict[str, Any] = json.loads(json.dumps(document))
    for _, operation in _operations(told):
        for response in operation["responses"].values():
            if stream := response.get("content", {}).get(EVENTS):
                stream["itemSchema"] = stream.pop("x-itemSchema")
                del stream["schema"]
    return told


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for methods in document["paths"].values():
        yield from methods.items()


def _judge(tally: Tally) -> Callable[[HookContext, Failure, Case[Any], Response], bool]:
    def filter_failure(
        context: HookContext, failure: Failure, case: Case[Any], response: Response
    ) -> bool:
        code, message = _error_of(response)
        for exemption in EXEMPTIONS:
            if exemption.excuses(failure, response.status_code, code, message):
                tally.excused[exemption.why] += 1
                return False
        asked = response.request
        tally.broken[_id(case)].append(
            f"{failure.title}: {failure.message} | {asked.method} {asked.path_url} "
            f"{asked.body!r} -> {response.status_code} {message[:500]}"
        )
        # It is noted; shrinking it would take longer than all the rest.
        return False

    return filter_failure


def _count(tally: Tally) -> Callable[[HookContext, Case[Any], Response], None]:
    def after_call(context: HookContext, case: Case[Any], response: Response) -> None:
        tally.answers[_id(case)][response.status_code] += 1

    return after_call


def _id(case: Case[Any]) -> str:
    return str(case.operation.definition.raw["operationId"])


def _error_of(response: Response) -> tuple[str, str]:
    try:
        error = json.loads(response.content)["error"]
        return error["code"], error["message"]
    except (ValueError, KeyError, TypeError):
        return "", response.content.decode(errors="replace")


@contextmanager
def quiet_service(folder: Path) -> Iterator[str]:
    """Run a service that has taken in a push, beside a devhub that runs nothing; give its URL."""
    begun: asyncio.Future[tuple[asyncio.Event, str]]
    loop = asyncio.new_event_loop()
    begun = loop.create_future()
    thread = threading.Thread(target=loop.run_until_complete, args=(_serve(folder, begun),))
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(running, "run", _ended)
        patches.setattr(stopping, "_LOOK_AGAIN_SECONDS", 0.01)
        thread.start()
        try:
            over, url = asyncio.run_coroutine_threadsafe(_result(begun), loop).result(30)
            yield url
        finally:
            loop.call_soon_threadsafe(over.set)
            thread.join()
            loop.close()


async def _result(begun: asyncio.Future[tuple[asyncio.Event, str]]) -> tuple[asyncio.Event, str]:
    return await begun


async def _serve(folder: Path, begun: asyncio.Future[tuple[asyncio.Event, str]]) -> None:
    over = asyncio.Event()
    # Enough for every job that is asked for to be started.
    plenty = {"JOBHOOK_USD_PER_DAY": "1000000", "JOBHOOK_ADMIN_TOKEN": ADMIN}
    async with running_town(folder) as town:
        town.rule("hello", _RULE)
        async with town.service(**plenty) as service:
            # Of one the delivery is asked for again, of the other the launch.
            await town.push("dev/first")
            await town.push("dev/last")
            headers = {"authorization": f"Bearer {ADMIN}"}
            async with httpx2.AsyncClient(base_url=service.url, headers=headers) as client:
                await until(lambda: _any_of(client, f"/api/v1/{_ENDED}"))
            begun.set_result((over, service.url))
            await over.wait()


async def _any_of(client: httpx2.AsyncClient, path: str) -> bool | None:
    return bool((await client.get(path)).json()["items"]) or None


async def _ended(argv: object, *, output: Callable[[bytes], None], **_: object) -> Ending:
    output(b"nothing was run\n")
    return Ending(code=0)


def with_things(document: Mapping[str, Any], url: str) -> dict[str, Any]:
    """Return *document* whose examples name what is there, so that an operation can do its work."""
    told: dict[str, Any] = json.loads(json.dumps(document))
    kept, doomed = _things(url, "kept"), _things(url, "doomed")
    for method, operation in _operations(told):
        for parameter in operation["parameters"]:
            known = doomed if method == "delete" else kept
            if parameter["name"] in known:
                parameter["example"] = known[parameter["name"]]
    return told


def _things(url: str, name: str) -> dict[str, str]:
    job = {"image": "i", "command": ["echo", "hello"]}
    hook = {"url": "https://hooks.example.org/", "watched": [{"type": "user", "name": "dev"}]}
    made = {
        "job_id": _asked(url, "jobs", job),
        "schedule_id": _asked(url, "schedules", {**job, "schedule": "@yearly"}),
        "webhook_id": _asked(url, "webhooks", hook),
        "token_id": _asked(url, "tokens", {"name": name, "role": "viewer"}),
    }
    there = {
        "delivery_id": _asked(url, "deliveries?repo=dev/last"),
        "launch_id": _asked(url, _ENDED),
        "rule_id": _asked(url, "rules"),
    }
    return {"namespace": "dev"} | {name: told["id"] for name, told in (made | there).items()}


def viewer_token(url: str) -> str:
    """Return a token that may look only."""
    return str(_asked(url, "tokens", {"name": "looks-only", "role": "viewer"})["token"])


def _asked(url: str, path: str, body: Any = None) -> dict[str, Any]:
    """Return what is made of *body*, or the last of a list."""
    headers = {"authorization": f"Bearer {ADMIN}"}
    with httpx2.Client(base_url=f"{url}/api/v1/", headers=headers) as client:
        answer = client.post(path, json=body) if body else client.get(path)
        told: dict[str, Any] = answer.raise_for_status().json()
        return told if body else told["items"][-1]
