"""`hub.gateway.reader`: a client without a socket is bounded like one that has it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import orjson
import pytest

from hub.core.errors import Limited, Missing, Unauthenticated, Unavailable
from hub.gateway.gateway import Gateway
from hub.gateway.joining import Cursor
from hub.gateway.reader import AT_ONCE_BYTES, RoomReader, open_reader, prepare_reader
from hub.parts import Parts
from hub.wire.frames import frame
from tests.support.parts import ALICE, AT_MS, BOB, Posts, actor, add_room

TYPING = frame(b'{"type":"typing"}')


@pytest.fixture
async def gateway(parts: Parts) -> AsyncIterator[Gateway]:
    """Small bounds: 1,000 pending bytes, four connections, three of one key."""
    await add_room(parts.store)
    bounds = {"pending_bytes": 1_000, "max_connections": 4, "connections_per_key": 3}
    opened = Gateway(replace(parts, settings=parts.settings.model_copy(update=bounds)))
    async with opened.running():
        yield opened


async def live(gateway: Gateway) -> RoomReader:
    reader, joining = await prepare_reader(gateway, ALICE, "room_1", None)
    await gateway.fanout.complete(reader, joining)
    return reader


async def test_what_was_missed_comes_at_the_pace_it_is_taken(gateway: Gateway) -> None:
    posts = Posts(gateway.parts.store)
    for _ in range(3):
        await posts.send()
    reader, joining = await prepare_reader(gateway, ALICE, "room_1", Cursor(0))
    async with asyncio.TaskGroup() as group:
        group.create_task(gateway.fanout.complete(reader, joining))
        bodies = await reader.take()
    assert [1, 2, 3, 4, 5, 6] == [orjson.loads(body)["seq"] for body in bodies]


async def test_who_lets_too_much_pile_up_is_ended_and_kept_nothing_for(gateway: Gateway) -> None:
    reader = await live(gateway)
    for _ in range(100):
        reader.deliver(frame(b'{"type":"message.created"}'))
    assert reader not in gateway.readers
    with pytest.raises(Limited):
        await reader.take()


async def test_what_waits_counts_with_all_that_waits_until_it_has_left(gateway: Gateway) -> None:
    reader = await live(gateway)

    def total() -> int:
        return gateway.pressure.total

    reader.deliver(TYPING)
    reader.deliver(TYPING)
    assert 2 * len(TYPING) == total()
    await reader.take()  # it is on its way to a client that may not read it
    assert 2 * len(TYPING) == total()
    reader.deliver(TYPING)
    assert 3 * len(TYPING) == total()
    await reader.take()
    assert len(TYPING) == total()
    reader.close()
    assert 0 == total()


async def test_much_is_taken_by_and_by_and_in_order(gateway: Gateway) -> None:
    gateway.pressure.most = 10_000_000
    reader = await live(gateway)
    said = [b"%03d" % n + b"x" * (AT_ONCE_BYTES // 10) for n in range(100)]
    shared = b"".join(map(frame, said))
    reader.replay(shared)
    reader.replay(TYPING)
    taken: list[bytes] = []
    while len(taken) < 101:
        some = await reader.take()
        assert sum(map(len, some)) < 1.2 * AT_ONCE_BYTES
        assert len(shared) + len(TYPING) - sum(map(len, taken)) > reader._pending
        taken += some
    assert [*said, b'{"type":"typing"}'] == taken
    assert 0 == reader._pending
    reader.replay(frame(b"y" * 3 * AT_ONCE_BYTES))
    assert [b"y" * 3 * AT_ONCE_BYTES] == await reader.take()


async def test_who_has_most_waiting_is_let_go_and_holds_nothing_more(gateway: Gateway) -> None:
    gateway.pressure.most = 10 * len(TYPING)
    heavy, light = await live(gateway), await live(gateway)
    light.deliver(TYPING)
    heavy.deliver(TYPING)
    await heavy.take()
    for _ in range(9):
        heavy.deliver(TYPING)
    assert len(TYPING) == gateway.pressure.total
    assert {light} == gateway.readers
    await asyncio.wait_for(heavy.serve(asyncio.sleep(60)), 5)  # a client that reads nothing
    with pytest.raises(Limited):
        await heavy.take()


async def test_what_has_no_seq_is_dropped_long_before(gateway: Gateway) -> None:
    reader = await live(gateway)
    assert not reader.congested
    while not reader.congested:
        reader.deliver(TYPING)
    await reader.take()
    assert not reader.congested


async def test_a_reader_that_was_expelled_or_revoked_says_why(gateway: Gateway) -> None:
    expelled, revoked = await live(gateway), await live(gateway)
    expelled.expelled("room_1")
    gateway._revoked(ALICE.key_id)
    with pytest.raises(Missing):
        await expelled.take()
    with pytest.raises(Unauthenticated):
        await revoked.take()
    assert not gateway.readers


async def test_a_reader_ends_when_its_key_expires(gateway: Gateway) -> None:
    mortal = actor("user_alice", expires_ms=AT_MS)
    reader, _ = await prepare_reader(gateway, mortal, "room_1", None)
    reader.close_if_expired(AT_MS - 1)
    assert reader in gateway.readers
    reader.close_if_expired(AT_MS)
    with pytest.raises(Unauthenticated):
        await reader.take()


async def test_a_gateway_that_stops_ends_its_readers_and_takes_no_more(gateway: Gateway) -> None:
    reader = await live(gateway)
    await gateway.drain(0.1)
    assert [] == await reader.take()
    with pytest.raises(Unavailable):
        await prepare_reader(gateway, ALICE, "room_1", None)


async def test_readers_count_as_connections(gateway: Gateway) -> None:
    for socket in range(3):
        gateway.seats.take(socket, "192.0.2.1")
    async with open_reader(gateway, ALICE, "room_1"):
        with pytest.raises(Limited):
            await live(gateway)
    await live(gateway)


async def test_a_key_has_so_many_streams(gateway: Gateway) -> None:
    for _ in range(3):
        await prepare_reader(gateway, ALICE, "room_1", None)
    with pytest.raises(Limited):
        await prepare_reader(gateway, ALICE, "room_1", None)
    await prepare_reader(gateway, BOB, "room_1", None)


async def test_a_key_that_was_revoked_since_reads_nothing(gateway: Gateway) -> None:
    gateway.parts.access.forget(ALICE.key_id)
    with pytest.raises(Unauthenticated):
        await prepare_reader(gateway, ALICE, "room_1", None)


async def test_who_may_not_read_leaves_nothing_behind(gateway: Gateway) -> None:
    with pytest.raises(Missing):
        await prepare_reader(gateway, actor("user_carol"), "room_1", None)
    assert not gateway.readers
