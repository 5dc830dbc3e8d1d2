"""Whose turn it is to have a page read and written down: so many entries at one time, and no more,
since a page is much larger while it is made than what waits for its client."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from hub.core.errors import Limited

ENTRIES: Final = 400  # two of the largest pages
WAITING: Final = 1_000
WAITING_OF_ONE: Final = 100
PATIENCE_S: Final = 10.0


@dataclass(slots=True, eq=False)
class _Waiting:
    entries: int
    turn: asyncio.Future[None]


class Turns:
    """Keys are served one after the other, each in the order in which it asked, so that nobody
    waits for all that another has asked for. `entries` are had at one time, `waiting` may wait, of
    one key `of_one`, each for `patience_s`; whoever is over that is told to come again."""

    def __init__(
        self,
        entries: int = ENTRIES,
        waiting: int = WAITING,
        of_one: int = WAITING_OF_ONE,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._entries, self._most, self._of_one = entries, waiting, of_one
        self._patience_s = patience_s
        self._held = self._count = 0
        self._queues: dict[str, deque[_Waiting]] = {}  # the key whose turn is next comes first

    @contextlib.asynccontextmanager
    async def hold(self, entries: int, key_id: str) -> AsyncIterator[None]:
        """Within the context so many entries may be made. Raises Limited."""
        entries = min(entries, self._entries)
        if self._queues or self._held + entries > self._entries:
            await self._wait(entries, key_id)
        else:
            self._held += entries
        try:
            yield
        finally:
            self._give(entries)

    async def _wait(self, entries: int, key_id: str) -> None:
        queue = self._queues.get(key_id, deque())
        if self._count >= self._most or len(queue) >= self._of_one:
            raise Limited("too many pages are asked for at once; try again", retry_after=1)
        mine = _Waiting(entries, asyncio.get_running_loop().create_future())
        queue.append(mine)
        self._queues[key_id] = queue
        self._count += 1
        try:
            async with asyncio.timeout(self._patience_s):
                await mine.turn
        except TimeoutError:
            self._give_up(mine, key_id)
            raise Limited("the hub has too many pages to read; try again", retry_after=2) from None
        except BaseException:
            self._give_up(mine, key_id)
            raise

    def _give_up(self, mine: _Waiting, key_id: str) -> None:
        """Its turn may have come in the same moment."""
        queue = self._queues.get(key_id, deque())
        if mine in queue:
            queue.remove(mine)
            self._count -= 1
            if not queue:
                del self._queues[key_id]
            self._next()
        else:
            self._give(mine.entries)

    def _give(self, entries: int) -> None:
        self._held -= entries
        self._next()

    def _next(self) -> None:
        while self._queues:
            key_id, queue = next(iter(self._queues.items()))
            if self._held + queue[0].entries > self._entries:
                return
            first = queue.popleft()
            self._count -= 1
            del self._queues[key_id]
            if queue:  # behind the others
                self._queues[key_id] = queue
            self._held += first.entries
            if not first.turn.cancelled():  # else it is about to give up
                first.turn.set_result(None)
