"""What a listener hears of one server, on one connection that is rebuilt when it goes deaf.

A connection that broke has lost what was published meanwhile, and a black hole is never noticed. So
an ear publishes to a channel of its own and hears itself; when it does not, it makes another
connection and asks for every channel anew.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection
from typing import Final, Protocol

import structlog
from redis.asyncio import Redis
from redis.exceptions import ClusterDownError, MovedError, ResponseError, TryAgainError
from redis.exceptions import ConnectionError as Gone

from hub.bus.client import TORN, answering, end
from hub.bus.line import Line, open_line
from hub.core.errors import Unavailable

PROBE_S: Final = 1.0
DEAF_S: Final = 2.5  # two probes did not come
REFUSED: Final = (MovedError, ClusterDownError, TryAgainError)
log = structlog.get_logger("hub.bus")


class Owner(Protocol):
    """Whose ear it is; `rebuilt` counts the connections that had to be made again."""

    rebuilt: int

    def probe(self, server: Redis) -> str:
        """A channel that this server serves, and nobody else uses."""

    def take(self, channel: bytes, data: bytes) -> None:
        """Something was published."""

    def confirm(self, channel: str) -> None:
        """From now on the channel is heard."""

    def lost(self, server: Redis, error: ResponseError | None = None) -> None:
        """The server is not heard any more, or serves some channel no longer or not yet."""


class Ear:
    """Subscriptions at one server. `channels` is what it should hear; a change of it is asked for
    by `settle`."""

    def __init__(self, server: Redis, owner: Owner) -> None:
        self.channels: set[str] = set()
        self._server = server
        self._owner = owner
        self._line: Line | None = None
        self._asked: set[str] = set()
        self._held: set[str] = set()
        self._refused = False
        self._heard_at = 0.0
        self._open = False

    @property
    def deaf(self) -> bool:
        return not self._open

    async def subscribe(self, channels: Collection[str]) -> None:
        """Hear these too; the owner is told when the server has confirmed."""
        self.channels.update(channels)
        if (line := self._line) is not None:
            self._asked.update(channels)
            with contextlib.suppress(*TORN):  # the rebuild asks again
                await line.subscribe(channels)

    async def unsubscribe(self, channels: Collection[str]) -> None:
        self.channels.difference_update(channels)
        if (line := self._line) is not None:
            self._asked.difference_update(channels)
            with contextlib.suppress(*TORN):
                await line.unsubscribe(channels)

    async def settle(self) -> None:
        """Ask for what it should hear and has not asked for, and give up what it should not."""
        if self._refused:
            self._refused = False
            self._asked &= self._held
        if new := self.channels - self._asked:
            await self.subscribe(new)
        if old := self._asked - self.channels:
            await self.unsubscribe(old)

    async def run(self) -> None:
        """Listen until cancelled."""
        delay_s = 0.05
        while True:
            try:
                await self._listen()
            except* (*TORN, TimeoutError, Unavailable) as group:
                reason = group.exceptions[0]
                log.warning("bus lost, connecting again", reason=str(reason) or repr(reason))
            except* Exception:
                log.exception("the bus cannot be heard, connecting again")
            self._owner.rebuilt += 1
            self._owner.lost(self._server)
            delay_s = 0.05 if self._open else min(2.0, delay_s * 2)
            self._open = False
            await asyncio.sleep(delay_s)

    async def _listen(self) -> None:
        probe = self._owner.probe(self._server)
        async with open_line(self._server.connection_pool) as line:
            await line.subscribe([probe])
            self._asked, self._held, self._line = set(), set(), line
            try:
                await self.settle()
                await self._hear_on(line, probe)
            finally:
                self._line = None

    async def _hear_on(self, line: Line, probe: str) -> None:
        """Until nothing is heard any more, or something cannot be taken."""
        self._heard_at = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            work = {
                group.create_task(self._read(line, probe.encode())),
                group.create_task(self._probe_always(probe)),
            }
            try:
                await self._keep_hearing(work)
            finally:
                for task in work:
                    await end(task)

    async def _read(self, line: Line, probe: bytes) -> None:
        """What has arrived is taken without a pause; only an empty buffer yields to the loop."""
        while True:
            try:
                kind, channel, data = await line.read()
            except REFUSED as error:
                self._refused = True
                self._owner.lost(self._server, error)
                continue
            if kind == b"smessage":
                if channel == probe:
                    self._heard_at = asyncio.get_running_loop().time()
                    self._open = True
                else:
                    self._owner.take(channel, data)
            elif channel != probe:
                self._note(kind, channel.decode())
            elif kind == b"sunsubscribe":
                raise Gone("the slot of its probe is served elsewhere")

    def _note(self, kind: bytes, channel: str) -> None:
        if kind == b"ssubscribe":
            if channel in self.channels:
                self._held.add(channel)
                self._open = True
                self._owner.confirm(channel)
        else:
            self._held.discard(channel)
            if channel in self._asked:  # the server says so by itself
                self._asked.discard(channel)
                self._owner.lost(self._server)

    async def _probe_always(self, probe: str) -> None:
        while True:
            with answering():
                await self._server.spublish(probe, b"")
            await asyncio.sleep(PROBE_S)

    async def _keep_hearing(self, work: set[asyncio.Task[None]]) -> None:
        """By the clock alone: the answer to a probe may be what does not come."""
        loop = asyncio.get_running_loop()
        while (silent_s := loop.time() - self._heard_at) < DEAF_S:
            await asyncio.wait(work, timeout=DEAF_S - silent_s)
        self._open = False
        raise TimeoutError(f"heard nothing for {silent_s:.1f} s")
