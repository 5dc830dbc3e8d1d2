"""Either database: whatever asks for `database`, `store` or `parts` runs on SQLite and PostgreSQL.

A folder's conftest that takes `database` from here instead of from `parts` is held to both. One
PostgreSQL serves the whole run, and one database of it is emptied for each test: a copy of a
template takes most of a second, emptying a few milliseconds.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from hub.store.opening import open_store, prepare
from hub.store.schema import metadata
from tests.databases import DATABASES
from tests.support.parts import add_people, copy_blank
from tests.support.postgres import PostgresServer, run_postgres

_SERVER: Final = pytest.StashKey[PostgresServer]()
_SEEDED: Final = ("tenants", "participants")
_QUICK: Final = ("fsync = off", "full_page_writes = off", "autovacuum = off")


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> PostgresServer:
    """A server whose databases `blank` and `shared` are migrated and have everybody in both
    tenants. It is the same for every folder, and ends with the run."""
    if _SERVER not in pytestconfig.stash:
        opened = contextlib.ExitStack()
        pytestconfig.add_cleanup(opened.close)
        pytestconfig.stash[_SERVER] = server = opened.enter_context(run_postgres())
        _apart(_make_quick(server.url()))
        url = server.create_database("blank")
        _apart(asyncio.to_thread(prepare, url))
        _apart(_fill(url))
        server.create_database("shared", template="blank")
    return pytestconfig.stash[_SERVER]


def _apart(work: Coroutine[Any, Any, object]) -> None:
    """Run it on a loop of its own, without touching that of the test."""
    with ThreadPoolExecutor(1) as apart:
        apart.submit(asyncio.run, work).result()


async def _make_quick(url: str) -> None:
    """What is lost when the machine stops is lost: these databases are thrown away."""
    connection = await asyncpg.connect(url)
    for setting in _QUICK:
        await connection.execute(f"ALTER SYSTEM SET {setting}")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


async def _fill(url: str) -> None:
    async with open_store(url) as opened:
        await add_people(opened)
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE SCHEMA seed")
    for table in _SEEDED:
        await connection.execute(f"CREATE TABLE seed.{table} AS TABLE {table}")
    await connection.close()


async def _empty(url: str) -> None:
    """Leave only who was there at first. Foreign keys are not asked meanwhile."""
    emptied = [f"DELETE FROM {table}" for table in metadata.tables]
    seeded = [f"INSERT INTO {table} SELECT * FROM seed.{table}" for table in _SEEDED]
    connection = await asyncpg.connect(url, server_settings={"session_replication_role": "replica"})
    await connection.execute(";".join([*emptied, *seeded]))
    await connection.close()


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fresh database of either kind with everybody in it."""
    if request.param == "sqlite":
        return copy_blank(request.getfixturevalue("blank_database"), tmp_path)
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.url("shared")
    _apart(_empty(url))
    return url
