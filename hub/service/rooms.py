"""Rooms and their members."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace

from hub.core import permissions
from hub.core.errors import Conflict, Denied, invalid, missing
from hub.core.ids import IdMaker, is_ai
from hub.core.posts import LogRow, RequestKey
from hub.core.values import Actor, Json, Member, Room, RoomView
from hub.ports import Clock, Page, Store
from hub.service.notices import Notices
from hub.service.publisher import Publisher
from hub.service.views import RoomViews
from hub.wire.requests import ChangeRoom, CreateRoom, MemberChange, NewMember, given


class Rooms:
    """Use cases on rooms."""

    def __init__(
        self,
        store: Store,
        views: RoomViews,
        publisher: Publisher,
        notices: Notices,
        ids: IdMaker,
        now_ms: Clock,
    ) -> None:
        self._notices = notices
        self._store = store
        self._views = views
        self._publisher = publisher
        self._ids = ids
        self._now_ms = now_ms

    async def create(
        self, actor: Actor, body: CreateRoom, request: RequestKey | None = None
    ) -> RoomView:
        """A new room; its creator owns it and is a member."""
        others = [m for m in body.initial_members if m.id != actor.id]
        found = await self.members(actor, others, "initial_members", body.initial_members)
        room = self.new_room(actor, "room", body.name, body.description, body.private)
        owner = Member(actor.author, "owner", "mention", room.created_ms)
        members = [owner, *(replace(each, joined_ms=room.created_ms) for each in found)]
        written = await self._store.rooms.create(room, members, request)
        self._publisher.put(written.entries)
        view = await self._views.fresh(actor, written.earlier or room.id)
        self._notices.members_changed(actor, view.room, written.entries)
        return view

    def new_room(self, actor: Actor, kind: str, name: str, description: str, private: bool) -> Room:
        """A room that is not stored yet."""
        prefix = "sess" if kind == "session" else "room"
        return Room(
            id=self._ids.make(prefix), tenant_id=actor.tenant_id,
            kind="session" if kind == "session" else "room", name=name, description=description,
            private=private, created_ms=self._now_ms(), created_by=actor.id, archived_ms=None,
            head=0, first_seq=1, epoch=secrets.token_hex(4), acl_version=0, settings={},
        )  # fmt: skip

    async def members(
        self,
        actor: Actor,
        wanted: Sequence[NewMember],
        field: str,
        listed: Sequence[NewMember] | None = None,
    ) -> list[Member]:
        """Members to be, each once; an unknown participant is named by its place in the list."""
        found = await self._store.participants.find(actor.tenant_id, [m.id for m in wanted])
        now, members = self._now_ms(), dict[str, Member]()
        for item in wanted:
            participant = found.get(item.id)
            if participant is None or participant.disabled_ms is not None:
                place = f"{field}[{list(listed).index(item)}].id" if listed is not None else "id"
                raise invalid(place, f"there is no participant {item.id}")
            members[item.id] = Member(
                participant.author(), item.role, item.engagement, now,
                participant.driver is not None,
            )  # fmt: skip
        return list(members.values())

    async def read(self, actor: Actor, room_id: str) -> RoomView:
        return await self._views.fresh(actor, room_id)

    async def page(self, actor: Actor, *, whole_tenant: bool, page: Page) -> list[Room]:
        """The caller's rooms, newest first; with `whole_tenant` all of them, for admins."""
        if whole_tenant and not actor.is_admin:
            raise Denied("scope=tenant is for a tenant_admin")
        return await self._store.rooms.page(
            actor.tenant_id, None if whole_tenant else actor.id, page
        )

    async def add_member(self, actor: Actor, room_id: str, body: NewMember) -> tuple[Member, bool]:
        """The member and whether it is new; who is there already stays as it is."""
        view = await self._admitting(actor, room_id, body)
        if known := view.members.get(body.id):
            return known, False
        if body.role == "owner" and view.members[actor.id].role != "owner":
            raise Denied("only an owner makes an owner")
        members = await self.members(actor, [body], "")
        written = await self._store.rooms.add_members(actor.tenant_id, room_id, members)
        self._changed(room_id, written.entries)
        after = await self._views.fresh(actor, room_id)
        self._notices.members_changed(actor, after.room, written.entries)
        return after.members.get(body.id, members[0]), bool(written.entries)

    async def _admitting(self, actor: Actor, room_id: str, body: NewMember) -> RoomView:
        """The room, for who may add this member: its owners and admins, and, of themselves,
        whoever may read it."""
        view = await self._views.fresh(actor, room_id)
        joins = body.id == actor.id and actor.id not in view.members and view.room.kind == "room"
        if joins and permissions.may_join_as(body.role, body.engagement):
            if view.room.archived_ms is not None:
                raise Conflict("the room is archived; nobody joins it now", code="ROOM_ARCHIVED")
            return view
        return await self._managed(actor, room_id)

    async def change_member(
        self, actor: Actor, room_id: str, participant_id: str, body: MemberChange
    ) -> Member:
        view = await self._managed(actor, room_id)
        known = view.members.get(participant_id)
        if known is None:
            raise missing("participant")
        changes = given(body)
        role = changes.get("role", known.role)
        if "owner" in (role, known.role) and view.members[actor.id].role != "owner":
            raise Denied("only an owner makes or changes an owner")
        member = replace(known, **changes)
        written = await self._store.rooms.set_member(
            actor.tenant_id, room_id, member, self._now_ms()
        )
        self._changed(room_id, written.entries)
        if not permissions.may_post(member):
            await self._end_runs(actor, room_id, participant_id)
        after = (await self._views.fresh(actor, room_id)).members.get(participant_id)
        if after is None:  # removed meanwhile
            raise missing("participant")
        return after

    async def remove_member(self, actor: Actor, room_id: str, participant_id: str) -> Member:
        """Remove somebody, or leave."""
        if participant_id == actor.id:
            view = await self._views.fresh(actor, room_id)
        else:
            view = await self._managed(actor, room_id)
        known = view.members.get(participant_id)
        if known is None:
            raise missing("participant")
        if known.role == "owner" and view.members[actor.id].role != "owner":
            raise Denied("only an owner removes an owner")
        written = await self._store.rooms.remove_member(
            actor.tenant_id, room_id, participant_id, self._now_ms()
        )
        self._changed(room_id, written.entries)
        self._notices.members_changed(actor, view.room, written.entries)
        await self._end_runs(actor, room_id, participant_id)
        return known

    async def _end_runs(
        self, actor: Actor, room_id: str, participant_id: str | None = None
    ) -> None:
        """Who may not speak in a room any more does not go on writing there: one of its members,
        or all of them."""
        if participant_id is not None and not is_ai(participant_id):
            return
        for run in await self._store.runs.open_in(room_id):
            if participant_id in (None, run.participant_id):
                for ended in await self._store.runs.cancel(
                    actor.tenant_id, run.id, actor.id, self._now_ms()
                ):
                    self._publisher.put(ended.entries, ended.woken, ended.cut)

    async def change(self, actor: Actor, room_id: str, body: ChangeRoom) -> Room:
        await self._managed(actor, room_id)
        changes = given(body)
        if not changes:
            return (await self._views.fresh(actor, room_id)).room
        room = await self._update(actor, room_id, changes)
        if "settings" in changes and room.settings.get("paused") is not True:
            queued = [r.id for r in await self._store.runs.open_in(room_id) if r.state == "queued"]
            self._publisher.put((), queued)  # a pause has held them
        return room

    async def archive(self, actor: Actor, room_id: str) -> Room:
        """No new messages from now on; the room can still be read and restored."""
        view = await self._managed(actor, room_id)
        if view.room.archived_ms is not None:
            return view.room
        archived = await self._update(actor, room_id, {"archived_ms": self._now_ms()})
        await self._end_runs(actor, room_id)
        return archived

    async def restore(self, actor: Actor, room_id: str) -> Room:
        await self._managed(actor, room_id)
        return await self._update(actor, room_id, {"archived_ms": None})

    async def _update(self, actor: Actor, room_id: str, changes: Json) -> Room:
        written = await self._store.rooms.update(
            actor.tenant_id, room_id, changes, actor, self._now_ms()
        )
        self._changed(room_id, written.entries)
        return (await self._views.fresh(actor, room_id)).room

    async def _managed(self, actor: Actor, room_id: str) -> RoomView:
        view = await self._views.fresh(actor, room_id)
        if view.room.kind == "session":
            raise missing("room")
        if not permissions.may_manage(view.members.get(actor.id)):
            raise Denied("only an owner or admin of the room may do this")
        return view

    def _changed(self, room_id: str, entries: Sequence[LogRow]) -> None:
        self._views.forget(room_id)
        self._publisher.put(entries)
