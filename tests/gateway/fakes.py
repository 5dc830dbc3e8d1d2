"""A bus, a client and a socket that do what a test tells them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import orjson

from hub.core.errors import Unavailable
from hub.core.posts import LogRow
from hub.core.values import Actor, Draft
from hub.gateway.crowd import Apart, Target
from hub.ports import Hear
from hub.service.publisher import packets_of
from hub.wire.frames import PLAIN, bodies
from hub.wire.packets import Packet
from tests.support.parts import ALICE

PATIENCE_S = 10.0
Event = dict[str, Any]


class FakeListener:
    """A `Listener`: what is subscribed is heard, once `confirmed` is set, and until it is given up
    and `let_go` is set."""

    def __init__(self) -> None:
        self.deaf = False
        self.rebuilt = 0
        self.rooms: list[str] = []
        self.asked: list[str] = []
        self.left: list[str] = []
        self.late: set[str] = set()
        self.hear: Hear | None = None
        self.confirmed = asyncio.Event()
        self.confirmed.set()
        self.leaving: list[str] = []
        self.let_go = asyncio.Event()
        self.let_go.set()

    async def subscribe(self, *room_ids: str) -> None:
        self.asked.extend(room_ids)
        await self.confirmed.wait()
        if self.deaf:
            raise Unavailable("Redis does not answer", code="BUS_UNAVAILABLE")
        self.rooms.extend(room_ids)

    async def follow(self, *room_ids: str) -> None:
        self.asked.extend(room_ids)
        for room_id in room_ids:
            if not self.deaf and room_id not in self.late:
                self.confirm(room_id)

    def confirm(self, room_id: str) -> None:
        assert self.hear is not None
        self.rooms.append(room_id)
        self.hear(room_id, None)

    async def unsubscribe(self, room_id: str) -> None:
        self.leaving.append(room_id)
        await asyncio.sleep(0)
        await self.let_go.wait()
        self.left.append(room_id)
        if room_id in self.rooms:
            self.rooms.remove(room_id)


class FakeBus:
    """The parts of a `Bus` that a fan-out uses; a test decides what arrives."""

    def __init__(self) -> None:
        self.listener = FakeListener()
        self.kept: dict[str, Draft] = {}
        self._hear: Hear | None = None

    @contextlib.asynccontextmanager
    async def listen(self, hear: Hear) -> AsyncIterator[FakeListener]:
        self._hear = self.listener.hear = hear
        yield self.listener

    async def drafts(self, room_id: str, run_ids: Sequence[str]) -> list[Draft]:
        return [self.kept[run_id] for run_id in run_ids if run_id in self.kept]

    def bring(self, room_id: str, packet: Packet | None) -> None:
        """A packet arrives, if the room is subscribed."""
        assert self._hear is not None
        if room_id in self.listener.rooms:
            self._hear(room_id, packet)

    def carry(self, rows: Sequence[LogRow]) -> None:
        """What a publisher would publish of these rows arrives."""
        for room_id, packet in packets_of(rows):
            self.bring(room_id, packet)


class FakeTarget:
    """A `Target` that is written to by a function, alone."""

    def __init__(self, write: Callable[[bytes], None], aim: int = 1) -> None:
        self.write = write
        self.aim = aim
        self.waiting = self.gone = False

    def let_go(self) -> None:
        self.gone = True


class Client:
    """A `Joiner` that keeps what it is sent."""

    def __init__(self, actor: Actor = ALICE) -> None:
        self.actor = actor
        self.straight: Target | None = None
        self.congested = False
        self.coding = PLAIN
        self.present = True
        self.writes: list[bytes] = []
        self.expelled_from: list[str] = []
        self.outdated_in: list[str] = []
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.draining = asyncio.Event()
        self._changed = asyncio.Event()

    def deliver(self, frames: bytes) -> None:
        self.writes.append(frames)
        self._changed.set()

    def replay(self, frames: bytes) -> None:
        self.deliver(frames)

    async def drained(self) -> None:
        self.draining.set()
        await self.flowing.wait()

    def expelled(self, room_id: str) -> None:
        self.expelled_from.append(room_id)
        self._changed.set()

    def outdated(self, room_id: str) -> None:
        self.outdated_in.append(room_id)
        self._changed.set()

    @property
    def events(self) -> list[Event]:
        return [orjson.loads(body) for write in self.writes for body in bodies(write)]

    @property
    def seqs(self) -> list[int]:
        return [event["seq"] for event in self.events if "seq" in event]

    async def wait_for(self, holds: Callable[[Client], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds(self):
                self._changed.clear()
                await self._changed.wait()


class FakeSocket:
    """A `Socket` whose client reads when it likes."""

    def __init__(self, apart: Apart | None = None) -> None:
        self.aim = 1
        self._apart = apart or Apart()
        self.congested = self.owes = False
        self.pending_bytes = 0
        self.written: list[bytes] = []
        self.closed: tuple[int, str] | None = None
        self.paused = False
        self.reading = asyncio.Event()
        self.reading.set()
        self._changed = asyncio.Event()

    @property
    def waiting(self) -> bool:
        return self.owes or self.congested

    def fall_behind(self) -> None:
        self.congested = True
        self._apart.sockets.add(self)

    def owe(self) -> None:
        self.owes = True
        self._apart.sockets.add(self)

    def let_go(self) -> None:
        raise AssertionError("nobody is cut")

    def write(self, frames: bytes) -> None:
        self.written.append(frames)
        if self.congested:
            self.pending_bytes += len(frames)
        self._changed.set()

    async def drained(self) -> None:
        await self.reading.wait()

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def close_with(self, code: int, reason: str) -> None:
        assert self.closed is None, "a socket is closed once"
        self.closed = (code, reason)
        self._changed.set()

    @property
    def said(self) -> list[Event]:
        """Everything written, parsed."""
        return [orjson.loads(body) for frames in self.written for body in bodies(frames)]

    async def wait_for(self, holds: Callable[[FakeSocket], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds(self):
                self._changed.clear()
                await self._changed.wait()

    async def reply_to(self, command_id: int) -> Event:
        def found() -> list[Event]:
            return [s for s in self.said if s["type"] == "reply" and s["id"] == command_id]

        await self.wait_for(lambda _: bool(found()))
        return found()[0]


async def not_restored(room_id: str, epoch: str) -> None:
    """For who has no database that could be put back."""
    raise AssertionError(f"{room_id} is behind what was passed on")
