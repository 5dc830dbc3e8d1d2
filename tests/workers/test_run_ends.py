"""Waiting for an attempt to end its flushing whatever it was doing."""

from __future__ import annotations

import asyncio

from hub.core.errors import Backend
from hub.parts import Parts
from tests.support.parts import ELIZA, Posts, add_room
from workers.run import Attempt

from .fakes import FakeDriver, Script, tools
from .test_run import claim


async def test_an_attempt_that_fails_at_any_moment_of_a_flush_ends(parts: Parts) -> None:
    await add_room(parts.store)
    posts = Posts(parts.store)
    for ticks in range(40):
        run = await claim(parts, (await posts.send(calls=(ELIZA,))).runs[0])
        failing: Script = ["text", *[""] * ticks, Backend("broken")]
        driver = FakeDriver(*failing)
        async with asyncio.timeout(5):
            ended = await Attempt(tools(parts, driver), run).work()
        assert ended is not None
        assert ended.run.state == "failed"
