"""`hub.service.writer` cut off by nobody who asked: what it had taken is answered, or stored when
it begins again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest

from hub.core.errors import Unavailable
from hub.core.posts import Deferred, NewPost, Posted, Verdict
from hub.enduring import enduring
from hub.service.writer import DEFERRALS, WAITING_BYTES, Writer
from tests.support.redis import until

from .fakes import Answers, GatedPosts, RecordingBus, RoomsLog, publisher_on, stored
from .test_writer import post


@contextlib.asynccontextmanager
async def enduring_it(writer: Writer) -> AsyncIterator[None]:
    """It works until it is closed and empty, which must not take for ever."""
    working = asyncio.create_task(enduring(writer.run, again_s=0))
    async with asyncio.timeout(5):
        yield
        writer.close()
        await working


async def outcome(writer: Writer, new: NewPost) -> Posted | str:
    try:
        return await writer.post(new)
    except Unavailable as error:
        return error.code


@pytest.mark.parametrize("fault", ["cancelled", "too few answers"])
async def test_a_batch_that_is_cut_off_is_answered_and_weighs_nothing(fault: str) -> None:
    class Cut(GatedPosts):
        async def commit(self, posts: Sequence[NewPost], *, wait: bool = False) -> list[Verdict]:
            outcomes = await super().commit(posts, wait=wait)
            if len(self.batches) > 1:
                return outcomes
            if fault == "cancelled":
                raise asyncio.CancelledError
            return outcomes[:-1]

    store, lost, answers = Cut(), list[str](), Answers()
    publisher = publisher_on(RecordingBus(), lost)
    writer = Writer(store, publisher, RoomsLog())
    large = post(1)._replace(content="x" * WAITING_BYTES)
    writer.submit(large, answers)
    async with enduring_it(writer):
        await until(lambda: 1 == len(answers.outcomes))
        assert (["OUTCOME_UNKNOWN"], ["room_1"]) == ([e.code for e in answers.errors], lost)
        assert [] == publisher.unpublished.rooms
        assert isinstance(await outcome(writer, large), Posted)
    assert 1 == len(answers.outcomes)


async def test_a_room_whose_batch_was_cut_off_is_looked_at() -> None:
    store, bus = GatedPosts(), RecordingBus()
    store.fault = asyncio.CancelledError()
    publisher = publisher_on(bus)
    writer = Writer(store, publisher, RoomsLog({"room_1": 7}, away=1))
    publishing = asyncio.create_task(publisher.run())
    async with enduring_it(writer):
        assert "OUTCOME_UNKNOWN" == await outcome(writer, post(1))
        await until(lambda: bool(bus.published))
    publishing.cancel()
    assert [("room_1", 7, 1)] == [(room, p.first, p.count) for room, p in bus.published]


class Held(GatedPosts):
    """Holds a room; waiting for it is cut off once the gate opens, the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = 0

    async def commit(self, posts: Sequence[NewPost], *, wait: bool = False) -> list[Verdict]:
        if not wait:
            return [
                Deferred() if each.room_id == "room_held" else one
                for each, one in zip(posts, stored(posts), strict=True)
            ]
        self.waits += 1
        if self.waits == 1:
            await self.gate.wait()
            raise asyncio.CancelledError
        return stored(posts)


async def test_what_came_while_waiting_for_a_room_was_cut_off_is_stored() -> None:
    store = Held()
    store.gate.clear()
    writer = Writer(store, publisher_on(RecordingBus()), RoomsLog())
    async with enduring_it(writer):
        first = asyncio.create_task(outcome(writer, post(1, "room_held")))
        await until(lambda: 1 == store.waits)
        aside = asyncio.create_task(outcome(writer, post(2, "room_held")))
        assert isinstance(await outcome(writer, post(3, "room_free")), Posted)  # taken after it
        store.gate.set()
        assert "OUTCOME_UNKNOWN" == await first
        assert isinstance(await aside, Posted)
        assert isinstance(await outcome(writer, post(4, "room_held")), Posted)


async def test_a_writer_that_begins_again_goes_on_with_all_that_waits() -> None:
    """It is cut off after it turned to wait for a room, and before the waiting began."""
    free = Answers()

    class Cut(GatedPosts):
        async def commit(self, posts: Sequence[NewPost], *, wait: bool = False) -> list[Verdict]:
            self.batches.append(list(posts))
            if wait:
                return stored(posts)
            if len(self.batches) == DEFERRALS + 1:
                writer.submit(post(2, "room_free"), free)
            if len(self.batches) == DEFERRALS + 2:
                raise asyncio.CancelledError
            return [Deferred() for _ in posts]

    writer = Writer(Cut(), publisher_on(RecordingBus()), RoomsLog())
    async with enduring_it(writer):
        assert isinstance(await outcome(writer, post(1, "room_held")), Posted)
    assert ["OUTCOME_UNKNOWN"] == [error.code for error in free.errors]


async def test_what_still_waits_when_it_is_ended_is_refused() -> None:
    store, answers = GatedPosts(), Answers()
    store.gate.clear()
    writer = Writer(store, publisher_on(RecordingBus()), RoomsLog())
    working = asyncio.create_task(writer.run())
    writer.submit(post(1), answers)
    await store.begun.wait()
    writer.submit(post(2), answers)
    writer.close()
    working.cancel()
    await asyncio.wait({working})
    writer.refuse()
    assert ["OUTCOME_UNKNOWN", "STORE_UNAVAILABLE"] == [error.code for error in answers.errors]
