"""`hub.gateway.fanout`: pub/sub is a hint; every client sees every event once and in order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from hub.core.errors import Missing, Unavailable
from hub.core.posts import LogRow, NewPost, Posted
from hub.core.values import Actor, Draft
from hub.gateway.counts import Counts
from hub.gateway.fanout import Fanout
from hub.gateway.history import REPLAY_FIRST, REPLAY_PAGE
from hub.gateway.joining import REPLAY_MOST, Cursor, Joined, fits
from hub.ports import Bus, Head
from hub.service.publisher import packets_of
from hub.service.timeline import Timeline
from hub.store.store import SqlStore
from hub.wire.frames import frame
from hub.wire.packets import Packet
from tests.support.parts import ACME, ALICE, AT_MS, BOB, ELIZA, Posts, add_room
from tests.support.redis import until

from .fakes import Client, FakeBus

LONG_S = 60.0
TYPING = Packet(0, 1, frame(b'{"type":"typing"}'))


class House:
    """One gateway's fan-out on a real store, with a bus that brings what the test says."""

    def __init__(self, store: SqlStore, *, head_check_s: float, delay_s: float) -> None:
        self.store = store
        self.bus = FakeBus()
        self.posts = Posts(store)
        self.forbidden: set[str] = set()
        self.timeline = Timeline(store.timeline, [], lambda: 0)
        self.counts = Counts()
        as_port: Bus = self.bus  # type: ignore[assignment]
        self.fanout = Fanout(
            store, as_port, self._may_read,
            head_check_s=head_check_s, unsubscribe_delay_s=delay_s,
            restored=self.timeline.restored, counts=self.counts,
        )  # fmt: skip

    async def _may_read(self, actor: Actor, room_id: str) -> bool:
        return actor.id not in self.forbidden

    async def post(self, count: int = 1, room_id: str = "room_1") -> list[LogRow]:
        """Store messages; their rows, in order, not published yet."""
        new: list[NewPost] = [await self.posts.new(room_id) for _ in range(count)]
        outcomes = await self.store.posts.commit(new)
        return [row for o in outcomes if isinstance(o, Posted) for row in o.rows]

    async def head(self, room_id: str = "room_1") -> int:
        return (await self.store.log.heads([room_id]))[room_id].head

    async def join(
        self, client: Client, since: int | None = None, epoch: str | None = None
    ) -> Joined:
        cursor = None if since is None else Cursor(since, epoch)
        joining = await self.fanout.prepare(client, "room_1", cursor)
        await self.fanout.complete(client, joining)
        return joining.joined


Open = Callable[..., Awaitable[House]]


@pytest.fixture
async def open_house(store: SqlStore) -> AsyncIterator[Open]:
    await add_room(store)
    async with contextlib.AsyncExitStack() as stack:

        async def opened(*, head_check_s: float = LONG_S, delay_s: float = LONG_S) -> House:
            house = House(store, head_check_s=head_check_s, delay_s=delay_s)
            await stack.enter_async_context(house.fanout.running())
            return house

        yield opened


@pytest.fixture
async def house(open_house: Open) -> House:
    """Heads are not checked by themselves: what is mended was noticed."""
    return await open_house()


async def test_without_a_cursor_only_what_comes_is_sent(house: House) -> None:
    await house.post(3)
    client = Client()
    joined = await house.join(client)
    head = await house.head()
    assert (joined.head, joined.epoch, joined.recovered) == (head, "e1", False)
    assert client.events == []
    house.bus.carry(await house.post(2))
    await client.wait_for(lambda c: len(c.seqs) == 2)
    assert client.seqs == [head + 1, head + 2]


async def test_with_a_cursor_exactly_what_was_missed_comes_first(house: House) -> None:
    await house.post(10)
    client = Client()
    joined = await house.join(client, since=6, epoch="e1")
    head = await house.head()
    assert joined.recovered
    assert client.seqs == list(range(7, head + 1))
    house.bus.carry(await house.post())
    await client.wait_for(lambda c: len(c.seqs) == head + 1 - 6)
    assert client.seqs == list(range(7, head + 2))


async def test_history_is_sent_in_pages_that_the_client_paces(house: House) -> None:
    await house.post(REPLAY_PAGE * 2 + 50)
    client = Client()
    client.flowing.clear()
    joining = asyncio.create_task(house.join(client, since=0))
    await client.draining.wait()
    assert len(client.seqs) == REPLAY_FIRST
    house.bus.carry(await house.post(5))
    house.bus.bring("room_1", TYPING)
    await asyncio.sleep(0)
    assert len(client.seqs) == REPLAY_FIRST
    client.flowing.set()
    await joining
    assert client.seqs == list(range(1, await house.head() + 1))
    assert client.events[-1] == {"type": "typing"}


async def test_what_arrives_while_the_room_is_subscribed_is_not_lost(house: House) -> None:
    """Stored and published between the confirmation and the reading of the head."""
    house.bus.listener.confirmed.clear()
    client, since = Client(), await house.head()
    joining = asyncio.create_task(house.join(client, since=since))
    await until(lambda: house.bus.listener.asked == ["room_1"])
    rows = await house.post(4)
    house.bus.listener.confirmed.set()
    await until(lambda: bool(house.bus.listener.rooms))
    house.bus.carry(rows)
    await joining
    await client.wait_for(lambda c: len(c.seqs) >= 4)
    assert client.seqs == [row[0].seq for row in rows]


async def test_two_that_come_at_once_share_one_subscription(house: House) -> None:
    house.bus.listener.confirmed.clear()
    clients = [Client() for _ in range(5)]
    joins = [asyncio.create_task(house.join(client)) for client in clients]
    await until(lambda: bool(house.bus.listener.asked))
    house.bus.listener.confirmed.set()
    await asyncio.gather(*joins)
    assert house.bus.listener.asked == ["room_1"]
    house.bus.carry(await house.post())
    for client in clients:
        await client.wait_for(lambda c: len(c.seqs) == 1)


async def test_a_gap_is_mended_from_the_log(house: House) -> None:
    client, head = Client(), await house.head()
    await house.join(client)
    rows = await house.post(6)
    house.bus.carry(rows[5:])
    await client.wait_for(lambda c: len(c.seqs) == 6)
    assert client.seqs == list(range(head + 1, head + 7))


async def test_repeats_and_overlaps_are_sent_once(house: House) -> None:
    client, head = Client(), await house.head()
    await house.join(client)
    rows = await house.post(6)
    for first, last in [(0, 3), (0, 3), (1, 5), (2, 6), (0, 6), (5, 6)]:
        house.bus.carry(rows[first:last])
        await asyncio.sleep(0)
    await client.wait_for(lambda c: len(c.seqs) == 6)
    assert client.seqs == list(range(head + 1, head + 7))


async def test_the_last_message_of_an_idle_room_is_found_though_its_packet_is_lost(
    open_house: Open,
) -> None:
    house = await open_house(head_check_s=0.05)
    client = Client()
    await house.join(client)
    rows = await house.post(2)
    await client.wait_for(lambda c: c.seqs == [row[0].seq for row in rows])


@pytest.mark.parametrize("noticed", ["subscribed anew", "not published"])
async def test_what_was_lost_is_looked_for_where_it_is_known(noticed: str, house: House) -> None:
    client = Client()
    await house.join(client)
    rows = await house.post(2)
    if noticed == "subscribed anew":
        house.bus.bring("room_1", None)
    else:
        house.fanout.suspect(["room_1", "room_of_nobody"])
    await client.wait_for(lambda c: c.seqs == [row[0].seq for row in rows])


async def test_ephemeral_events_are_passed_on_in_between(house: House) -> None:
    client = Client()
    await house.join(client)
    rows = await house.post(2)
    house.bus.carry(rows[:1])
    house.bus.bring("room_1", TYPING)
    house.bus.carry(rows[1:])
    await client.wait_for(lambda c: len(c.events) == 3)
    assert [event["type"] for event in client.events] == [
        "message.created", "typing", "message.created"
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_the_bus_does_each_client_sees_each_event_once_in_order(
    seed: int, house: House
) -> None:
    """Clients come with any cursor, at any time, while packets are lost, late and repeated."""
    pick = random.Random(seed)
    clients: list[tuple[Client, int, asyncio.Task[Joined]]] = []
    late: list[tuple[str, Packet]] = []
    await house.post(pick.randint(0, 30))
    for _ in range(25):
        head = await house.head()
        if pick.random() < 0.5:
            client, since = Client(), pick.randint(0, head)
            clients.append((client, since, asyncio.create_task(house.join(client, since=since))))
        rows = await house.post(pick.randint(1, 8))
        for start in range(0, len(rows), 3):
            for packet in packets_of(rows[start : start + 3]):
                late += [packet] * pick.choice((0, 1, 1, 1, 2))
        pick.shuffle(late)
        keep = pick.randint(0, 3)
        for room_id, arrived in late[keep:]:
            house.bus.bring(room_id, arrived)
            if pick.random() < 0.3:
                await asyncio.sleep(0)
        del late[keep:]
    assert clients
    await asyncio.gather(*(join for _, _, join in clients))
    house.fanout.suspect(["room_1"])
    head = await house.head()
    for client, since, _ in clients:
        await client.wait_for(lambda c: bool(c.seqs) and c.seqs[-1] >= head)
        assert client.seqs == list(range(since + 1, head + 1))


@pytest.mark.parametrize(
    ("cursor", "head", "expected"),
    [
        (Cursor(5), Head(9, "e", 1), True),
        (Cursor(9, "e"), Head(9, "e", 1), True),
        (Cursor(0), Head(0, "e", 1), True),
        (Cursor(10), Head(9, "e", 1), False),
        (Cursor(5, "other"), Head(9, "e", 1), False),
        (Cursor(4), Head(9, "e", 5), True),
        (Cursor(3), Head(9, "e", 5), False),
        (Cursor(0), Head(REPLAY_MOST, "e", 1), True),
        (Cursor(0), Head(REPLAY_MOST + 1, "e", 1), False),
        (Cursor(2**53), Head(9, "e", 1), False),
    ],
)
def test_a_cursor_fits_or_the_client_is_told(cursor: Cursor, head: Head, expected: bool) -> None:
    assert fits(cursor, head) is expected


async def test_a_cursor_that_does_not_fit_is_answered_and_live_from_now(house: House) -> None:
    await house.post(5)
    client = Client()
    joined = await house.join(client, since=2, epoch="of another database")
    assert (joined.recovered, client.events) == (False, [])
    rows = await house.post()
    house.bus.carry(rows)
    await client.wait_for(lambda c: c.seqs == [rows[0][0].seq])


async def test_drafts_are_told_of_runs_that_are_open(house: House) -> None:
    run = (await house.posts.send(calls=(ELIZA,))).runs[0]
    about = {"type": "persona", "id": ELIZA}
    for run_id in (run.id, "run_ended"):
        house.bus.kept[run_id] = Draft(run_id, "msg", "msg", about, 1, "so far")
    joined = await house.join(Client())
    assert [(d["run_id"], d["text"], d["offset"]) for d in joined.drafts] == [(run.id, "so far", 6)]


async def test_who_left_gets_nothing_more(house: House) -> None:
    stays, leaves = Client(), Client()
    await house.join(stays)
    await house.join(leaves)
    house.fanout.leave(leaves, "room_1")
    house.bus.carry(await house.post())
    await stays.wait_for(lambda c: len(c.seqs) == 1)
    assert leaves.events == []


async def test_a_room_that_nobody_follows_is_unsubscribed_after_a_while(open_house: Open) -> None:
    house = await open_house(delay_s=0.02)
    client = Client()
    await house.join(client)
    house.fanout.leave(client, "room_1")
    assert house.bus.listener.rooms == ["room_1"]
    await until(lambda: house.bus.listener.rooms == [])
    rows = await house.post(3)
    joined = await house.join(client, since=rows[0][0].seq - 1)
    assert (joined.recovered, client.seqs) == (True, [row[0].seq for row in rows])
    assert house.bus.listener.rooms == ["room_1"]


async def test_who_comes_back_in_time_keeps_the_subscription(open_house: Open) -> None:
    house = await open_house(delay_s=0.02)
    first, second = Client(), Client()
    await house.join(first)
    house.fanout.leave(first, "room_1")
    await house.join(second)
    await asyncio.sleep(0.05)  # past the delay: nothing may happen, so nothing can be waited for
    assert house.bus.listener.asked == house.bus.listener.rooms == ["room_1"]
    house.bus.carry(await house.post())
    await second.wait_for(lambda c: len(c.seqs) == 1)


async def test_coming_and_going_often_leaves_one_timer(house: House) -> None:
    def timers() -> int:
        return sum(isinstance(each, asyncio.TimerHandle) for each in gc.get_objects())

    client = Client()
    await house.join(client)
    before = timers()
    for _ in range(40):
        house.fanout.leave(client, "room_1")
        await house.join(client)
    assert timers() < before + 20


async def test_a_room_stays_for_the_whole_delay_after_the_last_who_left(open_house: Open) -> None:
    house, client = await open_house(delay_s=0.6), Client()
    await house.join(client)
    house.fanout.leave(client, "room_1")
    await house.join(client)
    await asyncio.sleep(0.2)  # the delay after the first time is a third over
    house.fanout.leave(client, "room_1")
    left_s = asyncio.get_running_loop().time()
    await until(lambda: house.bus.listener.rooms == [])
    assert asyncio.get_running_loop().time() - left_s >= 0.59


async def test_coming_and_going_at_any_moment_loses_nothing(open_house: Open) -> None:
    house = await open_house(delay_s=0.0)
    pick = random.Random(9)
    for _ in range(60):
        client, since = Client(), await house.head()
        rows = await house.post(2)
        joining = asyncio.create_task(house.join(client, since=since))
        for _ in range(pick.randint(0, 6)):
            await asyncio.sleep(0)
        house.bus.carry(rows)
        await joining
        await client.wait_for(lambda c: len(c.seqs) >= 2)
        assert client.seqs == [row[0].seq for row in rows]
        house.fanout.leave(client, "room_1")
        for _ in range(pick.randint(0, 3)):
            await asyncio.sleep(0)


async def test_who_may_no_longer_read_is_expelled(house: House) -> None:
    alice, bob = Client(ALICE), Client(BOB)
    await house.join(alice)
    await house.join(bob)
    written = await house.store.rooms.remove_member(ACME, "room_1", BOB.id, AT_MS)
    house.forbidden.add(BOB.id)
    house.bus.carry(written.entries)
    await bob.wait_for(lambda c: c.expelled_from == ["room_1"])
    before = bob.seqs
    house.bus.carry(await house.post())
    await alice.wait_for(lambda c: len(c.seqs) == 2)
    assert (bob.seqs, alice.expelled_from) == (before, [])


async def test_who_may_no_longer_read_is_expelled_though_the_packet_is_lost(house: House) -> None:
    bob = Client(BOB)
    await house.join(bob)
    await house.store.rooms.remove_member(ACME, "room_1", BOB.id, AT_MS)
    house.forbidden.add(BOB.id)
    house.bus.bring("room_1", None)
    await bob.wait_for(lambda c: c.expelled_from == ["room_1"])


async def test_a_room_that_is_not_there_is_missing_and_leaves_nothing(house: House) -> None:
    with pytest.raises(Missing):
        await house.fanout.prepare(Client(), "room_none", None)


async def test_a_bus_that_does_not_confirm_refuses_the_join_and_later_works(house: House) -> None:
    client = Client()
    house.bus.listener.deaf = True
    with pytest.raises(Unavailable):
        await house.join(client)
    assert house.fanout.deaf
    house.bus.listener.deaf = False
    await house.join(client)
    house.bus.carry(await house.post())
    await client.wait_for(lambda c: len(c.seqs) == 1)


async def test_a_join_that_is_cancelled_leaves_nobody_behind(house: House) -> None:
    house.bus.listener.confirmed.clear()
    gone, stays = Client(), Client()
    cancelled = asyncio.create_task(house.join(gone))
    await until(lambda: bool(house.bus.listener.asked))
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    house.bus.listener.confirmed.set()
    await house.join(stays)
    house.bus.carry(await house.post())
    await stays.wait_for(lambda c: len(c.seqs) == 1)
    assert gone.events == []


async def test_a_database_that_is_away_for_a_moment_is_asked_again(open_house: Open) -> None:
    """Soon: long before all heads are looked at."""
    house = await open_house()
    heads, failures = house.store.log.heads, 2

    class Flaky:
        async def heads(self, room_ids: Any) -> Any:
            nonlocal failures
            if failures:
                failures -= 1
                raise Unavailable("away")
            return await heads(room_ids)

        def __getattr__(self, name: str) -> Any:
            return getattr(house.store.log, name)

    class FlakyStore:
        log = Flaky()
        runs = house.store.runs

    client = Client()
    as_store: Any = FlakyStore()
    as_port: Any = house.bus
    failures = 0
    fanout = Fanout(
        as_store, as_port, house._may_read,
        head_check_s=LONG_S, unsubscribe_delay_s=9, restored=house.timeline.restored,
    )  # fmt: skip
    async with fanout.running():
        joining = await fanout.prepare(client, "room_1", None)
        await fanout.complete(client, joining)
        failures = 2
        rows = await house.post(2)
        fanout.suspect(["room_1"])
        await client.wait_for(lambda c: c.seqs == [row[0].seq for row in rows])
    assert failures == 0
