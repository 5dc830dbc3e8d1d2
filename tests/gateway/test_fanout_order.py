"""In which order `Fanout` subscribes, reads and lets in: what falls between must not be lost."""

from __future__ import annotations

import asyncio

from .fakes import Client
from .test_fanout import House, house, open_house

__all__ = ["house", "open_house"]


async def test_the_log_is_read_after_the_bus_confirmed(house: House) -> None:
    """Their packets went out before anybody listened: only the log can bring them."""
    house.bus.listener.confirmed.clear()
    client, since = Client(), await house.head()
    joining = asyncio.create_task(house.join(client, since=since))
    rows = await house.post(4)
    assert not joining.done()
    house.bus.listener.confirmed.set()
    await joining
    assert [row[0].seq for row in rows] == client.seqs


async def test_who_joins_a_followed_room_misses_nothing_the_bus_lost(house: House) -> None:
    first, second = Client(), Client()
    await house.join(first)
    since = await house.head()
    rows = await house.post(3)
    joined = await house.join(second, since=since)
    assert rows[-1][0].seq == joined.head
    assert [row[0].seq for row in rows] == second.seqs == first.seqs


async def test_what_comes_right_after_the_last_page_is_seen(house: House) -> None:
    """Somebody joins again and again in the middle of a stream of posts."""
    talking = asyncio.create_task(_talk(house, posts=120))
    clients: list[tuple[Client, int]] = []
    while not talking.done():
        client, since = Client(), await house.head()
        await house.join(client, since=since)
        clients.append((client, since))
    await talking
    head = await house.head()
    late = Client()
    await house.join(late, since=head - 3)
    for client, since in [*clients, (late, head - 3)]:
        if since < head:
            await client.wait_for(lambda c: bool(c.seqs) and c.seqs[-1] == head)
        assert list(range(since + 1, head + 1)) == client.seqs


async def _talk(house: House, posts: int) -> None:
    for _ in range(posts):
        house.bus.carry(await house.post())
