"""Finding messages by their words: newest first, read through without an index.

Nothing is kept beside the messages, so that what was just posted, edited or deleted is found as it
is, and posting costs nothing more: an index of trigrams would cost the writer more than the post.
The newest messages are walked through first, which is enough where a word is common; a rare one is
looked for in all the rooms one may read.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, Connection, Select, func, or_, select

from hub.core.values import Message
from hub.ports import Search
from hub.store import rows
from hub.store.database import Database
from hub.store.reactions import with_reactions
from hub.store.schema import members, messages, rooms, sessions

NEWEST: Final = 20_000


class SqlSearch:
    """`SearchStore` on any SQL database; `newest` messages are walked through first."""

    def __init__(self, database: Database, newest: int = NEWEST) -> None:
        self._database = database
        self._newest = newest

    async def find(self, search: Search) -> list[Message]:
        return await self._database.read(lambda c: _find(c, search, self._newest), long=True)


def _find(connection: Connection, search: Search, newest: int) -> list[Message]:
    """Two reads with a border between them: the newest by id, the others by room."""
    border = _border(connection, search, newest)
    walked = messages.c.room_id + ""  # no index of this: the newest are few, a room may be large
    found = _read(connection, search, search.limit, walked, messages.c.id >= border)
    if border and len(found) < search.limit:
        left = search.limit - len(found)
        found += _read(connection, search, left, messages.c.room_id, messages.c.id < border)
    return with_reactions(connection, found)


def _border(connection: Connection, search: Search, newest: int) -> str:
    """The id of the last of the newest messages that a page may show; "" when that is all."""
    ids = select(messages.c.id).order_by(messages.c.id.desc()).offset(newest - 1).limit(1)
    if search.below_id is not None:
        ids = ids.where(messages.c.id < search.below_id)
    return connection.execute(ids).scalar() or ""


def _read(
    connection: Connection,
    search: Search,
    limit: int,
    room_id: ColumnElement[str],
    part: ColumnElement[bool],
) -> list[Message]:
    lower = func.hub_lower if connection.dialect.name == "sqlite" else func.lower
    text = lower(messages.c.content)
    statement = rows.select_messages().where(
        part,
        messages.c.tenant_id == search.tenant_id,
        messages.c.deleted_ms.is_(None),
        room_id.in_(_readable(search)),
        *[_has(text, word) for word in search.words],
        *_narrowed(search),
    )
    found = connection.execute(statement.order_by(messages.c.id.desc()).limit(limit))
    return [rows.message_of(row) for row in found]


def _has(text: ColumnElement[str], word: str) -> ColumnElement[bool]:
    """In any case as far as the database knows it, which beyond ASCII is a matter of its locale;
    as it is written always."""
    written = messages.c.content.contains(word, autoescape=True)
    return or_(text.contains(word.lower(), autoescape=True), written)


def _readable(search: Search) -> Select[tuple[str]]:
    """The ids of rooms: the one asked for, or all that the member is in; no deleted session's."""
    gone = select(sessions.c.id).where(sessions.c.deleted_ms.is_not(None))
    here = select(rooms.c.id).where(rooms.c.tenant_id == search.tenant_id, rooms.c.id.not_in(gone))
    if search.room_id is not None:
        return here.where(rooms.c.id == search.room_id)
    mine = select(members.c.room_id).where(
        members.c.tenant_id == search.tenant_id, members.c.participant_id == search.member_id
    )
    return here.where(rooms.c.id.in_(mine))


def _narrowed(search: Search) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if search.author_id is not None:
        found.append(messages.c.author_id == search.author_id)
    if search.before_ms is not None:
        found.append(messages.c.created_ms < search.before_ms)
    if search.after_ms is not None:
        found.append(messages.c.created_ms > search.after_ms)
    if search.below_id is not None:
        found.append(messages.c.id < search.below_id)
    return found
