"""`hub.service.pulse`: who asks for it does not wait for who may be away."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

from hub.core.errors import Unavailable
from hub.service.pulse import Pulse
from hub.store.store import SqlStore
from tests.support.parts import ELIZA, Posts, add_room
from tests.support.redis import until


class Away:
    """A `RunStore` that counts, fails, or never answers."""

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def count_open(self) -> dict[str, int]:
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return {"queued": 2}


async def test_a_database_that_fails_or_is_silent_is_down_until_it_answers() -> None:
    runs = Away()
    store: Any = SimpleNamespace(runs=runs)
    pulse = Pulse(store, look_s=0.02)
    assert (None, None) == (pulse.database_up, pulse.open_runs)
    looking = asyncio.create_task(pulse.look())
    await until(lambda: pulse.database_up is True)
    assert {"queued": 2} == pulse.open_runs
    runs.fault = Unavailable("away")
    await until(lambda: pulse.database_up is False)
    assert pulse.open_runs is None
    runs.fault = None
    await until(lambda: pulse.database_up is True)
    runs.gate.clear()
    await until(lambda: pulse.database_up is False)
    runs.gate.set()
    await until(lambda: pulse.database_up is True)
    looking.cancel()


async def test_open_runs_are_counted_by_their_state(store: SqlStore) -> None:
    await add_room(store)
    posted = await Posts(store).send("room_1", "@eliza", calls=[ELIZA])
    assert {"queued": 1} == await store.runs.count_open()
    run = await store.runs.claim(posted.runs[0].id, "worker", 60_000)
    assert run is not None
    assert {"running": 1} == await store.runs.count_open()
    await store.runs.cancel(run.tenant_id, run.id, "user_alice", run.created_ms)
    assert {"running": 1} == await store.runs.count_open()


async def test_a_loop_that_is_blocked_is_late() -> None:
    pulse = Pulse(SimpleNamespace())
    beating = asyncio.create_task(pulse.beat())
    await until(lambda: pulse.lag_s.buckets[-1][1] >= 1)
    before = pulse.lag_s.sum
    await asyncio.sleep(0)
    time.sleep(0.6)  # noqa: ASYNC251
    seen = pulse.lag_s.buckets[-1][1]
    await until(lambda: pulse.lag_s.buckets[-1][1] > seen)
    assert pulse.lag_s.sum - before > 0.3
    beating.cancel()
