"""A client of the socket that remembers the events it was sent."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.e2e.encodings import ENCODINGS, Encoding
from tests.e2e.people import WAIT_S, Person
from tests.support.hub import HubProcess

Event = dict[str, Any]


class Listener:
    """One connection; `events` is what came beside the replies, in order."""

    def __init__(self, socket: ClientConnection, encoding: Encoding) -> None:
        self.socket = socket
        self._encoding = encoding
        self.events: list[Event] = []
        self._ids = itertools.count(1)

    @property
    def durable(self) -> list[Event]:
        """The events that have a seq."""
        return [event for event in self.events if "seq" in event]

    @property
    def seqs(self) -> list[int]:
        return [event["seq"] for event in self.durable]

    @property
    def contents(self) -> list[str]:
        """What the messages say that came."""
        return [e["data"]["content"] for e in self.events if e["type"] == "message.created"]

    async def send(self, kind: str, **fields: Any) -> int:
        """A command; the id its reply will have."""
        number = next(self._ids)
        await self.socket.send(self._encoding.dump({"id": number, "type": kind} | fields))
        return number

    async def ask(self, kind: str, **fields: Any) -> Event:
        """The whole reply to a command."""
        return await self.replied(await self.send(kind, **fields))

    async def replied(self, number: int) -> Event:
        """The reply to the command with this id; those that come before it are dropped."""
        async with asyncio.timeout(WAIT_S):
            while True:
                frame = await self._read()
                if frame["type"] == "reply" and frame["id"] == number:
                    return frame

    async def subscribe(self, room_id: str, **cursor: Any) -> Event:
        """What a subscription that succeeds is told."""
        reply = await self.ask("subscribe", room_id=room_id, **cursor)
        assert reply["ok"], reply
        joined: Event = reply["data"]
        return joined

    async def until(self, happened: Callable[[Event], bool], within_s: float = WAIT_S) -> Event:
        """The first event from now on for which `happened`."""
        async with asyncio.timeout(within_s):
            while True:
                frame = await self._read()
                if frame["type"] != "reply" and happened(frame):
                    return frame

    async def until_seq(self, seq: int) -> None:
        """Read on until the event with this seq has come."""
        if seq not in self.seqs:
            await self.until(lambda event: event.get("seq") == seq)

    async def _read(self) -> Event:
        frame: Event = self._encoding.load(await self.socket.recv())
        if frame["type"] != "reply":
            self.events.append(frame)
        return frame


@contextlib.asynccontextmanager
async def listening(
    hub: HubProcess, person: Person, encoding: Encoding = ENCODINGS[0]
) -> AsyncIterator[Listener]:
    """A connection past its hello."""
    async with connect(
        hub.ws_address,
        additional_headers=person.headers,
        subprotocols=[encoding.protocol],
        proxy=None,
    ) as socket:
        assert "hello" == encoding.load(await socket.recv())["type"]
        yield Listener(socket, encoding)
