"""A worker that dies at a named point: `python -m tests.reliability.doomed POINT SHARE SEED`.

It is the real pool on the real parts; only what passes the point is watched. Settings as for
`roomhub workers`. POINT is one of POINTS, `any` of them, or `none`; SHARE is how often it is fatal.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from dataclasses import dataclass, replace
from typing import Final

from hub.bus.clients import Clients, open_clients
from hub.bus.names import Names
from hub.bus.redis import RedisBus
from hub.core.governor import Limits
from hub.core.values import Draft, Run
from hub.parts import Parts, limits_of, open_parts
from hub.ports import Ended, Reply
from hub.process import run_loop, stop_signals
from hub.settings import Settings
from hub.store.database import Database
from hub.store.runs import SqlRuns
from workers.service import serve

POINTS: Final = (
    "after read",
    "after claim",
    "mid-stream",
    "before the final commit",
    "after the final commit",
)


@dataclass(slots=True)
class Doom:
    """Ends this process, without any of its own code being asked, at one of the points."""

    point: str
    share: float
    dice: random.Random

    def passes(self, point: str) -> None:
        if self.point in (point, "any") and self.dice.random() < self.share:
            print(f"died {point}", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)


class DoomedRuns(SqlRuns):
    """The store of runs, watched around its writes."""

    def __init__(self, database: Database, limits: Limits, doom: Doom) -> None:
        super().__init__(database, limits)
        self._doom = doom

    async def claim(self, run_id: str, worker: str, lease_ms: int) -> Run | None:
        run = await super().claim(run_id, worker, lease_ms)
        if run is not None:
            self._doom.passes("after claim")
        return run

    async def finish(self, run_id: str, attempt: int, reply: Reply) -> Ended | None:
        self._doom.passes("before the final commit")
        ended = await super().finish(run_id, attempt, reply)
        if ended is not None:
            self._doom.passes("after the final commit")
        return ended


class DoomedBus(RedisBus):
    """The bus, watched where the pool reads and streams."""

    def __init__(self, clients: Clients, prefix: str, doom: Doom) -> None:
        super().__init__(clients, Names(prefix), f"doomed-{os.getpid()}")
        self._doom = doom

    async def woken(self, worker: str, limit: int, wait_s: float) -> list[str]:
        found = await super().woken(worker, limit, wait_s)
        if found:
            self._doom.passes("after read")
        return found

    async def append_draft(self, room_id: str, draft: Draft, text: str, frames: bytes) -> bool:
        mine = await super().append_draft(room_id, draft, text, frames)
        self._doom.passes("mid-stream")
        return mine


def doomed(parts: Parts, clients: Clients, doom: Doom) -> Parts:
    """The same parts, watched."""
    settings, store = parts.settings, parts.store
    store.runs = DoomedRuns(store.database, limits_of(settings), doom)
    return replace(parts, bus=DoomedBus(clients, settings.redis_prefix, doom))


async def _work(settings: Settings, doom: Doom) -> None:
    stopping = asyncio.Event()
    with stop_signals(stopping):
        url = settings.redis_url or ""
        async with open_parts(settings, url) as parts, open_clients(url) as clients:
            print("ready", flush=True)
            await serve(doomed(parts, clients, doom), stopping)


def main() -> None:
    point, share, seed = sys.argv[1:]
    run_loop(_work(Settings(), Doom(point, float(share), random.Random(seed))))


if __name__ == "__main__":
    main()
