"""`hub.store.migrate`: the schema is what the revisions make; a newer database is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Engine, Integer, MetaData, Table, text

from hub.settings import Settings
from hub.store.database import open_engine
from hub.store.migrate import UnusableDatabase, migrate
from hub.store.opening import is_postgres, prepare
from hub.store.schema import metadata


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
