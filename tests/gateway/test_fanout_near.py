"""What was posted through this gateway is heard at once, and the bus brings it in vain."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hub.core.posts import LogRow
from hub.service.publisher import packets_of
from tests.support.redis import until

from .fakes import Client
from .test_fanout import House, Open, house, open_house

__all__ = ["house", "open_house"]


def hear(house: House, rows: Sequence[LogRow]) -> None:
    for room_id, packet in packets_of(rows):
        house.fanout.hear(room_id, packet)


async def test_what_is_near_needs_no_bus(house: House) -> None:
    client = Client()
    await house.join(client)
    rows = await house.post(3)
    hear(house, rows)
    house.fanout.flush()
    assert [row[0].seq for row in rows] == client.seqs


async def test_what_the_bus_brings_again_is_sent_once(house: House) -> None:
    client = Client()
    await house.join(client)
    rows = await house.post(4)
    hear(house, rows[:2])
    house.bus.carry(rows[:1])
    await asyncio.sleep(0)
    house.bus.carry(rows[:3])
    hear(house, rows[2:])
    house.bus.carry(rows)
    await asyncio.sleep(0)
    assert [row[0].seq for row in rows] == client.seqs


async def test_what_another_gateway_posted_before_is_waited_for(house: House) -> None:
    client = Client()
    await house.join(client)
    theirs, ours = await house.post(2), await house.post(2)
    hear(house, ours)
    house.fanout.flush()
    assert client.seqs == []
    house.bus.carry(theirs)
    await asyncio.sleep(0)
    assert [row[0].seq for row in (*theirs, *ours)] == client.seqs


async def test_what_is_near_shows_what_the_bus_lost(house: House) -> None:
    """Heads are not checked by themselves here."""
    client = Client()
    await house.join(client)
    lost, ours = await house.post(2), await house.post(1)
    hear(house, ours)
    await client.wait_for(lambda c: len(c.seqs) == 3)
    assert [row[0].seq for row in (*lost, *ours)] == client.seqs


async def test_a_room_that_nobody_follows_holds_nothing(house: House) -> None:
    hear(house, await house.post(2))
    assert not house.fanout.follows("room_1")


async def test_what_comes_while_a_room_is_given_up_is_not_held(open_house: Open) -> None:
    house, client = await open_house(delay_s=0), Client()
    listener = house.bus.listener
    await house.join(client)
    rows = await house.post(2)
    listener.let_go.clear()
    house.fanout.leave(client, "room_1")
    await until(lambda: listener.leaving == ["room_1"])
    hear(house, rows)
    listener.let_go.set()
    await until(lambda: not house.fanout.follows("room_1"))
    assert 0 == house.fanout._held.used
