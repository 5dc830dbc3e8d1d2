"""How far everybody has read: cursors that only rise, and what is beyond them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Text, and_, case, cast, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from hub.core.touches import Unread
from hub.store.database import Database
from hub.store.schema import members, messages, read_cursors, rooms

COUNTED: Final = 1_000
_WHOLE_ROOM: Final = ""


class SqlReading:
    """`ReadStore` on any SQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def mark(
        self, tenant_id: str, participant_id: str, room_id: str, thread_id: str | None, seq: int
    ) -> bool:
        row = {
            "tenant_id": tenant_id, "participant_id": participant_id, "room_id": room_id,
            "thread_id": thread_id or _WHOLE_ROOM, "seq": seq,
        }  # fmt: skip
        return await self._database.write(lambda c: _mark(c, row))

    async def unread(
        self, tenant_id: str, participant_id: str, room_ids: Sequence[str]
    ) -> dict[str, Unread]:
        if not room_ids:
            return {}
        return await self._database.read(
            lambda c: _unread(c, tenant_id, participant_id, room_ids), long=True
        )


def _mark(connection: Connection, row: dict[str, Any]) -> bool:
    """True when the cursor moved: it never goes back."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    new = insert(read_cursors).values(**row)
    moved = new.on_conflict_do_update(
        index_elements=["tenant_id", "participant_id", "room_id", "thread_id"],
        set_={"seq": row["seq"]},
        where=read_cursors.c.seq < row["seq"],
    )
    return bool(connection.execute(moved).rowcount)


def _unread(
    connection: Connection, tenant_id: str, participant_id: str, room_ids: Sequence[str]
) -> dict[str, Unread]:
    """Counted among the newest `COUNTED` entries of each room's log, from where the member has
    read, or joined; a thread may have been read further than its room."""
    room, thread = read_cursors.alias("room"), read_cursors.alias("thread")
    root = func.coalesce(messages.c.thread_id, messages.c.id)
    fresh = and_(
        messages.c.room_id == rooms.c.id,
        messages.c.seq > rooms.c.head - COUNTED,
        messages.c.author_id != participant_id,
        messages.c.deleted_ms.is_(None),
        case(
            (room.c.seq.is_not(None), messages.c.seq > room.c.seq),
            else_=messages.c.created_ms >= members.c.joined_ms,
        ),
    )
    named = cast(messages.c.mention, Text).contains(f'"{participant_id}"', autoescape=True)
    unseen = and_(
        messages.c.id.is_not(None), or_(thread.c.seq.is_(None), messages.c.seq > thread.c.seq)
    )
    statement = (
        select(
            rooms.c.id,
            room.c.seq,
            func.sum(case((unseen, 1), else_=0)).label("unread"),
            func.sum(case((and_(unseen, named), 1), else_=0)).label("mentions"),
        )
        .select_from(members)
        .join(rooms, rooms.c.id == members.c.room_id)
        .outerjoin(room, _of(room, tenant_id, participant_id, _WHOLE_ROOM))
        .outerjoin(messages, fresh)
        .outerjoin(thread, _of(thread, tenant_id, participant_id, root))
        .where(
            members.c.tenant_id == tenant_id,
            members.c.participant_id == participant_id,
            members.c.room_id.in_(room_ids),
        )
        .group_by(rooms.c.id, room.c.seq)
    )
    found = connection.execute(statement)
    return {row.id: Unread(row.seq, int(row.unread), int(row.mentions)) for row in found}


def _of(cursor: Any, tenant_id: str, participant_id: str, thread: Any) -> ColumnElement[bool]:
    return and_(
        cursor.c.tenant_id == tenant_id,
        cursor.c.participant_id == participant_id,
        cursor.c.room_id == rooms.c.id,
        cursor.c.thread_id == thread,
    )
