"""A room's log from a seq on, live, over as many cuts as come: each entry once and in order.

The connection resumes by itself where the hub replays what was missed. Where that is too much for
it, the log is read by REST up to where the connection goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

from hub.cli.reach import Stop
from hub.client import Event, Joined, Left, Logged, RoomConnection, RoomhubClient
from hub.core.errors import Unavailable
from hub.core.values import Json

AGAIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Lost:
    """Entries that are not to be had: `first` to `last` by seq, or when it is another log now (its
    database was put back from a copy), whatever came before `last`."""

    first: int
    last: int
    another_log: bool = False


async def follow(
    client: RoomhubClient,
    connection: RoomConnection,
    room: Json,
    since: int,
    *,
    again_s: float = AGAIN_S,
) -> AsyncGenerator[Event | Lost, None]:
    """What comes after seq `since` of a room, given as `{id, epoch}`: its entries, and whatever
    else the connection hands on, but `Joined`. Never ends by itself; raises the HubError of a room
    that may be read no longer. A hub that is away while its log is read is asked every `again_s`.
    """
    room_id, position, epoch = str(room["id"]), since, str(room["epoch"])
    await connection.subscribe(room_id, since=position, epoch=epoch)
    async for event in connection:
        if isinstance(event, Joined):
            if event.epoch != epoch:
                yield Lost(position + 1, event.head, another_log=True)
                position, epoch = event.head, event.epoch
            elif event.missed:
                async for each in _read(client, event, position, again_s):
                    yield each
                position = event.head
        elif isinstance(event, Logged):
            if event.seq > position:
                position = event.seq
                yield event
        elif isinstance(event, Left):
            raise event.error or Stop("the room may be read no longer with this key")
        else:
            yield event


async def _read(
    client: RoomhubClient, joined: Joined, position: int, again_s: float
) -> AsyncGenerator[Logged | Lost, None]:
    """The log after `position` up to where the connection goes on, over whatever cuts."""
    while position < joined.head:
        try:
            async for each in client.log(joined.room_id, since=position, epoch=joined.epoch):
                if each["seq"] > joined.head:
                    break
                if each["seq"] > position + 1:
                    yield Lost(position + 1, each["seq"] - 1)
                position = each["seq"]
                yield Logged(**each)
            break
        except Unavailable:
            await asyncio.sleep(again_s)
    if position < joined.head:
        yield Lost(position + 1, joined.head)
