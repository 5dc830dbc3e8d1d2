"""`hub.gateway.mending`: the log is right, and when it is another log, everybody is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import pytest
from sqlalchemy import update

from hub.core.errors import Unavailable
from hub.gateway.feed import Feed
from hub.gateway.history import REPLAY_BYTES
from hub.gateway.mending import HEADS_SLICE, REPAIR_LEAST, Mender
from hub.ports import Head, LogStore
from hub.store.schema import counters, rooms
from hub.store.store import SqlStore
from hub.wire.packets import Packet

from .fakes import Client, not_restored
from .test_fanout import Open, open_house

__all__ = ["open_house"]
QUICK_S = 0.05


async def _restored(store: SqlStore, head: int, mark: int = 0) -> None:
    """As after an older copy of the database was put in its place."""
    moved = update(counters).where(counters.c.name == "mark").values(value=mark)
    await store.database.write(lambda c: c.execute(update(rooms).values(head=head)))
    await store.database.write(lambda c: c.execute(moved))


async def test_a_database_that_went_back_gets_another_epoch_and_sends_everybody_to_resume(
    open_house: Open,
) -> None:
    house = await open_house(head_check_s=QUICK_S)
    await house.post(5)
    client = Client()
    told = await house.join(client)
    await _restored(house.store, told.head - 3)
    await client.wait_for(lambda c: c.outdated_in == ["room_1"])
    again = Client()
    joined = await house.join(again, since=told.head - 3, epoch=told.epoch)
    assert told.epoch != joined.epoch
    assert not joined.recovered
    assert told.head - 3 == joined.head
    assert client.seqs == again.seqs == []


@pytest.mark.parametrize("mark", [1, 3], ids=["behind", "not moved since the copy"])
async def test_a_database_that_went_back_sends_everybody_to_resume_once(
    mark: int, open_house: Open
) -> None:
    """The mark of a database that a room showed to be put back is moved too."""
    house = await open_house(head_check_s=QUICK_S)
    for _ in range(3):
        await house.store.timeline.advance()
    await house.timeline.move()
    await house.post(5)
    client = Client()
    told = await house.join(client)
    await _restored(house.store, told.head - 3, mark)
    await client.wait_for(lambda c: c.outdated_in == ["room_1"])
    joined = await house.join(client)
    assert told.epoch != joined.epoch
    await house.timeline.move()
    assert joined.epoch == (await house.store.log.heads(["room_1"]))["room_1"].epoch
    assert 4 == (await house.store.timeline.mark()).number


async def test_rooms_that_were_renewed_elsewhere_are_left_by_everybody(open_house: Open) -> None:
    house = await open_house(head_check_s=QUICK_S)
    client = Client()
    await house.join(client)
    await house.store.log.renew_all("another")
    await client.wait_for(lambda c: c.outdated_in == ["room_1"])


async def test_who_joins_a_room_that_was_renewed_comes_back_to_it(open_house: Open) -> None:
    house = await open_house()
    stays = Client()
    await house.join(stays)
    await house.store.log.renew_all("another")
    comes = Client()
    with pytest.raises(Unavailable):
        await house.join(comes, since=1)
    assert ["room_1"] == stays.outdated_in
    assert "another" == (await house.join(Client())).epoch


async def test_a_head_read_before_the_bus_brought_more_is_no_restored_database(
    open_house: Open,
) -> None:
    house = await open_house(head_check_s=QUICK_S)
    client = Client()
    await house.join(client)
    for _ in range(20):
        house.bus.carry(await house.post())
        house.fanout.suspect(["room_1"])
    await client.wait_for(lambda c: len(c.seqs) == 20)
    assert [] == client.outdated_in


async def test_while_nothing_is_heard_heads_are_read_every_second(open_house: Open) -> None:
    house = await open_house()
    client = Client()
    await house.join(client)
    house.bus.listener.deaf = True
    await house.post()
    await client.wait_for(lambda c: len(c.seqs) == 1)


def mender_of(rooms_log: LogStore, feeds: dict[str, Feed]) -> Mender:
    return Mender(
        rooms_log, feeds, flush=lambda feed: None, gone=lambda feed: None, deaf=lambda: False,
        restored=not_restored, head_check_s=60,
    )  # fmt: skip


async def test_of_a_room_that_was_left_meanwhile_nothing_is_read(open_house: Open) -> None:
    """It has no position that could reach the head."""
    house = await open_house()
    await house.post(3)
    feed = Feed("room_1")
    await asyncio.wait_for(mender_of(house.store.log, {}).mend(feed, 3), 5)
    assert not feed.timeline.started


async def test_what_is_always_on_its_way_is_read_only_when_it_does_not_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two gateways post to one room, and of each the other's posts come a little late."""
    timers: list[Callable[[], None]] = []

    def call_later(_: float, call: Callable[..., None], *about: object) -> None:
        timers.append(partial(call, *about))

    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", call_later)
    feed = Feed("room_1")
    feed.start(0, "e1")
    mender = mender_of(cast("LogStore", None), {"room_1": feed})
    suspected: list[str] = []
    monkeypatch.setattr(mender, "suspect", suspected.extend)
    feed.take(Packet(2, 1, b"ours"))
    mender.suspect_gap(feed)
    for late in (1, 3, 5):
        feed.take(Packet(late, 1, b"theirs"))
        feed.take(Packet(late + 3, 1, b"ours"))
        timers.pop()()
        assert (late + 1, []) == (feed.timeline.position, suspected)
    timers.pop()()
    assert (["room_1"], []) == (suspected, timers)


async def test_large_events_are_mended_in_writes_that_nobody_is_slow_for(open_house: Open) -> None:
    house, client = await open_house(), Client()
    await house.join(client)
    for _ in range(90):
        await house.posts.send(content="x" * 30_000)
    house.fanout.suspect(["room_1"])
    await client.wait_for(lambda c: len(c.seqs) == 90)
    assert max(map(len, client.writes[1:])) < 2 * REPLAY_BYTES
    assert len(client.writes[0]) < REPAIR_LEAST * 31_000


async def test_heads_of_many_rooms_are_read_by_many_statements(open_house: Open) -> None:
    """One statement takes so many values and no more."""
    house, sizes, done = await open_house(), list[int](), asyncio.Event()
    feeds = {f"room_{n}": Feed(f"room_{n}") for n in range(3 * HEADS_SLICE)}
    for feed in feeds.values():
        feed.start(0, "e1")

    class Log(type(house.store.log)):  # type: ignore[misc]
        async def heads(self, room_ids: Sequence[str]) -> dict[str, Head]:
            sizes.append(len(room_ids))
            if sum(sizes) >= len(feeds):
                done.set()
            return {}

    mender = mender_of(Log(house.store.database), feeds)
    tending = asyncio.create_task(mender.tend())
    mender.suspect(feeds)
    await asyncio.wait_for(done.wait(), 5)
    tending.cancel()
    assert 3 * [HEADS_SLICE] == sizes
