"""The store behind a database URL: SQLite or PostgreSQL, brought up to date and opened."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from sqlalchemy import exc, make_url

from hub.core.governor import Limits
from hub.store.database import open_engine, open_sqlite
from hub.store.migrate import UnusableDatabase, migrate, migrate_on
from hub.store.posts import SqlitePosts
from hub.store.store import LIMITS, SqlStore
from hub.store.wal import lay_out

SQLITE = "sqlite:///"
_USE = "use sqlite:///path/to/hub.db or postgresql://user:password@host:port/database"


def is_postgres(url: str) -> bool:
    """Whether the URL names a PostgreSQL database; UnusableDatabase when nothing can open it."""
    if url.startswith(SQLITE):
        return False
    scheme, found, _ = url.partition("://")
    if scheme not in ("postgresql", "postgres"):
        what = f"{scheme}:" if found else "what it says"
        raise UnusableDatabase(f"HUB_DATABASE_URL: {what} is not supported; {_USE}")
    try:
        make_url(url)
    except (ValueError, exc.ArgumentError):
        raise UnusableDatabase(f"HUB_DATABASE_URL: that is no such URL; {_USE}") from None
    return True


def prepare(url: str) -> bool:
    """Bring the schema up to date; True when there was anything to do. Raises UnusableDatabase."""
    if is_postgres(url):
        return asyncio.run(_prepare_postgres(url))
    engine = open_engine(Path(url.removeprefix(SQLITE)))
    try:
        return migrate(engine)
    finally:
        engine.dispose()


async def _prepare_postgres(url: str) -> bool:
    from hub.store.postgres import make_engine  # asyncpg is an extra

    engine = make_engine(url)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(migrate_on)
    except (exc.DBAPIError, OSError, TimeoutError) as error:
        reason = getattr(error, "orig", None) or error
        raise UnusableDatabase(f"HUB_DATABASE_URL: the database: {reason}") from error
    finally:
        await engine.dispose()


def make_room(url: str) -> None:
    """For many posts, before the first one comes: PostgreSQL does so by itself."""
    if not is_postgres(url):
        lay_out(Path(url.removeprefix(SQLITE)))


@contextlib.asynccontextmanager
async def open_store(url: str, limits: Limits = LIMITS) -> AsyncIterator[SqlStore]:
    """The store, closed at the end. Its schema must be up to date."""
    if is_postgres(url):
        from hub.store.postgres import open_postgres
        from hub.store.posts_postgres import PostgresPosts

        async with open_postgres(url) as postgres:
            yield SqlStore(postgres, PostgresPosts(postgres, limits), limits)
    else:
        async with open_sqlite(Path(url.removeprefix(SQLITE))) as sqlite:
            yield SqlStore(sqlite, SqlitePosts(sqlite, limits), limits)
