"""`hub.service.unpublished`: a room is noted before its commit, until it is published."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import cast

from redis.asyncio import Redis

from hub.bus.names import Names
from hub.parts import Parts
from hub.ports import Bus
from hub.service.unpublished import Unpublished
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


class Lives:
    """Keeps what was noted."""

    def __init__(self) -> None:
        self.noted: list[list[str]] = []

    async def note(self, room_ids: list[str]) -> None:
        self.noted.append(room_ids)


@contextlib.asynccontextmanager
async def noting() -> AsyncIterator[tuple[Unpublished, list[list[str]]]]:
    """What notes rooms, past its first sign of life, and what it noted since."""
    lives = Lives()
    unpublished = Unpublished(cast(Bus, SimpleNamespace(lives=lives)))
    running = asyncio.create_task(unpublished.run())
    await until_noted(lives.noted, [])
    lives.noted.clear()
    try:
        yield unpublished, lives.noted
    finally:
        running.cancel()


async def until_noted(noted: list[list[str]], rooms: list[str]) -> None:
    async def last() -> bool:
        return noted[-1:] == [rooms]

    await until(last)


async def test_a_busy_room_is_noted_once_until_the_next_sign_of_life() -> None:
    async with noting() as (unpublished, noted):
        for _ in range(50):
            number = unpublished.begin({"room_1"})
            await asyncio.sleep(0)
            unpublished.end([number])
            await asyncio.sleep(0)
        assert noted.count(["room_1"]) <= 2  # a sign of life may fall between
        await until_noted(noted, [])


async def test_what_is_under_way_outlives_a_sign_of_life() -> None:
    async with noting() as (unpublished, noted):
        unpublished.end([unpublished.begin({"room_1"})])
        unpublished.begin({"room_2"})
        await until_noted(noted, ["room_2"])
        unpublished.begin({"room_3"})
        await until_noted(noted, ["room_2", "room_3"])
