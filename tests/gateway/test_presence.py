"""`hub.gateway.presence`: who is there on any gateway, told as diffs and without a storm."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Awaitable, Collection
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from hub.bus.names import Names
from hub.core.errors import Unavailable
from hub.core.values import Actor, Author
from hub.gateway.presence import LISTED_MOST, SLICE, Presence, difference, slices_of
from hub.gateway.reader import open_reader, prepare_reader
from tests.support.parts import ADMIN, ALICE, AT_MS, BOB, CAROL, Ticker, add_room
from tests.support.redis import until

from .fakes import Client, FakeBus
from .houses import Here, Pair, pair
from .test_fanout import LONG_S, Open, open_house

__all__ = ["open_house", "pair"]
EVERYBODY = ("user_alice", "user_bob", "user_carol")


def people(count: int, start: int = 0) -> frozenset[str]:
    return frozenset(f"user_{n}" for n in range(start, start + count))


async def join(pair: Pair, actor: Actor, gateway: int = 0) -> Here:
    here = await pair.connect(actor, gateway)
    here.do(json.dumps({"id": 1, "type": "subscribe", "room_id": "room_1"}))
    await here.socket.reply_to(1)
    return here


def seen(here: Here, told: dict[str, Any] | None = None) -> set[str]:
    """Who is there, to a client that applies the diffs to what it was told when it subscribed."""
    there = {each["id"] for each in (told or {}).get("participants", [])}
    for event in here.of("presence"):
        there |= {each["id"] for each in event["data"]["joined"]}
        there -= {each["id"] for each in event["data"]["left"]}
    return there


async def test_everybody_sees_who_comes_and_goes_on_any_gateway(pair: Pair) -> None:
    await add_room(pair.parts.store, people=EVERYBODY)
    alice, bob = await join(pair, ALICE, 0), await join(pair, BOB, 1)
    await alice.socket.wait_for(lambda _: seen(alice) == {"user_alice", "user_bob"})
    await bob.socket.wait_for(lambda _: "user_bob" in seen(bob))
    carol = await join(pair, CAROL, 1)
    await alice.socket.wait_for(lambda _: "user_carol" in seen(alice))
    carol.connection.close(1000, "bye")
    await alice.socket.wait_for(lambda _: "user_carol" not in seen(alice))
    event = alice.of("presence")[-1]
    assert ("room_1", 2) == (event["room_id"], event["data"]["count"])
    assert [{"type": "user", "id": "user_carol"}] == event["data"]["left"]


async def test_who_comes_late_is_told_who_is_there(pair: Pair) -> None:
    await add_room(pair.parts.store, people=EVERYBODY)
    alice = await join(pair, ALICE)
    await alice.socket.wait_for(lambda _: seen(alice) == {"user_alice"})
    bob = await pair.connect(BOB)
    bob.do(json.dumps({"id": 1, "type": "subscribe", "room_id": "room_1"}))
    told = (await bob.socket.reply_to(1))["data"]["presence"]
    assert {"count": 1, "participants": [{"type": "user", "id": "user_alice"}]} == told
    await bob.socket.wait_for(lambda _: seen(bob, told) == {"user_alice", "user_bob"})


async def _are(counted: Awaitable[int], number: int) -> bool:
    return await counted == number


async def test_a_second_connection_of_somebody_makes_no_event_and_its_end_neither(
    pair: Pair, valkey: str, prefix: str
) -> None:
    await add_room(pair.parts.store, people=EVERYBODY)
    alice = await join(pair, ALICE)
    phone, laptop = await join(pair, BOB, 0), await join(pair, BOB, 1)
    await alice.socket.wait_for(lambda _: "user_bob" in seen(alice))
    async with Redis.from_url(valkey) as client:
        room = Names(prefix).presence("room_1")
        await until(lambda: _are(client.zcard(room), 2))  # both gateways have said who is there
    phone.connection.close(1000, "bye")
    await join(pair, CAROL)
    await alice.socket.wait_for(lambda _: "user_carol" in seen(alice))
    assert [] == [left for event in alice.of("presence") for left in event["data"]["left"]]
    laptop.connection.close(1000, "bye")
    await alice.socket.wait_for(lambda _: "user_bob" not in seen(alice))


async def test_who_was_on_a_gateway_that_died_is_gone_when_its_lease_ends(pair: Pair) -> None:
    await add_room(pair.parts.store, people=EVERYBODY)
    alice = await join(pair, ALICE)
    dead = pair.gateways[1].parts.bus.presence
    pair.gateways[1].fanout.people = lambda room_id: set()  # type: ignore[method-assign]
    await dead.put({"room_1": ["user_bob"]}, 600)
    await alice.socket.wait_for(lambda _: "user_bob" in seen(alice))
    await alice.socket.wait_for(lambda _: "user_bob" not in seen(alice))


async def test_what_redis_forgot_is_said_again(pair: Pair, valkey: str, prefix: str) -> None:
    await add_room(pair.parts.store, people=EVERYBODY)
    alice = await join(pair, ALICE)
    await alice.socket.wait_for(lambda _: seen(alice) == {"user_alice"})
    async with Redis.from_url(valkey) as client:
        async for key in client.scan_iter(f"{prefix}:presence:*"):
            await client.delete(key)

    async def there() -> bool:
        found = await pair.parts.bus.presence.read(["room_1"])
        return found == {"room_1": {"user_alice"}}

    await until(there)


async def test_a_stream_shows_that_somebody_is_there_and_a_poll_does_not(pair: Pair) -> None:
    await add_room(pair.parts.store, people=EVERYBODY)
    alice, at = await join(pair, ALICE), pair.gateways[0]
    reader, joining = await prepare_reader(at, BOB, "room_1", None)
    await at.fanout.complete(reader, joining)
    async with open_reader(at, CAROL, "room_1"):
        await alice.socket.wait_for(lambda _: "user_bob" in seen(alice))
        reader.end(None)
        await alice.socket.wait_for(lambda _: "user_bob" not in seen(alice))
    assert "user_carol" not in str(alice.of("presence"))


async def test_many_who_come_at_once_make_few_events(pair: Pair) -> None:
    await add_room(pair.parts.store, people=EVERYBODY)
    alice, fanout = await join(pair, ALICE), pair.gateways[0].fanout
    begun_s = time.monotonic()
    for n in range(300):
        guest = Client(replace(ADMIN, author=Author(f"user_{n}", "user", f"{n}", f"{n}")))
        await fanout.complete(guest, await fanout.prepare(guest, "room_1", None))
    await alice.socket.wait_for(lambda _: len(seen(alice)) == 301)
    ticks = (time.monotonic() - begun_s) / pair.parts.settings.presence_tick_s
    assert len(alice.of("presence")) <= ticks + 3


@pytest.mark.parametrize(
    ("before", "present", "joined", "left"),
    [
        (0, 3, 3, 0),
        (3, 1, 0, 2),
        (LISTED_MOST - 1, LISTED_MOST, 1, 0),
        (LISTED_MOST, LISTED_MOST + 1, 0, 0),
        (LISTED_MOST + 1, LISTED_MOST, LISTED_MOST, 0),
        (LISTED_MOST + 5, LISTED_MOST + 1, 0, 0),
    ],
)
def test_of_a_crowd_only_its_number_is_told_until_it_can_be_listed_again(
    before: int, present: int, joined: int, left: int
) -> None:
    data = difference(people(before), people(present))
    assert (joined, left, present) == (len(data["joined"]), len(data["left"]), data["count"])


class Elsewhere(FakeBus):
    """A bus by which Bob is in every room, on another gateway."""

    @property
    def presence(self) -> Elsewhere:
        return self

    async def put(self, rooms: Collection[str], lease_ms: int) -> Collection[str]:
        return ()

    async def publish(self, packets: object) -> Collection[str]:
        return ()

    async def read(self, room_ids: list[str]) -> dict[str, frozenset[str]]:
        return {room_id: frozenset({"user_bob"}) for room_id in room_ids}


async def test_of_a_room_that_nobody_here_follows_any_more_nothing_is_kept(
    open_house: Open,
) -> None:
    house = await open_house(delay_s=0.01)
    bus: Any = Elsewhere()
    presence = Presence(house.fanout, bus, Ticker(AT_MS), tick_s=0.01, lease_s=0.06)
    client = Client()
    async with presence.running():
        await house.join(client)
        presence.moved("room_1")
        await until(lambda: presence.snapshot("room_1")["count"] == 1)
        house.fanout.leave(client, "room_1")
        await until(lambda: presence.snapshot("room_1")["count"] == 0)


class InPart(Elsewhere):
    """A bus of which one room's part may be away, and the part that gateways hint by."""

    def __init__(self) -> None:
        super().__init__()
        self.away = True
        self.written: Counter[str] = Counter()
        self.hinted: list[str] = []

    async def put(self, rooms: Collection[str], lease_ms: int) -> Collection[str]:
        self.written.update(list(rooms))
        return self._missed(rooms)

    async def publish(self, packets: Any) -> Collection[str]:
        if self.away:
            raise Unavailable("Redis does not answer", code="BUS_UNAVAILABLE")
        self.hinted += packets[0][1].frames.decode().split()
        return ()

    async def read(self, room_ids: list[str]) -> dict[str, frozenset[str]]:
        missed = self._missed(room_ids)
        return await super().read([room_id for room_id in room_ids if room_id not in missed])

    def _missed(self, room_ids: Collection[str]) -> set[str]:
        return {"room_2"} & set(room_ids) if self.away else set()


async def test_what_a_part_of_redis_does_not_take_is_tried_again_and_holds_up_no_other_room(
    open_house: Open,
) -> None:
    house = await open_house()
    await add_room(house.store, "room_2")
    bus: Any = InPart()
    presence = Presence(house.fanout, bus, Ticker(AT_MS), tick_s=0.01, lease_s=LONG_S)
    for room_id in ("room_1", "room_2"):
        await house.fanout.prepare(Client(), room_id, None)

    def counts() -> list[int]:
        return [presence.snapshot(room_id)["count"] for room_id in ("room_1", "room_2")]

    with capture_logs() as told:
        async with presence.running():
            for room_id in ("room_1", "room_2"):
                presence.moved(room_id)
            await until(lambda: counts() == [1, 0] and bus.written["room_2"] > 3)
            assert 1 == bus.written["room_1"]
            bus.away = False
            await until(lambda: counts() == [1, 1] and {"room_1", "room_2"} == set(bus.hinted))
            await until(lambda: len(told) == 2)
    assert ["warning", "info"] == [each["log_level"] for each in told]


def test_leases_are_renewed_for_few_people_at_a_time_and_for_all_rooms() -> None:
    sizes = {f"room_{n}": size for n, size in enumerate((100, 100, 5_000, *[1] * 150, 0, 199))}
    slices = list(slices_of(sizes, sizes.__getitem__))
    assert [*sizes] == [room for part in slices for room in part]
    but_last = [sum(1 + sizes[room] for room in part[:-1]) for part in slices]
    assert max(but_last) < SLICE
    assert 4 == len(slices)
    assert [] == list(slices_of([], sizes.__getitem__))
