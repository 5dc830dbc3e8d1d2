"""Waiting for a pool that drops only drafts of runs it ended."""

from __future__ import annotations

import asyncio

from hub.core.values import Draft
from hub.parts import Parts
from hub.wire.frames import frame
from tests.support.parts import add_room
from tests.support.redis import until

from .fakes import FakeDriver
from .test_pool import asked, pooled


async def test_a_pool_that_lost_a_run_leaves_the_draft_of_who_has_it(parts: Parts) -> None:
    await add_room(parts.store)
    driver = FakeDriver("first", asyncio.Event())
    async with pooled(parts, driver, lease_s=0.05, lease_renew_s=0.4, sweep_s=3_600):
        run = await asked(parts, fresh=True)
        parts.publisher.put((), [run.id])
        await until(lambda: driver.playing == 1)

        async def taken_over() -> bool:
            return await parts.store.runs.claim(run.id, "other", 60_000) is not None

        await until(taken_over)
        second = Draft(run.id, run.reply_message_id, run.thread_id, {}, 2, "second")
        await parts.bus.append_draft(run.room_id, second, "second", frame(b"{}"))
        await until(lambda: driver.closed == 1)
        await asyncio.sleep(0.1)  # what the first does after it lost, it has done
        assert [d.text for d in await parts.bus.drafts(run.room_id, [run.id])] == ["second"]
