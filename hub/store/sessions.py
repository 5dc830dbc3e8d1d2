"""Sessions: the rows beside their rooms."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    delete,
    insert,
    select,
    union_all,
    update,
)

from hub.core.governor import Limits
from hub.core.posts import RequestKey, session_closed
from hub.core.values import Json, Member, Room, Session
from hub.ports import (
    ANY_METADATA,
    Asked,
    AuditEntry,
    Changed,
    Drafts,
    Edit,
    Edited,
    Page,
    Promotion,
    Written,
)
from hub.store import (
    editing,
    handling,
    promoting,
    session_lists,
    session_metadata,
    session_rows,
)
from hub.store.access_changes import note_change
from hub.store.common import append, bare, write_audit
from hub.store.database import Database
from hub.store.rooms import create as create_room
from hub.store.schema import events, idempotency, messages, rooms, runs, sessions
from hub.store.session_lists import Wanted
from hub.store.session_metadata import FEW


class SqlSessions:
    """`SessionStore` on any SQL database. Those with a value that fewer than `few` have are looked
    at one by one."""

    def __init__(self, database: Database, limits: Limits, few: int = FEW) -> None:
        self._database = database
        self._limits = limits
        self._few = few

    async def create(
        self, session: Session, room: Room, members: Sequence[Member], key: RequestKey | None
    ) -> Written:
        return await self._database.write(lambda c: _create(c, session, room, members, key))

    async def get(
        self, tenant_id: str, session_id: str, *, deleted: bool = False
    ) -> Session | None:
        return await self._database.read(
            lambda c: session_rows.find(c, tenant_id, session_id, deleted=deleted)
        )

    async def page(
        self,
        tenant_id: str,
        owner: str | None,
        status: str | None,
        page: Page,
        asked: Asked = ANY_METADATA,
    ) -> list[Session]:
        wanted = Wanted(tenant_id, owner, status, page, asked)
        return await self._database.read(lambda c: session_lists.page(c, wanted, self._few))

    async def waiting(
        self, tenant_id: str, owner: str | None, page: Page, asked: Asked = ANY_METADATA
    ) -> list[Session]:
        return await self._database.read(
            lambda c: session_lists.waiting(c, tenant_id, owner, page, asked)
        )

    async def taken(
        self, tenant_id: str, handler: str, page: Page, asked: Asked = ANY_METADATA
    ) -> list[Session]:
        return await self._database.read(
            lambda c: session_lists.taken(c, tenant_id, handler, page, asked)
        )

    async def update(
        self, tenant_id: str, session_id: str, changes: Json, audit: AuditEntry
    ) -> Changed | None:
        return await self._database.write(
            lambda c: _update(c, tenant_id, session_id, changes, audit)
        )

    async def entitle(
        self, tenant_id: str, session_id: str, title: str, at_ms: int
    ) -> Changed | None:
        return await self._database.write(
            lambda c: _entitle(c, tenant_id, session_id, title, at_ms)
        )

    async def delete(self, tenant_id: str, session_id: str, audit: AuditEntry) -> Changed | None:
        return await self._database.write(lambda c: _delete(c, tenant_id, session_id, audit))

    async def erase(self, tenant_id: str, session_id: str, audit: AuditEntry) -> bool:
        return await self._database.write(lambda c: _erase(c, tenant_id, session_id, audit))

    async def escalate(
        self, tenant_id: str, session_id: str, message: str | None, audit: AuditEntry
    ) -> Changed | None:
        return await self._database.write(
            lambda c: handling.escalate(c, tenant_id, session_id, message, audit)
        )

    async def take_over(
        self, tenant_id: str, session_id: str, agent: Member, drafts: Drafts, audit: AuditEntry
    ) -> Changed | None:
        return await self._database.write(
            lambda c: handling.take_over(
                c, tenant_id, session_id, agent, drafts, audit, self._limits
            )
        )

    async def hand_back(
        self, tenant_id: str, session_id: str, note: str | None, audit: AuditEntry
    ) -> Changed | None:
        return await self._database.write(
            lambda c: handling.hand_back(c, tenant_id, session_id, note, audit)
        )

    async def promote(
        self, tenant_id: str, session_id: str, promotion: Promotion, audit: AuditEntry
    ) -> Changed | None:
        return await self._database.write(
            lambda c: promoting.promote(c, tenant_id, session_id, promotion, audit)
        )

    async def edit_last(self, tenant_id: str, session_id: str, edit: Edit) -> Edited | None:
        return await self._database.write(
            lambda c: editing.edit_last(c, tenant_id, session_id, edit, self._limits)
        )


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
        session_metadata.keep(connection, session.tenant_id, session.id, session.metadata)
    return written


def _update(
    connection: Connection, tenant_id: str, session_id: str, changes: Json, audit: AuditEntry
) -> Changed | None:
    session = session_rows.lock(connection, tenant_id, session_id)
    if session is None:
        return None
    if session.promoted and changes.get("status") == "active":
        raise session_closed(session.room_id)
    if changes.get("status") == "closed":
        changes = changes | session_rows.NOT_WAITING
    after, entries = session_rows.change(connection, session, changes, audit.at_ms, audit.actor)
    write_audit(connection, audit)
    return Changed(after, entries)


def _entitle(
    connection: Connection, tenant_id: str, session_id: str, title: str, at_ms: int
) -> Changed | None:
    """Only who has no title is given one."""
    session = session_rows.lock(connection, tenant_id, session_id)
    if session is None or session.title is not None:
        return None
    return Changed(*session_rows.change(connection, session, {"title": title}, at_ms))


def _delete(
    connection: Connection, tenant_id: str, session_id: str, audit: AuditEntry
) -> Changed | None:
    """Whoever is subscribed is told, and hears no more."""
    session = session_rows.lock(connection, tenant_id, session_id)
    if session is None:
        return None
    gone: Json = {"deleted_ms": audit.at_ms, "updated_ms": audit.at_ms, "status": "closed"}
    connection.execute(
        update(sessions)
        .where(sessions.c.id == session_id)
        .values(**gone | session_rows.NOT_WAITING)
    )
    entry = ("room.archived", session_id, {"id": session_id})
    entries = append(connection, session_id, [entry], audit.at_ms, access=True)
    write_audit(connection, audit)
    note_change(connection, "room", session_id, audit.at_ms)
    deleted = session_rows.find(connection, tenant_id, session_id, deleted=True)
    return Changed(deleted or session, bare(entries))


def forget_keys(mine: ColumnElement[bool]) -> Delete:
    """Forget the keys of a room and of its messages. A key is as old as what it made, and that is
    how it is found: by what it made it has no index, which every post would have to keep."""
    made = union_all(
        select(rooms.c.created_ms, rooms.c.id).where(mine),
        select(messages.c.created_ms, messages.c.id)
        .join(rooms, messages.c.room_id == rooms.c.id)
        .where(mine),
    ).subquery()
    as_old = idempotency.c.created_ms.in_(select(made.c.created_ms))
    return delete(idempotency).where(as_old, idempotency.c.ref.in_(select(made.c.id)))


def _erase(connection: Connection, tenant_id: str, session_id: str, audit: AuditEntry) -> bool:
    """Under the room's lock: what is just being posted is stored before, and goes with it, or
    finds no session. Keys come after: those of other requests in flight are not seen here."""
    mine = (rooms.c.tenant_id == tenant_id) & (rooms.c.id == session_id)
    connection.execute(select(rooms.c.id).where(mine).with_for_update())
    inside = select(rooms.c.id).where(mine)
    connection.execute(forget_keys(mine))
    for table in (messages, events, runs):
        connection.execute(delete(table).where(table.c.room_id.in_(inside)))
    gone = connection.execute(delete(rooms).where(mine))
    if gone.rowcount:
        write_audit(connection, audit)
        note_change(connection, "room", session_id, audit.at_ms)
    return bool(gone.rowcount)
