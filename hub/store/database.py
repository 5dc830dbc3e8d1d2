"""One SQLite file: one writer, a few readers, each on a thread of its own.

Work is a function of a SQLAlchemy connection. A write is one transaction, begun IMMEDIATE (a
deferred one that reads first fails at once when another writes) and committed with full sync.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, exc
from sqlalchemy.pool import QueuePool

from hub.core.errors import Unavailable

if sys.platform == "linux":
    from pysqlite3 import dbapi2 as _driver
else:  # the wheel exists for Linux; elsewhere Python's own module is new enough
    from sqlite3 import dbapi2 as _driver

sqlite_driver: Final[Any] = _driver
T = TypeVar("T")
READERS: Final = 2
TOGETHER: Final = 64
_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=5000",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-32768",
    "PRAGMA wal_autocheckpoint=4000",
)


class Database(Protocol):
    """Runs work against the database; Unavailable when it cannot be reached."""

    async def read(self, work: Callable[[Connection], T], *, long: bool = False) -> T:
        """Run `work` on a snapshot; it must not write. `long`: it may take a while and be asked
        for by many at once, so that others need not wait behind it."""

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction: all of it is stored when this returns, or nothing."""


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    connection.create_function("hub_lower", 1, str.lower, deterministic=True)
    cursor = connection.cursor()
    for line in _PRAGMAS:
        cursor.execute(line)
    cursor.close()


def open_engine(path: Path, readers: int = READERS) -> Engine:
    """An engine on the file whose transactions begin IMMEDIATE when asked to."""
    engine = create_engine(
        f"sqlite:///{path}",
        module=sqlite_driver,
        poolclass=QueuePool,
        pool_size=readers + 1,
        max_overflow=0,
        connect_args={"check_same_thread": False, "cached_statements": 512},
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    mode = connection.get_execution_options().get("sqlite_begin", "IMMEDIATE")
    connection.exec_driver_sql(f"BEGIN {mode}")


@dataclass(frozen=True, slots=True)
class _Job(Generic[T]):
    """A write on its way."""

    work: Callable[[Connection], T]
    done: Future[T]


def _attempt(
    connection: Connection, job: _Job[Any], *, alone: bool
) -> tuple[Any, BaseException | None]:
    """The result of a write, or what it failed with once it was taken back. Raises when the whole
    transaction is lost: a full disk rolls back everything."""
    if alone:
        return job.work(connection), None
    try:
        with connection.begin_nested():
            return job.work(connection), None
    except Exception as error:
        driver: Any = connection.connection.driver_connection
        if not driver.in_transaction:
            raise
        return None, error


@contextlib.contextmanager
def _reaching() -> Iterator[None]:
    """Turns what SQLite cannot do now into Unavailable."""
    try:
        yield
    except (exc.OperationalError, sqlite_driver.OperationalError) as error:
        reason = str(getattr(error, "orig", None) or error)
        raise Unavailable(f"the database cannot be used now: {reason}") from error


class SqliteDatabase:
    """The embedded default, as `Database`. Each thread keeps a connection of its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer = ThreadPoolExecutor(1, "hub-writer")
        self._readers = ThreadPoolExecutor(READERS, "hub-reader")
        self._mine = threading.local()
        self._opened: list[Connection] = []
        self._jobs: deque[_Job[Any]] = deque()

    async def read(self, work: Callable[[Connection], T], *, long: bool = False) -> T:
        loop = asyncio.get_running_loop()
        with _reaching():
            return await loop.run_in_executor(self._readers, self._read, work)

    def _read(self, work: Callable[[Connection], T]) -> T:
        connection = self._connection("DEFERRED")
        with connection.begin():
            return work(connection)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Writes that wait for each other share a transaction, each in a savepoint of its own: one
        that fails takes back what it did alone, and one sync to disk stores them all."""
        job: _Job[T] = _Job(work, Future())
        self._jobs.append(job)
        self._writer.submit(self._write_waiting)
        with _reaching():
            return await asyncio.wrap_future(job.done)

    def _write_waiting(self) -> None:
        """Whoever comes first takes all that wait; those after it find nothing to do."""
        jobs = [self._jobs.popleft() for _ in range(min(len(self._jobs), TOGETHER))]
        jobs = [job for job in jobs if job.done.set_running_or_notify_cancel()]
        if not jobs:
            return
        try:
            connection = self._connection("IMMEDIATE")
            with connection.begin():
                outcomes = [_attempt(connection, job, alone=len(jobs) == 1) for job in jobs]
        except BaseException as error:
            for job in jobs:
                job.done.set_exception(error)
            return
        for job, (result, fault) in zip(jobs, outcomes, strict=True):
            if fault is not None:
                job.done.set_exception(fault)
            else:
                job.done.set_result(result)

    def _connection(self, mode: str) -> Connection:
        """This thread's own."""
        connection: Connection | None = getattr(self._mine, "connection", None)
        if connection is None:
            connection = self.engine.connect().execution_options(sqlite_begin=mode)
            self._mine.connection = connection
            self._opened.append(connection)
        return connection

    def close(self) -> None:
        """Let what was begun finish, then close the file."""
        self._writer.shutdown()
        self._readers.shutdown()
        for connection in self._opened:
            connection.close()
        self.engine.dispose()


@contextlib.asynccontextmanager
async def open_sqlite(path: Path) -> AsyncIterator[SqliteDatabase]:
    """The database of a hub, closed at the end. The file must have been migrated."""
    database = SqliteDatabase(open_engine(path))
    try:
        yield database
    finally:
        await asyncio.to_thread(database.close)
