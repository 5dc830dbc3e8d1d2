"""Hands what was committed to the bus, in order, behind the caller's back.

Nobody waits for Redis: the queue is bounded, and what overflows or fails is dropped, counted and
named to `on_lost`, because every gateway repairs itself from the database. Only packets are
weighed: of runs and batches there are ids alone, for as long as Redis may take to answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

import structlog

from hub.core.posts import LogRow
from hub.enduring import tell
from hub.ports import Bus
from hub.service.run_counts import RunCounts
from hub.service.unpublished import Unpublished
from hub.wire.events import ACCESS_TYPES, ephemeral_frame, event_frame
from hub.wire.packets import Note, Packet, note

QUEUE_PACKETS: Final = 20_000
QUEUE_BYTES: Final = 64 * 1_048_576
AT_ONCE_BYTES: Final = 4 * 1_048_576
log = structlog.get_logger("hub.publisher")


class Publisher:
    """One ordered queue to the bus."""

    def __init__(
        self,
        bus: Bus,
        on_lost: Callable[[Iterable[str]], None],
        near: Callable[[str, Packet], None] = lambda room_id, packet: None,
    ) -> None:
        self._bus = bus
        self._on_lost = on_lost
        self._near = near
        self.unpublished = Unpublished(bus)
        self.committed = self.published = self.refused = self.dropped = 0
        self.run_counts = RunCounts()
        self._batches: list[int] = []
        self._packets: list[Note] = []
        self._bytes = 0
        self._runs: list[str] = []
        self._cut: list[str] = []
        self._over: list[tuple[str, str]] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def put(
        self,
        rows: Sequence[LogRow],
        runs: Sequence[str] = (),
        cut: Sequence[str] = (),
    ) -> None:
        """Queue committed entries, of any rooms, each room's in order of seq; `runs` are to be
        worked, `cut` to be cut short. The draft of a run that has finished goes with them."""
        self._put(packets_of(rows), rows, runs, cut)

    def put_posts(
        self, rows: Sequence[LogRow], runs: Sequence[str], cut: Sequence[str], batch: int
    ) -> None:
        """Queue what was posted, a batch that was noted by this number; the gateway of this process
        hears it `near`, now. What ends a run goes round by the bus, behind the run's deltas."""
        self._batches.append(batch)
        packets = packets_of(rows)
        self._put(packets, rows, runs, cut)
        for room_id, packet in packets:
            self._near(room_id, packet)

    def _put(
        self,
        packets: Sequence[Note],
        rows: Sequence[LogRow],
        runs: Sequence[str],
        cut: Sequence[str],
    ) -> None:
        self.committed += len(rows)
        self._queue([*packets, *mentions_of(rows)])
        self._runs.extend(runs)
        self._cut.extend(cut)
        if others := [row for row in rows if row[0].type != "message.created"]:
            self.run_counts.note(others)
            self._over.extend([(e.room_id, e.ref) for e, _ in others if e.type == "run.finished"])
        self._idle.clear()
        self._wake.set()

    def tell(self, notes: Sequence[Note]) -> None:
        """Queue events without a seq, for rooms or participants' own channels."""
        self._queue(notes)
        self.put(())

    @property
    def waiting(self) -> tuple[int, int]:
        """The packets that have yet to be published, and their bytes."""
        return len(self._packets), self._bytes

    def _queue(self, packets: Sequence[Note]) -> None:
        """Behind those that wait; where they would be too much, in their place."""
        size = sum([len(packet.frames) for _, packet in packets])
        if len(self._packets) + len(packets) > QUEUE_PACKETS or self._bytes + size > QUEUE_BYTES:
            self._drop(self._take())
        self._packets.extend(packets)
        self._bytes += size

    def _take(self) -> list[Note]:
        packets, self._packets, self._bytes = self._packets, [], 0
        return packets

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            size, packets = self._bytes, self._take()
            runs, self._runs = self._runs, []
            cut, self._cut = self._cut, []
            over, self._over = self._over, []
            batches, self._batches = self._batches, []
            try:
                *parts, last = _in_parts(packets) if size > AT_ONCE_BYTES else [packets]
                for part in parts:
                    self._missed(await self._bus.publish(part))
                self._missed(await self._bus.publish(last, runs, cut, over))
                self.published += len(packets)
            except Exception as error:
                tell(log, "not published, gateways will repair", error)
                self._drop(packets)
            except BaseException:
                self._drop(packets)
                raise
            finally:
                self.unpublished.end(batches)
                if not self._wake.is_set():
                    self._idle.set()

    async def drain(self, timeout_s: float) -> None:
        """Wait until what was queued has gone out."""
        try:
            await asyncio.wait_for(self._idle.wait(), timeout_s)
        except TimeoutError:
            log.warning("stopped with packets not published", packets=len(self._packets))

    def lost(self, room_ids: Iterable[str]) -> None:
        """Something of these rooms may be stored that was not published."""
        room_ids = set(room_ids)
        self.unpublished.lose(room_ids)
        self._on_lost(room_ids)

    def _missed(self, room_ids: Collection[str]) -> None:
        if room_ids:
            self.refused += len(room_ids)
            log.warning("rooms not published, gateways will repair", rooms=len(room_ids))
            self.lost(room_ids)

    def _drop(self, packets: Sequence[tuple[str, Packet]]) -> None:
        self.dropped += len(packets)
        self.lost({room_id for room_id, _ in packets})


def _in_parts(packets: Sequence[Note]) -> list[list[Note]]:
    """What is being published is copied: so much of it at one time."""
    parts: list[list[Note]] = []
    room = 0
    for each in packets:
        size = len(each[1].frames)
        if size > room or not parts:
            parts.append([])
            room = AT_ONCE_BYTES
        parts[-1].append(each)
        room -= size
    return parts


def packets_of(rows: Sequence[LogRow]) -> list[tuple[str, Packet]]:
    """One packet per room, in the order in which the rooms first appear."""
    rooms: dict[str, list[LogRow]] = {}
    for row in rows:
        rooms.setdefault(row[0].room_id, []).append(row)
    return [(room_id, _packet(of_room)) for room_id, of_room in rooms.items()]


def mentions_of(rows: Sequence[LogRow]) -> list[Note]:
    """What those are told whom new messages mention."""
    notes = []
    for entry, message in rows:
        if message is None or not message.mention or entry.type != "message.created":
            continue
        frame = ephemeral_frame("mention", message.room_id, entry.at_ms, message.as_dict())
        for ref in message.mention:
            if ref["id"] != message.author.id:
                notes.append(note(message.tenant_id, ref["id"], frame))
    return notes


def _packet(rows: Sequence[LogRow]) -> Packet:
    frames = b"".join([event_frame(entry, message) for entry, message in rows])
    access = any(entry.type in ACCESS_TYPES for entry, _ in rows)
    return Packet(rows[0][0].seq, len(rows), frames, access)
