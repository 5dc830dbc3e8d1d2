"""`hub.store.timeline`: the mark grows, and a database that is behind it is left for another."""

from __future__ import annotations

import asyncio

from hub.store.store import SqlStore
from tests.support.parts import add_room


async def epochs(store: SqlStore) -> set[str]:
    return {head.epoch for head in (await store.log.heads(["room_1", "room_2"])).values()}


async def test_a_database_has_a_name_and_a_number_that_grows(store: SqlStore) -> None:
    first = await store.timeline.mark()
    assert (True, 0) == (first.database > 0, first.number)
    assert first == await store.timeline.mark()
    moved = [await store.timeline.advance() for _ in range(3)]
    assert [(first.database, number) for number in (1, 2, 3)] == [
        (mark.database, mark.number) for mark in moved
    ]
    assert moved[-1] == await store.timeline.mark()


async def test_many_who_move_it_on_at_once_all_count(store: SqlStore) -> None:
    await asyncio.gather(*(store.timeline.advance() for _ in range(20)))
    assert 20 == (await store.timeline.mark()).number


async def test_a_database_that_is_behind_gives_its_rooms_another_epoch(store: SqlStore) -> None:
    for room_id in ("room_1", "room_2"):
        await add_room(store, room_id)
    await store.timeline.advance()
    assert 8 == (await store.timeline.leave(7, "e2")).number
    assert {"e2"} == await epochs(store)
    assert 8 == (await store.timeline.mark()).number


async def test_one_that_is_not_behind_any_more_is_left_as_it_is(store: SqlStore) -> None:
    for room_id in ("room_1", "room_2"):
        await add_room(store, room_id)
    left = await asyncio.gather(*(store.timeline.leave(7, f"e{n}") for n in range(2, 7)))
    assert {8} == {mark.number for mark in left}
    found = await epochs(store)
    assert 1 == len(found)
    assert 8 == (await store.timeline.leave(8, "later")).number
    assert found == await epochs(store)
