"""`hub.bus.listener`: what was confirmed is heard, and what was lost is told."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from hub.bus.names import Names
from hub.bus.redis import RedisBus, open_bus
from tests.support.redis import until

from .heard import Heard, packet


async def test_after_subscribe_returned_everything_is_heard_in_order(bus: RedisBus) -> None:
    heard = Heard()
    async with bus.listen(heard) as listener:
        await listener.subscribe("room_1")
        sent = [("room_1", packet(seq)) for seq in range(1, 201)]
        await bus.publish(sent[:50], ())
        await bus.publish(sent[50:], ())
        assert await heard.count(200) == sent


async def test_a_listener_that_hears_is_not_deaf(bus: RedisBus) -> None:
    async with bus.listen(Heard()) as listener:
        assert listener.deaf
        await until(lambda: not listener.deaf)


async def test_rooms_that_are_not_subscribed_are_not_heard(bus: RedisBus) -> None:
    heard = Heard()
    async with bus.listen(heard) as listener:
        for room_id in ("room_1", "room_2", "room_11"):
            await listener.subscribe(room_id)
        await listener.unsubscribe("room_1")
        await bus.publish(
            [("room_1", packet(1)), ("room_2", packet(2)), ("room_11", packet(3))], ()
        )
        assert {("room_2", packet(2)), ("room_11", packet(3))} == set(await heard.count(2))


@pytest.mark.parametrize("together", [1, 700])
async def test_many_rooms_subscribed_at_once_are_all_heard(bus: RedisBus, together: int) -> None:
    heard, rooms = Heard(), [f"room_{n}" for n in range(700)]
    async with bus.listen(heard) as listener:
        parts = [rooms[start : start + together] for start in range(0, 700, together)]
        await asyncio.gather(*(listener.subscribe(*part) for part in parts))
        await bus.publish([(room, packet(1)) for room in rooms], ())
        assert {room for room, _ in await heard.count(700)} == set(rooms)


async def test_another_hub_on_the_same_server_is_not_heard(valkey: str, bus: RedisBus) -> None:
    heard = Heard()
    async with bus.listen(heard) as listener, open_bus(valkey, "another-hub", "b") as other:
        await listener.subscribe("room_1")
        await other.publish([("room_1", packet(1))], ())
        await bus.publish([("room_1", packet(2))], ())
        assert await heard.count(1) == [("room_1", packet(2))]


async def test_what_no_hub_wrote_is_passed_over(valkey: str, prefix: str, bus: RedisBus) -> None:
    heard = Heard()
    async with bus.listen(heard) as listener, Redis.from_url(valkey) as raw:
        await listener.subscribe("room_1")
        for garbage in (b"", b"hello", b"E", b"\xff" * 40):
            await raw.spublish(Names(prefix).room("room_1"), garbage)
        await bus.publish([("room_1", packet(7))], ())
        assert await heard.count(1) == [("room_1", packet(7))]


async def test_a_connection_cut_by_the_server_is_made_again(valkey: str, bus: RedisBus) -> None:
    heard = Heard()
    async with bus.listen(heard) as listener, Redis.from_url(valkey) as raw:
        await listener.subscribe("room_1")
        await raw.client_kill_filter(_type="pubsub")
        await heard.wait_for(lambda said: ("room_1", None) in said)
        await bus.publish([("room_1", packet(1))], ())
        await heard.wait_for(lambda said: ("room_1", packet(1)) in said)


@pytest.mark.parametrize("ticks", range(0, 20, 2))
async def test_a_listener_is_left_at_once_at_any_moment(ticks: int, bus: RedisBus) -> None:
    """redis-py writes under `asyncio.wait_for`, which loses a cancellation on Python 3.11."""
    async with asyncio.timeout(5):
        async with bus.listen(Heard()):
            for _ in range(ticks):
                await asyncio.sleep(0)
