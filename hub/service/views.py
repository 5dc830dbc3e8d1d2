"""Rooms with their members, kept as long as `acl_version` stands.

A post is authorised on what is kept here, and the transaction that stores it checks the version;
a read asks the room's row for the version first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from hub.core import permissions
from hub.core.errors import missing
from hub.core.values import Actor, RoomView
from hub.ports import RoomStore
from hub.service.shared import Gathered

_CACHED_ROOMS: Final = 10_000
_CACHED_MEMBERS: Final = 300_000  # of all these rooms; some hundred bytes each
_ROOMS_AT_ONCE: Final = 50


class RoomViews:
    """A cache of `RoomView`, of so many `members` in all, whose loads are shared by those who wait
    for the same room."""

    def __init__(self, store: RoomStore, members: int = _CACHED_MEMBERS) -> None:
        self._store = store
        self._most = members
        self._views: OrderedDict[str, RoomView] = OrderedDict()
        self._members = 0
        self._reads: Gathered[tuple[str, str], RoomView] = Gathered(self._read, _ROOMS_AT_ONCE)

    def cached(self, actor: Actor, room_id: str) -> RoomView | None:
        """What is known of a room of the actor's tenant, perhaps stale."""
        view = self._views.get(room_id)
        return view if view and view.room.tenant_id == actor.tenant_id else None

    def forget(self, room_id: str) -> None:
        if (view := self._views.pop(room_id, None)) is not None:
            self._members -= len(view.members)

    async def known(self, actor: Actor, room_id: str) -> RoomView:
        """Perhaps stale, for a post, whose transaction checks. Only a yes may be stale: whoever
        is a stranger to what is kept may have been added through another gateway since."""
        view = self.cached(actor, room_id) or await self.current(actor.tenant_id, room_id)
        return view if view and _reads(actor, view) else await self.fresh(actor, room_id)

    async def fresh(self, actor: Actor, room_id: str) -> RoomView:
        """As the database has it now; NOT_FOUND for who may not read the room."""
        return _seen(actor, await self.current(actor.tenant_id, room_id))

    async def current(self, tenant_id: str, room_id: str) -> RoomView | None:
        """As the database has it now, whoever asks."""
        return await self._reads.ask((tenant_id, room_id))

    async def _read(self, asked: Sequence[tuple[str, str]]) -> dict[tuple[str, str], RoomView]:
        known = {at: self._views.get(at[1]) for at in asked}
        found = await self._store.views({at: _version(view) for at, view in known.items()})
        for at, view in found.items():
            found[at] = self._keep(view, known[at])
        return found

    def _keep(self, view: RoomView, known: RoomView | None) -> RoomView:
        """`view` with its members, which were not read again where `known` is of its version."""
        if known is not None and view.room.acl_version == known.room.acl_version:
            view = RoomView(view.room, known.members)
        self.forget(view.room.id)
        self._views[view.room.id] = view
        self._members += len(view.members)
        while len(self._views) > _CACHED_ROOMS or self._members > self._most:
            self.forget(next(iter(self._views)))
        return view


def _version(view: RoomView | None) -> int:
    return -1 if view is None else view.room.acl_version


def _reads(actor: Actor, view: RoomView) -> bool:
    return permissions.may_read(actor, view.room, view.members.get(actor.id))


def _seen(actor: Actor, view: RoomView | None) -> RoomView:
    if view is None or not _reads(actor, view):
        raise missing("room")
    return view
