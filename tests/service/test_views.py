"""`hub.service.views`: what is known of a room stands as long as its version does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from hub.core.errors import Missing
from hub.core.values import RoomView
from hub.service.views import RoomViews
from hub.store.store import SqlStore
from tests.support.parts import ACME, ALICE, BOB, CAROL, RIVAL, actor, add_room, member


class Counting:
    """The rooms of a store, with the versions its callers knew."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self._rooms = store.rooms
        self.known: list[int] = []
        self.read = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def views(self, asked: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], RoomView]:
        self.known += asked.values()
        found = await self._rooms.views(asked)
        self.read.set()
        await self.gate.wait()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rooms, name)


@pytest.fixture
async def rooms(store: SqlStore) -> Counting:
    await add_room(store)
    return Counting(store)


async def test_a_known_room_is_not_read_again_for_a_post(rooms: Counting) -> None:
    views = RoomViews(rooms)
    first = await views.known(ALICE, "room_1")
    assert await views.known(ALICE, "room_1") is first
    assert views.cached(ALICE, "room_1") is first
    assert rooms.known == [-1]


async def test_a_fresh_view_reads_members_only_when_the_version_changed(
    rooms: Counting, store: SqlStore
) -> None:
    views = RoomViews(rooms)
    before = await views.fresh(ALICE, "room_1")
    same = await views.fresh(ALICE, "room_1")
    assert set(same.members) == set(before.members)
    await store.rooms.add_members(ACME, "room_1", [member("user_carol")])
    after = await views.fresh(ALICE, "room_1")
    assert set(after.members) - set(before.members) == {"user_carol"}
    assert rooms.known == [-1, before.room.acl_version, before.room.acl_version]


async def test_a_removed_member_is_a_stranger_to_a_fresh_view(
    rooms: Counting, store: SqlStore
) -> None:
    views = RoomViews(rooms)
    await views.fresh(BOB, "room_1")
    await store.rooms.remove_member(ACME, "room_1", "user_bob", 1)
    with pytest.raises(Missing) as caught:
        await views.fresh(BOB, "room_1")
    assert caught.value.code == "ROOM_NOT_FOUND"


async def test_those_who_wait_for_the_same_room_share_one_read(rooms: Counting) -> None:
    views = RoomViews(rooms)
    rooms.gate.clear()
    asked = [asyncio.create_task(views.known(ALICE, "room_1")) for _ in range(20)]
    await rooms.read.wait()
    rooms.gate.set()
    await asyncio.gather(*asked)
    assert rooms.known == [-1]


async def test_one_who_gives_up_waiting_does_not_take_the_others_along(rooms: Counting) -> None:
    views = RoomViews(rooms)
    rooms.gate.clear()
    gone, stays = (asyncio.create_task(views.known(ALICE, "room_1")) for _ in range(2))
    await rooms.read.wait()
    gone.cancel()
    rooms.gate.set()
    assert (await stays).room.id == "room_1"


@pytest.mark.parametrize("room_id", ["room_1", "room_none"])
async def test_a_foreign_a_private_and_a_missing_room_read_the_same(
    room_id: str, rooms: Counting
) -> None:
    views = RoomViews(rooms)
    await views.fresh(ALICE, "room_1")
    foreign = actor("user_alice", RIVAL, "tenant_admin")
    for stranger in (foreign, CAROL if room_id == "room_1" else ALICE):
        for look in (views.fresh, views.known):
            with pytest.raises(Missing) as caught:
                await look(stranger, room_id)
            assert (caught.value.code, caught.value.message) == ("ROOM_NOT_FOUND", "no such room")
    assert views.cached(foreign, room_id) is None


async def test_what_is_forgotten_is_read_whole(rooms: Counting) -> None:
    views = RoomViews(rooms)
    await views.known(ALICE, "room_1")
    views.forget("room_1")
    assert views.cached(ALICE, "room_1") is None
    assert set((await views.known(ALICE, "room_1")).members) == {
        "user_alice", "user_bob", "persona_eliza"
    }  # fmt: skip
    assert rooms.known == [-1, -1]


async def test_what_is_kept_is_bounded_by_the_members_of_all_rooms(rooms: Counting) -> None:
    await add_room(rooms.store, "room_2")
    views = RoomViews(rooms, 5)  # both have three
    await views.known(ALICE, "room_1")
    for _ in range(3):
        await views.fresh(ALICE, "room_1")
        assert views.cached(ALICE, "room_1")
    await views.known(ALICE, "room_2")
    assert (False, True) == (
        views.cached(ALICE, "room_1") is not None, views.cached(ALICE, "room_2") is not None
    )  # fmt: skip
    views.forget("room_2")
    await views.known(ALICE, "room_1")
    assert views.cached(ALICE, "room_1")
