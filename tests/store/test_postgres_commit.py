"""A commit on PostgreSQL is on disk when it is acknowledged, whatever the server's default."""

from __future__ import annotations

import asyncpg
from sqlalchemy import text

from hub.store.opening import open_store
from tests.support.postgres import PostgresServer


async def test_a_commit_waits_for_the_disk_whatever_the_server_says(
    postgres: PostgresServer,
) -> None:
    url = postgres.create_database("hasty", template="blank")
    operator = await asyncpg.connect(url)
    await operator.execute("ALTER DATABASE hasty SET synchronous_commit = off")
    await operator.close()
    async with open_store(url) as store:
        setting = text("SHOW synchronous_commit")
        assert "on" == await store.database.write(lambda c: c.execute(setting).scalar())
