"""Participants of a tenant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, insert, not_, select, update

from hub.core.errors import Conflict
from hub.core.ids import MODEL_PERSONA
from hub.core.posts import RequestKey
from hub.core.values import Json, Participant, token_key
from hub.ports import AuditEntry, Page, Written
from hub.store import rows
from hub.store.access_changes import note_change
from hub.store.common import claim_key, write_audit
from hub.store.database import Database
from hub.store.keys import revoke_all
from hub.store.queries import fetch
from hub.store.schema import members, participants, rooms, tenants

_GET: Final = f"SELECT {rows.PARTICIPANT_TEXT} FROM participants WHERE tenant_id = $1 AND id = $2"


class SqlParticipants:
    """`ParticipantStore` on any SQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, participant: Participant, key: RequestKey | None, audit: AuditEntry | None = None
    ) -> Written:
        return await self._database.write(lambda c: create(c, participant, key, audit))

    async def get(self, tenant_id: str, participant_id: str) -> Participant | None:
        return await self._database.read(lambda c: _get(c, tenant_id, participant_id))

    async def find(self, tenant_id: str, ids: Sequence[str]) -> dict[str, Participant]:
        return await self._database.read(lambda c: _find(c, tenant_id, ids))

    async def page(self, tenant_id: str, page: Page) -> list[Participant]:
        return await self._database.read(lambda c: _page(c, tenant_id, page))

    async def update(
        self,
        tenant_id: str,
        participant_id: str,
        changes: Json,
        audit: AuditEntry | None = None,
    ) -> Participant | None:
        return await self._database.write(
            lambda c: _update(c, tenant_id, participant_id, changes, audit)
        )

    async def disable(
        self, tenant_id: str, participant_id: str, at_ms: int, audit: AuditEntry | None
    ) -> Participant | None:
        return await self._database.write(
            lambda c: _disable(c, tenant_id, participant_id, at_ms, audit)
        )

    async def handles(self, tenant_id: str, handles: Sequence[str]) -> set[str]:
        return await self._database.read(lambda c: _handles(c, tenant_id, handles))

    async def personas(self, tenant_id: str, limit: int) -> list[Participant]:
        return await self._database.read(lambda c: _personas(c, tenant_id, limit))


def add_tenant(connection: Connection, tenant_id: str, name: str, at_ms: int) -> bool:
    """Store a tenant unless it is there; True when it was new."""
    if connection.execute(select(tenants.c.id).where(tenants.c.id == tenant_id)).first():
        return False
    connection.execute(insert(tenants).values(id=tenant_id, name=name, created_ms=at_ms))
    return True


def create(
    connection: Connection,
    new: Participant,
    key: RequestKey | None,
    audit: AuditEntry | None = None,
) -> Written:
    """Store a participant; ALREADY_EXISTS for an id or handle that is taken."""
    if earlier := claim_key(connection, key, new.id, new.created_ms):
        return Written(earlier=earlier)
    mine = participants.c.tenant_id == new.tenant_id
    taken = (participants.c.id == new.id) | (participants.c.handle == new.handle)
    other = connection.execute(rows.select_participants().where(mine, taken)).first()
    if other is not None:
        what = f"id {new.id}" if other.id == new.id else f"handle {new.handle}"
        raise Conflict(f"the {what} is taken; choose another")
    connection.execute(
        insert(participants).values(
            {c.name: getattr(new, c.name) for c in participants.c}
            | {"secrets": list(new.secrets) or None}
        )
    )
    write_audit(connection, audit)
    return Written()


def _get(connection: Connection, tenant_id: str, participant_id: str) -> Participant | None:
    found = fetch(connection, _GET, tenant_id, participant_id)
    return rows.participant_of_text(found[0]) if found else None


def _find(connection: Connection, tenant_id: str, ids: Sequence[str]) -> dict[str, Participant]:
    statement = rows.select_participants().where(
        participants.c.tenant_id == tenant_id, participants.c.id.in_(ids)
    )
    return {row.id: rows.participant_of(row) for row in connection.execute(statement)}


def _page(connection: Connection, tenant_id: str, page: Page) -> list[Participant]:
    statement = rows.select_participants().where(
        participants.c.tenant_id == tenant_id, participants.c.disabled_ms.is_(None)
    )
    if page.after:
        statement = statement.where(participants.c.id > page.after)
    found = connection.execute(statement.order_by(participants.c.id).limit(page.limit))
    return [rows.participant_of(row) for row in found]


def _update(
    connection: Connection,
    tenant_id: str,
    participant_id: str,
    changes: Json,
    audit: AuditEntry | None,
) -> Participant | None:
    mine = (participants.c.tenant_id == tenant_id) & (participants.c.id == participant_id)
    inside = _lock_rooms_of(connection, tenant_id, participant_id) if changes else []
    if handle := changes.get("handle"):
        other = select(participants.c.id).where(
            participants.c.tenant_id == tenant_id,
            participants.c.handle == handle,
            participants.c.id != participant_id,
        )
        if connection.execute(other).first():
            raise Conflict(f"the handle {handle} is taken; choose another")
    if changes:
        connection.execute(update(participants).where(mine).values(**changes))
        version = {"acl_version": rooms.c.acl_version + 1}
        connection.execute(update(rooms).where(rooms.c.id.in_(inside)).values(**version))
    row = connection.execute(rows.select_participants().where(mine)).first()
    if row is None:
        return None
    if changes:
        write_audit(connection, audit)
    return rows.participant_of(row)


def _disable(
    connection: Connection,
    tenant_id: str,
    participant_id: str,
    at_ms: int,
    audit: AuditEntry | None,
) -> Participant | None:
    known = _get(connection, tenant_id, participant_id)
    if known is None or known.disabled_ms is not None:
        return known
    gone: Json = {"disabled_ms": at_ms, "driver": None}
    changed = _update(connection, tenant_id, participant_id, gone, audit)
    for key_id in revoke_all(connection, tenant_id, participant_id, at_ms):
        note_change(connection, "key", key_id, at_ms)
    note_change(connection, "key", token_key(tenant_id, participant_id), at_ms)
    return changed


def _lock_rooms_of(connection: Connection, tenant_id: str, participant_id: str) -> list[str]:
    """The rooms somebody is in, locked in the order in which all rooms are, and before the
    participant: who joins a room locks that first too."""
    inside = select(members.c.room_id).where(
        members.c.tenant_id == tenant_id, members.c.participant_id == participant_id
    )
    lock = select(rooms.c.id).where(rooms.c.id.in_(inside)).order_by(rooms.c.id)
    return list(connection.execute(lock.with_for_update(key_share=True)).scalars())


def _handles(connection: Connection, tenant_id: str, handles: Sequence[str]) -> set[str]:
    statement = select(participants.c.handle).where(
        participants.c.tenant_id == tenant_id, participants.c.handle.in_(handles)
    )
    return set(connection.execute(statement).scalars())


def _personas(connection: Connection, tenant_id: str, limit: int) -> list[Participant]:
    """By the range of their ids, which the primary key has."""
    statement = rows.select_participants().where(
        participants.c.tenant_id == tenant_id,
        participants.c.id.between("persona_", "persona_{"),
        not_(participants.c.id.between(MODEL_PERSONA, f"{MODEL_PERSONA}{{")),
        participants.c.disabled_ms.is_(None),
        participants.c.driver["kind"].as_string() == "model",
    )
    found = connection.execute(statement.order_by(participants.c.id).limit(limit))
    return [rows.participant_of(row) for row in found]
