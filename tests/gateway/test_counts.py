"""`hub.gateway.counts`: what a gateway has done, counted by the tick and by the page."""

from __future__ import annotations

from hub.gateway.counts import Counts
from hub.gateway.feed import Feed
from hub.wire.frames import frame
from hub.wire.packets import Packet

from .fakes import Client
from .test_fanout import TYPING, House, Open, open_house

__all__ = ["open_house"]


def packet(first: int, count: int = 1) -> Packet:
    return Packet(first, count, frame(b'{"seq":%d}' % first) * count)


def test_a_tick_counts_its_events_for_everybody_who_is_there() -> None:
    counts = Counts()
    feed, clients = Feed("room_1", counts=counts), [Client() for _ in range(3)]
    feed.take(packet(6))
    feed.start(5, "e1")  # what is before it was nobody's here
    feed.flush()
    assert (0, 0) == (counts.deliveries, counts.writes)
    for client in clients:
        feed.expect(client)
        feed.enter(client)
    feed.take(packet(7, 2))
    feed.take(packet(9))
    feed.flush()
    assert (3 * 3, 3) == (counts.deliveries, counts.writes)
    feed.take(packet(9))  # again
    feed.flush()
    assert (3 * 3, 3) == (counts.deliveries, counts.writes)
    feed.take(TYPING)  # no event of the log
    feed.flush()
    assert (3 * 3, 6) == (counts.deliveries, counts.writes)


async def test_gaps_and_resumes_are_counted_by_what_was_read(open_house: Open) -> None:
    house: House = await open_house()
    counts, client = house.counts, Client()
    await house.join(client)
    await house.post(3)
    house.fanout.suspect(["room_1"])
    await client.wait_for(lambda c: len(c.seqs) == 3)
    assert (1, 3) == (counts.repairs, counts.repaired)
    head = await house.head()
    await house.join(Client(), head - 2)
    assert (1, 0, 2) == (counts.recovered, counts.unrecovered, counts.replayed)
    await house.join(Client(), head, "another")
    assert (1, 1, 2) == (counts.recovered, counts.unrecovered, counts.replayed)


async def test_connections_to_redis_are_counted_by_who_listens(open_house: Open) -> None:
    house = await open_house()
    house.bus.listener.rebuilt = 4
    assert 4 == house.fanout.rebuilt
