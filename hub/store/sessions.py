"""Sessions: the rows beside their rooms."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select, update

from hub.core.posts import RequestKey
from hub.core.values import Json, Member, Room, Session
from hub.ports import AuditEntry, Page, Written
from hub.store import rows
from hub.store.common import append, write_audit
from hub.store.database import Database
from hub.store.rooms import create as create_room
from hub.store.schema import events, idempotency, messages, rooms, runs, sessions


class SqlSessions:
    """`SessionStore` on any SQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, session: Session, room: Room, members: Sequence[Member], key: RequestKey | None
    ) -> Written:
        return await self._database.write(lambda c: _create(c, session, room, members, key))

    async def get(
        self, tenant_id: str, session_id: str, *, deleted: bool = False
    ) -> Session | None:
        return await self._database.read(lambda c: _get(c, tenant_id, session_id, deleted))

    async def page(
        self, tenant_id: str, owner: str | None, status: str | None, page: Page
    ) -> list[Session]:
        return await self._database.read(lambda c: _page(c, tenant_id, owner, status, page))

    async def update(
        self, tenant_id: str, session_id: str, changes: Json, audit: AuditEntry | None
    ) -> Session | None:
        return await self._database.write(
            lambda c: _update(c, tenant_id, session_id, changes, audit)
        )

    async def delete(
        self, tenant_id: str, session_id: str, at_ms: int, audit: AuditEntry
    ) -> tuple[Session, Written] | None:
        return await self._database.write(lambda c: _delete(c, tenant_id, session_id, at_ms, audit))

    async def erase(self, tenant_id: str, session_id: str, audit: AuditEntry) -> bool:
        return await self._database.write(lambda c: _erase(c, tenant_id, session_id, audit))


def _create(
    connection: Connection,
    session: Session,
    room: Room,
    members: Sequence[Member],
    key: RequestKey | None,
) -> Written:
    written = create_room(connection, room, members, key)
    if written.earlier is None:
        row = {c.name: getattr(session, c.name) for c in sessions.c}
        connection.execute(insert(sessions).values(row))
    return written


def _get(connection: Connection, tenant_id: str, session_id: str, deleted: bool) -> Session | None:
    statement = sessions.select().where(
        sessions.c.tenant_id == tenant_id, sessions.c.id == session_id
    )
    if not deleted:
        statement = statement.where(sessions.c.deleted_ms.is_(None))
    row = connection.execute(statement).first()
    return rows.session_of(row) if row else None


def _page(
    connection: Connection, tenant_id: str, owner: str | None, status: str | None, page: Page
) -> list[Session]:
    statement = sessions.select().where(
        sessions.c.tenant_id == tenant_id, sessions.c.deleted_ms.is_(None)
    )
    if owner is not None:
        statement = statement.where(sessions.c.owner == owner)
    if status is not None:
        statement = statement.where(sessions.c.status == status)
    if page.after:
        statement = statement.where(sessions.c.id < page.after)
    found = connection.execute(statement.order_by(sessions.c.id.desc()).limit(page.limit))
    return [rows.session_of(row) for row in found]


def _update(
    connection: Connection,
    tenant_id: str,
    session_id: str,
    changes: Json,
    audit: AuditEntry | None,
) -> Session | None:
    mine = (
        (sessions.c.tenant_id == tenant_id)
        & (sessions.c.id == session_id)
        & sessions.c.deleted_ms.is_(None)
    )
    changed = update(sessions).where(mine).values(**changes).returning(*sessions.c)
    row = connection.execute(changed).first()
    if row is None:
        return None
    write_audit(connection, audit)
    return rows.session_of(row)


def _delete(
    connection: Connection, tenant_id: str, session_id: str, at_ms: int, audit: AuditEntry
) -> tuple[Session, Written] | None:
    changes: Json = {"deleted_ms": at_ms, "updated_ms": at_ms, "status": "closed"}
    gone = _update(connection, tenant_id, session_id, changes, audit)
    if gone is None:
        return None
    entry = ("room.archived", session_id, {"id": session_id})
    entries = append(connection, session_id, [entry], at_ms, access=True)
    return gone, Written(tuple((each, None) for each in entries))


def _erase(connection: Connection, tenant_id: str, session_id: str, audit: AuditEntry) -> bool:
    mine = (rooms.c.tenant_id == tenant_id) & (rooms.c.id == session_id)
    inside = select(rooms.c.id).where(mine)
    made = select(messages.c.id).where(messages.c.room_id.in_(inside))
    refs = idempotency.c.ref.in_(made) | idempotency.c.ref.in_(inside)
    connection.execute(delete(idempotency).where(refs))
    for table in (messages, events, runs):
        connection.execute(delete(table).where(table.c.room_id.in_(inside)))
    gone = connection.execute(delete(rooms).where(mine))
    if gone.rowcount:
        write_audit(connection, audit)
    return bool(gone.rowcount)
