"""A session's row, read and changed under its room's lock, and told to everybody who watches."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, select, update

from hub.core.posts import LogRow, session_closed
from hub.core.values import Actor, Json, Session
from hub.store import rows, session_metadata
from hub.store.common import append, bare
from hub.store.schema import rooms, sessions

NOT_WAITING: Final[Json] = {"waiting_ms": None, "waiting_for": None}


def find(
    connection: Connection, tenant_id: str, session_id: str, *, deleted: bool = False
) -> Session | None:
    """The session; one that was deleted only when asked for."""
    mine = (sessions.c.tenant_id == tenant_id) & (sessions.c.id == session_id)
    if not deleted:
        mine &= sessions.c.deleted_ms.is_(None)
    row = connection.execute(sessions.select().where(mine)).first()
    return rows.session_of(row) if row else None


def lock(connection: Connection, tenant_id: str, session_id: str) -> Session | None:
    """The session, with its room's row locked until the transaction ends."""
    mine = select(rooms.c.id).where(rooms.c.tenant_id == tenant_id, rooms.c.id == session_id)
    connection.execute(mine.with_for_update(key_share=True))
    return find(connection, tenant_id, session_id)


def lock_open(connection: Connection, tenant_id: str, session_id: str) -> Session | None:
    """A locked session that takes messages; SESSION_CLOSED for one that does not."""
    session = lock(connection, tenant_id, session_id)
    if session is not None and session.status == "closed":
        raise session_closed(session.room_id if session.promoted else None)
    return session


def change(
    connection: Connection, session: Session, changes: Json, at_ms: int, by: Actor | None = None
) -> tuple[Session, tuple[LogRow, ...]]:
    """Set columns of a locked session; its log says how the session is now."""
    mine = sessions.c.id == session.id
    values = changes | {"updated_ms": at_ms}
    changed = update(sessions).where(mine).values(**values).returning(*sessions.c)
    after = rows.session_of(connection.execute(changed).one())
    if "metadata" in changes:
        session_metadata.replace(connection, session.tenant_id, session.id, after.metadata)
    if after.title != session.title:
        named = {"name": after.title or ""}
        connection.execute(update(rooms).where(rooms.c.id == session.id).values(**named))
    room = connection.execute(rows.select_rooms().where(rooms.c.id == session.id)).one()
    data = rows.room_of(room).as_dict() | {"session": after.as_dict()}
    data.pop("head")
    data["settings"] = {"busy": after.busy}
    if by is not None:
        data["by"] = by.author.ref()
    entry = ("room.updated", session.id, data)
    asked_otherwise = after.busy != session.busy  # posts that were authorised before are stale
    return after, bare(append(connection, session.id, [entry], at_ms, access=asked_otherwise))


def escalate(
    connection: Connection, session: Session, message: str | None, at_ms: int
) -> tuple[Session, tuple[LogRow, ...]]:
    """Let a locked session wait for a person; one that has one, or waits already, stays."""
    if session.handling == "human" or session.waiting_ms is not None:
        return session, ()
    waiting = {"waiting_ms": at_ms, "waiting_for": message}
    return change(connection, session, waiting, at_ms)
