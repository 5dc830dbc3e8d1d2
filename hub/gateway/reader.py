"""A client without a socket: it follows one room over plain HTTP, as a stream or by long poll.

The same feed, cursor and checks of access as a WebSocket; what waits to be taken is bounded alike,
for each and in all (see `pressure.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from typing import TYPE_CHECKING, Final

from hub.core.errors import HubError, Limited, Unauthenticated, Unavailable, missing
from hub.core.values import Actor, why_gone
from hub.gateway.joining import Cursor, Joining
from hub.gateway.seats import Full
from hub.wire.frames import PLAIN, some_bodies

if TYPE_CHECKING:
    from hub.gateway.gateway import Gateway


AT_ONCE_BYTES: Final = 65_536


class RoomReader:
    """A `Joiner` whose frames wait until they are taken. `durable` leaves out what has no seq."""

    straight = None
    coding = PLAIN

    @property
    def present(self) -> bool:
        """A stream shows that somebody is there, a poll does not."""
        return not self.durable

    def __init__(
        self, gateway: Gateway, actor: Actor, room_id: str, *, durable: bool = False
    ) -> None:
        self.actor = actor
        self.durable = durable
        self._gateway = gateway
        self._room_id = room_id
        self._most_pending = gateway.parts.settings.pending_bytes
        self._frames: deque[bytes] = deque()
        self._taken = 0  # of the first of them
        self._pending = self._in_hand = 0
        self._let_down = asyncio.Event()
        self._changed = asyncio.Event()
        self._ended = False
        self._error: HubError | None = None

    @property
    def pending_bytes(self) -> int:
        """What waits to be taken, and what was taken last: it is on its way to a client that may
        not read it."""
        return self._pending + self._in_hand

    def let_go(self) -> None:
        """Too much waits in the process: what is in hand of whoever serves this is given up too."""
        self._frames.clear()
        self._taken = self._pending = self._in_hand = 0
        self.end(Limited("slow, resume"))
        self._let_down.set()

    async def serve(self, serving: Coroutine[None, None, None]) -> None:
        """Until it ends by itself, or its client is let go."""
        async with asyncio.TaskGroup() as group:
            tasks = {group.create_task(serving), group.create_task(self._gone())}
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()

    async def _gone(self) -> None:
        await self._let_down.wait()

    def _weigh(self) -> None:
        self._gateway.pressure.note(self, self.pending_bytes)

    @property
    def congested(self) -> bool:
        """Well before the bound, what has no seq is no longer kept."""
        return self.durable or self._pending > self._most_pending // 4

    def deliver(self, frames: bytes) -> None:
        """Keep it; who lets too much pile up is ended and has to resume."""
        self.replay(frames)
        if self._pending > self._most_pending:
            self._frames.clear()
            self._taken = self._pending = 0
            self._gateway.counts.slow_streams += 1
            self.end(Limited("slow, resume"))

    def replay(self, frames: bytes) -> None:
        if not self._ended:
            self._frames.append(frames)
            self._pending += len(frames)
            self._changed.set()
            self._weigh()

    async def drained(self) -> None:
        while self._frames and not self._ended:
            self._changed.clear()
            await self._changed.wait()

    def expelled(self, room_id: str) -> None:
        self.end(missing("room"))

    def outdated(self, room_id: str) -> None:
        self.end(Unavailable("the room's log was restored; come back", retry_after=1))

    def end(self, error: HubError | None) -> None:
        """Hear nothing more, from this call on; what was kept can still be taken."""
        if not self._ended:
            self._ended, self._error = True, error
            self._gateway.readers.discard(self)
            self._gateway.seats.leave(self)
            self._gateway.fanout.leave(self, self._room_id)
            self._changed.set()
            self._weigh()

    def close(self) -> None:
        """Nobody takes anything any more."""
        self.end(None)
        self._frames.clear()
        self._taken = self._pending = self._in_hand = 0
        self._weigh()

    def close_if_expired(self, now_ms: int) -> None:
        if self.actor.expires_ms is not None and self.actor.expires_ms <= now_ms:
            self.end(Unauthenticated(f"the {self.actor.proof} has expired"))

    async def take(self) -> list[bytes]:
        """Events that wait, as JSON, once there are any; none when it ended in peace. Raises
        why it ended otherwise. What was taken before has left by then."""
        self._in_hand = 0
        self._weigh()
        while not self._frames:
            if self._error is not None:
                raise self._error
            if self._ended:
                return []
            self._changed.clear()
            await self._changed.wait()
        found: list[bytes] = []
        while self._frames and self._in_hand < AT_ONCE_BYTES:
            found += self._some(AT_ONCE_BYTES - self._in_hand)
        self._pending -= self._in_hand
        self._changed.set()
        return found

    def _some(self, size: int) -> list[bytes]:
        """What waits first; frames that many readers share are not cut for each."""
        frames, begin = self._frames[0], self._taken
        found, end = some_bodies(frames, begin, size)
        self._in_hand += end - begin
        self._taken = end
        if end == len(frames):
            self._frames.popleft()
            self._taken = 0
        return found


async def prepare_reader(
    gateway: Gateway, actor: Actor, room_id: str, cursor: Cursor | None, *, durable: bool = False
) -> tuple[RoomReader, Joining]:
    """A reader half joined, to be completed; `close` it in any case."""
    if gateway.stopping:
        raise Unavailable("the hub is stopping; come back", retry_after=2)
    if gateway.parts.access.revoked(actor.key_id):  # since it was authenticated
        raise Unauthenticated(why_gone(actor.key_id))
    reader = RoomReader(gateway, actor, room_id, durable=durable)
    try:
        gateway.seats.admit(reader, actor.key_id)
    except Full:
        raise Limited("too many connections", retry_after=5) from None
    gateway.readers.add(reader)
    gateway.counts.streams += not durable
    try:
        return reader, await gateway.fanout.prepare(reader, room_id, cursor)
    except BaseException:
        reader.close()
        raise


@contextlib.asynccontextmanager
async def open_reader(
    gateway: Gateway, actor: Actor, room_id: str
) -> AsyncIterator[tuple[RoomReader, Joining]]:
    """A reader of the log from where the room is now, live until the context ends."""
    reader, joining = await prepare_reader(gateway, actor, room_id, None, durable=True)
    try:
        await gateway.fanout.complete(reader, joining)
        yield reader, joining
    finally:
        reader.close()
