"""Waiting for a connection to keep everything for a consumer that does not read."""

from __future__ import annotations

import asyncio

from hub.client import Event, Joined, Logged, Options, RoomConnection, open_connection
from tests.support.hub import HubProcess

from .guests import open_guest

PATIENCE_S = 20.0


async def test_what_a_consumer_does_not_read_is_left_in_the_hub(hub: HubProcess) -> None:
    """The room is joined again for what did not fit."""
    async with open_guest(hub) as guest:
        async with open_connection(hub.address, guest.key, Options(events=8)) as connection:
            await connection.subscribe(guest.room_id)
            for number in range(60):
                await connection.post(guest.room_id, str(number))
            events = await _until(connection, "59")
    assert 1 < len([event for event in events if isinstance(event, Joined)])
    assert 60 == len([event for event in events if isinstance(event, Logged)])


async def _until(connection: RoomConnection, content: str) -> list[Event]:
    """The events up to the message of that content."""
    events: list[Event] = []
    async with asyncio.timeout(PATIENCE_S):
        async for event in connection:
            events.append(event)
            if isinstance(event, Logged) and event.data.get("content") == content:
                break
    return events
