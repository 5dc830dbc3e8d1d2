"""`hub.service.publisher`: in order, behind the caller's back, and lost rooms are named."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import orjson
import pytest

from hub.core.errors import Unavailable
from hub.core.posts import LogEntry, LogRow
from hub.enduring import enduring
from hub.ports import Bus
from hub.service.publisher import (
    AT_ONCE_BYTES,
    QUEUE_BYTES,
    QUEUE_PACKETS,
    Publisher,
    packets_of,
)
from hub.wire.frames import bodies
from hub.wire.packets import Packet
from tests.support.parts import AT_MS

from .fakes import RecordingBus, publisher_on


def row(seq: int, room_id: str = "room_1", kind: str = "run.queued") -> LogRow:
    return LogEntry(room_id, seq, kind, AT_MS, "ref", {"n": seq}), None


@contextlib.asynccontextmanager
async def running(bus: RecordingBus, lost: list[str]) -> AsyncIterator[Publisher]:
    publisher = publisher_on(bus, lost)
    task = asyncio.create_task(publisher.run())
    try:
        yield publisher
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def seqs(bus: RecordingBus, room_id: str) -> list[int]:
    return [
        orjson.loads(body)["seq"]
        for room, packet in bus.published
        if room == room_id
        for body in bodies(packet.frames)
    ]


def test_a_batch_is_one_packet_per_room_in_order() -> None:
    rows = [row(5), row(1, "room_2"), row(6), row(2, "room_2"), row(7)]
    made = packets_of(rows)
    assert [(room, p.first, p.count) for room, p in made] == [("room_1", 5, 3), ("room_2", 1, 2)]
    assert [orjson.loads(b)["seq"] for b in bodies(made[0][1].frames)] == [5, 6, 7]


def test_a_packet_that_changes_who_may_read_says_so() -> None:
    for kind, access in [
        ("message.created", False), ("run.finished", False), ("member.joined", True),
        ("member.updated", True), ("member.left", True), ("room.archived", True),
        ("room.updated", True),
    ]:  # fmt: skip
        ((_, packet),) = packets_of([row(1), row(2, kind=kind)])
        assert packet.access is access


async def test_what_was_put_goes_out_in_order() -> None:
    bus, lost = RecordingBus(), list[str]()
    async with running(bus, lost) as publisher:
        for seq in range(1, 300):
            publisher.put([row(seq), row(seq, "room_2")], [f"run_{seq}"])
            if seq % 17 == 0:
                await asyncio.sleep(0)
        await publisher.drain(5)
    assert seqs(bus, "room_1") == seqs(bus, "room_2") == list(range(1, 300))
    assert bus.runs == [f"run_{seq}" for seq in range(1, 300)]
    assert lost == []


async def test_the_draft_of_a_run_that_has_finished_goes_with_it() -> None:
    bus = RecordingBus()
    async with running(bus, []) as publisher:
        publisher.put([row(1), row(2, kind="run.waiting"), row(3, "room_2", "run.finished")])
        await publisher.drain(5)
        publisher.put([row(4)])
        await publisher.drain(5)
    assert [("room_2", "ref")] == bus.over


async def test_what_waits_goes_out_in_one_call() -> None:
    bus = RecordingBus()
    async with running(bus, []) as publisher:
        bus.gate.clear()
        publisher.put([row(1)])
        await asyncio.sleep(0)
        for seq in range(2, 50):
            publisher.put([row(seq)])
        bus.gate.set()
        await publisher.drain(5)
    assert bus.calls == 2


async def test_rooms_whose_packets_are_lost_are_named_and_nothing_is_tried_twice() -> None:
    bus, lost = RecordingBus(), list[str]()
    async with running(bus, lost) as publisher:
        bus.away = True
        publisher.put([row(1), row(1, "room_2")])
        await publisher.drain(5)
        bus.away = False
        publisher.put([row(2)])
        await publisher.drain(5)
    assert lost == ["room_1", "room_2"]
    assert seqs(bus, "room_1") == [2]
    assert bus.calls == 2


async def test_rooms_whose_part_of_redis_is_away_are_lost_and_others_go_on() -> None:
    bus, lost = RecordingBus(), list[str]()
    bus.away_rooms = {"room_1"}
    async with running(bus, lost) as publisher:
        publisher.put([row(1), row(1, "room_2")], ["run_1"])
        await publisher.drain(5)
        bus.away_rooms = set()
        publisher.put([row(2), row(2, "room_2")])
        await publisher.drain(5)
    assert ["room_1"] == lost
    assert ([2], [1, 2]) == (seqs(bus, "room_1"), seqs(bus, "room_2"))
    assert ["run_1"] == bus.runs


@pytest.mark.parametrize("fault", [Unavailable("away"), RuntimeError("a closed transport")])
async def test_rooms_whose_packets_are_lost_are_named_whatever_happened(fault: Exception) -> None:
    bus, lost = RecordingBus(), list[str]()
    bus.fault = fault
    async with running(bus, lost) as publisher:
        bus.away = True
        number = publisher.unpublished.begin(["room_1"])
        publisher.put_posts([row(1)], [], [], number)
        await publisher.drain(5)
        assert [] == publisher.unpublished.rooms
        bus.away = False
        publisher.put([row(2)])
        await publisher.drain(5)
    assert (["room_1"], [2]) == (lost, seqs(bus, "room_1"))


async def test_what_a_publisher_that_is_cut_off_had_taken_is_named_and_it_goes_on() -> None:
    bus, lost = RecordingBus(), list[str]()
    bus.away, bus.fault = True, asyncio.CancelledError()
    publisher = publisher_on(bus, lost)
    working = asyncio.create_task(enduring(publisher.run, again_s=0))
    number = publisher.unpublished.begin(["room_1"])
    publisher.put_posts([row(1)], [], [], number)
    await publisher.drain(5)
    assert (["room_1"], []) == (lost, publisher.unpublished.rooms)
    bus.away = False
    publisher.put([row(2)])
    await publisher.drain(5)
    working.cancel()
    assert [2] == seqs(bus, "room_1")


async def test_the_queue_is_bounded_and_drops_the_oldest_by_name() -> None:
    bus, lost = RecordingBus(), list[str]()
    publisher = publisher_on(bus, lost)  # nobody publishes
    for seq in range(1, QUEUE_PACKETS + 2):
        publisher.put([row(seq)])
    assert lost == ["room_1"]
    task = asyncio.create_task(publisher.run())
    await publisher.drain(5)
    task.cancel()
    assert seqs(bus, "room_1") == [QUEUE_PACKETS + 1]


async def test_few_packets_that_are_large_are_bounded_too() -> None:
    bus, lost = RecordingBus(), list[str]()
    publisher = publisher_on(bus, lost)  # nobody publishes
    half = Packet(0, 1, bytes(QUEUE_BYTES // 2))
    publisher.tell([("room_1", half), ("room_2", half)])
    assert lost == []
    publisher.tell([("room_3", half)])
    assert lost == ["room_1", "room_2"]
    task = asyncio.create_task(publisher.run())
    await publisher.drain(5)
    task.cancel()
    assert bus.published == [("room_3", half)]


async def test_much_is_published_in_parts_and_in_order() -> None:
    bus = RecordingBus()
    publisher = publisher_on(bus)
    third = bytes(AT_ONCE_BYTES // 3)
    notes = [(f"room_{n}", Packet(0, 1, third)) for n in range(8)]
    publisher.tell(notes)
    publisher.put((), runs=["run_1"])
    task = asyncio.create_task(publisher.run())
    await publisher.drain(5)
    task.cancel()
    assert (3, notes, ["run_1"]) == (bus.calls, bus.published, bus.runs)


async def test_draining_does_not_wait_for_a_bus_that_hangs() -> None:
    bus = RecordingBus()
    bus.gate.clear()
    async with running(bus, []) as publisher:
        publisher.put([row(1)])
        async with asyncio.timeout(5):
            await publisher.drain(0.05)
        assert bus.published == []


async def test_posts_are_heard_near_in_order_whatever_the_bus_does() -> None:
    """What ends a run is not: its last words would come after its end."""
    heard: list[tuple[str, int, int]] = []
    bus: Bus = RecordingBus()  # type: ignore[assignment]
    publisher = Publisher(
        bus, lambda _: None, lambda room, p: heard.append((room, p.first, p.last))
    )
    publisher.put([row(1), row(1, "room_2")])
    publisher.put_posts([row(2), row(2, "room_2"), row(3)], [], [], 1)
    assert [("room_1", 2, 3), ("room_2", 2, 2)] == heard
