"""One connection that carries subscriptions, until it breaks.

redis-py's own pub/sub connects again by itself, in whatever call notices first: two tasks that do
so at once read each other's answers, and what was published meanwhile is lost without a word. This
one stays broken; whoever owns it makes another.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Collection, Iterator
from itertools import islice
from typing import Any, Final

from redis.asyncio import ConnectionPool
from redis.exceptions import ConnectionError as Gone

from hub.bus.client import give_back

_BATCH: Final = 512


class Line:
    """Many may subscribe at once; one reads."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._turn = asyncio.Lock()

    async def subscribe(self, channels: Collection[str]) -> None:
        await self._send("SSUBSCRIBE", channels)

    async def unsubscribe(self, channels: Collection[str]) -> None:
        await self._send("SUNSUBSCRIBE", channels)

    async def _send(self, command: str, channels: Collection[str]) -> None:
        """One command a channel: on a cluster each is of another slot. What is asked for later
        does not come between: who gives up a channel would be heard before who asked for it."""
        async with self._turn:
            for some in _batches(channels):
                if not self._connection.is_connected:  # it would connect again
                    raise Gone("the connection is broken")
                packed = self._connection.pack_commands([(command, channel) for channel in some])
                await self._connection.send_packed_command(packed, check_health=False)

    async def read(self) -> list[Any]:
        """What comes next: its kind, its channel, and what it says."""
        found = await self._connection.read_response(timeout=math.inf, disconnect_on_error=False)
        if not isinstance(found, list):  # None where the kernel gave the peer up
            raise Gone(f"nothing that a subscriber is told: {found!r}")
        return found


def _batches(channels: Collection[str]) -> Iterator[list[str]]:
    left = iter(channels)
    while some := list(islice(left, _BATCH)):
        yield some


@contextlib.asynccontextmanager
async def open_line(pool: ConnectionPool) -> AsyncIterator[Line]:
    """A connection of the pool's, which is closed at the end: it is of no use to others."""
    connection: Any = await pool.get_connection()  # type: ignore[no-untyped-call]
    try:
        yield Line(connection)
    finally:
        await give_back(pool, connection, torn=True)
