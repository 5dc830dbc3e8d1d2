"""What a database is, seen from outside: nothing in it is changed, no file beside it is made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, exc, text

from hub.store.database import sqlite_driver
from hub.store.migrate import UnusableDatabase
from hub.store.opening import SQLITE, is_postgres


class LeftInTheMiddle(UnusableDatabase):
    """A SQLite file whose log has to be read in before it says what is true."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen. `revision` is that of the schema, None where there is none yet; `tables` is
    how many there are. Of PostgreSQL alone: its clock, whether it only follows another server,
    whether tables may be made, and how many of its connections are in use, of how many."""

    server: str
    revision: str | None
    tables: int
    clock_ms: int | None = None
    standby: bool = False
    may_create: bool = True
    encoding: str = "UTF8"
    connections: tuple[int, int] | None = None


async def look(url: str) -> Look:
    """Look at the database of a URL. Raises UnusableDatabase when it cannot be read, ImportError
    where what PostgreSQL needs is not installed."""
    if is_postgres(url):
        return await _look_at_postgres(url)
    return look_at_file(Path(url.removeprefix(SQLITE)))


def look_at_file(path: Path) -> Look:
    """A SQLite file. Where no log lies beside it nobody uses it, and it is read as it is: to read
    it in the usual way would make a log, and leave it there."""
    log, index = Path(f"{path}-wal"), Path(f"{path}-shm")
    if log.exists() and not index.exists():
        raise LeftInTheMiddle(
            f"the database {path} was left in the middle, its log waits to be read in"
        )
    how = "mode=ro" if log.exists() else "mode=ro&immutable=1"
    try:
        connection = sqlite_driver.connect(f"file:{quote(str(path))}?{how}", uri=True, timeout=2)
        try:
            return _seen(connection)
        finally:
            connection.close()
    except sqlite_driver.Error as error:
        raise UnusableDatabase(f"the database {path}: {error}") from error


def _seen(connection: Any) -> Look:
    (tables,) = connection.execute(
        "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchone()
    named = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'")
    revision = None
    if named.fetchone():
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        revision = row[0] if row else None
    return Look(f"SQLite {sqlite_driver.sqlite_version}", revision, tables)


_SERVER = """SELECT current_setting('server_version'), pg_is_in_recovery(),
    current_setting('server_encoding'), current_setting('max_connections')::int,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
    (SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()),
    to_regclass('alembic_version') IS NOT NULL,
    (extract(epoch FROM clock_timestamp()) * 1000)::bigint"""


async def _look_at_postgres(url: str) -> Look:
    from hub.store.postgres import make_engine  # asyncpg is an extra

    engine = make_engine(url).execution_options(postgresql_readonly=True)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_seen_of_postgres)
    except (exc.DBAPIError, OSError, TimeoutError) as error:
        reason = getattr(error, "orig", None) or error
        raise UnusableDatabase(str(reason) or type(reason).__name__) from error
    finally:
        await engine.dispose()


def _seen_of_postgres(connection: Connection) -> Look:
    version, standby, encoding, most, used, may_create, tables, versioned, clock_ms = (
        connection.execute(text(_SERVER)).one()
    )
    revision = None
    if versioned:
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return Look(
        f"PostgreSQL {version.split()[0]}", revision, tables, clock_ms, standby, may_create,
        encoding, (used, most),
    )  # fmt: skip
