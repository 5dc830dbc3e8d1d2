"""Reading the log: entries with the messages they point at, rendered as they are now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from typing import Final

from sqlalchemy import Connection, select, update

from hub.core.posts import LogEntry, LogRow
from hub.core.values import Message
from hub.ports import Head, Place, Standing
from hub.store import rows
from hub.store.database import Database
from hub.store.queries import fetch
from hub.store.reactions import with_reactions
from hub.store.schema import rooms

_PART: Final = f"""SELECT {{0}} AS place, p{{0}}.* FROM (SELECT {rows.ENTRY_TEXT} FROM events
    WHERE room_id = ${{1}} AND seq > ${{2}} ORDER BY seq LIMIT ${{3}}) AS p{{0}}"""
_SEQ: Final = attrgetter("seq")
_MESSAGES: Final = f"SELECT {rows.MESSAGE_TEXT} WHERE m.id = ANY($1)"
_HEADS: Final = "SELECT id, head, epoch, first_seq FROM rooms WHERE id = ANY($1)"
_OPEN_RUNS: Final = """SELECT room_id, id FROM runs
    WHERE room_id = ANY($1) AND finished_ms IS NULL ORDER BY id"""


class SqlLog:
    """`LogStore` on any SQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, room_id: str, after: int, limit: int) -> list[LogRow]:
        at = (room_id, after, limit)
        return (await self.pages([at])).get(at, [])

    async def pages(self, asked: Sequence[Place]) -> dict[Place, list[LogRow]]:
        return await self._database.read(lambda c: _pages(c, asked), long=True)

    async def heads(self, room_ids: Sequence[str]) -> dict[str, Head]:
        return await self._database.read(lambda c: _heads(c, room_ids))

    async def standings(self, room_ids: Sequence[str]) -> dict[str, Standing]:
        return await self._database.read(lambda c: _standings(c, room_ids))

    async def renew_all(self, epoch: str) -> int:
        return await self._database.write(lambda c: renew_all(c, epoch))


def _pages(connection: Connection, asked: Sequence[Place]) -> dict[Place, list[LogRow]]:
    """What they point at is read for all of them together."""
    pages = _entries(connection, asked)
    refs = {entry.ref for page in pages.values() for entry in page if _is_message(entry)}
    found = messages_by_id(connection, refs) if refs else {}
    return {
        at: [(entry, found.get(entry.ref) if _is_message(entry) else None) for entry in page]
        for at, page in pages.items()
    }


def _entries(connection: Connection, asked: Sequence[Place]) -> dict[Place, list[LogEntry]]:
    """The entries at all these places, by one statement; SQLite takes at most 500."""
    parts = [_PART.format(i, 3 * i + 1, 3 * i + 2, 3 * i + 3) for i in range(len(asked))]
    pages = defaultdict[Place, list[LogEntry]](list)
    for place, *entry in fetch(connection, " UNION ALL ".join(parts), *chain(*asked)):
        pages[asked[place]].append(rows.entry_of_text(entry))
    return {at: sorted(page, key=_SEQ) for at, page in pages.items()}


def _is_message(entry: LogEntry) -> bool:
    return entry.type.startswith("message.")


def messages_by_id(connection: Connection, ids: set[str]) -> dict[str, Message]:
    """The messages with these ids, with their authors."""
    found = [rows.message_of(row) for row in fetch(connection, _MESSAGES, [*ids])]
    return {message.id: message for message in with_reactions(connection, found)}


def _heads(connection: Connection, room_ids: Sequence[str]) -> dict[str, Head]:
    found = fetch(connection, _HEADS, list(room_ids))
    return {room_id: Head(head, epoch, first) for room_id, head, epoch, first in found}


def _standings(connection: Connection, room_ids: Sequence[str]) -> dict[str, Standing]:
    """Heads first: a run that is open then is open in what follows, or has ended since."""
    heads, open_runs = _heads(connection, room_ids), defaultdict[str, list[str]](list)
    for room_id, run_id in fetch(connection, _OPEN_RUNS, list(room_ids)):
        open_runs[room_id].append(run_id)
    return {room: Standing(head, tuple(open_runs[room])) for room, head in heads.items()}


def renew_all(connection: Connection, epoch: str) -> int:
    """Give every room this epoch; how many there are."""
    lock_all(connection)
    return connection.execute(update(rooms).values(epoch=epoch)).rowcount


def lock_all(connection: Connection) -> None:
    """Every room, in the order in which all rooms are locked."""
    connection.execute(select(rooms.c.id).order_by(rooms.c.id).with_for_update(key_share=True))
