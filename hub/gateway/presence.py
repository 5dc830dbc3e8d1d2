"""Who is there: which participants follow a room now, on any gateway, told as diffs.

What counts is in Redis, under leases; that it changed is a hint. Every gateway writes who is in its
rooms and reads who is in them anywhere, in ticks, so that thousands who come at once make a few
diffs and no storm; it compares with what it told last. A gateway that dies is missed when its lease
ends.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator
from typing import Final

import structlog

from hub.bus.client import end
from hub.core.errors import Unavailable
from hub.core.values import Json
from hub.enduring import Outage, enduring
from hub.gateway.fanout import Fanout
from hub.ports import Bus, Clock
from hub.wire.events import ephemeral_frame
from hub.wire.packets import Packet

CHANNEL: Final = "presence"
LISTED_MOST: Final = 500
SLICE: Final = 200  # rooms and people
Work = Callable[[set[str]], Awaitable[Collection[str]]]
"""What is done for rooms; it returns those for which it could not be done."""
log = structlog.get_logger("hub.presence")


class Presence:
    """The presence that one gateway tells of."""

    def __init__(
        self,
        fanout: Fanout,
        bus: Bus,
        now_ms: Clock,
        *,
        tick_s: float,
        lease_s: float,
    ) -> None:
        self._fanout = fanout
        self._bus = bus
        self._now_ms = now_ms
        self._tick_s = tick_s
        self._renew_s = lease_s / 3
        self._lease_ms = int(lease_s * 1000)
        self._moved: set[str] = set()
        self._heard: set[str] = set()
        self._unsaid: set[str] = set()
        self._told: dict[str, frozenset[str]] = {}
        self._work = asyncio.Event()
        self._reading = asyncio.Lock()
        self._outage = Outage(log, "presence is not told of all rooms")

    def moved(self, room_id: str) -> None:
        """Somebody has come or gone here."""
        self._moved.add(room_id)
        self._work.set()

    def snapshot(self, room_id: str) -> Json:
        """What was told of a room so far; the next diff follows it. Over `LISTED_MOST` people only
        how many."""
        present = self._told.get(room_id, frozenset())
        return {"count": len(present), "participants": _listed(present, len(present))}

    def _hear(self, packet: Packet | None) -> None:
        rooms = packet.frames.decode().split() if packet else self._fanout.rooms()
        self._heard.update(room for room in rooms if self._fanout.follows(room))
        if self._heard:
            self._work.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep telling while the context lasts."""
        async with asyncio.TaskGroup() as group:
            loops = (self._listen, self._tick, self._renew)
            tasks = [group.create_task(enduring(loop)) for loop in loops]
            try:
                yield
            finally:
                for task in tasks:
                    await end(task)

    async def _listen(self) -> None:
        while True:
            try:
                return await self._fanout.follow(CHANNEL, self._hear)
            except Unavailable:
                await asyncio.sleep(self._tick_s)

    async def _tick(self) -> None:
        while True:
            await self._work.wait()
            await asyncio.sleep(self._tick_s)
            self._work.clear()
            moved, self._moved = self._moved, set()
            heard, self._heard = self._heard, set()
            unwritten = await self._tried(self._write, moved)
            self._unsaid = await self._tried(self._say, self._unsaid | (moved - unwritten))
            untold = await self._tried(self._tell, moved | heard)
            self._moved |= unwritten
            self._heard |= untold
            if left := unwritten | self._unsaid | untold:
                self._work.set()
            self._outage.saw(f"{len(left)} rooms wait" if left else None)

    async def _renew(self) -> None:
        """Every room's lease well before it ends, a slice at a time; who is missing is noticed."""
        while True:
            rooms = self._fanout.rooms()
            self._told = {room: self._told[room] for room in rooms if room in self._told}
            slices = list(slices_of(rooms, lambda room: len(self._told.get(room, ()))))
            for part in slices:
                peopled = {room for room in part if self._fanout.people(room)}
                await self._tried(self._write, peopled)
                await self._tried(self._tell, set(part))
                await asyncio.sleep(self._renew_s / len(slices))
            if not slices:
                await asyncio.sleep(self._renew_s)

    async def _tried(self, work: Work, room_ids: set[str]) -> set[str]:
        """The rooms for which it could not be done now: a part of Redis may be away, or all."""
        if not room_ids:
            return set()
        try:
            return set(await work(room_ids))
        except Unavailable:
            return room_ids
        except Exception:
            log.exception("presence is not told now")
            return room_ids

    async def _write(self, room_ids: set[str]) -> Collection[str]:
        rooms = {room_id: self._fanout.people(room_id) for room_id in room_ids}
        return await self._bus.presence.put(rooms, self._lease_ms)

    async def _say(self, room_ids: set[str]) -> Collection[str]:
        """Hint to the other gateways that something has changed."""
        hint = Packet(0, 1, " ".join(sorted(room_ids)).encode())
        await self._bus.publish([(CHANNEL, hint)])
        return ()

    async def _tell(self, room_ids: set[str]) -> Collection[str]:
        """Read who is there and tell what has changed; one read at a time, so that none is told
        after a newer one."""
        async with self._reading:
            followed = {room_id for room_id in room_ids if self._fanout.follows(room_id)}
            for room_id in room_ids - followed:
                self._told.pop(room_id, None)
            found = await self._bus.presence.read(list(followed)) if followed else {}
            for room_id, present in found.items():
                self._compare(room_id, present)
            return followed - found.keys()

    def _compare(self, room_id: str, present: frozenset[str]) -> None:
        before = self._told.get(room_id, frozenset())
        if present != before:
            self._told[room_id] = present
            data = difference(before, present)
            self._fanout.tell(room_id, ephemeral_frame("presence", room_id, self._now_ms(), data))


def slices_of(rooms: Iterable[str], people: Callable[[str], int]) -> Iterator[list[str]]:
    """Some at a time, so that nobody's messages wait for long: those to a few rooms of many people,
    or to many of a few."""
    part: list[str] = []
    size = 0
    for room in rooms:
        part.append(room)
        size += 1 + people(room)
        if size >= SLICE:
            yield part
            part, size = [], 0
    if part:
        yield part


def difference(before: frozenset[str], present: frozenset[str]) -> Json:
    """The data of `presence`. Of a crowd only `count` is told; when it has shrunk enough to be
    listed again, everybody who is there is in `joined`."""
    known = before if len(before) <= LISTED_MOST else frozenset()
    return {
        "joined": _listed(present - known, len(present)),
        "left": _listed(known - present, len(present)),
        "count": len(present),
    }


def _listed(people: Iterable[str], crowd: int) -> list[Json]:
    if crowd > LISTED_MOST:
        return []
    return [{"type": each.partition("_")[0], "id": each} for each in sorted(people)]
