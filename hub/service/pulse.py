"""What only asking shows: whether the database answers, which runs are open, how late the loop is.

It is asked all the time, in the background: who wants to know does not wait for who may be away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from hub.core.errors import Unavailable
from hub.core.histogram import Histogram
from hub.ports import Store

LOOK_S: Final = 2.0
BEAT_S: Final = 0.25
LAG_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Pulse:
    """`database_up` is None before the first answer; `open_runs` are by state, of the whole hub,
    and None while nobody knows."""

    def __init__(self, store: Store, *, look_s: float = LOOK_S) -> None:
        self._store = store
        self._look_s = look_s
        self.database_up: bool | None = None
        self.open_runs: Mapping[str, int] | None = None
        self.lag_s = Histogram(LAG_S)

    async def look(self) -> None:
        """Ask the database until cancelled; what takes longer than the time between is no
        answer."""
        while True:
            try:
                async with asyncio.timeout(self._look_s):
                    self.open_runs = await self._store.runs.count_open()
                self.database_up = True
            except (Unavailable, TimeoutError):
                self.database_up, self.open_runs = False, None
            await asyncio.sleep(self._look_s)

    async def beat(self) -> None:
        """Wake up again and again, until cancelled, and note by how much too late."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + BEAT_S
            await asyncio.sleep(BEAT_S)
            self.lag_s.observe(max(0.0, loop.time() - due_s))
