"""Rooms and their members."""

from __future__ import annotations

from typing import Any

from hub.core.values import Json, Member, Room, RoomView
from hub.gateway.rest.call import Answer, Call, Operation
from hub.service.reading import shown
from hub.wire.requests import ChangeRoom, CreateRoom, MemberChange, NewMember

RECENT = 50


def whole(view: RoomView) -> dict[str, Any]:
    """A room with its members."""
    return view.room.as_dict() | {"members": [m.as_dict() for m in view.members.values()]}


async def create(call: Call) -> Answer:
    body = await call.body(CreateRoom)
    view = await call.parts.rooms.create(call.actor, body, call.key("rooms", body))
    return Answer(whole(view), 201)


async def page(call: Call) -> Answer:
    whole_tenant = call.choice("scope", "tenant") == "tenant"
    rooms = await call.parts.rooms.page(
        call.actor, whole_tenant=whole_tenant, page=call.page("rooms")
    )
    unread = await call.parts.reading.unread(call.actor, [room.id for room in rooms])

    def show(room: Room) -> Json:
        return room.as_dict() | shown(unread.get(room.id))

    return call.listed("rooms", rooms, lambda room: str(room.id), show)


async def read(call: Call) -> Answer:
    view = await call.parts.rooms.read(call.actor, call.path("room_id"))
    recent = await call.parts.store.messages.page(view.room.id, limit=RECENT)
    unread = shown((await call.parts.reading.unread(call.actor, [view.room.id])).get(view.room.id))
    return Answer(whole(view) | unread | {"recent_messages": [m.as_dict() for m in recent]})


async def change(call: Call) -> Answer:
    body = await call.body(ChangeRoom)
    room = await call.parts.rooms.change(call.actor, call.path("room_id"), body)
    return Answer(room.as_dict())


async def archive(call: Call) -> Answer:
    room = await call.parts.rooms.archive(call.actor, call.path("room_id"))
    return Answer(room.as_dict())


async def restore(call: Call) -> Answer:
    room = await call.parts.rooms.restore(call.actor, call.path("room_id"))
    return Answer(room.as_dict())


async def members(call: Call) -> Answer:
    view = await call.parts.rooms.read(call.actor, call.path("room_id"))
    name, everybody = f"members/{view.room.id}", list(view.members.values())
    after = call.cursor(name)
    ids = [member.author.id for member in everybody]
    start = ids.index(after) + 1 if after in ids else 0
    rest = everybody[start : start + call.limit() + 1]
    return call.listed(name, rest, lambda member: str(member.author.id), Member.as_dict)


async def add_member(call: Call) -> Answer:
    body = await call.body(NewMember)
    member, new = await call.parts.rooms.add_member(call.actor, call.path("room_id"), body)
    return Answer(member.as_dict(), 201 if new else 200)


async def change_member(call: Call) -> Answer:
    body = await call.body(MemberChange)
    member = await call.parts.rooms.change_member(
        call.actor, call.path("room_id"), call.path("participant_id"), body
    )
    return Answer(member.as_dict())


async def remove_member(call: Call) -> Answer:
    member = await call.parts.rooms.remove_member(
        call.actor, call.path("room_id"), call.path("participant_id")
    )
    return Answer(member.as_dict())


_ROOM = "/v1/rooms/{room_id}"
OPERATIONS = [
    Operation("POST", "/v1/rooms", create, "Create a room", CreateRoom, keyed=True),
    Operation("GET", "/v1/rooms", page, "List the caller's rooms",
              query=("limit", "cursor", "scope")),
    Operation("GET", _ROOM, read, "Read a room, its members and recent messages",
              entries=RECENT),
    Operation("PATCH", _ROOM, change, "Change a room", ChangeRoom),
    Operation("DELETE", _ROOM, archive, "Archive a room"),
    Operation("POST", f"{_ROOM}/restore", restore, "Restore an archived room"),
    Operation("GET", f"{_ROOM}/members", members, "List members", query=("limit", "cursor")),
    Operation("POST", f"{_ROOM}/members", add_member, "Add a member", NewMember),
    Operation("PATCH", f"{_ROOM}/members/{{participant_id}}", change_member,
              "Change a member's role or engagement", MemberChange),
    Operation("DELETE", f"{_ROOM}/members/{{participant_id}}", remove_member, "Remove a member"),
]  # fmt: skip
