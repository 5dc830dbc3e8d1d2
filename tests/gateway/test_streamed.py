"""`hub.gateway.streamed`: a long answer is made as it is taken, and is whole or has no end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from hub.core.errors import Unavailable
from hub.gateway.streamed import Streamed

from .test_sse import SCOPE, Browser


class Parts:
    """So many parts, then `fault` if there is one; counts what was made."""

    def __init__(self, count: int, fault: Exception | None = None) -> None:
        self.made, self.ended = 0, False
        self.answer = Streamed(self._make(count, fault), "text/plain", {"X-Own": "1"})

    async def _make(self, count: int, fault: Exception | None) -> AsyncGenerator[bytes, None]:
        try:
            for _ in range(count):
                self.made += 1
                yield b"x"
            if fault is not None:
                raise fault
        finally:
            self.ended = True


async def test_its_parts_are_sent_one_by_one_and_then_it_ends() -> None:
    browser, parts = Browser(), Parts(3)
    await parts.answer(SCOPE, browser.receive, browser.send)
    assert [b"x", b"x", b"x", b""] == browser.got
    assert browser.complete
    assert "1" == parts.answer.headers["X-Own"]


async def test_an_answer_that_breaks_off_has_no_end() -> None:
    browser, parts = Browser(), Parts(2, Unavailable("away"))
    await parts.answer(SCOPE, browser.receive, browser.send)
    assert [b"x", b"x"] == browser.got
    assert not browser.complete


async def test_who_asks_for_the_head_alone_has_nothing_made() -> None:
    browser, parts = Browser(), Parts(3)
    await parts.answer(SCOPE | {"method": "HEAD"}, browser.receive, browser.send)
    assert ([b""], 0) == (browser.got, parts.made)


async def test_a_part_is_made_when_the_one_before_has_left_and_none_for_who_is_gone() -> None:
    class Slow(Browser):
        async def send(self, message: object) -> None:
            await super().send(message)
            if self.got:
                await asyncio.Event().wait()

    browser, parts = Slow(), Parts(3)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(parts.answer(SCOPE, browser.receive, browser.send))
        while not browser.got:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert 1 == parts.made
        browser.left.set()
    assert parts.ended
    assert not browser.complete
