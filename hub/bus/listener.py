"""The subscriptions of one gateway, on one connection that is rebuilt when it goes deaf.

A connection that broke has lost what was published meanwhile, and a black hole is never noticed.
So the listener publishes to a channel of its own and hears itself, rebuilds the connection when it
does not, and tells of every room that was subscribed anew.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Final

import structlog
from redis.asyncio import Redis

from hub.bus.client import TORN, answering, end
from hub.bus.line import Line, open_line
from hub.bus.names import Names
from hub.core.errors import Unavailable
from hub.enduring import enduring
from hub.ports import Hear
from hub.wire.packets import BadPacket, unpack

PROBE_S: Final = 1.0
DEAF_S: Final = 2.5  # two probes did not come
CONFIRM_S: Final = 5.0
_BATCH: Final = 512
log = structlog.get_logger("hub.bus")


class RedisListener:
    """`Listener` on redis-py."""

    def __init__(self, client: Redis, names: Names, listener_id: str, hear: Hear) -> None:
        self._client = client
        self._names = names
        self._hear = hear
        self._probe_name = names.probe(listener_id)
        self._probe = self._probe_name.encode()
        self._room_prefix = len(names.room("").encode())
        self._wanted: dict[str, asyncio.Future[None]] = {}
        self._given_up: set[str] = set()
        self._line: Line | None = None
        self._heard_at = 0.0
        self._open = False

    @property
    def deaf(self) -> bool:
        return not self._open

    async def subscribe(self, *room_ids: str) -> None:
        loop, channels = asyncio.get_running_loop(), list(map(self._names.room, room_ids))
        new = [channel for channel in channels if channel not in self._wanted]
        self._wanted.update((channel, loop.create_future()) for channel in new)
        confirmed = {channel: self._wanted[channel] for channel in channels}
        if (line := self._line) is not None:
            with contextlib.suppress(*TORN):  # the rebuild asks again
                for some in _batches(new):
                    await line.subscribe(*some)
        _, late = await asyncio.wait(confirmed.values(), timeout=CONFIRM_S)
        if late:
            self._given_up.update(name for name, future in confirmed.items() if future in late)
            raise Unavailable(
                "the room cannot be followed now: Redis does not answer", code="BUS_UNAVAILABLE"
            )

    async def unsubscribe(self, room_id: str) -> None:
        channel = self._names.room(room_id)
        self._given_up.discard(channel)
        if self._wanted.pop(channel, None) is not None and self._line is not None:
            with contextlib.suppress(*TORN):
                await self._line.unsubscribe(channel)

    async def run(self) -> None:
        """Listen until cancelled."""
        delay_s = 0.05
        while True:
            try:
                await self._listen()
            except* (*TORN, TimeoutError, Unavailable) as group:
                reason = group.exceptions[0]
                log.warning("bus lost, connecting again", reason=repr(reason))
            except* Exception:
                log.exception("the bus cannot be heard, connecting again")
            delay_s = 0.05 if self._open else min(2.0, delay_s * 2)
            self._open = False
            await asyncio.sleep(delay_s)

    async def _listen(self) -> None:
        async with open_line(self._client.connection_pool) as line:
            await line.subscribe(self._probe_name)
            self._line = line
            try:
                for channels in _batches(list(self._wanted)):
                    await line.subscribe(*channels)
                await self._hear_on(line)
            finally:
                self._line = None

    async def _hear_on(self, line: Line) -> None:
        """Until nothing is heard any more, or something cannot be taken."""
        self._heard_at = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            work = {
                group.create_task(self._read(line)),
                group.create_task(self._probe_always()),
            }
            try:
                await self._keep_hearing(work)
            finally:
                for task in work:
                    await end(task)

    async def _read(self, line: Line) -> None:
        """What has arrived is taken without a pause; only an empty buffer yields to the loop."""
        while True:
            kind, channel, data = await line.read()
            if kind == b"message":
                if channel == self._probe:
                    self._heard_at = asyncio.get_running_loop().time()
                    self._open = True
                else:
                    self._take(channel, data)
            elif kind == b"subscribe" and channel != self._probe:
                self._confirm(channel.decode())

    def _take(self, channel: bytes, data: bytes) -> None:
        try:
            packet = unpack(data)
        except BadPacket as error:
            log.warning("a packet that no hub wrote", reason=str(error))
            return
        self._hear(channel[self._room_prefix :].decode(), packet)

    def _confirm(self, channel: str) -> None:
        confirmed = self._wanted.get(channel)
        if confirmed is None:
            return
        self._open = True
        if confirmed.done() or channel in self._given_up:
            self._hear(self._names.room_of(channel), None)
        self._given_up.discard(channel)
        if not confirmed.done():
            confirmed.set_result(None)

    async def _probe_always(self) -> None:
        while True:
            with answering():
                await self._client.publish(self._probe_name, b"")
            await asyncio.sleep(PROBE_S)

    async def _keep_hearing(self, work: set[asyncio.Task[None]]) -> None:
        """By the clock alone: the answer to a probe may be what does not come."""
        loop = asyncio.get_running_loop()
        while (silent_s := loop.time() - self._heard_at) < DEAF_S:
            await asyncio.wait(work, timeout=DEAF_S - silent_s)
        self._open = False
        raise TimeoutError(f"heard nothing for {silent_s:.1f} s")


def _batches(channels: list[str]) -> Iterable[list[str]]:
    for start in range(0, len(channels), _BATCH):
        yield channels[start : start + _BATCH]


@contextlib.asynccontextmanager
async def open_listener(
    client: Redis, names: Names, listener_id: str, hear: Hear
) -> AsyncIterator[RedisListener]:
    """A listener that runs until the context ends."""
    listener = RedisListener(client, names, listener_id, hear)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(enduring(listener.run))
        try:
            yield listener
        finally:
            await end(task)
