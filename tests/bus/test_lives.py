"""`hub.bus.lives`: who is silent for too long is dead, and leaves what it had noted."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from hub.bus.lives import RedisLives
from hub.bus.names import Names
from hub.bus.redis import RedisBus

DEAD_MS = 60


async def test_who_gives_no_sign_of_life_leaves_what_it_noted_last(
    bus: RedisBus, valkey: str, prefix: str
) -> None:
    async with Redis.from_url(valkey) as client:
        dies = RedisLives(client, Names(prefix), "dies")
        await dies.note(["room_1"])
        await dies.note(["room_1", "room_2"])
        await bus.lives.note(["room_3"])
        assert {} == await bus.lives.orphans()
        await asyncio.sleep(DEAD_MS / 1000 + 0.02)
        await bus.lives.note(["room_3"])
        assert {"dies": ["room_1", "room_2"]} == await bus.lives.orphans(DEAD_MS)
        await dies.note([])
        assert {} == await bus.lives.orphans(DEAD_MS)


async def test_who_said_bye_is_not_dead(bus: RedisBus) -> None:
    await bus.lives.note(["room_1"])
    await bus.lives.bye()
    await asyncio.sleep(0.005)
    assert {} == await bus.lives.orphans(1)
