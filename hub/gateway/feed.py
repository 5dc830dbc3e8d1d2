"""One followed room on one gateway: its sequencer and who is in its broadcast set.

Frames of one tick are joined and written once per connection. Nothing here awaits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from hub.core.timeline import Allowance, Timeline
from hub.gateway.counts import Counts
from hub.gateway.crowd import Apart, Crowd, Subscriber
from hub.gateway.volley import WriteAll, one_by_one
from hub.wire.frames import PLAIN, Coding, without_first
from hub.wire.packets import Packet

EPHEMERAL_MOST: Final = 256
EPHEMERAL_BYTES: Final = 65_536
STRAIGHT_BYTES: Final = 262_144


class _Tick:
    """What one tick brought, joined once for each kind of subscriber there is."""

    def __init__(self, pending: list[tuple[bool, bytes]]) -> None:
        self._pending = pending
        self._joined: dict[tuple[bool, Coding], bytes] = {}

    def frames(self, durable: bool, coding: Coding) -> bytes:
        """Everything, or the durable events alone."""
        found = self._joined.get((durable, coding))
        if found is None:
            found = b"".join([f for short, f in self._pending if not (short and durable)])
            found = self._joined[durable, coding] = coding.encode(found)
        return found


class _Missed:
    """The newest of what has no seq, for those who are about to join: each gets what came since it
    began. Kept once for all of them, and no more than a reader would not call slow."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self.came = 0

    def add(self, frames: bytes) -> None:
        self._frames.append(frames)
        self._bytes += len(frames)
        self.came += 1
        while len(self._frames) > EPHEMERAL_MOST or self._bytes > EPHEMERAL_BYTES:
            self._bytes -= len(self._frames.popleft())

    def since(self, came: int) -> bytes:
        """What is kept of what came after the first `came`."""
        return b"".join(list(self._frames)[-(self.came - came) :]) if self.came > came else b""

    def forget(self) -> None:
        self._frames.clear()
        self._bytes = 0


class Feed:
    """A room's position, what waits to be written, who gets it. What came early is held within an
    `allowance` that a gateway's feeds share, as they do `counts`, which sockets are `apart` now and
    how to write to many."""

    def __init__(
        self,
        room_id: str,
        allowance: Allowance | None = None,
        counts: Counts | None = None,
        write_all: WriteAll = one_by_one,
        apart: Apart | None = None,
    ) -> None:
        self.room_id = room_id
        self.epoch = ""
        self.changing = asyncio.Lock()
        self._allowance = allowance
        self.timeline: Timeline[bytes] = Timeline(without_first, allowance)
        self.subscribers: set[Subscriber] = set()
        self.joining: dict[Subscriber, int] = {}
        self.left_s: float | None = None  # when the last of them left, while that is counted
        self._missed = _Missed()
        self._counts = counts or Counts()
        self._write_all = write_all
        self._apart = apart or Apart()
        self._crowd: Crowd | None = None
        self._counted = 0  # events up to this seq
        self._pending: list[tuple[bool, bytes]] = []
        self._access_changed = False

    @property
    def people(self) -> set[str]:
        """The participants who are there."""
        return {each.actor.id for each in self.subscribers if each.present}

    @property
    def in_use(self) -> bool:
        return bool(self.subscribers or self.joining)

    def has(self, subscriber: Subscriber) -> bool:
        """Whether it is here, or about to be."""
        return subscriber in self.subscribers or subscriber in self.joining

    def stop(self) -> None:
        """Forget the position: the room is no longer subscribed on the bus."""
        self.timeline.forget()
        self.timeline = Timeline(without_first, self._allowance)
        self._pending.clear()

    def take(self, packet: Packet) -> None:
        """Put a packet of the bus in its place; `flush` writes what is ripe."""
        if packet.first == 0:
            self._pending.append((True, packet.frames))
            return
        for frames in self.timeline.offer(packet.first, packet.last, packet.frames):
            self._pending.append((False, frames))
        if packet.access:
            self._access_changed = True

    def end(self) -> None:
        """The room has another log than was passed on: everybody leaves and is told."""
        everybody = (*self.subscribers, *self.joining)
        self.stop()
        for subscriber in everybody:
            self.leave(subscriber)
            subscriber.outdated(self.room_id)

    def start(self, head: int, epoch: str) -> None:
        """Begin at `head`; nobody is subscribed yet, so what was held before it is not written."""
        self.epoch, self._counted = epoch, head
        self._pending.extend((False, frames) for frames in self.timeline.start(head))

    @property
    def ripe(self) -> bool:
        """Whether there is something to `flush`."""
        return bool(self._pending) or self._access_changed

    def flush(self) -> bool:
        """Write what is ripe to everybody; True when somebody's access may have changed."""
        if self._pending:
            pending, self._pending = self._pending, []
            self._write(pending)
        changed, self._access_changed = self._access_changed, False
        return changed

    def _write(self, pending: list[tuple[bool, bytes]]) -> None:
        tick = _Tick(pending)
        self._count()
        everything = tick.frames(False, PLAIN)
        if len(everything) <= STRAIGHT_BYTES:
            crowd = self._everybody()
            apart = crowd.places(self._apart.sockets)
            others = [*crowd.others, *crowd.members(apart)]
            self._write_all(crowd, apart, everything)
        else:  # everybody is weighed with it at once
            others = [*self.subscribers]
        for subscriber in others:
            if frames := tick.frames(subscriber.congested, subscriber.coding):
                subscriber.deliver(frames)
        if self.joining:
            for short, frames in pending:
                if short:
                    self._missed.add(frames)

    def _everybody(self) -> Crowd:
        crowd = self._crowd
        if crowd is None or crowd.lost != self._apart.lost:
            crowd = self._crowd = Crowd(self.subscribers, self._apart.lost)
        return crowd

    def _count(self) -> None:
        """Everybody here gets what there is up to the position."""
        told, counts, position = len(self.subscribers), self._counts, self.timeline.position
        counts.writes += told
        counts.deliveries += told * (position - self._counted)
        self._counted = position

    def expect(self, subscriber: Subscriber) -> None:
        """It is about to join: what has no seq is kept for it from now on."""
        self.joining[subscriber] = self._missed.came

    def enter(self, subscriber: Subscriber) -> None:
        """Make a joining subscriber live: it has been sent everything up to the position."""
        came = self.joining.pop(subscriber, None)
        if came is None:  # it left meanwhile
            return
        ephemeral = self._missed.since(came)
        self._let_join()
        self.subscribers.add(subscriber)
        self._crowd = None
        if ephemeral and not subscriber.congested:
            subscriber.deliver(subscriber.coding.encode(ephemeral))

    def leave(self, subscriber: Subscriber) -> None:
        self.subscribers.discard(subscriber)
        self._crowd = None
        self.joining.pop(subscriber, None)
        self._let_join()

    def _let_join(self) -> None:
        """Nothing is kept for nobody."""
        if not self.joining:
            self._missed.forget()
