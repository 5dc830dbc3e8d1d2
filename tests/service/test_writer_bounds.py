"""What `hub.service.writer` does with more than it takes, and with what it does not know."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from hub.core.errors import Limited, Unavailable
from hub.core.posts import Deferred, LogRow, NewPost, Verdict
from hub.ports import Bus
from hub.service.publisher import Publisher
from hub.service.writer import WAITING_BYTES, WAITING_POSTS, Writer
from tests.support.redis import until

from .fakes import Answers, GatedPosts, RecordingBus, RoomsLog, publisher_on, stored
from .test_writer import post


async def test_more_posts_than_may_wait_are_refused() -> None:
    writer, answers = Writer(GatedPosts(), publisher_on(RecordingBus()), RoomsLog()), Answers()
    one = post(1)
    for _ in range(WAITING_POSTS):
        writer.submit(one, answers)
    with pytest.raises(Limited) as refused:
        writer.submit(one, answers)
    assert 1 == refused.value.retry_after
    assert [] == answers.outcomes


async def test_few_posts_that_are_large_are_bounded_too() -> None:
    store, answers = GatedPosts(), Answers()
    store.gate.clear()
    writer = Writer(store, publisher_on(RecordingBus()), RoomsLog())
    writing = asyncio.create_task(writer.run())
    large = [post(n)._replace(content="x" * (WAITING_BYTES // 4)) for n in range(5)]
    for each in large[:4]:
        writer.submit(each, answers)
    await store.begun.wait()
    with pytest.raises(Limited):
        writer.submit(large[4], answers)
    store.gate.set()
    await until(lambda: 4 == len(answers.outcomes))
    writer.submit(large[4], answers)
    writer.close()
    await writing
    assert 5 == len(answers.outcomes)


async def test_the_rooms_of_posts_that_are_perhaps_stored_are_named() -> None:
    store, lost = GatedPosts(), list[str]()
    store.fault = Unavailable("perhaps", code="OUTCOME_UNKNOWN")
    writer = Writer(store, publisher_on(RecordingBus(), lost), RoomsLog())
    writing = asyncio.create_task(writer.run())
    with pytest.raises(Unavailable):
        await writer.post(post(1, "room_perhaps"))
    writer.close()
    await writing
    assert ["room_perhaps"] == lost


async def test_of_a_batch_that_is_perhaps_stored_in_part_only_those_rooms_are_named() -> None:
    def in_part(posts: Sequence[NewPost]) -> list[Verdict]:
        unknown = Unavailable("perhaps", code="OUTCOME_UNKNOWN")
        return [*stored(posts)[:1], *[unknown] * (len(posts) - 1)]

    store, lost, answers = GatedPosts(), list[str](), Answers()
    store.answer = in_part
    writer = Writer(store, publisher_on(RecordingBus(), lost), RoomsLog())
    writer.submit(post(1, "room_stored"), answers)
    writer.submit(post(2, "room_perhaps"), answers)
    writer.close()
    await writer.run()
    assert (["room_perhaps"], 2) == (lost, len(answers.outcomes))


async def test_the_newest_entry_of_a_room_in_doubt_is_published_once_it_can_be_read() -> None:
    store, bus = GatedPosts(), RecordingBus()
    store.fault = Unavailable("perhaps", code="OUTCOME_UNKNOWN")
    publisher = publisher_on(bus)
    writer = Writer(store, publisher, RoomsLog({"room_1": 7, "room_2": 3}, away=1))
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(each.run()) for each in (writer, publisher)]
        with pytest.raises(Unavailable):
            await writer.post(post(1))
        await until(lambda: bool(bus.published))
        for task in running:
            task.cancel()
    assert [("room_1", 7, 1)] == [(room, p.first, p.count) for room, p in bus.published]


async def test_posts_that_wait_aside_for_a_held_room_count_as_waiting() -> None:
    class Held(GatedPosts):
        async def commit(self, posts: Sequence[NewPost], *, wait: bool = False) -> list[Verdict]:
            if not wait:
                return [Deferred() for _ in posts]
            await self.gate.wait()
            return stored(posts)

    store, answers = Held(), Answers()
    store.gate.clear()
    writer = Writer(store, publisher_on(RecordingBus()), RoomsLog())
    writing = asyncio.create_task(writer.run())
    with pytest.raises(Limited):
        for number in range(WAITING_POSTS + 2):
            writer.submit(post(number), answers)
            if number % 100 == 0:
                await asyncio.sleep(0)  # lets the writer take them
    assert [] == answers.outcomes
    writing.cancel()


async def test_a_post_whose_outcome_cannot_be_told_holds_up_no_other() -> None:
    async with asyncio.timeout(10):
        store, bus, answers = GatedPosts(), RecordingBus(), Answers()
        publisher = publisher_on(bus)
        writer = Writer(store, publisher, RoomsLog())

        def gone(outcome: object) -> None:
            raise ValueError("a connection in a state that nobody expected")

        writer.submit(post(1), gone)
        writer.submit(post(2), answers)
        writer.close()
        await writer.run()
    assert 1 == len(answers.outcomes)


async def test_what_is_stored_and_cannot_be_published_is_named_as_lost() -> None:
    class Unmade(Publisher):
        def put_posts(self, rows: Sequence[LogRow], *_: object, **__: object) -> None:
            raise TypeError("a row that is no event")

    lost, answers = list[str](), Answers()
    publisher = Unmade(cast("Bus", RecordingBus()), lost.extend)
    writer = Writer(GatedPosts(), publisher, RoomsLog())
    writer.submit(post(1), answers)
    writer.close()
    await writer.run()
    assert (["room_1"], 1, []) == (lost, len(answers.outcomes), answers.errors)
