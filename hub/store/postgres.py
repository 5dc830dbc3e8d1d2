"""PostgreSQL as `Database`: the same work as on SQLite, on asyncpg, with every wait bounded."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeVar

import asyncpg
from sqlalchemy import Connection, exc
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from hub.core.errors import HubError, Unavailable
from hub.store.lanes import CONNECTIONS, Lane, Lanes

T = TypeVar("T")
ACQUIRE_S: Final = 5.0
CONNECT_S: Final = 5.0
STATEMENT_S: Final = 10.0
RETRIES: Final = 5
RETRY_AFTER_S: Final = 1.0
_AWAY: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
_TAKEN: Final = "23505"  # by who was quicker: looked for again, it is found
_RETRY_STATES: Final = frozenset({"40P01", "40001", _TAKEN})


def postgres_url(url: str) -> URL:
    """The asyncpg form of a `postgresql://` URL."""
    return make_url(url.replace("postgres://", "postgresql://", 1)).set(
        drivername="postgresql+asyncpg"
    )


def make_engine(url: str) -> AsyncEngine:
    """An engine whose commits are synchronous and whose statements end in bounded time."""
    return create_async_engine(
        postgres_url(url),
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=ACQUIRE_S,
        pool_pre_ping=False,
        connect_args={
            "timeout": CONNECT_S,
            "command_timeout": STATEMENT_S,
            "server_settings": {
                "application_name": "roomhub",
                "synchronous_commit": "on",
                "statement_timeout": str(int(STATEMENT_S * 1000)),
                "idle_in_transaction_session_timeout": "30000",
            },
        },
    )


class PostgresDatabase:
    """`Database` on a bounded pool, whose connections are kept free for one kind of work from
    another."""

    def __init__(self, engine: AsyncEngine, *, acquire_s: float = ACQUIRE_S) -> None:
        self.engine = engine
        # What only reads needs no transaction: each statement sees what is committed when it
        # begins, as it would in one, and two of three messages to the server are saved.
        self._reading = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._lanes = Lanes(acquire_s)

    async def read(self, work: Callable[[Connection], T], *, long: bool = False) -> T:
        lane = Lane.LONG if long else Lane.READ

        async def attempt() -> T:
            async with self._connected(lane, self._reading) as connection:
                return await connection.run_sync(work)

        return await self._again(attempt)

    async def write(self, work: Callable[[Connection], T]) -> T:
        return await self.transact(lambda connection: connection.run_sync(work))

    async def transact(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run `work` in one transaction; again after a deadlock, a serialization failure
        or when another was quicker to insert a row that was looked for and not found.

        Raises OUTCOME_UNKNOWN when the answer to the commit was lost: it may be stored.
        """

        async def attempt() -> T:
            async with self._connected(Lane.WRITE) as connection:
                transaction = await connection.begin()
                result = await work(connection)
                async with _committing():
                    await transaction.commit()
                return result

        return await self._again(attempt)

    async def transact_driver(
        self, work: Callable[[Any], Awaitable[T]], lane: Lane = Lane.WRITE
    ) -> T:
        """As `transact`, on asyncpg's own connection: for bulk statements."""

        async def attempt() -> T:
            async with self._connected(lane) as connection:
                driver: Any = (await connection.get_raw_connection()).driver_connection
                transaction = driver.transaction()
                await transaction.start()
                try:
                    result = await work(driver)
                except Exception as error:
                    if not _is_lost(error):
                        await transaction.rollback()
                    raise
                async with _committing():
                    await transaction.commit()
                return result

        return await self._again(attempt)

    @contextlib.asynccontextmanager
    async def _connected(
        self, lane: Lane, engine: AsyncEngine | None = None
    ) -> AsyncIterator[AsyncConnection]:
        """A connection of the pool. One that was lost, did not answer in time or was left in the
        middle is thrown away unasked: to roll back would be to wait for the same server again. The
        others of the pool are then as old, and go with it."""
        async with _reaching(), self._lanes.hold(lane):
            pool = self.engine.pool
            async with (engine or self.engine).connect() as connection:
                try:
                    yield connection
                except BaseException as error:
                    if _is_lost(error):
                        await _throw_away(connection)
                        if isinstance(error, Exception) and self.engine.pool is pool:
                            await self.engine.dispose()
                    raise

    async def _again(self, attempt: Callable[[], Awaitable[T]]) -> T:
        for _ in range(RETRIES):
            try:
                return await attempt()
            except (exc.DBAPIError, asyncpg.PostgresError) as error:
                if _state(error) not in _RETRY_STATES:
                    raise
        return await attempt()


async def _throw_away(connection: AsyncConnection) -> None:
    """End a connection without a word to the server."""
    with contextlib.suppress(exc.SQLAlchemyError, *_AWAY):
        driver: Any = (await connection.get_raw_connection()).driver_connection
        driver.terminate()
        await connection.invalidate()


def _is_lost(error: BaseException) -> bool:
    """Whether the connection is of no use any more, or in the middle of something."""
    if isinstance(error, HubError):
        return error.code == "OUTCOME_UNKNOWN"
    if not isinstance(error, Exception):
        return True
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    late = isinstance(cause, OSError | TimeoutError | asyncpg.InterfaceError)
    return late or _state(error)[:2] in ("08", "57") or _is_gone(error)


def _is_gone(error: Exception) -> bool:
    return isinstance(error, exc.DBAPIError) and error.connection_invalidated


def _state(error: Exception) -> str:
    """The SQLSTATE, whether SQLAlchemy wrapped the error or not."""
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    return str(getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None) or "")


@contextlib.asynccontextmanager
async def _reaching() -> AsyncIterator[None]:
    """Turns every way in which a database can be away into Unavailable."""
    try:
        yield
    except HubError:
        raise
    except (exc.DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        if _is_away(error):
            reason = error.orig if isinstance(error, exc.DBAPIError) else error
            raise _away(reason) from error
        raise
    except (OSError, TimeoutError, exc.TimeoutError) as error:
        reason = str(error) or type(error).__name__
        raise _away(reason) from error


def _away(reason: object) -> Unavailable:
    return Unavailable(f"the database cannot be reached: {reason}", retry_after=RETRY_AFTER_S)


def _is_away(error: Exception) -> bool:
    """Connection failures (class 08), exhaustion (53), shut-downs and cancelled statements (57),
    a standby that only reads. A client-side failure has no state at all."""
    state = _state(error)
    lost = isinstance(error, exc.OperationalError | exc.InterfaceError | asyncpg.InterfaceError)
    return _is_gone(error) or lost or state[:2] in ("08", "53", "57") or state in ("25006", "25P03")


@contextlib.asynccontextmanager
async def _committing() -> AsyncIterator[None]:
    """A commit whose answer does not come may have happened."""
    try:
        yield
    except (exc.DBAPIError, *_AWAY) as error:
        if _state(error) in _RETRY_STATES or _state(error).startswith("23"):
            raise
        raise _unknown() from error


def _unknown() -> Unavailable:
    return Unavailable(
        "the database did not say whether it stored this; retry with the same key",
        code="OUTCOME_UNKNOWN",
        retry_after=RETRY_AFTER_S,
    )


@contextlib.asynccontextmanager
async def open_postgres(url: str) -> AsyncIterator[PostgresDatabase]:
    """The database, its pool closed at the end."""
    engine = make_engine(url)
    try:
        yield PostgresDatabase(engine)
    finally:
        await engine.dispose()
