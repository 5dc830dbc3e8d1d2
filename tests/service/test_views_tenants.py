"""Waiting for `hub.service.views` to give one tenant what it keeps for another."""

from __future__ import annotations

from hub.service.views import RoomViews
from hub.store.store import SqlStore
from tests.support.parts import ALICE, RIVAL, actor, add_room


async def test_what_is_known_of_a_room_is_not_known_to_another_tenant(store: SqlStore) -> None:
    await add_room(store)
    views = RoomViews(store.rooms)
    await views.fresh(ALICE, "room_1")
    assert views.cached(ALICE, "room_1") is not None
    assert views.cached(actor("user_alice", RIVAL), "room_1") is None
