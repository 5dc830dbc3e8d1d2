"""`hub.service.timeline`: a database that was put back is noticed by who starts and by who runs."""

from __future__ import annotations

import pytest

from hub.core.errors import Unavailable
from hub.ports import Mark
from hub.service.timeline import Timeline


class Store:
    """A database that a test can put back; knows beyond what it was left."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.left: list[int] = []
        self.away = False

    async def mark(self) -> Mark:
        if self.away:
            raise Unavailable("away")
        return Mark(1, self.number)

    async def advance(self) -> Mark:
        self.number += 1
        return Mark(1, self.number)

    async def leave(self, beyond: int, epoch: str) -> Mark:
        self.left.append(beyond)
        self.number = beyond + 1
        return Mark(1, self.number)


class Memory:
    """A witness."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.away = False

    async def recall(self, database: int) -> int:
        if self.away:
            raise ValueError("something that nobody expected")
        return self.number

    async def note(self, mark: Mark) -> None:
        if self.away:
            raise Unavailable("away")
        self.number = max(self.number, mark.number)


class Committed:
    """How many events this process has committed."""

    count = 0

    def __call__(self) -> int:
        return self.count


async def test_the_mark_moves_on_when_something_was_committed_and_only_then() -> None:
    store, memory, committed = Store(), Memory(), Committed()
    timeline = Timeline(store, [memory], committed)
    await timeline.check()
    for count, number in [(0, 0), (3, 1), (3, 1), (4, 2)]:
        committed.count = count
        await timeline.move()
        assert (number, number) == (store.number, memory.number)
    assert [] == store.left


@pytest.mark.parametrize(("redis", "file"), [(9, 0), (0, 9), (9, 4), (4, 9)])
async def test_who_starts_on_a_database_that_is_behind_what_anybody_remembers_leaves_it(
    redis: int, file: int
) -> None:
    store, memories = Store(5), [Memory(redis), Memory(file)]
    await Timeline(store, memories, Committed()).check()
    assert [9] == store.left
    assert [10, 10] == [memory.number for memory in memories]


async def test_who_starts_on_one_that_is_not_behind_leaves_it_alone() -> None:
    for remembered in (0, 4, 5):
        store = Store(5)
        await Timeline(store, [Memory(remembered)], Committed()).check()
        assert [] == store.left


async def test_who_runs_while_it_is_put_back_leaves_it() -> None:
    store, memory, committed = Store(5), Memory(), Committed()
    timeline = Timeline(store, [memory], committed)
    await timeline.check()
    store.number = 3
    await timeline.move()
    assert ([5], 6) == (store.left, memory.number)
    await timeline.move()
    assert [5] == store.left


async def test_one_that_remembers_nothing_now_keeps_nobody_from_starting() -> None:
    store, broken, memory = Store(5), Memory(99), Memory(9)
    broken.away = True
    await Timeline(store, [broken, memory], Committed()).check()
    assert ([9], 10, 99) == (store.left, memory.number, broken.number)


async def test_what_could_not_be_moved_on_is_moved_on_later() -> None:
    store, memory, committed = Store(), Memory(), Committed()
    timeline = Timeline(store, [memory], committed)
    await timeline.check()
    committed.count, store.away = 1, True
    await timeline.move()
    store.away = False
    await timeline.move()
    assert 1 == memory.number
