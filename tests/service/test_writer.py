"""`hub.service.writer`: who posts while a transaction runs goes into the next one together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest

from hub.core.errors import Conflict, HubError, Unavailable
from hub.core.posts import Deferred, NewPost, Posted, StaleAccess, Verdict
from hub.parts import Parts
from hub.service.writer import BATCH_POSTS, FEW_POSTS, Writer
from tests.support.parts import ACME, AT_MS, Posts, add_room, author

from .fakes import Answers, GatedPosts, RecordingBus, RoomsLog, publisher_on, stored


def post(number: int, room_id: str = "room_1") -> NewPost:
    return NewPost(ACME, room_id, 1, f"msg_{number:05}", author("user_alice"), "hi", AT_MS)


@contextlib.asynccontextmanager
async def running(store: GatedPosts, bus: RecordingBus | None = None) -> AsyncIterator[Writer]:
    publisher = publisher_on(bus or RecordingBus())
    writer = Writer(store, publisher, RoomsLog())
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(writer.run())
        publishing = group.create_task(publisher.run())
        try:
            yield writer
        finally:
            store.gate.set()
            writer.close()
            await writing
            await publisher.drain(5)
            publishing.cancel()


async def begun(store: GatedPosts, writer: Writer, number: int = 0) -> asyncio.Task[Posted]:
    """A post whose transaction has begun and waits at the gate."""
    store.gate.clear()
    task = asyncio.create_task(writer.post(post(number)))
    async with asyncio.timeout(5):
        await store.begun.wait()
    return task


async def test_posts_that_come_meanwhile_share_the_next_transaction() -> None:
    store = GatedPosts()
    async with running(store) as writer:
        first = await begun(store, writer)
        numbers = range(1, FEW_POSTS + 1)
        others = [asyncio.create_task(writer.post(post(n))) for n in numbers]
        await asyncio.sleep(0)
        store.gate.set()
        posted = await asyncio.gather(first, *others)
    assert [len(batch) for batch in store.batches] == [1, FEW_POSTS]
    assert [p.message_id for p in posted] == [post(n).message_id for n in (0, *numbers)]


async def test_of_many_posts_one_half_is_passed_on_while_the_other_is_stored() -> None:
    """Else whoever passes them on has nothing to do meanwhile."""
    store = GatedPosts()
    async with running(store) as writer:
        first = await begun(store, writer)
        answers = Answers()
        for n in range(1, 4 * FEW_POSTS + 1):
            writer.submit(post(n), answers)
        store.gate.set()
        await first
    sizes = [len(batch) for batch in store.batches]
    assert sizes == [1, 2 * FEW_POSTS, FEW_POSTS, FEW_POSTS]
    assert len(answers.outcomes) == 4 * FEW_POSTS


async def test_a_batch_has_a_limit() -> None:
    store = GatedPosts()
    async with running(store) as writer:
        first = await begun(store, writer)
        answers = Answers()
        for n in range(1, BATCH_POSTS * 2 + 2):
            writer.submit(post(n), answers)
        store.gate.set()
        await first
    assert [len(batch) for batch in store.batches][:3] == [1, BATCH_POSTS, BATCH_POSTS // 2 + 1]
    assert len(answers.outcomes) == BATCH_POSTS * 2 + 1


async def test_a_post_is_answered_after_its_commit_and_without_waiting_for_the_bus() -> None:
    store, bus = GatedPosts(), RecordingBus()
    bus.gate.clear()
    async with running(store, bus) as writer:
        first = await begun(store, writer)
        await asyncio.sleep(0)
        assert not first.done()
        store.gate.set()
        async with asyncio.timeout(5):
            await first
        assert bus.published == []
        bus.gate.set()
    assert [room for room, _ in bus.published] == ["room_1"]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Unavailable("away"), Unavailable),
        (Unavailable("perhaps", code="OUTCOME_UNKNOWN"), Unavailable),
        (RuntimeError("a bug"), HubError),
    ],
)
async def test_a_store_that_fails_answers_everybody_and_the_writer_goes_on(
    fault: Exception, kind: type[HubError]
) -> None:
    store, bus = GatedPosts(), RecordingBus()
    async with running(store, bus) as writer:
        first = await begun(store, writer)
        others = [asyncio.create_task(writer.post(post(n))) for n in range(1, 4)]
        store.fault = fault
        store.gate.set()
        failed = await asyncio.gather(first, *others, return_exceptions=True)
        assert [type(error) for error in failed] == [kind] * 4
        store.fault = None
        assert (await writer.post(post(9))).message_id == post(9).message_id
    assert len(bus.published) == 1


async def test_each_post_is_told_its_own_outcome() -> None:
    def one_is_refused(posts: Sequence[NewPost]) -> list[Verdict]:
        outcomes = stored(posts)
        return [
            Conflict("archived") if p.message_id == "msg_00001"
            else StaleAccess() if p.message_id == "msg_00002" else o
            for p, o in zip(posts, outcomes, strict=True)
        ]  # fmt: skip

    store = GatedPosts()
    store.answer = one_is_refused
    async with running(store) as writer:
        told = await asyncio.gather(
            *(writer.post(post(n)) for n in range(4)), return_exceptions=True
        )
    assert [type(t) for t in told] == [Posted, Conflict, StaleAccess, Posted]


async def test_a_room_that_others_hold_holds_up_no_other_room() -> None:
    held = asyncio.Event()

    class Held(GatedPosts):
        async def commit(self, posts: Sequence[NewPost], *, wait: bool = False) -> list[Verdict]:
            if wait:
                await held.wait()
                return stored(posts)
            return [
                Deferred() if post.room_id == "room_held" and not held.is_set() else outcome
                for post, outcome in zip(posts, stored(posts), strict=True)
            ]

    async with running(Held()) as writer:
        slow = [asyncio.create_task(writer.post(post(n, "room_held"))) for n in range(3)]
        async with asyncio.timeout(5):
            for n in range(10, 30):
                await writer.post(post(n, "room_free"))
        late = asyncio.create_task(writer.post(post(5, "room_held")))
        await writer.post(post(31, "room_free"))
        assert not [task for task in [*slow, late] if task.done()]
        held.set()
        async with asyncio.timeout(5):
            await asyncio.gather(*slow, late)


async def test_a_closed_writer_refuses_and_stores_what_it_took() -> None:
    store = GatedPosts()
    async with running(store) as writer:
        first = await begun(store, writer)
        waiting = asyncio.create_task(writer.post(post(1)))
        await asyncio.sleep(0)
        writer.close()
        with pytest.raises(Unavailable):
            writer.submit(post(2), Answers())
        store.gate.set()
        assert {(await first).message_id, (await waiting).message_id} == {"msg_00000", "msg_00001"}


async def test_a_caller_who_gives_up_disturbs_nobody() -> None:
    store = GatedPosts()
    async with running(store) as writer:
        first = await begun(store, writer)
        gone, stays = (asyncio.create_task(writer.post(post(n))) for n in (1, 2))
        await asyncio.sleep(0)
        gone.cancel()
        store.gate.set()
        assert (await stays).message_id == "msg_00002"
        await first
    assert [len(batch) for batch in store.batches] == [1, 2]


async def test_on_a_real_store_many_posts_take_few_transactions(parts: Parts) -> None:
    await add_room(parts.store)
    posts = Posts(parts.store)
    new = [await posts.new() for _ in range(300)]
    counted = 0
    commit = parts.store.posts.commit

    class Counting:
        async def commit(self, posts: Sequence[NewPost], *, wait: bool = False) -> list[Verdict]:
            nonlocal counted
            counted += 1
            return await commit(posts, wait=wait)

    writer = Writer(Counting(), parts.publisher, parts.store.log)
    writing = asyncio.create_task(writer.run())
    posted = await asyncio.gather(*(writer.post(each) for each in new))
    writer.close()
    await writing
    first = posted[0].seq
    assert [p.seq for p in posted] == list(range(first, first + 300))
    assert counted < 10
