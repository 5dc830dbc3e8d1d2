"""`hub.store.runs`: leases on database time, fenced by attempt, one final reply."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from hub.core.values import Run
from hub.parts import now_ms
from hub.ports import Page, Reply
from hub.settings import Settings
from hub.store.opening import open_store
from hub.store.store import SqlStore
from tests.support.parts import ACME, AT_MS, ELIZA, Posts, add_room, add_session
from tests.support.redis import until

LONG_MS, TINY_MS = 60_000, 1
DONE = Reply("succeeded", "the reply", AT_MS, finish_reason="stop",
             usage={"prompt_tokens": 1, "completion_tokens": 2, "estimated": False})  # fmt: skip


async def queued(store: SqlStore, *, room_id: str = "room_1", at_ms: int = AT_MS) -> Run:
    """A run in a fresh room."""
    await add_room(store, room_id)
    return await called(Posts(store, count=int(room_id[-1]) * 100), room_id, at_ms=at_ms)


async def called(posts: Posts, room_id: str = "room_1", **rest: Any) -> Run:
    return (await posts.send(room_id, calls=(ELIZA,), **rest)).runs[0]


async def claimed(store: SqlStore, run: Run, lease_ms: int = LONG_MS) -> Run:
    found = await store.runs.claim(run.id, "worker", lease_ms)
    assert found is not None
    return found


async def expired(store: SqlStore, run: Run) -> None:
    """Return when a lease of a millisecond has run out by the database's clock."""

    async def late() -> bool:
        return run.id in await store.runs.due(10**9, 100)

    await until(late)


async def test_a_claim_begins_the_next_attempt(store: SqlStore) -> None:
    run = await claimed(store, await queued(store))
    assert (run.state, run.attempt) == ("running", 1)
    assert run.started_ms is not None
    assert abs(run.started_ms - now_ms()) < 10_000


async def test_of_two_claims_one_wins(store: SqlStore) -> None:
    run = await queued(store)
    claims = await asyncio.gather(
        *(store.runs.claim(run.id, f"worker-{n}", LONG_MS) for n in range(10))
    )
    assert [c.attempt for c in claims if c] == [1]


async def test_of_two_processes_one_wins(settings: Settings, store: SqlStore) -> None:
    run = await queued(store)
    async with open_store(settings.database) as other:
        claims = await asyncio.gather(
            *(s.runs.claim(run.id, "w", LONG_MS) for s in (store, other, store, other))
        )
    assert [c.attempt for c in claims if c] == [1]


async def test_a_run_whose_lease_ran_out_is_claimed_again(store: SqlStore) -> None:
    run = await queued(store)
    await claimed(store, run, TINY_MS)
    await expired(store, run)
    assert (await claimed(store, run)).attempt == 2


async def test_an_attempt_that_lost_the_run_neither_keeps_nor_ends_it(store: SqlStore) -> None:
    run = await queued(store)
    old = await claimed(store, run, TINY_MS)
    await expired(store, run)
    new = await claimed(store, run)
    head = (await store.log.heads(["room_1"]))["room_1"].head

    assert not await store.runs.renew(run.id, old.attempt, LONG_MS)
    assert await store.runs.finish(run.id, old.attempt, DONE) is None
    assert (await store.log.heads(["room_1"]))["room_1"].head == head
    assert await store.messages.get(ACME, "room_1", run.reply_message_id) is None

    assert await store.runs.renew(run.id, new.attempt, LONG_MS)
    assert await store.runs.finish(run.id, new.attempt, DONE) is not None


async def test_a_lease_that_is_renewed_does_not_run_out(store: SqlStore) -> None:
    run = await claimed(store, await queued(store), TINY_MS)
    assert await store.runs.renew(run.id, run.attempt, LONG_MS)
    assert await store.runs.due(10**9, 10) == []
    assert await store.runs.claim(run.id, "other", LONG_MS) is None


async def test_a_run_ends_once_however_often_it_is_told_to(store: SqlStore) -> None:
    run = await claimed(store, await queued(store))
    replies = [replace(DONE, text=f"reply {n}") for n in range(6)]
    ended = await asyncio.gather(
        *(store.runs.finish(run.id, run.attempt, reply) for reply in replies)
    )
    assert len([e for e in ended if e]) == 1
    page = await store.messages.page("room_1", limit=100)
    assert len([m for m in page if m.author.id == ELIZA]) == 1
    assert not await store.runs.renew(run.id, run.attempt, LONG_MS)
    assert await store.runs.claim(run.id, "w", LONG_MS) is None


async def test_the_reply_and_the_end_are_stored_together(store: SqlStore) -> None:
    run = await claimed(store, await queued(store))
    ended = await store.runs.finish(run.id, run.attempt, DONE)
    assert ended is not None
    (created, message), (finished, _) = ended.entries
    assert (created.type, finished.type) == ("message.created", "run.finished")
    assert finished.seq == created.seq + 1
    assert message is not None
    assert (message.id, message.content, message.thread_id, message.run_id) == (
        run.reply_message_id, "the reply", run.trigger_message_id, run.id
    )  # fmt: skip
    assert ended.run.state == "succeeded"
    read = await store.log.read("room_1", created.seq - 1, 10)
    assert read == list(ended.entries)
    root = await store.messages.get(ACME, "room_1", run.trigger_message_id)
    assert root is not None
    assert root.reply_count == 1


async def test_a_silent_run_ends_without_a_message(store: SqlStore) -> None:
    run = await claimed(store, await queued(store))
    ended = await store.runs.finish(run.id, run.attempt, Reply("silent", None, AT_MS))
    assert ended is not None
    assert [e.type for e, _ in ended.entries] == ["run.finished"]
    assert ended.run.state == "silent"


async def test_a_run_that_nobody_claimed_cannot_succeed(store: SqlStore) -> None:
    run = await queued(store)
    assert await store.runs.finish(run.id, run.attempt, DONE) is None
    assert (await store.runs.get(ACME, run.id)) == run


async def test_a_write_that_fails_half_way_leaves_the_run_running(store: SqlStore) -> None:
    run = await claimed(store, await queued(store))
    await store.database.write(
        lambda c: c.execute(text("UPDATE runs SET reply_message_id = trigger_message_id"))
    )
    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.runs.finish(run.id, run.attempt, DONE)
    found = await store.runs.get(ACME, run.id)
    assert found is not None
    assert found.state == "running"


async def test_runs_of_one_lane_go_one_after_the_other(store: SqlStore) -> None:
    await add_session(store)
    posts = Posts(store)
    first, second, third = [await called(posts, "sess_1") for _ in range(3)]
    assert await store.runs.claim(second.id, "w", LONG_MS) is None
    run = await claimed(store, first)
    assert await store.runs.claim(second.id, "w", LONG_MS) is None
    ended = await store.runs.finish(first.id, run.attempt, DONE)
    assert ended is not None
    assert ended.woken == (second.id,)
    assert await store.runs.claim(third.id, "w", LONG_MS) is None
    assert (await claimed(store, second)).id == second.id


async def test_a_lane_is_a_participant_in_a_thread(store: SqlStore) -> None:
    await add_room(store)
    posts = Posts(store)
    one, other = await called(posts), await called(posts)
    same = await called(posts, thread_id=one.trigger_message_id)
    await claimed(store, one)
    await claimed(store, other)
    assert await store.runs.claim(same.id, "w", LONG_MS) is None


async def test_a_lane_whose_worker_died_goes_on_with_the_same_run(store: SqlStore) -> None:
    await add_session(store)
    posts = Posts(store)
    first, second = [await called(posts, "sess_1") for _ in range(2)]
    await claimed(store, first, TINY_MS)
    await expired(store, first)
    assert await store.runs.claim(second.id, "w", LONG_MS) is None
    assert (await claimed(store, first)).attempt == 2


async def test_one_mention_is_one_run(store: SqlStore) -> None:
    await add_room(store)
    posts = Posts(store)
    twice = await posts.new(calls=(ELIZA, ELIZA))
    (outcome,) = await store.posts.commit([twice])
    assert not hasattr(outcome, "seq")
    assert await store.runs.open_in("room_1") == []


async def test_due_are_runs_that_wait_too_long_and_runs_left_behind(store: SqlStore) -> None:
    now = now_ms()
    old = await queued(store, room_id="room_1", at_ms=now - 60_000)
    fresh = await queued(store, room_id="room_2", at_ms=now + 60_000)
    left = await queued(store, room_id="room_3", at_ms=now - 90_000)
    held = await queued(store, room_id="room_4", at_ms=now - 90_000)
    await claimed(store, left, TINY_MS)
    await claimed(store, held)
    await expired(store, left)
    due = await store.runs.due(1_000, 10)
    assert due == [left.id, old.id]
    assert fresh.id not in due
    assert await store.runs.due(1_000, 1) == [left.id]


async def test_a_hub_that_starts_alone_takes_over_what_was_running(store: SqlStore) -> None:
    run = await queued(store)
    await claimed(store, run)
    assert await store.runs.claim(run.id, "w", LONG_MS) is None
    assert await store.runs.release_all() == 1
    assert (await claimed(store, run)).attempt == 2


async def test_a_session_reply_is_counted_and_not_threaded(store: SqlStore) -> None:
    await add_session(store)
    run = await claimed(store, await called(Posts(store), "sess_1"))
    ended = await store.runs.finish(run.id, run.attempt, DONE)
    assert ended is not None
    message = ended.entries[0][1]
    assert message is not None
    assert message.thread_id is None
    session = await store.sessions.get(ACME, "sess_1")
    assert session is not None
    assert session.message_count == 2


async def test_only_open_runs_are_open(store: SqlStore) -> None:
    await add_room(store)
    posts = Posts(store)
    ended, running, waiting = [await called(posts) for _ in range(3)]
    await claimed(store, running)
    await store.runs.finish(ended.id, (await claimed(store, ended)).attempt, DONE)
    assert [r.id for r in await store.runs.open_in("room_1")] == [running.id, waiting.id]
    assert [r.id for r in await store.runs.page("room_1", Page(2))] == [waiting.id, running.id]
    assert [r.id for r in await store.runs.of_message(ended.trigger_message_id)] == [ended.id]


async def test_many_leases_are_renewed_at_once_and_what_is_lost_is_told(store: SqlStore) -> None:
    runs = [await claimed(store, await queued(store, room_id=f"room_{n}")) for n in (1, 2, 3)]
    await store.runs.renew(runs[1].id, 1, -1)
    again = await claimed(store, runs[1])
    assert (await store.runs.finish(runs[2].id, 1, DONE)) is not None
    renewed = await store.runs.renew_all([(run.id, 1) for run in runs], LONG_MS)
    assert [runs[0].id] == [run.id for run in renewed.kept]
    assert {(runs[1].id, 1), (runs[2].id, 1)} == renewed.lost
    assert [] == await store.runs.due(0, 10)
    both = await store.runs.renew_all([(again.id, 1), (again.id, 2)], -1)
    assert [2] == [run.attempt for run in both.kept]
    assert {(again.id, 1)} == both.lost
    await expired(store, again)
