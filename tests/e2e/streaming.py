"""A client of a room's server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.e2e.people import WAIT_S, Person
from tests.support.hub import HubProcess

Event = dict[str, Any]


@dataclass
class Stream:
    """What came, and the id to come back with, as a browser's EventSource keeps it."""

    lines: AsyncIterator[str]
    events: list[Event] = field(default_factory=list)
    last_id: str = ""
    ended: bool = False

    @property
    def seqs(self) -> list[int]:
        return [event["seq"] for event in self.events if "seq" in event]

    async def until(self, happened: Callable[[Event], bool], within_s: float = WAIT_S) -> Event:
        """The first event from now on for which `happened`."""
        async with asyncio.timeout(within_s):
            while True:
                event = await self._next()
                assert event is not None, "the stream ended"
                if happened(event):
                    return event

    async def until_seq(self, seq: int) -> None:
        if seq not in self.seqs:
            await self.until(lambda event: event.get("seq") == seq)

    async def to_its_end(self, within_s: float = WAIT_S) -> None:
        async with asyncio.timeout(within_s):
            while await self._next() is not None:
                pass

    async def _next(self) -> Event | None:
        fresh_id = self.last_id
        event: Event | None = None
        async for line in self.lines:
            name, _, value = line.partition(": ")
            if name == "id":
                fresh_id = value
            elif name == "data":
                event = json.loads(value)
            elif line == "" and event is not None:
                self.last_id = fresh_id
                self.events.append(event)
                return event
        return None


@contextlib.asynccontextmanager
async def streaming(
    hub: HubProcess, person: Person, room_id: str, last_id: str | None = None, **query: Any
) -> AsyncIterator[Stream]:
    """An open stream, its first event not yet read."""
    headers = person.headers | ({"Last-Event-ID": last_id} if last_id else {})
    async with (
        httpx.AsyncClient(base_url=hub.address, timeout=WAIT_S, trust_env=False) as client,
        client.stream(
            "GET", f"/v1/rooms/{room_id}/stream", headers=headers, params=query
        ) as answer,
    ):
        answer.raise_for_status()
        assert "text/event-stream" in answer.headers["content-type"]
        yield Stream(answer.aiter_lines())
