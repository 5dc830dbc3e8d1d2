"""Who may hold how many connections of a pool at once.

A crowd of slow reads leaves connections for quick ones, all reads some for writes (leases among
them), and everything some for posts: nobody stands behind a crowd of another kind.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
from collections.abc import AsyncIterator
from typing import Final

CONNECTIONS: Final = 10


class Lane(enum.IntEnum):
    """A kind of work. What is held in a lane counts in every later one too."""

    LONG = 0
    READ = 1
    WRITE = 2
    POST = 3


HELD: Final = {Lane.LONG: 4, Lane.READ: 6, Lane.WRITE: 8, Lane.POST: CONNECTIONS}


class Lanes:
    """The places of one pool. Who finds none for `wait_s` gets a TimeoutError."""

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._places = {lane: asyncio.Semaphore(many) for lane, many in HELD.items()}

    @contextlib.asynccontextmanager
    async def hold(self, lane: Lane) -> AsyncIterator[None]:
        """A place in a lane and in those after it, given back at the end. All take them in this
        order, so nobody waits for somebody who waits for them."""
        async with contextlib.AsyncExitStack() as held:
            try:
                async with asyncio.timeout(self._wait_s):
                    for later in list(Lane)[lane:]:
                        await held.enter_async_context(self._places[later])
            except TimeoutError:
                raise TimeoutError(
                    f"all its connections were busy for {self._wait_s:g} s"
                ) from None
            yield
