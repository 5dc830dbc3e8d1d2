"""Two gateways on one database and one Valkey, in this process."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from hub.core.values import Actor
from hub.gateway.connection import Connection
from hub.gateway.gateway import Gateway
from hub.parts import Parts, now_ms, open_parts
from hub.settings import Settings
from tests.support.redis import until

from .fakes import Event, FakeSocket


@dataclass(frozen=True, slots=True)
class Here:
    """A connection that is open, and what it was sent."""

    connection: Connection
    socket: FakeSocket

    def of(self, *kinds: str) -> list[Event]:
        return [event for event in self.socket.said if event["type"] in kinds]

    async def told(self, kind: str, count: int = 1) -> Event:
        """The last of `count` events of this kind."""
        await self.socket.wait_for(lambda _: len(self.of(kind)) >= count)
        return self.of(kind)[count - 1]

    def do(self, text: str) -> None:
        self.connection.on_frame(text)


@dataclass
class Pair:
    """Two gateways, and who is connected where."""

    parts: Parts
    gateways: list[Gateway]
    stack: contextlib.AsyncExitStack
    count: int = 0

    async def connect(
        self, actor: Actor, gateway: int = 0, socket: FakeSocket | None = None
    ) -> Here:
        """A connection past its hello, whose own channel is heard."""
        at = self.gateways[gateway]
        self.count += 1
        socket = socket or FakeSocket(at.apart)
        connection = Connection(f"conn_{self.count}", socket, at, now_ms)
        connection.greet(actor)
        self.stack.callback(connection.close, 1000, "bye")
        here = Here(connection, socket)
        await until(lambda: at.personal.hears(actor))
        return here


@pytest.fixture
async def pair(parts: Parts, settings: Settings, valkey: str) -> AsyncIterator[Pair]:
    async with (
        open_parts(settings, valkey) as others,
        contextlib.AsyncExitStack() as running,
        contextlib.AsyncExitStack() as connections,
    ):
        gateways = [Gateway(parts), Gateway(others)]
        for gateway in gateways:
            await running.enter_async_context(gateway.running())
        async with connections:
            yield Pair(parts, gateways, connections)
