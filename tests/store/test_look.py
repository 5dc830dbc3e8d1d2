"""`hub.store.look`: a database is seen as it is, and left as it was."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hub.store.database import sqlite_driver
from hub.store.look import LeftInTheMiddle, look, look_at_file
from hub.store.migrate import UnusableDatabase, revisions
from hub.store.opening import is_postgres, open_store
from hub.store.schema import metadata


async def test_the_revision_and_the_tables_are_seen(database: str) -> None:
    seen = await look(database)
    assert revisions()[0] == seen.revision
    assert seen.tables >= len(metadata.tables)
    if is_postgres(database):
        assert seen.server.startswith("PostgreSQL ")
        assert (False, True, "UTF8") == (seen.standby, seen.may_create, seen.encoding)
        assert seen.clock_ms is not None and abs(seen.clock_ms - time.time() * 1000) < 60_000
        assert seen.connections is not None and 0 < seen.connections[0] < seen.connections[1]
    else:
        assert seen.server.startswith("SQLite 3.")
        assert (None, None) == (seen.clock_ms, seen.connections)


async def test_a_database_that_is_used_is_seen_as_its_users_see_it(database: str) -> None:
    async with open_store(database):
        assert revisions()[0] == (await look(database)).revision


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_beside_a_file_that_nobody_uses_nothing_is_made(
    blank_database: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a % b?.db"
    path.write_bytes(blank_database.read_bytes())
    before = _files(tmp_path)
    assert revisions()[0] == look_at_file(path).revision
    assert before == _files(tmp_path)


def test_a_file_whose_log_waits_is_not_taken_for_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    sqlite_driver.connect(path).close()
    Path(f"{path}-wal").write_bytes(b"what is newer")
    with pytest.raises(LeftInTheMiddle, match="waits to be read in"):
        look_at_file(path)
    assert not Path(f"{path}-shm").exists()


def test_what_is_no_database_says_so(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    path.write_bytes(b"something else entirely" * 100)
    with pytest.raises(UnusableDatabase, match="not a database"):
        look_at_file(path)


async def test_a_server_that_is_not_there_says_why(unused_tcp_port: int) -> None:
    with pytest.raises(UnusableDatabase, match="Connect call failed"):
        await look(f"postgresql://hub:secret@127.0.0.1:{unused_tcp_port}/hub")
