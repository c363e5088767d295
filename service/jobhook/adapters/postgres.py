"""
PostgreSQL as a database that several processes share: connect, write in transactions, translate.

Everything works through a pooler in transaction mode: whatever a transaction needs is set inside
it, no lock outlives its transaction, and statements stay prepared only where nobody stands between.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg

from jobhook.core.errors import JobHookError, StoreError, StoreUnavailable

T = TypeVar("T")
# The driver has no types.
Connection = Any
Row = Any
Work = Callable[[Connection], Awaitable[T]]

# Whoever waits for longer than this is better off asking again later.
DEADLINE_SECONDS = 5.0
_CONNECTIONS = 8
_ATTEMPTS = 5
_LONGEST_PAUSE_SECONDS = 0.05
# The server gives up as well: a process that was stopped must not keep the others waiting for its
# locks, and what nobody waits for any more must not run on.
_BEGIN = (
    "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = '{0:.0f}s'; "
    "SET LOCAL lock_timeout = '{0:.0f}s'; "
    "SET LOCAL idle_in_transaction_session_timeout = '{0:.0f}s'; "
)
# The next attempt may go well: two transactions met, or the schema was changed under a statement.
_CLASHES = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InvalidCachedStatementError,
)
# What was prepared is not there, or is there already: somebody changes the server under us.
_POOLED = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)
# Statements that each connection keeps prepared.
_PREPARED = 100
# What was given cannot be; everything else passes or is for whoever runs the database.
_MISUSE = (asyncpg.DataError, asyncpg.exceptions._base.DataError, UnicodeEncodeError)
_FAILURES = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)


class Database:
    """Connections to one PostgreSQL; whatever is asked of it ends within `DEADLINE_SECONDS`."""

    def __init__(self, pool: Any, url: str) -> None:
        self._pool = pool
        self._url = url

    @property
    def place(self) -> str:
        """Where it is, as it may be shown."""
        return place(self._url)

    async def transact(
        self, work: Work[T], *, first: str = "", seconds: float = DEADLINE_SECONDS
    ) -> T:
        """
        Run *work* inside a transaction and return its result once that is committed.

        *first* is a statement that is sent along with the beginning, and saves a round trip.

        An error in *work* undoes it. After a clash with another transaction it is run again, so
        it must not change anything but the database.

        Raises:
            StoreUnavailable: The database is busy or gone; *work* may have been committed if the
                connection was lost meanwhile.
            StoreError: It could not hold what it was given.
        """
        begin = _BEGIN.format(seconds) + first
        with translated(self._url, seconds):
            async with asyncio.timeout(seconds):
                for attempt in range(1, _ATTEMPTS):
                    try:
                        return await self._attempt(begin, work)
                    except _POOLED:
                        await self._prepare(0)
                    except _CLASHES:
                        # Those that clashed must not meet again.
                        pause = random.uniform(0, attempt * _LONGEST_PAUSE_SECONDS)  # noqa: S311
                        await asyncio.sleep(pause)
                return await self._attempt(begin, work)

    async def fetch(self, query: str, *parameters: Any) -> list[Row]:
        """Return all rows of *query*; the errors are those of `transact`."""

        async def work(connection: Connection) -> list[Row]:
            rows: list[Row] = await connection.fetch(query, *parameters)
            return rows

        return await self.transact(work)

    async def run(self, statement: str) -> None:
        """Run *statement*, which has no parameters, in one round trip; errors as in `transact`."""
        with translated(self._url):
            async with asyncio.timeout(DEADLINE_SECONDS), self._connection() as connection:
                await connection.execute(f"{_BEGIN.format(DEADLINE_SECONDS)}{statement}; COMMIT")

    async def prepare_if_direct(self) -> None:
        """Keep statements prepared from here on, if no pooler changes the server under them."""

        async def work(connection: Connection) -> bool:
            # What stands between makes up the number that a connection begins with.
            number = await connection.fetchval("SELECT pg_backend_pid()")
            return bool(number == connection.get_server_pid())

        if await self.transact(work):
            await self._prepare(_PREPARED)

    async def _prepare(self, statements: int) -> None:
        self._pool.set_connect_args(self._url, **connect_options(prepared=statements))
        await self._pool.expire_connections()

    async def _attempt(self, begin: str, work: Work[T]) -> T:
        async with self._connection() as connection:
            await connection.execute(begin)
            result = await work(connection)
            await connection.execute("COMMIT")
            return result

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """Lend a connection, and leave no transaction open on it."""
        async with self._pool.acquire() as connection:
            try:
                yield connection
            except (JobHookError, asyncpg.PostgresError):
                if not connection.is_closed():
                    await connection.execute("ROLLBACK")
                raise
            except BaseException:
                # It may be in the middle of anything.
                connection.terminate()
                raise


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Database]:
    """Connect to the database at *url* and leave it as it is; for the errors see `transact`."""
    # A connection that holds nothing needs no cleaning before the next one uses it.
    pool = asyncpg.create_pool(
        url, min_size=1, max_size=_CONNECTIONS, reset=_nothing, **connect_options()
    )
    with translated(url):
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await pool
        except ValueError:
            raise StoreError("the database's URL is not one of PostgreSQL's") from None
    try:
        database = Database(pool, url)
        await database.prepare_if_direct()
        yield database
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DEADLINE_SECONDS):
                await pool.close()
        pool.terminate()


def connect_options(*, prepared: int = 0) -> dict[str, Any]:
    """Return how every connection of ours is made; so many statements stay *prepared* on it."""
    # A pooler hands each transaction to another server, where nothing was prepared.
    return {"statement_cache_size": prepared, "timeout": DEADLINE_SECONDS}


@contextlib.contextmanager
def translated(url: str, seconds: float = DEADLINE_SECONDS) -> Iterator[None]:
    """Let no error of the driver leave this package, and no password be seen in one."""
    try:
        yield
    except _MISUSE as exc:
        raise StoreError("what was asked for is nothing that a database could hold") from exc
    except TimeoutError as exc:
        raise StoreUnavailable(
            f"the database {place(url)} did not answer within {seconds:.0f} seconds"
        ) from exc
    except _FAILURES as exc:
        said = str(exc) or type(exc).__name__
        raise StoreUnavailable(f"the database {place(url)} cannot be used now: {said}") from exc


def place(url: str) -> str:
    """Return *url* as it may be shown: without the user and the password."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "PostgreSQL"
    return f"postgresql://{parts.hostname or ''}{port}{parts.path}"


async def _nothing(_: Connection) -> None:
    """Leave a connection as it is."""


async def changed(connection: Connection, statement: str, *values: object) -> int:
    """Run *statement* and return how many rows it changed."""
    status: str = await connection.execute(statement, *values)
    return int(status.rpartition(" ")[2])
