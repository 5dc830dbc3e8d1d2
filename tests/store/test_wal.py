"""`hub.store.wal`: SQLite's log, laid out before the database is opened."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from hub.store.database import open_engine, open_sqlite
from hub.store.wal import LENGTH, lay_out

_WRITE_AND_DIE = """
import os, sys
from hub.store.database import open_engine
database = open_engine(sys.argv[1])
connection = database.connect()
connection.exec_driver_sql("INSERT INTO notes VALUES ('kept')")
connection.commit()
os._exit(0)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database that nobody has open."""
    found = tmp_path / "hub.db"
    engine = open_engine(found)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE notes (content TEXT)"))
    engine.dispose()
    return found


def log_of(database: Path) -> Path:
    return Path(f"{database}-wal")


def notes(database: Path) -> list[str]:
    engine = open_engine(database)
    with engine.connect() as connection:
        found = [row[0] for row in connection.execute(text("SELECT content FROM notes"))]
    engine.dispose()
    return found


async def test_commits_do_not_make_the_log_longer(path: Path) -> None:
    lay_out(path)
    content = "n" * 100_000
    async with open_sqlite(path) as database:
        for _ in range(3 * LENGTH // len(content)):  # the third time it is written over
            await database.write(
                lambda c: c.execute(text("INSERT INTO notes VALUES (:n)"), {"n": content})
            )
        assert LENGTH == log_of(path).stat().st_size
    assert 3 * LENGTH // len(content) == len(notes(path))


def test_a_log_that_is_there_is_kept_with_what_it_holds(path: Path) -> None:
    subprocess.run([sys.executable, "-c", _WRITE_AND_DIE, str(path)], check=True)
    size = log_of(path).stat().st_size
    lay_out(path)
    assert size == log_of(path).stat().st_size
    assert ["kept"] == notes(path)


def test_a_log_that_somebody_makes_meanwhile_is_kept(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def slow(number: int) -> None:
        real(number)
        log_of(path).write_bytes(b"somebody's")

    monkeypatch.setattr(os, "fsync", slow)
    lay_out(path)
    assert b"somebody's" == log_of(path).read_bytes()
    assert {"hub.db", "hub.db-wal"} == {each.name for each in path.parent.iterdir()}


def test_who_may_read_the_database_may_read_its_log_and_nobody_else(path: Path) -> None:
    path.chmod(0o640)
    lay_out(path)
    assert 0o640 == log_of(path).stat().st_mode & 0o777


def test_a_draft_that_was_left_behind_goes_and_nothing_of_anybody_else(path: Path) -> None:
    (path.parent / ".hub.db-wal.draft-left").write_bytes(bytes(10))
    Path(f"{path}-wal-copy").write_bytes(b"a log that somebody put by")
    lay_out(path)
    there = {each.name for each in path.parent.iterdir()}
    assert {"hub.db", "hub.db-wal", "hub.db-wal-copy"} == there


async def test_where_there_is_no_room_for_it_the_database_is_opened_all_the_same(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        lay_out(path)
    assert ["hub.db"] == [each.name for each in path.parent.iterdir()]
    async with open_sqlite(path) as database:
        await database.write(lambda c: c.execute(text("INSERT INTO notes VALUES ('kept')")))
    assert ["kept"] == notes(path)
