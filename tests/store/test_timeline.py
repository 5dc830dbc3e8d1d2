"""`hub.store.timeline`: the mark grows, and a database that is behind it is left for another."""

from __future__ import annotations

import asyncio

import pytest

from hub.ports import Mark
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


async def add_rooms(store: SqlStore) -> int:
    """Two; the name of their database."""
    for room_id in ("room_1", "room_2"):
        await add_room(store, room_id)
    return (await store.timeline.mark()).database


async def test_a_database_that_is_behind_gives_its_rooms_another_epoch(store: SqlStore) -> None:
    database = await add_rooms(store)
    await store.timeline.advance()
    assert Mark(database, 8) == await store.timeline.leave(7, "e2")
    assert {"e2"} == await epochs(store)
    assert 8 == (await store.timeline.mark()).number


async def test_one_that_is_not_behind_any_more_is_left_as_it_is(store: SqlStore) -> None:
    database = await add_rooms(store)
    left = await asyncio.gather(*(store.timeline.leave(7, f"e{n}") for n in range(2, 7)))
    assert [Mark(database, 8)] == [mark for mark in left if mark is not None]
    found = await epochs(store)
    assert 1 == len(found)
    assert await store.timeline.leave(8, "later") is None
    assert found == await epochs(store)


@pytest.mark.parametrize(("beyond", "number"), [(7, 8), (1, 2), (0, 2)])
async def test_who_saw_it_by_a_room_leaves_it_wherever_the_mark_is_and_once(
    beyond: int, number: int, store: SqlStore
) -> None:
    database = await add_rooms(store)
    await store.timeline.advance()
    left = await asyncio.gather(
        *(store.timeline.renew("room_1", "e1", beyond, f"e{n}") for n in range(2, 7))
    )
    assert [Mark(database, number)] == [mark for mark in left if mark is not None]
    found = await epochs(store)
    assert (1, False) == (len(found), "e1" in found)
    assert number == (await store.timeline.mark()).number
    assert await store.timeline.renew("room_none", "e1", beyond, "later") is None
