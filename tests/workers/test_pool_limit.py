"""Waiting for a pool to take more runs than it holds."""

from __future__ import annotations

import asyncio

from hub.parts import Parts
from tests.support.parts import add_room
from tests.support.redis import until

from .fakes import FINISH, FakeDriver
from .test_pool import asked, ended, pooled


async def test_a_full_pool_takes_nothing_more(parts: Parts) -> None:
    enough = asyncio.Event()
    driver = FakeDriver("hi", enough, FINISH)
    await add_room(parts.store)
    async with pooled(parts, driver, worker_runs=3):
        runs = [await asked(parts) for _ in range(9)]
        parts.publisher.put((), [run.id for run in runs])
        await until(lambda: driver.playing >= 3)
        await asyncio.sleep(0.5)  # sweeps and wake-ups go on meanwhile
        assert 3 == driver.most_at_once
        enough.set()
        await until(ended(parts, *runs))
