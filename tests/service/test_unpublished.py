"""`hub.service.unpublished`: a room is noted before its commit, until it is published."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from hub.bus.names import Names
from hub.parts import Parts
from hub.service.writer import Writer
from tests.support.parts import Posts, add_room
from tests.support.redis import until

from .fakes import GatedPosts, RoomsLog


async def test_a_room_is_noted_while_its_commit_is_under_way_and_not_after(
    parts: Parts, valkey: str
) -> None:
    await add_room(parts.store)
    post = await Posts(parts.store).new()
    store = GatedPosts()
    store.gate.clear()
    writer = Writer(store, parts.publisher, RoomsLog())
    names = Names(parts.settings.redis_prefix)
    async with Redis.from_url(valkey) as raw:

        async def noted() -> bool:
            return any(b"room_1" in value for value in await raw.hvals(names.unpublished))

        running = asyncio.create_task(writer.run())
        posted = asyncio.create_task(writer.post(post))
        await store.begun.wait()
        await until(noted)
        store.gate.set()
        await posted
        await parts.publisher.drain(5)
        assert [] == parts.publisher.unpublished.rooms
        writer.close()
        await running


def test_batches_end_one_by_one(parts: Parts) -> None:
    unpublished = parts.publisher.unpublished
    first, second = unpublished.begin(["room_1", "room_2"]), unpublished.begin(["room_2"])
    unpublished.end([first])
    assert ["room_2"] == unpublished.rooms
    unpublished.end([first, second])
    assert [] == unpublished.rooms
