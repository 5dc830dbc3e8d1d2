"""How far the database has come: a number that grows while events are committed. Whoever remembers
a higher one than the database has knows that an older copy was put in its place."""

from __future__ import annotations

import secrets
from typing import Final

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from hub.ports import Mark
from hub.store.database import Database
from hub.store.log import lock_all, renew_all
from hub.store.schema import counters, rooms

_DATABASE: Final = "database"
_MARK: Final = "mark"


class SqlTimeline:
    """`TimelineStore` on any SQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def mark(self) -> Mark:
        found = await self._database.read(_read)
        return found if found.database else await self._database.write(lambda c: _move(c, 0))

    async def advance(self) -> Mark:
        return await self._database.write(lambda c: _move(c, 1))

    async def leave(self, beyond: int, epoch: str) -> Mark | None:
        return await self._database.write(lambda c: _leave(c, beyond, epoch))

    async def renew(self, room_id: str, known: str, beyond: int, epoch: str) -> Mark | None:
        return await self._database.write(lambda c: _renew(c, room_id, known, beyond, epoch))


def _read(connection: Connection) -> Mark:
    mine = select(counters.c.name, counters.c.value).where(counters.c.name.in_((_DATABASE, _MARK)))
    found = {row.name: row.value for row in connection.execute(mine)}
    return Mark(found.get(_DATABASE, 0), found.get(_MARK, 0))


def _move(connection: Connection, by: int) -> Mark:
    """Both rows are made where there are none."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    named = insert(counters).values(name=_DATABASE, value=1 + secrets.randbits(62))
    connection.execute(named.on_conflict_do_nothing())
    moved = insert(counters).values(name=_MARK, value=by)
    connection.execute(
        moved.on_conflict_do_update(index_elements=["name"], set_={"value": counters.c.value + by})
    )
    return _read(connection)


def _leave(connection: Connection, beyond: int, epoch: str) -> Mark | None:
    """Rooms are locked first, as everywhere; whoever comes second waits, and finds it done."""
    lock_all(connection)
    if _move(connection, 0).number >= beyond:
        return None
    return _begin_anew(connection, beyond, epoch)


def _renew(
    connection: Connection, room_id: str, known: str, beyond: int, epoch: str
) -> Mark | None:
    lock_all(connection)
    mine = select(rooms.c.id).where(rooms.c.id == room_id, rooms.c.epoch == known)
    if connection.execute(mine).first() is None:
        return None
    return _begin_anew(connection, beyond, epoch)


def _begin_anew(connection: Connection, beyond: int, epoch: str) -> Mark:
    """Epochs and mark together, so that nobody who remembers more does it once more."""
    renew_all(connection, epoch)
    behind = beyond - _move(connection, 0).number
    return _move(connection, max(behind, 0) + 1)
