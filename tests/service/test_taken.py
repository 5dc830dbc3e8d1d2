"""`hub.service.taken`: what was taken away is heeded, whatever goes wrong with it at first."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from hub.core.errors import Unavailable
from hub.ports import AccessChange
from hub.service.taken import PAGE, Taken
from tests.support.redis import until


class Changes:
    """A list of changes; the first questions are answered with `faults`."""

    def __init__(self, *subject_ids: str) -> None:
        self.found = [AccessChange(n, "key", each) for n, each in enumerate(subject_ids, 1)]
        self.faults: list[Exception] = []
        self.polls = 0
        self.asked: list[int] = []

    async def latest(self) -> int:
        """All of them come after the first question."""
        self.polls += 1
        return self.found[-1].number if self.found and self.polls > 1 else 0

    async def after(self, number: int, limit: int) -> list[AccessChange]:
        self.asked.append(number)
        if self.faults:
            raise self.faults.pop()
        return [each for each in self.found if each.number > number][:limit]

    async def forget(self, before_ms: int) -> int:
        return 0


class Heard:
    """Knows what was heeded; so many times it cannot heed one of them."""

    def __init__(self, **failures: int) -> None:
        self.heeded: list[str] = []
        self.failures = failures

    def __call__(self, kind: str, subject_id: str) -> None:
        if self.failures.get(subject_id, 0):
            self.failures[subject_id] -= 1
            raise ValueError("a connection in a state that nobody expected")
        self.heeded.append(subject_id)


@contextlib.asynccontextmanager
async def watching(changes: Changes, heard: Heard) -> AsyncIterator[None]:
    taken = Taken(changes, heard)
    await taken.begin()
    task = asyncio.create_task(taken.watch())
    try:
        yield
    finally:
        assert not task.done()
        task.cancel()
        await asyncio.wait({task})


async def test_a_change_that_cannot_be_heeded_is_repeated_and_holds_up_no_other() -> None:
    heard = Heard(key_1=2)
    async with watching(Changes("key_1", "key_2", "key_3"), heard):
        await until(lambda: 3 == len(heard.heeded))
    assert ["key_2", "key_3", "key_1"] == heard.heeded


@pytest.mark.parametrize("fault", [Unavailable("away"), ValueError("a row of nobody's")])
async def test_a_list_that_cannot_be_read_is_read_again(fault: Exception) -> None:
    changes, heard = Changes("key_1"), Heard()
    changes.faults = [fault, fault]
    async with watching(changes, heard):
        await until(lambda: ["key_1"] == heard.heeded)


async def test_more_than_a_page_is_heeded_once_each_and_in_order() -> None:
    subject_ids = [f"key_{n}" for n in range(2 * PAGE + 1)]
    heard = Heard()
    async with watching(Changes(*subject_ids), heard):
        await until(lambda: len(subject_ids) <= len(heard.heeded))
    assert subject_ids == heard.heeded


async def test_after_the_list_was_put_back_what_comes_is_heeded() -> None:
    changes, heard = Changes("key_1", "key_2", "key_3"), Heard()
    async with watching(changes, heard):
        await until(lambda: 3 == len(heard.heeded))
        del changes.found[1:]
        polls = changes.polls
        await until(lambda: polls + 1 < changes.polls)
        changes.found.append(AccessChange(2, "key", "key_new"))
        await until(lambda: "key_new" == heard.heeded[-1])


async def test_where_nothing_is_new_the_list_is_not_read() -> None:
    changes, heard = Changes("key_1"), Heard()
    async with watching(changes, heard):
        await until(lambda: 4 == changes.polls)
    assert [0] == changes.asked


async def test_what_was_forgotten_meanwhile_is_not_waited_for() -> None:
    changes, heard = Changes("key_1", "key_2"), Heard()
    changes.after = forgotten  # type: ignore[method-assign]
    async with watching(changes, heard):
        await until(lambda: 4 == changes.polls)
    assert [] == heard.heeded


async def forgotten(number: int, limit: int) -> list[AccessChange]:
    return []
