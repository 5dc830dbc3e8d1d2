"""`hub.store.migrate`: the schema is what the revisions make; a newer database is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Connection, Engine, Integer, MetaData, Table, text

from hub.settings import Settings
from hub.store.database import open_engine
from hub.store.migrate import UnusableDatabase, config, migrate, migrate_on
from hub.store.opening import is_postgres, prepare
from hub.store.postgres import make_engine
from hub.store.schema import metadata
from tests.databases import DATABASES
from tests.support.postgres import PostgresServer


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_engine(tmp_path / "new.db")
    yield opened
    opened.dispose()


def differences(engine: Engine, tables: MetaData) -> list[object]:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, tables))


def test_the_revisions_make_exactly_the_schema(engine: Engine) -> None:
    migrate(engine)
    assert differences(engine, metadata) == []


def test_the_comparison_would_see_a_table_and_a_column_too_many(engine: Engine) -> None:
    migrate(engine)
    more = MetaData()
    for table in metadata.tables.values():
        table.to_metadata(more)
    Table("forgotten", more, Column("id", Integer))
    more.tables["rooms"].append_column(Column("forgotten", Integer))
    assert len(differences(engine, more)) == 2


def test_a_database_that_is_up_to_date_is_left_as_it_is(engine: Engine) -> None:
    assert migrate(engine) is True
    assert migrate(engine) is False


OLD_SESSIONS = """
    INSERT INTO tenants (id, name, created_ms) VALUES ('acme', 'acme', 1);
    INSERT INTO rooms (id, tenant_id, kind, name, description, private, created_ms, created_by,
        head, first_seq, epoch, acl_version, settings)
    VALUES ('sess_1', 'acme', 'session', '', '', true, 1, 'user_alice', 0, 1, 'e', 0, '{}');
    INSERT INTO sessions (id, tenant_id, owner, participant_id, model, metadata, status,
        handling, message_count, created_ms, updated_ms)
    VALUES ('sess_1', 'acme', 'user_alice', 'persona_m', 'm',
        '{"project_id": "proj_1", "n": 5.0, "on": true, "none": null, "list": ["a"]}',
        'active', 'ai', 0, 1, 1)"""


def migrate_from(connection: Connection, revision: str, script: str) -> None:
    """Bring what an earlier version left up to date."""
    alembic = config()
    alembic.attributes["connection"] = connection
    command.upgrade(alembic, revision)
    for statement in script.split(";"):
        connection.exec_driver_sql(statement)
    assert migrate_on(connection)


async def migrate_anew(
    kind: str, folder: Path, request: pytest.FixtureRequest, old: str, query: str
) -> list[tuple[Any, ...]]:
    """What a query finds where sessions of revision 0008 were brought up to date."""

    def work(connection: Connection) -> list[tuple[Any, ...]]:
        migrate_from(connection, "0008", old)
        return [tuple(row) for row in connection.execute(text(query))]

    if kind == "sqlite":
        opened = open_engine(folder / "old.db")
        with opened.begin() as connection:
            found = work(connection)
        opened.dispose()
        return found
    server: PostgresServer = request.getfixturevalue("postgres")
    engine = make_engine(server.create_database("old"))
    async with engine.begin() as asked:
        found = await asked.run_sync(work)
    await engine.dispose()
    return found


@pytest.mark.parametrize("kind", DATABASES)
async def test_sessions_from_before_are_found_by_their_metadata(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    query = "SELECT tenant_id, session_id, key, value FROM session_metadata ORDER BY key"
    found = await migrate_anew(kind, tmp_path, request, OLD_SESSIONS, query)
    wanted = {"n": "5", "on": "true", "project_id": "proj_1"}
    assert [("acme", "sess_1", key, value) for key, value in wanted.items()] == found


def test_a_newer_database_is_refused_and_not_touched(engine: Engine) -> None:
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(UnusableDatabase, match="9999"):
        migrate(engine)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    assert found == "9999"


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    path.write_bytes(b"no database" * 100)
    with pytest.raises(UnusableDatabase, match="not a database"):
        prepare(Settings(data_dir=tmp_path).database)
    assert path.read_bytes() == b"no database" * 100


@pytest.mark.parametrize("url", ["mysql://h/d", "sqlite://hub.db", "hub.db", ""])
def test_a_database_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(UnusableDatabase):
        is_postgres(url)
