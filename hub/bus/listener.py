"""The subscriptions of one gateway, with an ear for every server that serves any of them.

An ear that goes deaf is rebuilt (`ear.py`), a channel that is served elsewhere is asked for there,
and of every room that was subscribed anew the gateway is told.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from itertools import count
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from hub.bus.client import end
from hub.bus.ear import Ear
from hub.bus.names import Names
from hub.bus.places import Places
from hub.core.errors import Unavailable
from hub.enduring import enduring
from hub.ports import Hear
from hub.wire.packets import BadPacket, unpack

CONFIRM_S: Final = 5.0
SETTLE_S: Final = 0.05  # what changes in so short a time is arranged at once
SETTLE_MOST_S: Final = 2.0  # while servers go on refusing
log = structlog.get_logger("hub.bus")


class RedisListener:
    """`Listener` on redis-py."""

    def __init__(self, places: Places, names: Names, listener_id: str, hear: Hear) -> None:
        self._places = places
        self._names = names
        self._id = listener_id
        self._hear = hear
        self.rebuilt = 0
        self._room_at = len(names.room("").encode()) - len("}")
        self._wanted: dict[str, asyncio.Future[None]] = {}
        self._to_tell: set[str] = set()
        self._ears: dict[Redis, Ear] = {}
        self._working: dict[Redis, asyncio.Task[None]] = {}
        self._placeless = True
        self._refused = False
        self._unsettled = asyncio.Event()
        self._changed = asyncio.Event()

    @property
    def deaf(self) -> bool:
        """Whether something that is wanted, or when nothing is anything, cannot be heard."""
        ears = self._ears.values()
        needed = [ear for ear in ears if ear.channels] or ears
        return self._placeless or not needed or any(ear.deaf for ear in needed)

    async def subscribe(self, *room_ids: str) -> None:
        channels = list(map(self._names.room, room_ids))
        new = self._want(channels)
        confirmed = {channel: self._wanted[channel] for channel in channels}
        await self._ask(new)
        _, late = await asyncio.wait(confirmed.values(), timeout=CONFIRM_S)
        if late:
            self._to_tell.update(name for name, future in confirmed.items() if future in late)
            raise Unavailable(
                "the room cannot be followed now: Redis does not answer", code="BUS_UNAVAILABLE"
            )

    async def follow(self, *room_ids: str) -> None:
        new = self._want(map(self._names.room, room_ids))
        self._to_tell.update(new)
        await self._ask(new)

    def _want(self, channels: Iterable[str]) -> list[str]:
        """Those of the channels that were not wanted yet, and are from now on."""
        loop = asyncio.get_running_loop()
        new = [channel for channel in channels if channel not in self._wanted]
        self._wanted.update((channel, loop.create_future()) for channel in new)
        return new

    async def _ask(self, channels: Iterable[str]) -> None:
        homes = self._homes(channels)
        self._placeless |= bool(homes.pop(None, None))
        for ear, some in homes.items():
            if ear is not None:  # some may have been given up while others were asked for
                await ear.subscribe([channel for channel in some if channel in self._wanted])

    async def unsubscribe(self, room_id: str) -> None:
        channel = self._names.room(room_id)
        self._to_tell.discard(channel)
        if self._wanted.pop(channel, None) is not None:
            for ear in self._ears.values():
                if channel in ear.channels:
                    await ear.unsubscribe([channel])

    # Which ear hears what.

    async def run(self) -> None:
        """Listen until cancelled."""
        async with asyncio.TaskGroup() as group:
            try:
                with self._places.watching(self._change):
                    await self._settle(group)
            finally:
                for server in tuple(self._ears):
                    await self._end(server)

    async def _settle(self, group: asyncio.TaskGroup) -> None:
        """Arrange again whenever something changes. What is refused is asked for less and less
        often, until it is served elsewhere."""
        pause_s = SETTLE_S
        while True:
            self._unsettled.clear()
            self._changed.clear()
            self._refused = False
            await self._arrange(group)
            await self._unsettled.wait()
            await asyncio.sleep(SETTLE_S)
            if not self._refused:
                pause_s = SETTLE_S
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._changed.wait()
            pause_s = min(SETTLE_MOST_S, 2 * pause_s)

    def _change(self) -> None:
        """Something is served elsewhere."""
        self._changed.set()
        self._unsettled.set()

    async def _arrange(self, group: asyncio.TaskGroup) -> None:
        """Every channel is asked for where it is served now, and nowhere else."""
        servers = self._places.all()
        for server in self._ears.keys() - set(servers):
            await self._end(server)
        for server in servers:
            if server not in self._ears:
                ear = self._ears[server] = Ear(server, self)
                self._working[server] = group.create_task(ear.run())
        homes = self._homes(self._wanted)
        self._placeless = bool(homes.pop(None, None))
        ears = tuple(self._ears.values())
        for ear in ears:
            ear.channels = set(homes.get(ear, ()))
        for ear in ears:
            await ear.settle()

    async def _end(self, server: Redis) -> None:
        del self._ears[server]
        await end(self._working.pop(server))

    def _homes(self, channels: Iterable[str]) -> dict[Ear | None, list[str]]:
        """Channels by the ear that hears them; None for those that nobody serves now."""
        homes: dict[Ear | None, list[str]] = {}
        for channel in channels:
            server = self._places.of(channel)
            ear = self._ears.get(server) if server is not None else None
            homes.setdefault(ear, []).append(channel)
        return homes

    # What ears say.

    def probe(self, server: Redis) -> str:
        if server not in self._places.all():
            raise Unavailable("the server serves nothing now", code="BUS_UNAVAILABLE")
        names = (self._names.probe(self._id, number) for number in count())
        return next(name for name in names if self._places.of(name) is server)

    def take(self, channel: bytes, data: bytes) -> None:
        try:
            packet = unpack(data)
        except BadPacket as error:
            log.warning("a packet that no hub wrote", reason=str(error))
            return
        self._hear(channel[self._room_at : -1].decode(), packet)

    def confirm(self, channel: str) -> None:
        confirmed = self._wanted.get(channel)
        if confirmed is None:
            return
        if confirmed.done() or channel in self._to_tell:
            self._hear(self._names.room_of(channel), None)
        self._to_tell.discard(channel)
        if not confirmed.done():
            confirmed.set_result(None)

    def lost(self, server: Redis, error: ResponseError | None = None) -> None:
        self._places.lost(server, error)
        self._refused |= error is not None
        self._unsettled.set()


@contextlib.asynccontextmanager
async def open_listener(
    places: Places, names: Names, listener_id: str, hear: Hear
) -> AsyncIterator[RedisListener]:
    """A listener that runs until the context ends."""
    listener = RedisListener(places, names, listener_id, hear)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(enduring(listener.run))
        try:
            yield listener
        finally:
            await end(task)
