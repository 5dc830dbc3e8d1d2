"""The rooms this process has begun to commit to and not published yet, noted in Redis.

When the process dies, others see that its heartbeat stopped and repair those rooms first. What
could not be published while Redis was away is told to them as soon as it is back.
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
    """Rooms by batch. A note is late by as much as Redis is: nobody waits for it."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._numbers = count(1)
        self._batches: dict[int, Collection[str]] = {}
        self._untold: set[str] = set()
        self._begun = asyncio.Event()

    def begin(self, room_ids: Collection[str]) -> int:
        """A batch for these rooms is about to be committed; returns its number."""
        number = next(self._numbers)
        self._batches[number] = room_ids
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
        """What would be noted now; in a flood the oldest."""
        rooms = dict.fromkeys(room for batch in self._batches.values() for room in batch)
        return list(rooms)[:NOTED_MOST]

    async def run(self) -> None:
        """Note what begins, and give a sign of life every second, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._begun.wait(), BEAT_S)
            self._begun.clear()
            try:
                await self._bus.lives.note(self.rooms)
                await self._tell()
            except Unavailable:
                await asyncio.sleep(BEAT_S)

    async def _tell(self) -> None:
        if self._untold:
            rooms, self._untold = self._untold, set()
            try:
                await self._bus.publish([(SUSPECTS, Packet(0, 1, orjson.dumps(sorted(rooms))))])
            except Unavailable:
                self._untold |= rooms
                raise
