"""`hub.bus.presence`: who is in a room, by gateway, for as long as a lease lasts."""

from __future__ import annotations

from redis.asyncio import Redis

from hub.bus.names import Names
from hub.bus.presence import RedisPresence
from hub.bus.redis import RedisBus
from tests.support.redis import until

LONG_MS = 60_000


async def test_a_room_has_everybody_of_every_gateway_once(
    bus: RedisBus, valkey: str, prefix: str
) -> None:
    async with Redis.from_url(valkey) as client:
        other = RedisPresence(client, Names(prefix), "other")
        await bus.presence.put({"room_1": ["user_a", "user_b"], "room_2": ["user_c"]}, LONG_MS)
        await other.put({"room_1": ["user_b", "user_d"]}, LONG_MS)
        found = await other.read(["room_1", "room_2", "room_3"])
    assert {
        "room_1": {"user_a", "user_b", "user_d"}, "room_2": {"user_c"}, "room_3": frozenset(),
    } == found  # fmt: skip


async def test_what_a_gateway_says_replaces_what_it_said(bus: RedisBus) -> None:
    await bus.presence.put({"room_1": ["user_a", "user_b"]}, LONG_MS)
    await bus.presence.put({"room_1": ["user_b"]}, LONG_MS)
    assert {"room_1": {"user_b"}} == await bus.presence.read(["room_1"])
    await bus.presence.put({"room_1": []}, LONG_MS)
    assert {"room_1": frozenset()} == await bus.presence.read(["room_1"])


async def test_who_is_not_renewed_is_gone_when_the_lease_ends(
    bus: RedisBus, valkey: str, prefix: str
) -> None:
    async with Redis.from_url(valkey) as client:
        dies = RedisPresence(client, Names(prefix), "dies")
        await dies.put({"room_1": ["user_a"]}, 50)
        await client.persist(Names(prefix).present("room_1", "dies"))
        await bus.presence.put({"room_1": ["user_b"]}, LONG_MS)

        async def gone() -> bool:
            return {"room_1": {"user_b"}} == await bus.presence.read(["room_1"])

        await until(gone)


async def test_thousands_in_one_room_are_kept_whole(bus: RedisBus) -> None:
    crowd = {f"user_{n}" for n in range(12_345)}
    await bus.presence.put({"room_1": crowd}, LONG_MS)
    assert {"room_1": crowd} == await bus.presence.read(["room_1"])
