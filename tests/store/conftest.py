"""Fixtures of these tests. Whatever asks for `store` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from hub.settings import Settings
from hub.store.opening import open_store, prepare
from hub.store.store import SqlStore
from tests.support.parts import add_people, blank_database, parts, settings
from tests.support.postgres import PostgresServer, run_postgres
from tests.support.redis import bus, prefix, valkey

__all__ = ["blank_database", "bus", "parts", "prefix", "settings", "valkey"]
_numbers = count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server whose database `blank` is migrated and has everybody in both tenants."""
    with run_postgres() as server, ThreadPoolExecutor(1) as apart:  # a loop runs here already
        url = server.create_database("blank")
        apart.submit(prepare, url).result()
        apart.submit(asyncio.run, _fill(url)).result()
        yield server


async def _fill(url: str) -> None:
    async with open_store(url) as opened:
        await add_people(opened)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`test_database.py` is about the SQLite file itself."""
    items[:] = [
        i for i in items if not ("test_database.py" in i.nodeid and "[postgres" in i.nodeid)
    ]


@pytest.fixture(params=["sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, settings: Settings) -> AsyncIterator[SqlStore]:
    """The store alone, on a fresh database of either kind."""
    url = settings.database
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.create_database(f"test_{next(_numbers)}", template="blank")
    async with open_store(url) as opened:
        yield opened
