"""Waiting for `RoomViews.fresh` to start a read of its own."""

from __future__ import annotations

import asyncio

import pytest

from hub.core.errors import Missing
from hub.service.views import RoomViews
from hub.store.store import SqlStore
from tests.support.parts import ACME, ALICE, BOB, CAROL, add_room, member

from .test_views import Counting


async def test_a_fresh_view_never_comes_from_a_read_that_was_begun_before(store: SqlStore) -> None:
    """Somebody else's slow read must not hide a change that was committed since."""
    await add_room(store)
    rooms = Counting(store)
    views = RoomViews(rooms)
    rooms.gate.clear()
    slow = asyncio.create_task(views.fresh(ALICE, "room_1"))
    await rooms.read.wait()
    await store.rooms.remove_member(ACME, "room_1", "user_bob", 1)
    await store.rooms.add_members(ACME, "room_1", [member("user_carol")])
    asked = asyncio.create_task(views.fresh(ALICE, "room_1"))
    removed = asyncio.create_task(views.fresh(BOB, "room_1"))
    await asyncio.sleep(0)
    rooms.gate.set()
    await slow
    assert "user_carol" in (await asked).members
    with pytest.raises(Missing):
        await removed


async def test_who_was_added_through_another_gateway_is_known_at_once(store: SqlStore) -> None:
    """What is kept says no; a no is never taken from what is kept."""
    await add_room(store)
    views = RoomViews(store.rooms)
    await views.known(ALICE, "room_1")
    await store.rooms.add_members(ACME, "room_1", [member("user_carol")])
    assert "user_carol" in (await views.known(CAROL, "room_1")).members
