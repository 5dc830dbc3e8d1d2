"""Rooms with their members, kept as long as `acl_version` stands.

A post is authorised on what is kept here, and the transaction that stores it checks the version;
a read asks the room's row for the version first.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from hub.core import permissions
from hub.core.errors import missing
from hub.core.values import Actor, RoomView
from hub.ports import RoomStore
from hub.service.shared import Shared

_CACHED_ROOMS: Final = 10_000


class RoomViews:
    """A cache of `RoomView` whose loads are shared by those who wait for the same room."""

    def __init__(self, store: RoomStore) -> None:
        self._store = store
        self._views: OrderedDict[str, RoomView] = OrderedDict()
        self._reads: Shared[tuple[str, str], RoomView | None] = Shared(self._read)

    def cached(self, actor: Actor, room_id: str) -> RoomView | None:
        """What is known of a room of the actor's tenant, perhaps stale."""
        view = self._views.get(room_id)
        return view if view and view.room.tenant_id == actor.tenant_id else None

    def forget(self, room_id: str) -> None:
        self._views.pop(room_id, None)

    async def known(self, actor: Actor, room_id: str) -> RoomView:
        """Perhaps stale, for a post, whose transaction checks. Only a yes may be stale: whoever
        is a stranger to what is kept may have been added through another gateway since."""
        view = self.cached(actor, room_id) or await self._reads.joined((actor.tenant_id, room_id))
        return view if view and _reads(actor, view) else await self.fresh(actor, room_id)

    async def fresh(self, actor: Actor, room_id: str) -> RoomView:
        """As the database has it now; NOT_FOUND for who may not read the room."""
        return _seen(actor, await self.current(actor.tenant_id, room_id))

    async def current(self, tenant_id: str, room_id: str) -> RoomView | None:
        """As the database has it now, whoever asks."""
        return await self._reads.anew((tenant_id, room_id))

    async def _read(self, at: tuple[str, str]) -> RoomView | None:
        tenant_id, room_id = at
        known = self._views.get(room_id)
        version = known.room.acl_version if known else -1
        view = await self._store.view(tenant_id, room_id, version)
        if view is None:
            return None
        if known is not None and view.room.acl_version == version:
            view = RoomView(view.room, known.members)
        self._views[room_id] = view
        self._views.move_to_end(room_id)
        while len(self._views) > _CACHED_ROOMS:
            self._views.popitem(last=False)
        return view


def _reads(actor: Actor, view: RoomView) -> bool:
    return permissions.may_read(actor, view.room, view.members.get(actor.id))


def _seen(actor: Actor, view: RoomView | None) -> RoomView:
    if view is None or not _reads(actor, view):
        raise missing("room")
    return view
