"""Messages: one, a page of a room, a thread; and their changes."""

from __future__ import annotations

from sqlalchemy import Connection

from hub.core.posts import RequestKey
from hub.core.touches import Touch
from hub.core.values import Message
from hub.ports import AuditEntry, Written
from hub.store import changes, rows
from hub.store.common import made_by
from hub.store.database import Database
from hub.store.reactions import with_reactions
from hub.store.schema import messages


class SqlMessages:
    """`MessageStore` on any SQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, tenant_id: str, room_id: str | None, message_id: str) -> Message | None:
        return await self._database.read(lambda c: _get(c, tenant_id, room_id, message_id))

    async def made_by(self, key: RequestKey) -> str | None:
        return await self._database.read(lambda c: made_by(c, key))

    async def edit(self, touch: Touch, content: str) -> Written:
        return await self._database.write(lambda c: changes.edit(c, touch, content))

    async def delete(self, touch: Touch, audit: AuditEntry | None = None) -> Written:
        return await self._database.write(lambda c: changes.erase(c, touch, audit))

    async def react(self, touch: Touch, emoji: str, *, present: bool) -> Written:
        return await self._database.write(lambda c: changes.react(c, touch, emoji, present=present))

    async def page(
        self,
        room_id: str,
        *,
        limit: int,
        before: int | None = None,
        after: int | None = None,
        deleted: bool = True,
    ) -> list[Message]:
        return await self._database.read(
            lambda c: with_reactions(c, _page(c, room_id, limit, before, after, deleted))
        )

    async def newest_of(
        self, room_id: str, author_id: str, after: int, limit: int
    ) -> list[Message]:
        return await self._database.read(lambda c: _newest_of(c, room_id, author_id, after, limit))

    async def thread(self, room_id: str, root_id: str, after: int, limit: int) -> list[Message]:
        return await self._database.read(
            lambda c: with_reactions(c, _thread(c, room_id, root_id, after, limit))
        )

    async def thread_end(self, room_id: str, root_id: str, limit: int) -> list[Message]:
        return await self._database.read(lambda c: _thread_end(c, room_id, root_id, limit))


def _get(
    connection: Connection, tenant_id: str, room_id: str | None, message_id: str
) -> Message | None:
    mine = rows.select_messages().where(
        messages.c.id == message_id, messages.c.tenant_id == tenant_id
    )
    if room_id is not None:
        mine = mine.where(messages.c.room_id == room_id)
    row = connection.execute(mine).first()
    return with_reactions(connection, [rows.message_of(row)])[0] if row else None


def _page(
    connection: Connection,
    room_id: str,
    limit: int,
    before: int | None,
    after: int | None,
    deleted: bool,
) -> list[Message]:
    statement = rows.select_messages().where(messages.c.room_id == room_id).limit(limit)
    if not deleted:
        statement = statement.where(messages.c.deleted_ms.is_(None))
    if before is not None:
        statement = statement.where(messages.c.seq < before)
    if after is not None:
        statement = statement.where(messages.c.seq > after).order_by(messages.c.seq)
        return [rows.message_of(row) for row in connection.execute(statement)]
    found = connection.execute(statement.order_by(messages.c.seq.desc()))
    return [rows.message_of(row) for row in found][::-1]


def _newest_of(
    connection: Connection, room_id: str, author_id: str, after: int, limit: int
) -> list[Message]:
    mine = (messages.c.room_id == room_id) & (messages.c.author_id == author_id)
    newest = (
        rows.select_messages()
        .where(mine, messages.c.seq > after)
        .order_by(messages.c.seq.desc())
        .limit(limit)
    )
    return [rows.message_of(row) for row in connection.execute(newest)][::-1]


def _thread(
    connection: Connection, room_id: str, root_id: str, after: int, limit: int
) -> list[Message]:
    """Root and replies are looked up apart: one condition on both would read the whole room."""
    root = _root(connection, room_id, root_id)
    if root is None:
        return []
    replies = (
        rows.select_messages()
        .where(messages.c.thread_id == root_id, messages.c.seq > after)
        .order_by(messages.c.seq)
        .limit(limit)
    )
    found = [rows.message_of(row) for row in connection.execute(replies)]
    first = [root] if root.seq > after else []
    return (first + found)[:limit]


def _root(connection: Connection, room_id: str, root_id: str) -> Message | None:
    mine = (messages.c.id == root_id) & (messages.c.room_id == room_id)
    row = connection.execute(rows.select_messages().where(mine)).first()
    return rows.message_of(row) if row else None


def _thread_end(connection: Connection, room_id: str, root_id: str, limit: int) -> list[Message]:
    root = _root(connection, room_id, root_id)
    if root is None:
        return []
    replies = (
        rows.select_messages()
        .where(messages.c.thread_id == root_id)
        .order_by(messages.c.seq.desc())
        .limit(limit - 1)
    )
    found = [rows.message_of(row) for row in connection.execute(replies)]
    return [root, *reversed(found)]
