"""The rooms this process has begun to commit to and not published yet, noted in Redis.

When the process dies, others see that its heartbeat stopped and repair those rooms first. What
could not be published while Redis was away is told to them as soon as it is back. What is kept are
ids of rooms, each once: those that were posted to while Redis was away, at most.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Iterable
from itertools import count
from typing import Final

import orjson

from hub.core.errors import Unavailable
from hub.ports import Bus
from hub.wire.packets import SUSPECTS, Packet

BEAT_S: Final = 1.0
NOTED_MOST: Final = 5_000


class Unpublished:
    """Rooms by batch. A note is late by as much as Redis is: nobody waits for it.

    A room stays noted until the next sign of life after it was published: one that is busy is then
    noted once a second, not once a batch, and to repair a room that lacks nothing takes one read.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._numbers = count(1)
        self._batches: dict[int, Collection[str]] = {}
        self._noted: frozenset[str] = frozenset()
        self._untold: set[str] = set()
        self._begun = asyncio.Event()
        self.bus_up: bool | None = None  # nobody knows yet

    def begin(self, room_ids: Collection[str]) -> int:
        """A batch for these rooms is about to be committed; returns its number."""
        number = next(self._numbers)
        self._batches[number] = room_ids
        if not self._noted.issuperset(room_ids):
            self._begun.set()
        return number

    def end(self, numbers: Iterable[int]) -> None:
        """These batches were published, or not stored."""
        for number in numbers:
            self._batches.pop(number, None)

    def lose(self, room_ids: Iterable[str]) -> None:
        """What was committed to these rooms could not be published."""
        self._untold.update(room_ids)

    @property
    def rooms(self) -> list[str]:
        """Those that are begun and not published; in a flood the oldest."""
        rooms = dict.fromkeys(room for batch in self._batches.values() for room in batch)
        return list(rooms)[:NOTED_MOST]

    async def run(self) -> None:
        """Note what begins, and give a sign of life every second, until cancelled."""
        loop = asyncio.get_running_loop()
        beat_at = 0.0
        while True:
            if loop.time() >= beat_at:
                beat_at = loop.time() + BEAT_S
                self._noted = frozenset()
            self._begun.clear()
            try:
                await self._note()
                await self._tell()
            except Unavailable:
                self.bus_up = False
                await asyncio.sleep(BEAT_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._begun.wait(), beat_at - loop.time())

    async def _note(self) -> None:
        """What is under way comes first, then what was noted since the last sign of life."""
        rooms = list(dict.fromkeys((*self.rooms, *self._noted)))[:NOTED_MOST]
        self._noted = frozenset()
        await self._bus.lives.note(rooms)
        self._noted = frozenset(rooms)
        self.bus_up = True

    async def _tell(self) -> None:
        if self._untold:
            rooms, self._untold = self._untold, set()
            try:
                await self._bus.publish([(SUSPECTS, Packet(0, 1, orjson.dumps(sorted(rooms))))])
            except BaseException:
                self._untold |= rooms
                raise
