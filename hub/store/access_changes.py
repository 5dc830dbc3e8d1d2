"""What was taken away from whom: keys revoked, members removed, sessions gone, in the order in
which it was committed.

The number of a change comes from a counter row that its transaction holds until it commits, so
that whoever has read up to a number has missed nothing before it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from hub.ports import AccessChange
from hub.store.database import Database
from hub.store.queries import fetch
from hub.store.schema import access_changes, counters

_COUNTER: Final = "access"
_LATEST: Final = "SELECT coalesce(max(value), 0) FROM counters WHERE name = $1"


class SqlAccessChanges:
    """`AccessChangeStore` on any SQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def latest(self) -> int:
        return await self._database.read(_latest)

    async def after(self, number: int, limit: int) -> list[AccessChange]:
        return await self._database.read(lambda c: _after(c, number, limit))

    async def forget(self, before_ms: int) -> int:
        old = delete(access_changes).where(access_changes.c.at_ms < before_ms)
        return await self._database.write(lambda c: c.execute(old).rowcount)


def note_change(connection: Connection, kind: str, subject_id: str, at_ms: int) -> None:
    """Let every gateway know. The last statement of its transaction: it holds up all others."""
    insert_into = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    taken = (
        insert_into(counters)
        .values(name=_COUNTER, value=1)
        .on_conflict_do_update(index_elements=["name"], set_={"value": counters.c.value + 1})
        .returning(counters.c.value)
    )
    number = connection.execute(taken).scalar_one()
    connection.execute(
        insert(access_changes).values(number=number, kind=kind, subject_id=subject_id, at_ms=at_ms)
    )


def _latest(connection: Connection) -> int:
    ((value,),) = fetch(connection, _LATEST, _COUNTER)
    return int(value)


def _after(connection: Connection, number: int, limit: int) -> list[AccessChange]:
    found = connection.execute(
        select(access_changes)
        .where(access_changes.c.number > number)
        .order_by(access_changes.c.number)
        .limit(limit)
    )
    return [AccessChange(row.number, row.kind, row.subject_id) for row in found]
