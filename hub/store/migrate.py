"""Bringing a database to the schema of this version, and refusing one that is newer."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, exc, func, select

_SCRIPTS: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 0x726F6F6D687562


class UnusableDatabase(Exception):
    """The database was written by a later version of roomhub, or is no database."""


def config() -> Config:
    """Alembic's configuration; the caller puts an engine into its attributes."""
    made = Config()
    made.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return made


def revisions() -> list[str]:
    """Every revision that this version knows, the newest first."""
    return [script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()]


def migrate(engine: Engine) -> bool:
    """Upgrade to the newest revision; True when there was anything to do. Raises
    UnusableDatabase."""
    try:
        with engine.begin() as connection:
            return migrate_on(connection)
    except exc.DatabaseError as error:
        raise UnusableDatabase(f"the database {engine.url.database}: {error.orig}") from error


def migrate_on(connection: Connection) -> bool:
    """As `migrate`, in the transaction of a connection; processes that start together wait for
    each other."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    current = MigrationContext.configure(connection).get_current_revision()
    newest, *older = revisions()
    if current == newest:
        return False
    if current is not None and current not in older:
        raise UnusableDatabase(
            f"the database is at revision {current}, which this version of roomhub does not know; "
            "install the version that wrote it, or a later one"
        )
    alembic = config()
    alembic.attributes["connection"] = connection
    command.upgrade(alembic, "head")
    return True
