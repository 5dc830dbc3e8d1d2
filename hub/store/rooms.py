"""Rooms and their members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from hub.core.errors import Conflict
from hub.core.posts import LogEntry, RequestKey
from hub.core.values import Actor, Json, Member, Room, RoomView
from hub.ports import Page, Written
from hub.store import rows
from hub.store.access_changes import note_change
from hub.store.common import append, bare, claim_key
from hub.store.database import Database
from hub.store.queries import fetch
from hub.store.schema import members, rooms

_ROOMS: Final = f"SELECT {rows.ROOM_TEXT} FROM rooms WHERE id = ANY($1)"
_MEMBERS: Final = f"""SELECT m.room_id, {rows.MEMBER_TEXT} WHERE m.room_id = ANY($1)
    ORDER BY m.joined_ms, m.participant_id"""
_SESSIONS: Final = "SELECT id, busy FROM sessions WHERE id = ANY($1) AND deleted_ms IS NULL"


class SqlRooms:
    """`RoomStore` on any SQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, room: Room, members: Sequence[Member], key: RequestKey | None
    ) -> Written:
        return await self._database.write(lambda c: create(c, room, members, key))

    async def view(self, tenant_id: str, room_id: str, known_acl: int = -1) -> RoomView | None:
        at = (tenant_id, room_id)
        return (await self.views({at: known_acl})).get(at)

    async def views(self, asked: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], RoomView]:
        return await self._database.read(lambda c: _views(c, asked))

    async def page(self, tenant_id: str, member_id: str | None, page: Page) -> list[Room]:
        return await self._database.read(lambda c: _page(c, tenant_id, member_id, page))

    async def add_members(self, tenant_id: str, room_id: str, members: Sequence[Member]) -> Written:
        return await self._database.write(lambda c: _add(c, tenant_id, room_id, members))

    async def set_member(self, tenant_id: str, room_id: str, member: Member, at_ms: int) -> Written:
        return await self._database.write(
            lambda c: _set_member(c, tenant_id, room_id, member, at_ms)
        )

    async def remove_member(
        self, tenant_id: str, room_id: str, participant_id: str, at_ms: int
    ) -> Written:
        return await self._database.write(
            lambda c: _remove(c, tenant_id, room_id, participant_id, at_ms)
        )

    async def update(
        self, tenant_id: str, room_id: str, changes: Json, actor: Actor, at_ms: int
    ) -> Written:
        return await self._database.write(
            lambda c: _update(c, tenant_id, room_id, changes, actor, at_ms)
        )


def create(
    connection: Connection, room: Room, first: Sequence[Member], key: RequestKey | None
) -> Written:
    """Store a room and its first members; rooms and sessions alike."""
    earlier = claim_key(connection, key, room.id, room.created_ms)
    if earlier is not None:
        return Written(earlier=earlier)
    insert_room(connection, room, room.head)
    return Written(entries=bare(join(connection, room.tenant_id, room.id, first)))


def insert_room(connection: Connection, room: Room, head: int) -> None:
    """Store a room's row alone, its log standing at `head`."""
    row = {column.name: getattr(room, column.name) for column in rooms.c}
    connection.execute(insert(rooms).values(**row | {"head": head}))


def join(
    connection: Connection, tenant_id: str, room_id: str, new: Sequence[Member]
) -> list[LogEntry]:
    """Store members of a room, with a `member.joined` for each."""
    connection.execute(
        insert(members),
        [
            {"room_id": room_id, "tenant_id": tenant_id, "participant_id": m.author.id,
             "role": m.role, "engagement": m.engagement, "joined_ms": m.joined_ms}
            for m in new
        ],
    )  # fmt: skip
    joined = [("member.joined", m.author.id, m.as_dict()) for m in new]
    return append(connection, room_id, joined, new[0].joined_ms, access=True)


def _views(
    connection: Connection, asked: Mapping[tuple[str, str], int]
) -> dict[tuple[str, str], RoomView]:
    found = map(rows.room_of_text, fetch(connection, _ROOMS, [room_id for _, room_id in asked]))
    here = {at: room for room in found if (at := (room.tenant_id, room.id)) in asked}
    for at, busy in _sessions(connection, here).items():
        if busy is None:
            del here[at]
        else:
            here[at] = replace(here[at], settings={"busy": busy})
    changed = [room.id for at, room in here.items() if room.acl_version != asked[at]]
    members_of = _members(connection, changed)
    return {at: RoomView(room, members_of.get(room.id, {})) for at, room in here.items()}


def _sessions(
    connection: Connection, here: Mapping[tuple[str, str], Room]
) -> dict[tuple[str, str], str | None]:
    """What makes a session's room its own; None for one that was deleted."""
    mine = {at: room.id for at, room in here.items() if room.kind == "session"}
    if not mine:
        return {}
    found = dict(map(tuple, fetch(connection, _SESSIONS, list(mine.values()))))
    return {at: found.get(session_id) for at, session_id in mine.items()}


def _members(connection: Connection, room_ids: Sequence[str]) -> dict[str, dict[str, Member]]:
    """The members of these rooms by id, in the order they joined."""
    found: dict[str, dict[str, Member]] = {}
    for room_id, *row in fetch(connection, _MEMBERS, room_ids) if room_ids else ():
        member = rows.member_of_text(row)
        found.setdefault(room_id, {})[member.author.id] = member
    return found


def _page(connection: Connection, tenant_id: str, member_id: str | None, page: Page) -> list[Room]:
    statement = rows.select_rooms().where(
        rooms.c.tenant_id == tenant_id, rooms.c.kind == "room", rooms.c.archived_ms.is_(None)
    )
    if member_id is not None:
        mine = select(members.c.room_id).where(
            members.c.tenant_id == tenant_id, members.c.participant_id == member_id
        )
        statement = statement.where(rooms.c.id.in_(mine))
    if page.after:
        statement = statement.where(rooms.c.id < page.after)
    statement = statement.order_by(rooms.c.id.desc()).limit(page.limit)
    return [rows.room_of(row) for row in connection.execute(statement)]


def _here(tenant_id: str, room_id: str, participant_id: str) -> tuple[ColumnElement[bool], ...]:
    return (
        members.c.tenant_id == tenant_id,
        members.c.room_id == room_id,
        members.c.participant_id == participant_id,
    )


def _add(connection: Connection, tenant_id: str, room_id: str, wanted: Sequence[Member]) -> Written:
    mine = select(rooms.c.id).where(rooms.c.id == room_id, rooms.c.tenant_id == tenant_id)
    if connection.execute(mine).first() is None:
        return Written()
    present = set(
        connection.execute(
            select(members.c.participant_id).where(members.c.room_id == room_id)
        ).scalars()
    )
    new = [member for member in wanted if member.author.id not in present]
    return Written(bare(join(connection, tenant_id, room_id, new)) if new else ())


def _lock(connection: Connection, room_id: str) -> None:
    lock = select(rooms.c.id).where(rooms.c.id == room_id).with_for_update(key_share=True)
    connection.execute(lock)


def _keep_an_owner(connection: Connection, room_id: str, leaving: str) -> None:
    """Under the room's lock, so that two owners cannot both step down."""
    owners = set(
        connection.execute(
            select(members.c.participant_id).where(
                members.c.room_id == room_id, members.c.role == "owner"
            )
        ).scalars()
    )
    if owners == {leaving}:
        raise Conflict("a room keeps at least one owner", code="LAST_OWNER")


def _set_member(
    connection: Connection, tenant_id: str, room_id: str, member: Member, at_ms: int
) -> Written:
    _lock(connection, room_id)
    if member.role != "owner":
        _keep_an_owner(connection, room_id, member.author.id)
    here = _here(tenant_id, room_id, member.author.id)
    wanted = {"role": member.role, "engagement": member.engagement}
    if not connection.execute(update(members).where(*here).values(**wanted)).rowcount:
        return Written()
    found = connection.execute(rows.select_members().where(*here)).one()
    entry = ("member.updated", member.author.id, rows.member_of(found).as_dict())
    return Written(bare(append(connection, room_id, [entry], at_ms, access=True)))


def _remove(
    connection: Connection, tenant_id: str, room_id: str, participant_id: str, at_ms: int
) -> Written:
    _lock(connection, room_id)
    _keep_an_owner(connection, room_id, participant_id)
    gone = connection.execute(delete(members).where(*_here(tenant_id, room_id, participant_id)))
    if not gone.rowcount:
        return Written()
    kind = participant_id.split("_", 1)[0]
    entry = ("member.left", participant_id, {"type": kind, "id": participant_id})
    entries = append(connection, room_id, [entry], at_ms, access=True)
    note_change(connection, "room", room_id, at_ms)
    return Written(bare(entries))


def _update(
    connection: Connection, tenant_id: str, room_id: str, changes: Json, actor: Actor, at_ms: int
) -> Written:
    mine = (rooms.c.tenant_id == tenant_id) & (rooms.c.id == room_id)
    if not connection.execute(update(rooms).where(mine).values(**changes)).rowcount:
        return Written()
    room = rows.room_of(connection.execute(rows.select_rooms().where(mine)).one())
    kind = "room.archived" if changes.get("archived_ms") else "room.updated"
    data = room.as_dict() | {"by": actor.author.ref()}
    data.pop("head")
    return Written(bare(append(connection, room_id, [(kind, room_id, data)], at_ms, access=True)))
