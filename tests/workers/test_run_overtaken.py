"""Waiting for an attempt to go on though the draft says that another one writes."""

from __future__ import annotations

import asyncio

from hub.core.values import Draft
from hub.parts import Parts
from hub.wire.frames import frame
from workers.run import Attempt

from .fakes import FakeDriver, tools
from .test_run import claimed


async def test_an_attempt_whose_draft_was_overtaken_stops_without_waiting_for_its_lease(
    parts: Parts,
) -> None:
    run = await claimed(parts)
    higher = Draft(run.id, run.reply_message_id, run.thread_id, {}, 2, "second")
    await parts.bus.append_draft(run.room_id, higher, "second", frame(b"{}"))
    driver = FakeDriver("first", asyncio.Event())
    async with asyncio.timeout(10):
        assert await Attempt(tools(parts, driver), run).work() is None
    assert 1 == driver.closed
