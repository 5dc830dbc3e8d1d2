"""Statements as text, for what is done at every message: the same for both databases.

`$n` stands for the values, of which `= ANY($n)` takes a list, `now_ms()` for the database's own
clock, and `FOR NO KEY UPDATE`, with `SKIP LOCKED` or without, is left out where writers take turns
anyway. JSON goes in as text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Sequence
from functools import lru_cache
from typing import Any, Final

import orjson
from sqlalchemy import Connection

Query = tuple[str, tuple[Any, ...]]
Rows = Sequence[Sequence[Any]]
Queries = Generator[Query, Rows, Any]

_LOCK: Final = re.compile("FOR NO KEY UPDATE( SKIP LOCKED)?")
_ANY: Final = re.compile(r"= ANY\(\?(\d+)\)")
_NOW: Final = "now_ms()"
_SQLITE_NOW: Final = "CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS BIGINT)"
_POSTGRES_NOW: Final = "CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT)"


@lru_cache(1_000)
def _on_sqlite(sql: str) -> str:
    sql = _LOCK.sub("", sql.replace("$", "?").replace(_NOW, _SQLITE_NOW))
    return _ANY.sub(r"IN (SELECT value FROM json_each(?\1))", sql)


@lru_cache(1_000)
def _on_postgres(sql: str) -> str:
    return sql.replace(_NOW, _POSTGRES_NOW)


def json_text(value: Any) -> str | None:
    """What a JSON column takes, NULL for None."""
    return None if value is None else json.dumps(value, ensure_ascii=False)


def each_text(values: Any) -> str:
    """What SQLite's `json_each` takes."""
    return orjson.dumps(values).decode()


def json_value(found: Any) -> Any:
    """What a JSON column gave, which one of the drivers has read already."""
    return json.loads(found) if isinstance(found, str) else found


def fetch(connection: Connection, sql: str, *values: Any) -> Rows:
    """The rows of one statement; none when it returns none."""
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        given = [json.dumps(each) if isinstance(each, list) else each for each in values]
        found: Rows = driver.execute(_on_sqlite(sql), given).fetchall()
        return found
    result = connection.exec_driver_sql(_on_postgres(sql), values)
    return [tuple(row) for row in result.fetchall()] if result.returns_rows else []


def drive(connection: Connection, queries: Queries) -> Any:
    """Run statements that a generator yields and is sent the rows of; returns what it returns."""
    try:
        sql, values = next(queries)
        while True:
            sql, values = queries.send(fetch(connection, sql, *values))
    except StopIteration as done:
        return done.value
