"""The whole service on real parts: a devhub, HTTP on both sides, SQLite, real processes."""

from __future__ import annotations

import contextlib
import shutil
import socket
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx2
import pytest
from structlog.testing import capture_logs

from factories import ROOT
from jobhook.core.errors import RulesError, SettingsError, StoreError
from jobhook.core.guards import Guard, Limits
from jobhook.core.launches import Launch, LaunchState
from jobhook.core.operations import Deed, Order
from jobhook.settings import Settings
from jobhook.stores import Bells, open_reads, open_store
from jobhook.web.serving import listen, url_of
from jobhook.wiring import (
    Role,
    Service,
    carry_out,
    for_devhub,
    running_service,
)
from town import SECRET, Town, running_town, until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with running_town(tmp_path) as town:
        yield town


PRINT = """\
watch: ["user:@me"]
on: [commit.pushed]
repos: ["dataset:dev/*"]
run:
  image: python:3.12
  command: [python, -c, "import os; print(os.environ['WEBHOOK_PAYLOAD'], sorted(os.environ))"]
  secrets: [HF_TOKEN]
"""


async def ended(service: Service) -> LaunchState | None:
    for launch in await service.store.launches(limit=1):
        if launch.state.is_final or launch.state == LaunchState.HELD:
            return launch.state
    return None


async def test_a_push_becomes_a_job_and_the_job_is_followed_to_its_end(town: Town) -> None:
    town.rule("print", PRINT)
    async with town.service(JOBHOOK_SECRET_HF_TOKEN="for-the-job") as service, town.hub() as hub:
        sha = await town.push()
        assert await until(lambda: ended(service)) == LaunchState.COMPLETED
        (launch,) = await service.store.launches(limit=0)
        job_id = launch.job_id or ""
        told = hub.fetch_job_logs(job_id=job_id, namespace="dev", follow=True)
        lines = [line async for line in told]
    log = "\n".join(lines)
    assert "dev/corpus" in log
    assert sha in log
    assert "'HF_TOKEN'" in log
    assert "WEBHOOK_SECRET" not in log
    assert launch.job_url == f"{town.url}/jobs/dev/{launch.job_id}"


async def test_a_restart_goes_on_where_it_stopped_and_launches_nothing_twice(town: Town) -> None:
    town.rule("print", PRINT.replace("  secrets: [HF_TOKEN]\n", ""))
    async with town.service() as service:
        await town.push()
        await until(lambda: ended(service))
    async with town.service() as service, town.hub() as hub:
        assert len(await service.store.launches(limit=0)) == 1
        assert len(await hub.list_jobs(namespace="dev")) == 1


async def test_what_a_dead_process_was_sending_is_unknown_and_not_sent_again(town: Town) -> None:
    town.rule("print", PRINT)
    async with town.service() as service:  # without the secret: the launch is held
        await town.push()
        assert await until(lambda: ended(service)) == LaunchState.HELD
        (launch,) = await service.store.launches(limit=0)
        await service.store.replace(launch, replace(launch, state=LaunchState.READY))
        guard = Guard(Limits(), {"cpu-basic": 0.01}, launch.created_at)
        await service.store.claim(launch.created_at, 1, guard)
    with capture_logs() as logs:
        async with town.service(JOBHOOK_SECRET_HF_TOKEN="x") as service, town.hub() as hub:
            (launch,) = await service.store.launches(limit=0)
            assert await hub.list_jobs(namespace="dev") == []
    assert launch.state == LaunchState.UNKNOWN
    assert {"event": "launch.unknown", "count": 1, "log_level": "warning"} in logs


async def test_a_job_whose_start_was_answered_with_an_error_is_found_and_not_started_again(
    town: Town,
) -> None:
    town.rule("print", PRINT.replace("  secrets: [HF_TOKEN]\n", ""))
    town.devhub.chaos.add("jobs.create status=500 execute=yes count=1")
    async with town.service() as service, town.hub() as hub:
        await town.push()
        assert await until(lambda: ended(service)) == LaunchState.COMPLETED
        (job,) = await hub.list_jobs(namespace="dev")
        (launch,) = await service.store.launches(limit=0)
    (fault,) = town.devhub.chaos.to_wire()["faults"]
    assert (fault["met"], fault["struck"]) == (1, 1)
    assert launch.job_id == job.id


async def test_a_paused_service_takes_deliveries_in_and_launches_nothing(town: Town) -> None:
    town.rule("print", PRINT.replace("  secrets: [HF_TOKEN]\n", ""))
    async with town.service(JOBHOOK_PAUSE="on") as service, town.hub() as hub:
        await town.push()

        async def planned() -> bool | None:
            return bool(await service.store.launches(limit=1)) or None

        await until(planned)
        assert await hub.list_jobs(namespace="dev") == []
    async with town.service() as service:
        assert await until(lambda: ended(service)) == LaunchState.COMPLETED


async def pushed(town: Town) -> list[tuple[str, bytes | None]]:
    """Push something, wait until its job is over, and return what was delivered."""
    async with town.service() as service:
        await town.push()
        await until(lambda: ended(service))
        return [
            (each.webhook_id or "", await service.store.body(each.id))
            for each, _ in await service.store.deliveries(limit=0)
        ]


async def jobs_after(town: Town, deliveries: list[tuple[str, bytes | None]]) -> list[str]:
    """Deliver the same to a service that does not know it, and return all jobs that there are."""
    async with (
        town.service() as service,
        town.hub() as hub,
        httpx2.AsyncClient(verify=False) as client,
    ):
        for webhook_id, body in deliveries:
            headers = {"X-Webhook-Secret": SECRET, "Webhook-Id": webhook_id}
            answer = await client.post(f"{service.url}/webhooks/hub", content=body, headers=headers)
            assert answer.status_code == 202
        assert await until(lambda: ended(service)) == LaunchState.COMPLETED
        (launch,) = await service.store.launches(limit=0)
        jobs = [job.id for job in await hub.list_jobs(namespace="dev")]
    assert launch.job_id in jobs
    return jobs


async def test_a_lost_database_launches_nothing_again(town: Town) -> None:
    town.rule("print", PRINT.replace("  secrets: [HF_TOKEN]\n", ""))
    deliveries = await pushed(town)
    for path in town.folder.glob("town.db*"):
        path.unlink()
    assert len(await jobs_after(town, deliveries)) == 1


async def test_a_backup_that_was_put_back_launches_nothing_again_after_a_persons_word(
    town: Town,
) -> None:
    town.rule("print", PRINT.replace("  secrets: [HF_TOKEN]\n", ""))
    database, backup = town.folder / "town.db", town.folder / "backup"
    async with town.service():
        pass
    shutil.copy(database, backup)
    with contextlib.closing(sqlite3.connect(backup)) as connection:
        connection.execute("UPDATE epoch SET began_at = 0")
        connection.commit()
    deliveries = await pushed(town)
    for path in town.folder.glob("town.db*"):
        path.unlink()
    shutil.copy(backup, database)
    (outcome,) = await carry_out(town.settings(), Order(deed=Deed.LOOK_FIRST, by="ana"))
    assert outcome.done
    assert len(await jobs_after(town, deliveries)) == 1


async def test_a_running_service_is_told_to_look_first(town: Town) -> None:
    town.rule("print", PRINT)
    async with town.service() as service:
        await service.store.begin_anew(0)
        (outcome,) = await carry_out(town.settings(), Order(deed=Deed.LOOK_FIRST, by="ana"))
        assert outcome.done
        assert await service.store.began_at() > 0


async def test_a_service_whose_hub_is_away_still_takes_deliveries_in(town: Town) -> None:
    town.rule("print", PRINT)
    settings = town.settings(HF_ENDPOINT="http://127.0.0.1:1")
    with listen("127.0.0.1", 0) as listener:
        async with (
            running_service(settings, listener) as service,
            httpx2.AsyncClient(verify=False) as client,
        ):
            answer = await client.post(
                f"{service.url}/webhooks/hub",
                content=b"{}",
                headers={"X-Webhook-Secret": SECRET},
            )
            assert answer.status_code == 202
            ((delivery, _),) = await service.store.deliveries(limit=0)
            assert delivery.state == "stored"


async def test_what_a_rule_lacks_is_told_at_the_start(town: Town) -> None:
    town.rule("print", PRINT.replace('watch: ["user:@me"]\n', ""))
    with capture_logs() as logs, listen("127.0.0.1", 0) as listener:
        async with running_service(town.settings(SPACE_ID="a/b"), listener):
            pass
    told = {line["event"]: line for line in logs}
    assert "no `watch`" in told["rule.warned"]["problem"]
    assert told["rule.lacks_secret"]["set"] == "JOBHOOK_SECRET_HF_TOKEN"
    assert told["service.started"]["durability"] == "ephemeral"
    assert "service.drained" in told


@pytest.mark.parametrize(
    ("environ", "kind", "message"),
    [
        pytest.param(
            {"JOBHOOK_WEBHOOK_SECRETS": ""}, SettingsError, "jobhook secret new", id="no secret"
        ),
        pytest.param({"HF_TOKEN": ""}, SettingsError, "serve --devhub", id="no token"),
        pytest.param(
            {"JOBHOOK_REGISTER": "on"}, SettingsError, "JOBHOOK_PUBLIC_URL", id="no public URL"
        ),
        pytest.param(
            {"JOBHOOK_DATABASE": "sqlite:////nowhere/x.db"},
            StoreError,
            "cannot be opened",
            id="disk",
        ),
    ],
)
async def test_a_service_that_could_not_do_its_work_does_not_start(
    town: Town, environ: dict[str, str], kind: type[Exception], message: str
) -> None:
    with listen("127.0.0.1", 0) as listener, pytest.raises(kind, match=message):
        await start(town.settings(**environ), listener)


async def test_a_service_does_not_start_with_a_bad_rule(town: Town) -> None:
    town.rule("bad", "onn: [x]\n")
    with listen("127.0.0.1", 0) as listener, pytest.raises(RulesError):
        await start(town.settings(), listener)


async def start(settings: Settings, listener: socket.socket, *, role: Role = Role.ALL) -> None:
    async with running_service(settings, listener, role=role):
        pass


async def test_the_shipped_rules_do_what_they_say(town: Town) -> None:
    for path in (ROOT / "rules").glob("*.yaml"):
        (town.rules / path.name).write_text(path.read_text())
    card = "---\nlicense: mit\npipeline_tag: x\nbase_model: y\ndatasets: z\n---\n" + "word " * 50
    async with town.service() as service, town.hub() as hub:
        await hub.create_repo("dev/corpus", repo_type="dataset")
        await hub.create_repo("dev/owl", repo_type="model")
        await hub.create_repo("dev/bare", repo_type="model")
        await hub.create_commit(
            "dev/corpus", {"train.py": b"print('trained')"}, repo_type="dataset", message="m"
        )
        await hub.create_commit(
            "dev/owl", {"README.md": card.encode()}, repo_type="model", message="m"
        )
        await hub.create_commit(
            "dev/bare", {"README.md": b"# Bare"}, repo_type="model", message="m"
        )
        await hub.transport.change(
            "POST",
            "/api/models/dev/owl/commit/main?create_pr=1",
            content=b'{"key":"header","value":{"summary":"weights","description":""}}\n'
            b'{"key":"file","value":{"path":"model.pkl","content":"AA==","encoding":"base64"}}',
            content_type="application/x-ndjson",
        )

        async def all_ended() -> dict[tuple[str, str], str] | None:
            launches = await service.store.launches(limit=0)
            if len(launches) < 4 or not all(launch.state.is_final for launch in launches):
                return None
            return {
                (launch.rule, launch.spec.env["WEBHOOK_REPO_ID"]): launch.state
                for launch in launches
            }

        assert await until(all_ended) == {
            ("retrain-on-data", "dev/corpus"): "completed",
            ("check-model-card", "dev/owl"): "completed",
            ("check-model-card", "dev/bare"): "failed",
            ("check-pull-request", "dev/owl"): "failed",
        }


# -- several processes on one PostgreSQL --


async def test_one_process_takes_in_and_another_one_launches(town: Town, postgres_url: str) -> None:
    town.rule("print", PRINT.replace("  secrets: [HF_TOKEN]\n", ""))
    shared = {"JOBHOOK_DATABASE": postgres_url}
    with listen("127.0.0.1", 0) as listener:
        settings = for_devhub(
            town.settings(**shared),
            devhub_url=town.url,
            own_url=url_of(listener),
            secret=SECRET,
        )
        # The dispatcher registers the webhook; the receiver's address is where the Hub delivers.
        with listen("127.0.0.1", 0) as other:
            async with (
                running_service(settings, listener, role=Role.RECEIVER) as receiver,
                running_service(settings, other, role=Role.DISPATCHER) as dispatcher,
            ):
                await until(partial(_registered, town))
                await town.push()

                async def completed() -> Launch | None:
                    launches = await dispatcher.store.launches(limit=0)
                    ended = [each for each in launches if each.state == LaunchState.COMPLETED]
                    return ended[0] if ended else None

                launch = await until(completed)
                assert await receiver.store.body(launch.delivery)
    async with open_reads(settings.database) as reads:
        assert [each.id for each in await reads.launches(limit=0)] == [launch.id]


async def test_a_dispatcher_takes_nothing_in_and_needs_no_secret(
    town: Town, postgres_url: str
) -> None:
    environ = {"JOBHOOK_DATABASE": postgres_url, "JOBHOOK_WEBHOOK_SECRETS": ""}
    public = {"JOBHOOK_PUBLIC_URL": "https://hooks.test"}
    with listen("127.0.0.1", 0) as listener, capture_logs() as logs:
        await start(town.settings(**environ, **public), listener, role=Role.DISPATCHER)
    settings = town.settings(**environ, **public, JOBHOOK_REGISTER="on")
    with (
        listen("127.0.0.1", 0) as listener,
        pytest.raises(SettingsError, match="set it here as on the receivers"),
    ):
        await start(settings, listener, role=Role.DISPATCHER)
    assert [line["set"] for line in logs if line["event"] == "webhook.not_registered"] == [
        "JOBHOOK_WEBHOOK_SECRETS"
    ]


async def _registered(town: Town) -> bool | None:
    async with town.hub() as hub:
        return bool(await hub.list_webhooks()) or None


# -- orders --


async def test_orders_go_through_the_running_service(town: Town) -> None:
    town.rule("print", PRINT)
    async with town.service() as service, town.hub() as hub:  # without the secret: it is held
        await town.push()
        assert await until(lambda: ended(service)) == LaunchState.HELD
        (launch,) = await service.store.launches(limit=0)
        settings = town.settings()
        (paused,) = await carry_out(settings, Order(deed=Deed.PAUSE, by="ana"))
        assert paused.done
        release = Order(deed=Deed.RELEASE, by="ana", ids=(launch.id,))
        assert [outcome.told for outcome in await carry_out(settings, release)] == ["released"]
        await carry_out(settings, Order(deed=Deed.RESUME, by="ana"))
        # Woken, it is looked at again: the secret is still not there.
        assert await until(lambda: ended(service)) == LaunchState.HELD
        assert await hub.list_jobs(namespace="dev") == []
        cancel = Order(deed=Deed.CANCEL, by="ana", ids=(launch.id,))
        assert [outcome.done for outcome in await carry_out(settings, cancel)] == [True]
        replay = Order(deed=Deed.REPLAY, by="ana", ids=(launch.delivery,))
        assert [outcome.done for outcome in await carry_out(settings, replay)] == [True]

        async def again() -> int | None:
            launches = await service.store.launches(limit=0)
            return len(launches) if len(launches) > 1 else None

        assert await until(again) == 2
    assert not list(town.folder.glob("*.sock"))


async def test_orders_without_a_service_take_its_place(town: Town) -> None:
    settings = town.settings()
    order = Order(deed=Deed.PAUSE, by="ana")
    with pytest.raises(StoreError, match="there is no database"):
        await carry_out(settings, order)
    async with open_store(settings.database, Bells()):
        with pytest.raises(StoreError, match="another jobhook already uses"):
            await carry_out(settings, order)
    (outcome,) = await carry_out(settings, order)
    assert outcome.done
    async with open_reads(settings.database) as reads:
        assert [pause.by for pause in await reads.pauses()] == ["ana"]


@pytest.mark.parametrize("role", [Role.RECEIVER, Role.DISPATCHER])
async def test_a_database_in_a_file_has_one_process(town: Town, role: Role) -> None:
    with listen("127.0.0.1", 0) as listener, pytest.raises(SettingsError, match="postgresql://"):
        async with running_service(town.settings(), listener, role=role):
            pass
