"""`hub.store.database`: one SQLite file, one writer, every commit synced."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from hub.core.errors import Unavailable
from hub.settings import Settings
from hub.store.database import SqliteDatabase, open_engine, open_sqlite
from hub.store.store import SqlStore
from tests.support.parts import database

__all__ = ["database"]  # a SQLite file alone
FULL = 2


def driver_of(connection: Connection) -> Any:
    return connection.connection.driver_connection


def pragma(connection: Connection, name: str) -> object:
    return connection.execute(text(f"PRAGMA {name}")).scalar()


@pytest.mark.parametrize(
    ("name", "value"),
    [("synchronous", FULL), ("journal_mode", "wal"), ("foreign_keys", 1), ("busy_timeout", 5000)],
)
async def test_every_connection_syncs_and_checks(name: str, value: object, store: SqlStore) -> None:
    """An acknowledged post survives a power cut only with synchronous=FULL."""
    assert await store.database.write(lambda c: pragma(c, name)) == value
    together = [store.database.read(lambda c: pragma(c, name)) for _ in range(4)]
    assert await asyncio.gather(*together) == [value] * 4


async def test_a_write_that_raises_stores_nothing(store: SqlStore) -> None:
    def half(connection: Connection) -> None:
        connection.execute(text("INSERT INTO tenants VALUES ('new', 'New', 1)"))
        raise LookupError("then it breaks")

    with pytest.raises(LookupError):
        await store.database.write(half)
    count = "SELECT count(*) FROM tenants WHERE id = 'new'"
    assert await store.database.read(lambda c: c.execute(text(count)).scalar()) == 0


async def blocked(store: SqlStore, release: threading.Event) -> asyncio.Task[None]:
    """A write that keeps the writer busy, so that those after it wait together."""
    begun = threading.Event()

    def hold(connection: Connection) -> None:
        begun.set()
        assert release.wait(10)

    holding = asyncio.create_task(store.database.write(hold))
    assert await asyncio.to_thread(begun.wait, 10)
    return holding


async def test_writes_that_wait_share_a_transaction_and_fail_alone(store: SqlStore) -> None:
    said: list[str] = []
    await store.database.write(lambda c: driver_of(c).set_trace_callback(said.append))
    said.clear()

    def add(name: str, fault: Exception | None = None) -> Callable[[Connection], str]:
        def work(connection: Connection) -> str:
            insert = text("INSERT INTO tenants VALUES (:name, :name, 1)")
            connection.execute(insert, {"name": name})
            if fault is not None:
                raise fault
            return name

        return work

    release = threading.Event()
    holding = await blocked(store, release)
    names = ["t1", "t2", "t3", "t1"]  # the last breaks a rule of the database
    faults = {1: LookupError("mine alone")}
    waiting = [
        asyncio.create_task(store.database.write(add(name, faults.get(n))))
        for n, name in enumerate(names)
    ]
    await asyncio.sleep(0.05)
    release.set()
    await holding
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert ["t1", LookupError, "t3", IntegrityError] == [
        each if isinstance(each, str) else type(each) for each in outcomes
    ]
    assert 2 == said.count("COMMIT")  # the one that held up the others, and theirs
    assert 2 == said.count("ROLLBACK TO attempt")
    found = "SELECT group_concat(id, ' ' ORDER BY id) FROM tenants WHERE id LIKE 't_'"
    assert "t1 t3" == await store.database.read(lambda c: c.execute(text(found)).scalar())


@pytest.mark.parametrize("together", [True, False])
async def test_a_write_that_stops_iterating_fails_alone(store: SqlStore, *, together: bool) -> None:
    """No future takes a StopIteration, and a coroutine takes one of its kin for its end."""

    class Kin(StopIteration):
        pass

    def stop(fault: type[StopIteration]) -> Callable[[Connection], None]:
        def work(connection: Connection) -> None:
            raise fault

        return work

    release = threading.Event()
    holding = await blocked(store, release)
    faults = [StopIteration, Kin] if together else [StopIteration]
    waiting = [asyncio.create_task(store.database.write(stop(fault))) for fault in faults]
    if together:
        waiting.append(asyncio.create_task(store.database.write(lambda c: None)))
    await asyncio.sleep(0.05)
    release.set()
    await holding
    async with asyncio.timeout(5):
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [RuntimeError] * len(faults) == list(map(type, outcomes[: len(faults)]))
    assert [None] * together == outcomes[len(faults) :]


async def test_an_answer_that_cannot_be_given_holds_up_no_other(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing(asyncio.Future[None]):
        def set_result(self, result: None) -> None:
            raise ValueError("a future of a kind that nobody expected")

    loop = asyncio.get_running_loop()
    release = threading.Event()
    holding = await blocked(store, release)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "create_future", lambda: Refusing(loop=loop))
        first = store.database.write(lambda c: None)
        refused = asyncio.ensure_future(first)
        await asyncio.sleep(0)
    other = asyncio.create_task(store.database.write(lambda c: "stored"))
    await asyncio.sleep(0.05)
    release.set()
    await holding
    async with asyncio.timeout(5):
        assert "stored" == await other
        with pytest.raises(ValueError, match="nobody expected"):
            await refused


async def test_a_write_that_is_given_up_while_it_waits_is_not_done(store: SqlStore) -> None:
    release, done = threading.Event(), list[str]()
    holding = await blocked(store, release)

    def note(name: str) -> Callable[[Connection], None]:
        return lambda _: done.append(name)

    waiting = [asyncio.create_task(store.database.write(note(name))) for name in "ab"]
    await asyncio.sleep(0.05)
    waiting[0].cancel()
    await asyncio.sleep(0)
    release.set()
    await holding
    await asyncio.wait(waiting)
    assert ["b"] == done


async def test_readers_go_on_while_a_write_is_open(store: SqlStore) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        connection.execute(text("INSERT INTO tenants VALUES ('new', 'New', 1)"))
        begun.set()
        assert go_on.wait(10)

    writing = asyncio.create_task(store.database.write(slow))
    assert await asyncio.to_thread(begun.wait, 10)
    count = "SELECT count(*) FROM tenants WHERE id = 'new'"
    seen = await store.database.read(lambda c: c.execute(text(count)).scalar())
    go_on.set()
    await writing
    assert seen == 0
    assert await store.database.read(lambda c: c.execute(text(count)).scalar()) == 1


async def test_a_transaction_that_reads_first_may_still_write(settings: Settings) -> None:
    """BEGIN IMMEDIATE: a deferred one fails at once when another connection wrote meanwhile."""
    insert = text("INSERT INTO tenants VALUES (:t, :t, 1)")
    has_read, other_wrote = threading.Event(), threading.Event()

    def read_then_write(connection: Connection) -> None:
        connection.execute(text("SELECT count(*) FROM tenants")).scalar()
        has_read.set()
        other_wrote.wait(0.2)  # the other has to wait for us, so this may run out
        connection.execute(insert, {"t": "one"})

    def write(connection: Connection) -> None:
        connection.execute(insert, {"t": "other"})

    path = settings.data_dir / "hub.db"
    async with open_sqlite(path) as one, open_sqlite(path) as other:
        reading = asyncio.create_task(one.write(read_then_write))
        assert await asyncio.to_thread(has_read.wait, 10)
        await other.write(write)
        other_wrote.set()
        await reading
        count = text("SELECT count(*) FROM tenants WHERE id IN ('one', 'other')")
        assert await one.read(lambda c: c.execute(count).scalar()) == 2


async def test_a_database_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    database = SqliteDatabase(open_engine(tmp_path / "no" / "folder" / "hub.db"))
    try:
        with pytest.raises(Unavailable):
            await SqlStore(database, None).ping()  # type: ignore[arg-type]
    finally:
        database.close()


async def test_a_full_disk_fails_all_that_share_a_transaction_and_the_next_is_stored(
    store: SqlStore,
) -> None:
    """SQLite rolls back everything then, and a savepoint is no way back."""

    def add(name: str, *, full: bool = False) -> Callable[[Connection], None]:
        def work(connection: Connection) -> None:
            connection.execute(text("INSERT INTO tenants VALUES (:n, :n, 1)"), {"n": name})
            if full:
                driver_of(connection).execute("ROLLBACK")  # as SQLite does by itself
                raise OSError("disk full")

        return work

    release = threading.Event()
    holding = await blocked(store, release)
    waiting = [
        asyncio.create_task(store.database.write(add(name, full=name == "t2")))
        for name in ("t1", "t2", "t3")
    ]
    await asyncio.sleep(0.05)
    release.set()
    await holding
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [OSError] * 3 == list(map(type, outcomes))
    await store.database.write(add("t4"))
    found = "SELECT group_concat(id) FROM tenants WHERE id LIKE 't_'"
    assert "t4" == await store.database.read(lambda c: c.execute(text(found)).scalar())


async def test_a_closed_database_does_nothing_more(tmp_path: Path) -> None:
    database = SqliteDatabase(open_engine(tmp_path / "hub.db"))
    stored = asyncio.create_task(database.write(lambda c: pragma(c, "user_version")))
    await asyncio.sleep(0)
    await asyncio.to_thread(database.close)
    assert 0 == await stored
    with pytest.raises(Unavailable):
        await database.write(lambda c: None)
    with pytest.raises(Unavailable):
        await database.read(lambda c: None)


async def test_a_write_that_comes_while_it_closes_is_done_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is closed between the look whether it is and the moment when the write is queued."""
    database, loop = SqliteDatabase(open_engine(tmp_path / "hub.db")), asyncio.get_running_loop()
    closing = threading.Thread(target=database.close)
    create_future = loop.create_future

    def close_meanwhile() -> asyncio.Future[Any]:
        monkeypatch.setattr(loop, "create_future", create_future)
        closing.start()
        closing.join(0.3)  # it has to wait for us, so this runs out
        return create_future()

    monkeypatch.setattr(loop, "create_future", close_meanwhile)
    async with asyncio.timeout(5):
        assert 0 == await database.write(lambda c: pragma(c, "user_version"))
    await asyncio.to_thread(closing.join)
