"""Waiting for `Fanout` to look at who is joining when members change."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hub.core.errors import Missing
from hub.core.values import Actor, Draft
from hub.gateway.fanout import Fanout
from hub.gateway.history import REPLAY_FIRST
from hub.parts import Parts
from hub.store.store import SqlStore
from tests.support.parts import ACME, AT_MS, BOB, add_room
from tests.support.redis import until

from .fakes import Client, FakeBus, not_restored
from .test_fanout import House, Open, house, open_house

__all__ = ["house", "open_house"]


async def test_who_loses_access_while_joining_does_not_stay(house: House) -> None:
    await house.post(REPLAY_FIRST + 50)
    watcher, bob = Client(), Client(BOB)
    await house.join(watcher)
    bob.flowing.clear()
    joining = asyncio.create_task(house.join(bob, since=0))
    await bob.draining.wait()
    written = await house.store.rooms.remove_member(ACME, "room_1", BOB.id, AT_MS)
    house.forbidden.add(BOB.id)
    house.bus.carry(written.entries)
    await watcher.wait_for(lambda c: len(c.seqs) == 1)
    await asyncio.sleep(0.05)  # whoever rechecks has done so
    bob.flowing.set()
    await asyncio.gather(joining, return_exceptions=True)
    house.posts.acl.clear()
    rows = await house.post()
    house.bus.carry(rows)
    await watcher.wait_for(lambda c: len(c.seqs) == 2)
    assert rows[0][0].seq not in bob.seqs
    assert bob.expelled_from == ["room_1"]
    assert len(bob.seqs) == REPLAY_FIRST, "what followed his removal was sent"


async def test_who_is_expelled_before_the_reply_is_told_that_there_is_no_such_room(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told that it had joined, it would wait for events of a room that it is not in."""
    reading, may_read_on = asyncio.Event(), asyncio.Event()

    async def slow(*about: object) -> list[Draft]:
        reading.set()
        await may_read_on.wait()
        return []

    monkeypatch.setattr(house.bus, "drafts", slow)
    bob = Client(BOB)
    joining = asyncio.create_task(house.join(bob))
    await reading.wait()
    house.forbidden.add(BOB.id)
    house.fanout.suspect_access("room_1")
    await bob.wait_for(lambda c: c.expelled_from == ["room_1"])
    may_read_on.set()
    with pytest.raises(Missing):
        await joining


async def test_an_error_that_nobody_expected_leaves_the_check_of_access_at_work(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_read, asked = house.fanout._may_read, list[str]()

    async def failing_once(actor: Actor, room_id: str) -> bool:
        asked.append(actor.id)
        if len(asked) == 1:
            raise ValueError("a row that cannot be read")
        return await may_read(actor, room_id)

    bob = Client(BOB)
    await house.join(bob)
    monkeypatch.setattr(house.fanout, "_may_read", failing_once)
    house.forbidden.add(BOB.id)
    house.fanout.suspect_access("room_1")
    await bob.wait_for(lambda c: c.expelled_from == ["room_1"])
    assert [BOB.id, BOB.id] == asked


async def test_who_is_removed_while_the_bus_is_subscribed_does_not_join(house: House) -> None:
    """The event of his removal came before anybody listened: only a look afterwards can know."""
    house.bus.listener.confirmed.clear()
    bob = Client(BOB)
    joining = asyncio.create_task(house.join(bob, since=0))
    await until(lambda: house.bus.listener.asked == ["room_1"])
    await house.store.rooms.remove_member(ACME, "room_1", BOB.id, AT_MS)
    house.forbidden.add(BOB.id)
    house.bus.listener.confirmed.set()
    with pytest.raises(Missing):
        await joining
    house.posts.acl.clear()
    house.bus.carry(await house.post())
    assert bob.writes == []


@pytest.mark.parametrize("ticks", range(20))
async def test_a_fanout_ends_in_the_middle_of_unsubscribing(ticks: int, parts: Parts) -> None:
    """redis-py writes under `asyncio.wait_for`, which loses a cancellation on Python 3.11."""
    await add_room(parts.store)

    async def may_read(actor: Actor, room_id: str) -> bool:
        return True

    fanout = Fanout(
        parts.store, parts.bus, may_read,
        head_check_s=60, unsubscribe_delay_s=0, restored=parts.timeline.restored,
    )  # fmt: skip
    client = Client()
    async with asyncio.timeout(5), fanout.running():
        await fanout.complete(client, await fanout.prepare(client, "room_1", None))
        fanout.leave(client, "room_1")
        for _ in range(ticks):
            await asyncio.sleep(0)


async def test_when_members_change_a_large_room_is_asked_for_at_once(store: SqlStore) -> None:
    """A read for each of thousands would take longer than the second it may."""
    await add_room(store)
    asked, joined, everybody = list[str](), 50, asyncio.Event()
    rechecking = False

    async def may_read(actor: Actor, room_id: str) -> bool:
        if rechecking:
            asked.append(actor.id)
            if len(asked) == joined:
                everybody.set()
            await everybody.wait()
        return True

    bus: Any = FakeBus()
    fanout = Fanout(
        store, bus, may_read,
        head_check_s=60, unsubscribe_delay_s=60, restored=not_restored,
    )  # fmt: skip
    async with fanout.running():
        for _ in range(joined):
            client = Client()
            await fanout.complete(client, await fanout.prepare(client, "room_1", None))
        rechecking = True
        fanout.suspect_access("room_1")
        await asyncio.wait_for(everybody.wait(), 5)


async def test_who_may_read_is_looked_at_before_rooms_that_are_left(open_house: Open) -> None:
    """Thousands may be left at once."""
    house, bob, passer_by = await open_house(delay_s=0.0), Client(BOB), Client()
    await house.join(bob)
    rooms = [f"room_{number}" for number in range(2, 32)]
    for room_id in rooms:
        await add_room(house.store, room_id)
        joining = await house.fanout.prepare(passer_by, room_id, None)
        await house.fanout.complete(passer_by, joining)
    for room_id in rooms:
        house.fanout.leave(passer_by, room_id)
    while not house.bus.listener.left:  # noqa: ASYNC110
        await asyncio.sleep(0)
    house.forbidden.add(BOB.id)
    house.fanout.suspect_access("room_1")
    while not bob.expelled_from:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert len(house.bus.listener.left) < len(rooms)
    await until(lambda: len(house.bus.listener.left) == len(rooms) + 1)
