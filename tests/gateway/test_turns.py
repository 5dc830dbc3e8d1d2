"""`hub.gateway.turns`: so much is made at one time, and who waits is served in order."""

from __future__ import annotations

import asyncio
import contextlib
from itertools import pairwise

import pytest

from hub.core.errors import Limited
from hub.gateway.turns import Turns

SHORT_S = 0.01


class Page:
    """Somebody's page, made for as long as the test wants."""

    def __init__(self, turns: Turns, entries: int, key_id: str = "key_a") -> None:
        self.begun, self._done = False, asyncio.Event()
        self.task = asyncio.create_task(self._make(turns, entries, key_id))

    async def _make(self, turns: Turns, entries: int, key_id: str) -> None:
        async with turns.hold(entries, key_id):
            self.begun = True
            await self._done.wait()

    async def end(self) -> None:
        self._done.set()
        await self.task

    async def leave(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def begun(*pages: Page) -> list[bool]:
    await settled()
    return [page.begun for page in pages]


async def test_so_many_entries_are_made_at_one_time() -> None:
    turns = Turns(100)
    first, second, third = (Page(turns, 50) for _ in range(3))
    assert [True, True, False] == await begun(first, second, third)
    await first.end()
    assert [True] == await begun(third)
    await second.end()
    await third.end()


async def test_who_came_first_is_served_first_though_another_would_fit() -> None:
    turns = Turns(100)
    first, large, small = Page(turns, 60), Page(turns, 100), Page(turns, 1)
    assert [True, False, False] == await begun(first, large, small)
    await first.end()
    assert [True, False] == await begun(large, small)
    await large.end()
    assert [True] == await begun(small)
    await small.end()


async def test_nobody_waits_for_all_that_another_key_has_asked_for() -> None:
    turns = Turns(1)
    first = Page(turns, 1, "key_a")
    many = [Page(turns, 1, "key_a") for _ in range(5)]
    await settled()
    one, two = Page(turns, 1, "key_b"), Page(turns, 1, "key_b")
    assert not any(await begun(*many, one, two))
    for ends, begins in pairwise((first, many[0], one, many[1], two, *many[2:])):
        await ends.end()
        assert [True] == await begun(begins)
    await many[-1].end()


async def test_what_is_larger_than_all_is_made_alone() -> None:
    turns = Turns(100)
    huge, small = Page(turns, 1_000), Page(turns, 1)
    assert [True, False] == await begun(huge, small)
    await huge.end()
    assert [True] == await begun(small)
    await small.end()


async def test_who_leaves_while_waiting_holds_up_nobody() -> None:
    turns = Turns(100)
    first, large, small = Page(turns, 60), Page(turns, 100), Page(turns, 40)
    await settled()
    await large.leave()
    assert [True] == await begun(small)
    await first.end()
    await small.end()
    whole = Page(turns, 100)
    assert [True] == await begun(whole)
    await whole.end()


async def test_who_leaves_as_the_turn_comes_gives_it_back() -> None:
    turns = Turns(100)
    async with turns.hold(100, "key_a"):
        second = Page(turns, 100)
        await settled()
    await second.leave()
    whole = Page(turns, 100)
    assert [True] == await begun(whole)
    await whole.end()


async def test_those_who_wait_are_bounded_in_all_and_for_each_key() -> None:
    turns = Turns(1, waiting=3, of_one=2)
    first = Page(turns, 1)
    waiting = [Page(turns, 1, "key_a"), Page(turns, 1, "key_a")]
    await settled()
    refused = Page(turns, 1, "key_a")
    await settled()
    assert refused.task.done()
    with pytest.raises(Limited):
        await refused.task
    waiting.append(Page(turns, 1, "key_b"))
    await settled()
    with pytest.raises(Limited) as caught:
        await Page(turns, 1, "key_c").task
    assert caught.value.retry_after
    one, two, of_another = waiting
    for page in (first, one, of_another, two):
        await page.end()
    assert (0, {}) == (turns._count, turns._queues)


async def test_who_waits_too_long_is_told_to_come_again() -> None:
    turns = Turns(1, patience_s=SHORT_S)
    first = Page(turns, 1)
    await settled()
    with pytest.raises(Limited):
        await Page(turns, 1).task
    await first.end()
    async with turns.hold(1, "key_a"):
        pass
