"""Hands what was committed to the bus, in order, behind the caller's back.

Nobody waits for Redis: the queue is bounded, and what overflows or fails is dropped, counted and
named to `on_lost`, because every gateway repairs itself from the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import structlog

from hub.core.errors import Unavailable
from hub.core.posts import LogRow
from hub.ports import Bus
from hub.service.unpublished import Unpublished
from hub.wire.events import ACCESS_TYPES, ephemeral_frame, event_frame
from hub.wire.packets import Note, Packet, note

QUEUE_PACKETS: Final = 20_000
log = structlog.get_logger("hub.publisher")


class Publisher:
    """One ordered queue to the bus."""

    def __init__(self, bus: Bus, on_lost: Callable[[Iterable[str]], None]) -> None:
        self._bus = bus
        self._on_lost = on_lost
        self.unpublished = Unpublished(bus)
        self._batches: list[int] = []
        self._packets: list[tuple[str, Packet]] = []
        self._runs: list[str] = []
        self._cut: list[str] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def put(
        self,
        rows: Sequence[LogRow],
        runs: Sequence[str] = (),
        cut: Sequence[str] = (),
        batch: int | None = None,
    ) -> None:
        """Queue committed entries, of any rooms, each room's in order of seq; `runs` are to be
        worked, `cut` to be cut short; `batch` is its number if it was noted before."""
        if batch is not None:
            self._batches.append(batch)
        self._packets.extend(packets_of(rows))
        self._packets.extend(mentions_of(rows))
        self._runs.extend(runs)
        self._cut.extend(cut)
        if len(self._packets) > QUEUE_PACKETS:
            self._drop(self._packets[:QUEUE_PACKETS])
            del self._packets[:QUEUE_PACKETS]
        self._idle.clear()
        self._wake.set()

    def tell(self, notes: Sequence[Note]) -> None:
        """Queue events without a seq, for rooms or participants' own channels."""
        self._packets.extend(notes)
        self.put(())

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            packets, self._packets = self._packets, []
            runs, self._runs = self._runs, []
            cut, self._cut = self._cut, []
            batches, self._batches = self._batches, []
            try:
                await self._bus.publish(packets, runs, cut)
            except Unavailable as error:
                log.warning("not published, gateways will repair", reason=error.message)
                self._drop(packets)
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

    def _drop(self, packets: Sequence[tuple[str, Packet]]) -> None:
        self.lost({room_id for room_id, _ in packets})


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
