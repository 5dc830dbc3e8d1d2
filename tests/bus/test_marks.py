"""`hub.bus.marks`: the highest mark of each database, whoever notes it."""

from __future__ import annotations

from hub.bus.redis import RedisBus, open_bus
from hub.ports import Mark


async def test_the_highest_number_of_each_database_is_remembered(
    bus: RedisBus, valkey: str, prefix: str
) -> None:
    assert 0 == await bus.marks.recall(1)
    for mark in (Mark(1, 5), Mark(1, 12), Mark(1, 7), Mark(2, 3)):
        await bus.marks.note(mark)
    async with open_bus(valkey, prefix, "another") as another:
        assert (12, 3) == (await another.marks.recall(1), await another.marks.recall(2))
