"""`hub.service.timeline`: a database that was put back is noticed by who starts and by who runs."""

from __future__ import annotations

import asyncio

import pytest
import structlog.testing

from hub.core.errors import Unavailable
from hub.ports import Mark
from hub.service.timeline import Timeline
from tests.support.redis import until


class Store:
    """A database that a test can put back; knows beyond what it was left."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.asked: list[int] = []
        self.left: list[int] = []
        self.away = False

    async def mark(self) -> Mark:
        if self.away:
            raise Unavailable("away")
        return Mark(1, self.number)

    async def advance(self) -> Mark:
        self.number += 1
        return Mark(1, self.number)

    async def leave(self, beyond: int, epoch: str) -> Mark | None:
        self.asked.append(beyond)
        if self.number >= beyond:
            return None
        return await self.renew("room_1", "e1", beyond, epoch)

    async def renew(self, room_id: str, known: str, beyond: int, epoch: str) -> Mark | None:
        self.left.append(beyond)
        self.number = max(self.number, beyond) + 1
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


async def test_of_many_who_remember_who_is_first_puts_it_beyond_what_any_remembers() -> None:
    store, memory, committed = Store(5), Memory(), Committed()
    first, second = (Timeline(store, [memory], committed) for _ in range(2))
    await first.check()
    store.number = 9
    await second.check()
    store.number = 3
    await first.move()
    await second.move()
    assert ([9], 10) == (store.left, memory.number)


async def test_who_saw_it_by_a_room_leaves_what_anybody_remembers_and_nobody_does_again() -> None:
    for number, remembered, left in [(3, 9, 9), (5, 5, 5)]:
        store, memory = Store(number), Memory(remembered)
        timeline = Timeline(store, [memory], Committed())
        await timeline.restored("room_1", "e1")
        await timeline.move()
        assert ([left], left + 1) == (store.left, memory.number)


async def test_a_witness_that_was_away_or_emptied_is_told_though_nothing_is_committed() -> None:
    store, memory, committed = Store(), Memory(), Committed()
    timeline = Timeline(store, [memory], committed)
    committed.count, memory.away = 1, True
    await timeline.move()
    memory.away = False
    await timeline.move()
    assert 1 == memory.number
    memory.number = 0
    await timeline.move()
    assert (1, 1) == (memory.number, store.number)


@pytest.mark.parametrize("late", [1, 2])
async def test_a_mark_that_moves_while_another_looks_is_not_behind(late: int) -> None:
    class Slow(Store):
        """The answer to one question is late."""

        def __init__(self) -> None:
            super().__init__(5)
            self.marks = 0
            self.go_on = asyncio.Event()

        async def mark(self) -> Mark:
            self.marks += 1
            found, at = await super().mark(), self.marks
            if at == late:
                await self.go_on.wait()
            return found

    store, committed = Slow(), Committed()
    timeline = Timeline(store, [Memory(5)], committed)
    checking = asyncio.create_task(timeline.check())
    await until(lambda: store.marks == late)
    committed.count = 1
    await timeline.move()
    store.go_on.set()
    await checking
    assert ([], 6) == (store.asked, store.number)


async def test_it_is_said_that_it_was_put_back_by_who_left_it_alone() -> None:
    class Left(Store):
        """Somebody else is first, always."""

        async def leave(self, beyond: int, epoch: str) -> Mark | None:
            return None

    for store, said in [(Store(3), 1), (Left(3), 0)]:
        with structlog.testing.capture_logs() as logs:
            await Timeline(store, [Memory(9)], Committed()).check()
        assert said == len([each for each in logs if each["log_level"] == "error"])


async def test_a_database_without_events_is_not_told_of() -> None:
    """Who cannot start without Redis says so in one line, and nothing of marks."""
    memory = Memory()
    memory.away = True
    with structlog.testing.capture_logs() as logs:
        await Timeline(Store(), [memory], Committed()).move()
    assert [] == logs
