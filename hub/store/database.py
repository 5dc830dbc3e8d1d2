"""One SQLite file: one writer, a few readers, each on a thread of its own.

Work is a function of a SQLAlchemy connection. A write is one transaction, begun IMMEDIATE (a
deferred one that reads first fails at once when another writes) and committed with full sync.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, Generic, Literal, Protocol, TypeVar, cast

from sqlalchemy import Connection, Engine, create_engine, event, exc
from sqlalchemy.pool import QueuePool

from hub.core.errors import Unavailable
from hub.store.wal import CHECKPOINT_PAGES

if sys.platform == "linux":
    from pysqlite3 import dbapi2 as _driver
else:  # the wheel exists for Linux; elsewhere Python's own module is new enough
    from sqlite3 import dbapi2 as _driver

sqlite_driver: Final[Any] = _driver
T = TypeVar("T")
READERS: Final = 2
TOGETHER: Final = 64
_BY_HAND: Final = "begun_by_hand"
_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=5000",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-32768",
    f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}",
)


class Database(Protocol):
    """Runs work against the database; Unavailable when it cannot be reached."""

    async def read(self, work: Callable[[Connection], T], *, long: bool = False) -> T:
        """Run `work`, which must not write: each of its statements sees all that is committed when
        it begins, and perhaps no more than the first. `long`: it may take a while and be asked for
        by many at once, so that others need not wait behind it."""

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
    """An engine on the file, whose transactions begin IMMEDIATE."""
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
    if not connection.get_execution_options().get(_BY_HAND):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


class _Own:
    """The connection of one thread. SQLAlchemy takes it for a transaction without end; where one
    begins and ends is said to the driver alone, in a tenth of the time."""

    def __init__(self, engine: Engine, mode: Literal["IMMEDIATE", "DEFERRED"]) -> None:
        self.connection = engine.connect().execution_options(**{_BY_HAND: True})
        self._driver: Any = self.connection.connection.driver_connection
        self._mode = mode

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All of it is stored, or nothing."""
        self._driver.execute(f"BEGIN {self._mode}")
        try:
            yield self.connection
            self._driver.execute("COMMIT")
        except BaseException:
            if self._driver.in_transaction:
                self._driver.execute("ROLLBACK")
            raise

    def attempt(self, work: Callable[[Connection], T]) -> T:
        """Work in a savepoint: when it fails it alone is taken back, unless the whole transaction
        is lost. A full disk rolls back everything."""
        self._driver.execute("SAVEPOINT attempt")
        try:
            result = work(self.connection)
        except BaseException:
            if self._driver.in_transaction:
                self._driver.execute("ROLLBACK TO attempt")
                self._driver.execute("RELEASE attempt")
            raise
        self._driver.execute("RELEASE attempt")
        return result

    @property
    def open(self) -> bool:
        """Whether a transaction has begun and is not lost."""
        return bool(self._driver.in_transaction)


class _Job(Generic[T]):
    """A write on its way, and who waits for it."""

    def __init__(self, work: Callable[[Connection], T], whole: bool) -> None:
        self.work = work
        self.whole = whole
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[T] = self.loop.create_future()
        self.result: T | None = None
        self.error: BaseException | None = None

    def fail(self, error: BaseException) -> None:
        """No future takes a StopIteration: to a coroutine it would be an end, not an error."""
        if isinstance(error, StopIteration):
            self.error = RuntimeError("a write stopped with StopIteration")
            self.error.__cause__ = error
        else:
            self.error = error

    def answer(self) -> None:
        if self.done.done():  # nobody waits any more
            return
        if self.error is not None:
            self.done.set_exception(self.error)
        else:
            self.done.set_result(cast(T, self.result))


def _answer(jobs: Sequence[_Job[Any]]) -> None:
    """One that cannot be answered holds up no other."""
    for job in jobs:
        try:
            job.answer()
        except Exception as error:
            job.done.set_exception(error)


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
        self._readers = ThreadPoolExecutor(READERS, "hub-reader")
        self._mine = threading.local()
        self._opened: list[_Own] = []
        self._jobs: SimpleQueue[_Job[Any] | None] = SimpleQueue()
        self._closed = False
        self._ending = threading.Lock()
        self._writer = threading.Thread(target=self._write_always, name="hub-writer", daemon=True)
        self._writer.start()

    async def read(self, work: Callable[[Connection], T], *, long: bool = False) -> T:
        if self._closed:
            raise Unavailable("the database is closed")
        loop = asyncio.get_running_loop()
        with _reaching():
            return await loop.run_in_executor(self._readers, self._read, work)

    def _read(self, work: Callable[[Connection], T]) -> T:
        with self._own("DEFERRED").transaction() as connection:
            return work(connection)

    async def write(self, work: Callable[[Connection], T], *, whole: bool = False) -> T:
        """Writes that wait for each other share a transaction, each in a savepoint of its own: one
        that fails takes back what it did alone, and one sync to disk stores them all. `whole`: it
        is one statement, so that it needs no transaction around it when it is alone."""
        job = self._queue(work, whole)
        with _reaching():
            return await job.done

    def _queue(self, work: Callable[[Connection], T], whole: bool) -> _Job[T]:
        """Before the writer is told to end, or not at all."""
        with self._ending:
            if self._closed:
                raise Unavailable("the database is closed")
            job = _Job(work, whole)
            self._jobs.put(job)
        return job

    def _write_always(self) -> None:
        """What the writer does until it is told to end, after all that came before."""
        while (job := self._jobs.get()) is not None:
            self._serve([job, *self._waiting()])
            del job  # or it is kept, with what it wrote, until the next one comes

    def _serve(self, jobs: Sequence[_Job[Any]]) -> None:
        """Write, and tell those who wait for it."""
        jobs = [job for job in jobs if not job.done.cancelled()]
        try:
            self._write(jobs)
        except BaseException as error:
            for job in jobs:
                job.fail(error)
        for loop, some in groupby(jobs, attrgetter("loop")):
            with contextlib.suppress(RuntimeError):  # it has ended: nobody waits
                loop.call_soon_threadsafe(_answer, list(some))

    def _waiting(self) -> list[_Job[Any]]:
        jobs: list[_Job[Any]] = []
        while len(jobs) < TOGETHER - 1 and not self._jobs.empty():
            job = self._jobs.get()
            if job is None:
                self._jobs.put(None)
                break
            jobs.append(job)
        return jobs

    def _write(self, jobs: Sequence[_Job[Any]]) -> None:
        if not jobs:
            return
        own = self._own("IMMEDIATE")
        if len(jobs) == 1 and jobs[0].whole:
            jobs[0].result = jobs[0].work(own.connection)
            return
        with own.transaction() as connection:
            if len(jobs) == 1:
                jobs[0].result = jobs[0].work(connection)
                return
            for job in jobs:
                try:
                    job.result = own.attempt(job.work)
                except Exception as error:
                    if not own.open:
                        raise
                    job.fail(error)

    def _own(self, mode: Literal["IMMEDIATE", "DEFERRED"]) -> _Own:
        """This thread's."""
        own: _Own | None = getattr(self._mine, "own", None)
        if own is None:
            own = self._mine.own = _Own(self.engine, mode)
            self._opened.append(own)
        return own

    def close(self) -> None:
        """Let what was begun finish, then close the file."""
        with self._ending:
            self._closed = True
            self._jobs.put(None)
        self._writer.join()
        self._readers.shutdown()
        for own in self._opened:
            own.connection.close()
        self.engine.dispose()


@contextlib.asynccontextmanager
async def open_sqlite(path: Path) -> AsyncIterator[SqliteDatabase]:
    """The database of a hub, closed at the end. The file must have been migrated."""
    database = SqliteDatabase(open_engine(path))
    try:
        yield database
    finally:
        await asyncio.to_thread(database.close)
