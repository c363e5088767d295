"""What jobhook relies on in PostgreSQL, tried on a real one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from jobhook import failpoints
from jobhook.adapters import postgres as adapter
from jobhook.adapters import postgres_news, postgres_schema
from jobhook.adapters.postgres import Connection, Database, connected
from jobhook.adapters.postgres_news import DELIVERIES, LAUNCHES, Notifier, listening
from jobhook.adapters.postgres_schema import open_database, open_existing
from jobhook.core.errors import LaunchMoved, StoreError, StoreUnavailable
from ports import free_port
from postgres import Cluster

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    async with open_database(postgres_url) as opened:
        yield opened


@pytest.fixture
def empty_url(postgres: Cluster) -> str:
    """A database in which nothing was made yet."""
    return postgres.url(postgres.create())


async def test_an_error_undoes_the_transaction(database: Database) -> None:
    async def work(connection: Connection) -> None:
        await connection.execute("INSERT INTO migration VALUES ('0')")
        raise LaunchMoved("no")

    with pytest.raises(LaunchMoved):
        await database.transact(work)
    assert not await database.fetch("SELECT 1 FROM migration WHERE name = '0'")


async def test_a_clash_with_another_transaction_is_tried_again(database: Database) -> None:
    tries: list[int] = []

    async def work(connection: Connection) -> None:
        tries.append(len(tries))
        if len(tries) < 5:
            await connection.execute("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$")

    await database.transact(work)
    assert len(tries) == 5


async def test_a_clash_every_time_makes_it_unavailable(database: Database) -> None:
    tries: list[int] = []

    async def work(connection: Connection) -> None:
        tries.append(len(tries))
        await connection.execute("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$")

    with pytest.raises(StoreUnavailable):
        await database.transact(work)
    assert len(tries) == 5


async def test_two_that_wait_for_each_other_both_end(database: Database) -> None:
    await database.fetch("INSERT INTO migration VALUES ('1'), ('2') RETURNING name")
    both_hold_one = asyncio.Barrier(2)
    first_time = {"1", "2"}

    async def swap(mine: str, other: str) -> None:
        async def work(connection: Connection) -> None:
            await connection.execute("DELETE FROM migration WHERE name = $1", mine)
            if mine in first_time:
                first_time.remove(mine)
                await both_hold_one.wait()
            await connection.execute("DELETE FROM migration WHERE name = $1", other)

        await database.transact(work)

    await asyncio.gather(swap("1", "2"), swap("2", "1"))


@pytest.mark.parametrize("text", ["\0", "\ud800"], ids=["NUL", "half a character"])
async def test_a_text_that_cannot_be_held_is_no_outage(database: Database, text: str) -> None:
    with pytest.raises(StoreError) as caught:
        await database.fetch("SELECT $1::text", text)
    assert type(caught.value) is StoreError


async def test_a_slow_answer_is_given_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreUnavailable, match="did not answer within 0 seconds"):
        await database.transact(lambda connection: connection.execute("SELECT 1"), seconds=0.0001)
    assert await database.fetch("SELECT 1")


async def test_the_server_gives_up_too(database: Database) -> None:
    async def limits(connection: Connection) -> set[str]:
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        return {await connection.fetchval(f"SHOW {name}") for name in names}

    assert await database.transact(limits) == {"5s"}
    assert await database.transact(limits, seconds=60) == {"1min"}


async def test_when_all_connections_are_in_use_others_are_turned_away(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "_CONNECTIONS", 1)
    taken, done = asyncio.Event(), asyncio.Event()

    async def hold(_: Connection) -> None:
        taken.set()
        await done.wait()

    async with connected(postgres_url) as database:
        holder = asyncio.create_task(database.transact(hold))
        await taken.wait()
        with pytest.raises(StoreUnavailable):
            await database.transact(hold, seconds=0.05)
        done.set()
        await holder
        assert await database.fetch("SELECT 1")


async def test_a_server_that_is_not_there_is_said_in_one_sentence_without_the_password() -> None:
    port = free_port()
    with pytest.raises(StoreUnavailable, match=f"127.0.0.1:{port}/x cannot be used") as caught:
        async with connected(f"postgresql://ana:geheim@127.0.0.1:{port}/x"):
            pass
    assert "geheim" not in str(caught.value)


async def test_a_wrong_password_is_said_and_not_shown(postgres: Cluster) -> None:
    url = postgres.url("postgres").replace(postgres.password, "geheim")
    with pytest.raises(StoreUnavailable, match="password authentication failed") as caught:
        async with connected(url):
            pass
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("url", ["mysql://a:geheim@h/x", "postgresql://a:geheim@[h/x"])
async def test_a_url_that_cannot_be_is_said_and_not_shown(url: str) -> None:
    with pytest.raises(StoreError) as caught:
        async with connected(url):
            pass
    assert "geheim" not in str(caught.value)


# -- prepared statements --

_QUERY = "SELECT $1::int AS given"


async def _count_prepared(database: Database) -> int:
    """How many statements the server of one connection keeps, after two of the same query."""

    async def work(connection: Connection) -> int:
        for number in (1, 2):
            await connection.fetch(_QUERY, number)
        count: int = await connection.fetchval(
            f"SELECT count(*) FROM pg_prepared_statements WHERE statement = '{_QUERY}'"  # noqa: S608
        )
        return count

    return await database.transact(work)


async def test_statements_stay_prepared_where_nobody_stands_between(database: Database) -> None:
    assert await _count_prepared(database) == 1


async def test_no_statement_stays_prepared_behind_a_pooler(pooled_url: str) -> None:
    async with open_database(pooled_url) as database:
        assert await _count_prepared(database) == 0


async def test_a_pooler_that_was_not_noticed_is_noticed_by_its_errors(pooled_url: str) -> None:
    async with open_database(pooled_url) as database:
        await database._prepare(100)
        answers = await asyncio.gather(*(database.fetch(_QUERY, n) for n in range(50)))
        answers += await asyncio.gather(*(database.fetch(_QUERY, n) for n in range(50)))
        assert [rows[0]["given"] for rows in answers] == [*range(50), *range(50)]


@pytest.mark.parametrize("code", ["26000", "42P05"])
async def test_after_such_an_error_nothing_is_prepared_any_more(
    database: Database, code: str
) -> None:
    tries: list[int] = []

    async def work(connection: Connection) -> None:
        tries.append(len(tries))
        if len(tries) == 1:
            await connection.execute(f"DO $$ BEGIN RAISE SQLSTATE '{code}'; END $$")

    await database.transact(work)
    assert len(tries) == 2
    assert await _count_prepared(database) == 0


async def test_a_statement_whose_table_was_changed_is_prepared_anew(database: Database) -> None:
    await database.fetch("SELECT * FROM memory")
    await database.run("ALTER TABLE memory ADD COLUMN remark TEXT")
    assert await database.fetch("SELECT * FROM memory") == []


async def test_what_is_run_alone_is_committed_or_undone(database: Database) -> None:
    await database.run("INSERT INTO memory VALUES ('a', 1)")
    with pytest.raises(StoreError):
        await database.run("INSERT INTO memory VALUES ('b', 1); SELECT 1 / 0")
    rows = await database.fetch("SELECT name FROM memory")
    assert [row["name"] for row in rows] == ["a"]


# -- connections that are lost --


async def test_connections_that_are_killed_are_replaced(
    postgres: Cluster, postgres_url: str, database: Database
) -> None:
    async def killed(connection: Connection) -> None:
        pid = connection.get_server_pid()
        await asyncio.to_thread(postgres.sql, f"SELECT pg_terminate_backend({pid})")
        await connection.execute("SELECT 1")

    with pytest.raises(StoreUnavailable):
        await database.transact(killed)
    await asyncio.to_thread(postgres.terminate, postgres_url)
    await answers(database)


async def test_a_server_that_was_restarted_is_used_again(mortal_postgres: Cluster) -> None:
    async with open_database(mortal_postgres.url(mortal_postgres.create())) as database:
        assert await database.fetch("SELECT 1")
        await asyncio.to_thread(mortal_postgres.restart)
        await answers(database)


async def answers(database: Database) -> None:
    """Return once the database answers; connections that were lost may be noticed one by one."""
    for _ in range(adapter._CONNECTIONS + 1):
        with contextlib.suppress(StoreUnavailable):
            await database.fetch("SELECT 1")
            return
    pytest.fail("it never answered again")


# -- the schema --


async def test_both_stores_have_migrations_of_the_same_names() -> None:
    folder = Path(adapter.__file__).parent / "migrations"
    sqlite, postgres = (
        {path.name for path in (folder / kind).iterdir()} for kind in ("sqlite", "postgres")
    )
    assert sqlite == postgres


async def test_replicas_that_start_at_once_make_one_schema(empty_url: str) -> None:
    async def start() -> None:
        async with open_database(empty_url):
            pass

    await asyncio.gather(*(start() for _ in range(4)))
    async with open_existing(empty_url) as database:
        (row,) = await database.fetch("SELECT count(*) AS made FROM epoch")
    assert row["made"] == 1


async def test_a_database_of_a_newer_version_is_refused(postgres_url: str) -> None:
    async with connected(postgres_url) as database:
        await database.fetch("INSERT INTO migration VALUES ('9999_later.sql') RETURNING 1")
    for open_it in (open_database, open_existing):
        with pytest.raises(StoreError, match=r"made by a newer jobhook \(it has 9999_later"):
            async with open_it(postgres_url):
                pass


async def test_a_database_of_an_older_version_is_not_read(empty_url: str) -> None:
    with pytest.raises(StoreError, match="of an older version"):
        async with open_existing(empty_url):
            pass


async def test_a_migration_is_done_whole_or_not_at_all(empty_url: str) -> None:
    statements: list[None] = []

    def crash() -> None:
        statements.append(None)
        if len(statements) == 7:
            raise RuntimeError("crash")

    failpoints.arm("store.migrating", crash)
    with pytest.raises(RuntimeError):
        async with open_database(empty_url):
            pass
    failpoints.disarm()
    async with connected(empty_url) as database:
        assert not await database.fetch(
            "SELECT 1 FROM pg_tables WHERE schemaname = current_schema()"
        )
    async with open_database(empty_url):
        pass


async def test_an_old_server_is_refused(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_schema, "OLDEST_VERSION", 99)
    with pytest.raises(StoreError, match="99 or newer is needed"):
        async with open_database(postgres_url):
            pass


async def test_a_server_that_does_not_write_to_disk_is_warned_about(
    postgres: Cluster, postgres_url: str
) -> None:
    name = postgres_url.rpartition("/")[2]
    postgres.sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
    with capture_logs() as logs:
        async with open_database(postgres_url):
            pass
    assert logs == [
        {
            "event": "store.not_durable",
            "setting": "synchronous_commit",
            "set": "on",
            "log_level": "warning",
        }
    ]


# -- news --


class Woken:
    """Remembers what it was woken for, and can be waited for."""

    def __init__(self) -> None:
        self.wakes = {topic: asyncio.Event() for topic in (DELIVERIES, LAUNCHES)}

    @contextlib.asynccontextmanager
    async def listening(self, url: str) -> AsyncIterator[None]:
        async with listening(url, {key: event.set for key, event in self.wakes.items()}):
            # Everybody is woken once the connection stands.
            await self.all()
            yield

    async def all(self) -> None:
        async with asyncio.timeout(20):
            for event in self.wakes.values():
                await event.wait()
                event.clear()


async def test_news_reach_the_other_processes(postgres_url: str, database: Database) -> None:
    woken = Woken()
    async with woken.listening(postgres_url):
        notifier = Notifier(database)
        notifier.post(LAUNCHES)
        await notifier.aclose()
        async with asyncio.timeout(20):
            await woken.wakes[LAUNCHES].wait()
        assert not woken.wakes[DELIVERIES].is_set()


async def test_whoever_listens_connects_again_and_is_woken(
    postgres: Cluster, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_news, "_PAUSE_SECONDS", 0.01)
    woken = Woken()
    async with woken.listening(postgres_url):
        await asyncio.to_thread(postgres.terminate, postgres_url)
        await woken.all()


async def test_news_that_cannot_be_told_are_dropped(postgres_url: str) -> None:
    async with connected(postgres_url) as database:
        pass
    notifier = Notifier(database)
    with capture_logs() as logs:
        notifier.post(LAUNCHES)
        await notifier.aclose()
    assert [entry["event"] for entry in logs] == ["news.lost"]


async def test_whoever_listens_asks_now_and_then_whether_the_connection_stands(
    postgres_url: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_news, "_CHECK_SECONDS", 0.5)
    asked = "SELECT 1 FROM pg_stat_activity WHERE query = $1 AND datname = current_database()"
    async with Woken().listening(postgres_url), asyncio.timeout(20):
        while not await database.fetch(asked, postgres_news.CHECK):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_connection_that_says_nothing_any_more_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(postgres_news, "_CHECK_SECONDS", 0.01)

    class Deaf:
        """A connection that was cut somewhere on the way."""

        def add_termination_listener(self, _: object) -> None:
            pass

        async def add_listener(self, *_: object) -> None:
            pass

        async def execute(self, _: str) -> None:
            await asyncio.Event().wait()

    with pytest.raises(StoreUnavailable):
        await postgres_news.follow(Deaf(), "postgresql://h/x", {})
