"""`hub.store.run_ends` and `hub.store.triggers`: runs that wait, are cut short, tried again, and
call others; what the governor reads and writes, in the transaction that decides it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from hub.core.errors import Limited
from hub.core.governor import Budget, Limits
from hub.core.posts import LogRow, NewPost, Outcome, Posted, RequestKey
from hub.core.triggers import Summons
from hub.core.values import Json, Run
from hub.parts import now_ms
from hub.ports import Ended, Pause, Reply
from hub.store.store import SqlStore
from tests.support.parts import ACME, ADMIN, AT_MS, ELIZA, RIVAL, Posts, add_room, add_session
from tests.support.redis import until

from .test_runs import LONG_MS, claimed, expired

SECOND = "persona_second"
DONE = Reply("succeeded", "the reply", AT_MS,
             usage={"prompt_tokens": 30, "completion_tokens": 10, "estimated": False})  # fmt: skip
ASKED = Pause("person", LONG_MS, AT_MS, "it has a question", {"task": "t1"}, "Which one?", "msg_q")


async def working(store: SqlStore, posts: Posts, **rest: Any) -> Run:
    """A claimed run of Eliza."""
    return await claimed(store, (await posts.send(calls=(ELIZA,), **rest)).runs[0])


async def room_of(store: SqlStore, *more: str, **changes: Any) -> Posts:
    await add_room(store, people=("user_alice", "user_bob", ELIZA, SECOND, *more), **changes)
    return Posts(store)


async def found(store: SqlStore, run: Run) -> Run:
    again = await store.runs.get(ACME, run.id)
    assert again is not None
    return again


async def log_types(store: SqlStore, room_id: str = "room_1") -> list[str]:
    return [entry.type for entry, _ in await store.log.read(room_id, 0, 1_000)]


def told_last(rows: Sequence[LogRow]) -> Json:
    """The data of the last of these entries."""
    return rows[-1][0].data or {}


def kinds(ended: Ended | None) -> list[str]:
    assert ended is not None
    return [entry.type for entry, _ in ended.entries]


# Waiting.


async def test_a_run_that_asks_leaves_its_question_in_the_thread_and_waits(store: SqlStore) -> None:
    run = await working(store, await room_of(store))
    paused = await store.runs.pause(run.id, 1, ASKED)
    assert ["message.created", "run.waiting"] == kinds(paused)
    waiting = await found(store, run)
    assert ("waiting", "person", {"task": "t1"}) == (
        waiting.state, waiting.awaits, waiting.memory,
    )  # fmt: skip
    question = await store.messages.get(ACME, "room_1", "msg_q")
    assert question is not None
    assert ("Which one?", run.thread_id, run.id) == (
        question.content, question.thread_id, question.run_id,
    )  # fmt: skip
    root = await store.messages.get(ACME, "room_1", run.thread_id)
    assert root is not None
    assert 1 == root.reply_count


async def test_a_persons_reply_in_the_thread_resumes_it_and_starts_no_second_run(
    store: SqlStore,
) -> None:
    posts = await room_of(store)
    run = await working(store, posts)
    await store.runs.pause(run.id, 1, ASKED)
    elsewhere = await posts.send(content="another thread")
    assert () == elsewhere.woken
    by_machine = await posts.send(thread_id=run.thread_id, by=SECOND)
    assert () == by_machine.woken
    answer = await posts.send(thread_id=run.thread_id, by="user_bob", calls=(ELIZA,))
    assert ((), (run.id,)) == (answer.runs, answer.woken)
    assert "run.queued" == answer.rows[-1][0].type
    again = await claimed(store, run)
    assert (2, answer.message_id, None, {"task": "t1"}) == (
        again.attempt, again.answer_id, again.awaits, again.memory,
    )  # fmt: skip


async def test_a_run_that_waits_past_its_time_is_due_and_says_for_what(store: SqlStore) -> None:
    run = await working(store, await room_of(store))
    await store.runs.pause(run.id, 1, replace(ASKED, wait_ms=1))
    await expired(store, run)
    late = await claimed(store, run)
    assert ("running", "person") == (late.state, late.awaits)


async def test_only_the_attempt_that_holds_it_lets_a_run_wait(store: SqlStore) -> None:
    run = await working(store, await room_of(store))
    assert await store.runs.pause(run.id, 2, ASKED) is None
    assert await store.messages.get(ACME, "room_1", "msg_q") is None
    assert not await store.runs.remember(run.id, 2, {"x": 1})
    assert await store.runs.remember(run.id, 1, {"x": 1})
    assert {"x": 1} == (await found(store, run)).memory


async def test_a_run_that_waits_keeps_its_lane(store: SqlStore) -> None:
    posts = await room_of(store)
    run = await working(store, posts)
    await store.runs.pause(run.id, 1, replace(ASKED, awaits="answer", question=None))
    behind = (await posts.send(thread_id=run.thread_id, calls=(ELIZA,))).runs[0]
    assert await store.runs.claim(behind.id, "w", LONG_MS) is None
    ended = await store.runs.finish(run.id, 1, DONE)
    assert ended is not None
    assert (behind.id,) == ended.woken


async def test_only_its_own_participant_takes_an_offered_run_and_once(store: SqlStore) -> None:
    run = await working(store, await room_of(store))
    await store.runs.pause(run.id, 1, replace(ASKED, awaits="socket", question=None))
    assert [run.id] == [each.id for each in await store.runs.offered(ACME, ELIZA)]
    assert [] == await store.runs.offered(RIVAL, ELIZA)
    assert await store.runs.take(ACME, SECOND, run.id, "c", LONG_MS) is None
    assert await store.runs.take(RIVAL, ELIZA, run.id, "c", LONG_MS) is None
    taken = await asyncio.gather(
        *(store.runs.take(ACME, ELIZA, run.id, f"c{n}", LONG_MS) for n in range(5))
    )
    assert [(2, None)] == [(each.attempt, each.awaits) for each in taken if each]


# Cancelling.


@pytest.mark.parametrize("waiting", [False, True])
async def test_a_run_nobody_works_on_ends_at_once(store: SqlStore, waiting: bool) -> None:
    posts = await room_of(store)
    run = (await posts.send(calls=(ELIZA,))).runs[0]
    if waiting:
        await claimed(store, run)
        await store.runs.pause(run.id, 1, ASKED)
    mark, ended = await store.runs.cancel(ACME, run.id, "user_bob", AT_MS)
    assert () == mark.cut
    assert ["run.finished"] == kinds(ended)
    assert ((run.id,) if waiting else ()) == ended.woken  # so that a worker ends what it began
    after = await found(store, run)
    assert ("cancelled", "cancelled by user_bob", after.started_ms or AT_MS) == (
        after.state, after.reason, after.finished_ms,
    )  # fmt: skip
    (again,) = await store.runs.cancel(ACME, run.id, "user_alice", AT_MS + 1)
    assert ((), ()) == (again.entries, again.cut)
    assert await store.runs.claim(run.id, "w", LONG_MS) is None


async def test_a_run_that_is_written_is_marked_and_its_worker_told(store: SqlStore) -> None:
    run = await working(store, await room_of(store))
    (mark,) = await store.runs.cancel(ACME, run.id, "user_bob", AT_MS)
    assert ((run.id,), "running") == (mark.cut, mark.run.state)
    kept = await store.runs.renew(run.id, 1, LONG_MS)
    assert kept is not None
    assert "user_bob" == kept.cancelled_by
    assert await store.runs.end_cancelled(run.id, AT_MS) is None
    partial = Reply("cancelled", "half an", AT_MS, "cancelled", "cancelled by user_bob")
    ended = await store.runs.finish(run.id, 1, partial)
    assert ["message.created", "run.finished"] == kinds(ended)
    message = await store.messages.get(ACME, "room_1", run.reply_message_id)
    assert message is not None
    assert ("half an", "cancelled") == (message.content, message.status)


async def test_a_foreign_run_is_not_cancelled(store: SqlStore) -> None:
    run = await working(store, await room_of(store))
    assert [] == await store.runs.cancel(RIVAL, run.id, "user_x", AT_MS)
    assert (await found(store, run)).cancelled_by is None


async def test_cancelling_ends_the_runs_that_the_reply_called_too(store: SqlStore) -> None:
    posts = await room_of(store)
    run = await working(store, posts)
    calling = replace(DONE, calls=(SECOND,), summons=(Summons(SECOND, "run_child", "msg_child"),))
    ended = await store.runs.finish(run.id, 1, calling)
    assert ended is not None
    assert ("run_child",) == ended.woken
    _, child = await store.runs.cancel(ACME, run.id, "user_bob", AT_MS)
    assert ("run_child", "cancelled") == (child.run.id, child.run.state)
    assert "succeeded" == (await found(store, run)).state


async def test_an_end_and_a_cancel_at_once_leave_one_ending(store: SqlStore) -> None:
    posts = await room_of(store)
    for _ in range(5):
        run = await working(store, posts)
        await asyncio.gather(
            store.runs.finish(run.id, 1, DONE), store.runs.cancel(ACME, run.id, "bob", AT_MS)
        )
        assert (await found(store, run)).state == "succeeded"
    assert 5 == (await log_types(store)).count("run.finished")


# Again.


def next_of(run: Run) -> Run:
    return replace(
        run, id=f"{run.id}x", generation=run.generation + 1, state="queued", attempt=0,
        reply_message_id=f"{run.reply_message_id}x", created_ms=AT_MS, started_ms=None,
        finished_ms=None, error=None, reason=None,
    )  # fmt: skip


async def test_the_next_generation_takes_the_place_of_the_reply_that_failed(
    store: SqlStore,
) -> None:
    posts = await room_of(store)
    run = await working(store, posts)
    assert await store.runs.again(ACME, run.id, next_of(run)) is None  # not while it is open
    await store.runs.finish(run.id, 1, Reply("failed", "Sorry", AT_MS, "failed", "broken"))
    new = next_of(run)
    opened = await store.runs.again(ACME, run.id, new)
    assert ["run.queued"] == kinds(opened)
    assert await store.runs.again(ACME, run.id, replace(new, id="run_z")) is None
    assert await store.runs.again(RIVAL, run.id, replace(new, id="run_z")) is None
    await claimed(store, new)
    ended = await store.runs.finish(new.id, 1, DONE)
    assert ["message.created", "message.deleted", "run.finished"] == kinds(ended)
    thread = await store.messages.thread("room_1", run.thread_id, 0, 10)
    assert ["the reply"] == [
        m.content for m in thread if m.author.id == ELIZA and m.deleted_ms is None
    ]
    assert 1 == thread[0].reply_count


async def test_a_key_opens_one_next_generation_and_none_when_it_is_refused(
    store: SqlStore,
) -> None:
    run = await working(store, await room_of(store))
    new, key = next_of(run), RequestKey("acme/retry", "k", "digest")
    assert await store.runs.again(ACME, run.id, new, key) is None
    assert await store.runs.made_by(key) is None
    await store.runs.finish(run.id, 1, Reply("failed", "Sorry", AT_MS, "failed", "broken"))
    opened = await store.runs.again(ACME, run.id, new, key)
    twice = await store.runs.again(ACME, run.id, replace(new, id="run_z"), key)
    assert opened is not None
    assert twice == Ended(opened.run, ())
    assert opened.run == await store.runs.made_by(key)


async def test_a_next_generation_that_fails_too_leaves_what_was_there(store: SqlStore) -> None:
    run = await working(store, await room_of(store))
    await store.runs.finish(run.id, 1, Reply("cancelled", "half", AT_MS, "cancelled"))
    new = next_of(run)
    await store.runs.again(ACME, run.id, new)
    await claimed(store, new)
    ended = await store.runs.finish(new.id, 1, Reply("failed", "Sorry", AT_MS, "failed"))
    assert ["message.created", "run.finished"] == kinds(ended)
    before = await store.messages.get(ACME, "room_1", run.reply_message_id)
    assert before is not None
    assert before.deleted_ms is None


async def test_a_session_counts_a_replaced_reply_once(store: SqlStore) -> None:
    await add_session(store)
    posts = Posts(store)
    run = await working(store, posts, room_id="sess_1")
    await store.runs.finish(run.id, 1, Reply("failed", "Sorry", AT_MS, "failed"))
    new = next_of(run)
    await store.runs.again(ACME, run.id, new)
    await claimed(store, new)
    await store.runs.finish(new.id, 1, DONE)
    session = await store.sessions.get(ACME, "sess_1")
    assert session is not None
    assert 2 == session.message_count


# What AI participants call.


async def test_a_reply_calls_others_in_the_transaction_that_ends_the_run(store: SqlStore) -> None:
    run = await working(store, await room_of(store))
    asked = Summons(SECOND, "run_n", "msg_n")
    mention = ({"type": "persona", "id": SECOND},)
    reply = replace(DONE, calls=(SECOND,), summons=(asked,), mention=mention)
    ended = await store.runs.finish(run.id, 1, reply)
    assert ["message.created", "run.finished", "run.queued"] == kinds(ended)
    called = await store.runs.get(ACME, "run_n")
    assert called is not None
    assert (2, run.root_message_id, ELIZA, run.thread_id, run.reply_message_id) == (
        called.depth, called.root_message_id, called.caller_id, called.thread_id,
        called.trigger_message_id,
    )  # fmt: skip
    message = await store.messages.get(ACME, "room_1", run.reply_message_id)
    assert message is not None
    assert mention == message.mention


async def test_two_that_call_each_other_by_runs_stop_at_the_cap(store: SqlStore) -> None:
    posts = await room_of(store)
    run = await working(store, posts)
    for number in range(20):
        other = SECOND if run.participant_id == ELIZA else ELIZA
        asked = Summons(other, f"run_{number}", f"msg_n{number}")
        ended = await store.runs.finish(run.id, 1, replace(DONE, calls=(other,), summons=(asked,)))
        assert ended is not None
        if not ended.woken:
            break
        run = await claimed(store, await found(store, replace(run, id=ended.woken[0])))
    last = await found(store, replace(run, id=f"run_{number}"))
    assert ("suppressed", Limits().depth + 1) == (last.state, last.depth)
    assert number == Limits().depth - 1


async def own_post(posts: Posts, by: str, calls: tuple[str, ...]) -> Outcome:
    """An AI participant's own post to others that listen by themselves."""
    new = (await posts.new(by=by))._replace(calls=calls)
    (outcome,) = await posts.store.posts.commit([new])
    assert not isinstance(outcome, Exception) or isinstance(outcome, Limited), outcome
    return outcome


async def test_two_bots_that_speak_by_their_own_keys_stop_at_the_cap(store: SqlStore) -> None:
    posts = await room_of(store, "bot_own")
    first = (await posts.new())._replace(calls=("bot_own",))
    await store.posts.commit([first])
    said = 0
    speaker, other = "bot_own", ELIZA
    while isinstance(outcome := await own_post(posts, speaker, (other,)), Posted):
        said += 1
        speaker, other = other, speaker
        assert said < 20
    assert isinstance(outcome, Limited)
    assert Limits().depth - 1 == said
    human = (await posts.new())._replace(calls=("bot_own",))
    await store.posts.commit([human])  # a person speaks: it begins anew
    assert isinstance(await own_post(posts, "bot_own", (ELIZA,)), Posted)


async def test_a_bot_nobody_spoke_to_stands_one_hop_from_the_last_person(store: SqlStore) -> None:
    posts = await room_of(store, "bot_own")
    human = await posts.send()
    posted = await posts.send(by="bot_own", calls=(ELIZA,))
    assert (2, human.message_id) == (posted.runs[0].depth, posted.runs[0].root_message_id)


async def test_one_human_message_starts_so_many_replies_and_no_more(store: SqlStore) -> None:
    posts = await room_of(store, "bot_own")
    human = (await posts.new())._replace(calls=("bot_own",))
    await store.posts.commit([human])
    started = [(await posts.send(by="bot_own", calls=(ELIZA, SECOND))).runs for _ in range(8)]
    states = [run.state for runs in started for run in runs]
    assert Limits().replies == states.count("queued")
    assert ["queued"] * 12 + ["suppressed"] * 4 == states


# Budgets.


async def test_a_budget_counts_what_is_started_and_what_it_used(store: SqlStore) -> None:
    posts = await room_of(store, settings={"budget": {"tokens": 40}})

    async def asked(budget: Budget) -> Run:
        new = (await posts.new(calls=(ELIZA,), at_ms=now_ms()))._replace(budget=budget)
        (outcome,) = await store.posts.commit([new])
        assert isinstance(outcome, Posted), outcome
        return outcome.runs[0]

    first = await asked(Budget(runs=2))
    assert ("queued", None) == (first.state, first.reason)
    second = await asked(Budget(runs=2))
    assert second.warning is not None
    assert ("queued", "2 of the room's 2 runs for today are used") == (
        second.state, second.warning["message"],
    )  # fmt: skip
    assert "suppressed" == (await asked(Budget(runs=2))).state
    assert "queued" == (await asked(Budget(tokens=40))).state
    await claimed(store, first)
    ended = await store.runs.finish(first.id, 1, replace(DONE, at_ms=now_ms()))
    assert ended is not None
    assert ended.run.warning is not None
    assert "40 of the room's 40 tokens for today are used" == ended.run.warning["message"]
    assert ended.run.warning == told_last(ended.entries)["warning"]
    assert ended.run == await found(store, first)
    over = await asked(Budget(tokens=40))
    assert ("suppressed", "the room's budget of 40 tokens a day is used up") == (
        over.state, over.reason,
    )  # fmt: skip


async def test_what_a_run_warned_of_is_kept_and_told_by_the_event_that_brought_it(
    store: SqlStore,
) -> None:
    posts = await room_of(store)
    new = (await posts.new(calls=(ELIZA,), at_ms=now_ms()))._replace(budget=Budget(runs=1))
    (posted,) = await store.posts.commit([new])
    assert isinstance(posted, Posted)
    (run,) = posted.runs
    assert run.warning is not None
    assert run == await found(store, run)
    assert run.warning == told_last(posted.rows)["warning"]
    await claimed(store, run)
    ended = await store.runs.finish(run.id, 1, replace(DONE, at_ms=now_ms()))
    assert ended is not None
    assert told_last(ended.entries)["warning"] is None
    assert run.warning == ended.run.warning == (await found(store, run)).warning


async def test_a_reply_calls_others_on_the_budget_that_the_room_has_then(store: SqlStore) -> None:
    """Not on what it had when the reply was written."""
    run = await working(store, await room_of(store))
    tight = {"settings": {"budget": {"tokens": 1}}}
    await store.rooms.update(ACME, "room_1", tight, ADMIN, AT_MS)
    calling = replace(DONE, summons=(Summons(SECOND, "run_n", "msg_n"),), at_ms=now_ms())
    await store.runs.finish(run.id, 1, calling)
    called = await store.runs.get(ACME, "run_n")
    assert called is not None
    assert ("suppressed", "the room's budget of 1 tokens a day is used up") == (
        called.state, called.reason,
    )  # fmt: skip


async def test_posts_at_once_never_start_more_than_the_budget(store: SqlStore) -> None:
    posts = await room_of(store)
    new = [(await posts.new(calls=(ELIZA,)))._replace(budget=Budget(runs=5)) for _ in range(20)]

    async def commit(post: NewPost) -> Posted:
        (outcome,) = await store.posts.commit([post], wait=True)
        assert isinstance(outcome, Posted), outcome
        return outcome

    made = await asyncio.gather(*(commit(post) for post in new))
    states = [run.state for posted in made for run in posted.runs]
    assert 5 == states.count("queued")


async def test_a_preview_stores_nothing(store: SqlStore) -> None:
    posts = await room_of(store)
    before = await log_types(store)
    outcome = await store.posts.preview(await posts.new(calls=(ELIZA,)))
    assert isinstance(outcome, Posted)
    assert "queued" == outcome.runs[0].state
    assert before == await log_types(store)
    assert await store.runs.get(ACME, outcome.runs[0].id) is None


# Turns and sums.


async def test_tenants_and_rooms_take_turns(store: SqlStore) -> None:
    await add_room(store, "room_1")
    await add_room(store, "room_2")
    await add_room(store, "room_9", tenant=RIVAL)
    crowd, other = Posts(store), Posts(store, count=500)
    rival = Posts(store, tenant=RIVAL, count=900)
    many = [(await crowd.send("room_1", calls=(ELIZA,))).runs[0].id for _ in range(5)]
    one = (await other.send("room_2", calls=(ELIZA,))).runs[0].id
    foreign = (await rival.send("room_9", calls=(ELIZA,))).runs[0].id
    due = await store.runs.due(0, 3)
    assert {many[0], one, foreign} >= set(due[:2])
    assert foreign in due[:2]
    assert one in (await store.runs.due(0, 4))[:4]


async def test_no_run_ends_before_it_began(store: SqlStore) -> None:
    run = await working(store, await room_of(store))
    behind = run.started_ms - 5_000 if run.started_ms else 0
    told = replace(DONE, at_ms=behind, first_delta_ms=behind - 1)
    await store.runs.finish(run.id, 1, told)
    ended = await found(store, run)
    assert run.started_ms == ended.first_delta_ms == ended.finished_ms
    (row,) = await store.runs.usage(ACME, "tenant", 0)
    assert 0 == row["seconds"]


async def test_usage_sums_up_by_whatever_is_asked(store: SqlStore) -> None:
    posts = await room_of(store)
    for _ in range(2):
        run = await working(store, posts)
        await store.runs.finish(run.id, 1, replace(DONE, at_ms=now_ms()))
    for group_by, key in (
        ("tenant", ACME), ("room", "room_1"), ("participant", ELIZA), ("model", "builtin/eliza"),
    ):  # fmt: skip
        (row,) = await store.runs.usage(ACME, group_by, 0)
        assert (key, 2, 60, 20) == (
            row["key"], row["runs"], row["prompt_tokens"], row["completion_tokens"],
        )  # fmt: skip
        assert 0 <= row["seconds"] < 60
    assert 2 == len(await store.runs.usage(ACME, "run", 0))
    (day,) = await store.runs.usage(ACME, "day", 0)
    assert 10 == len(day["key"])
    assert [] == await store.runs.usage(RIVAL, "tenant", 0)
    assert [] == await store.runs.usage(ACME, "tenant", now_ms() + 60_000)


async def test_an_attempt_that_is_advanced_fences_the_one_before(store: SqlStore) -> None:
    run = await working(store, await room_of(store))
    moved = await store.runs.advance(run.id, 1, LONG_MS)
    assert moved is not None
    assert 2 == moved.attempt
    assert await store.runs.finish(run.id, 1, DONE) is None
    assert await store.runs.advance(run.id, 1, LONG_MS) is None
    assert await store.runs.finish(run.id, 2, DONE) is not None


async def test_an_interrupted_run_is_cut_short_by_the_post_that_came(store: SqlStore) -> None:
    posts = await room_of(store)
    run = await working(store, posts)
    new = await posts.new(thread_id=run.thread_id)
    newer = new._replace(summons=(Summons(ELIZA, "run_new", "msg_new", busy="interrupt"),))
    (outcome,) = await store.posts.commit([newer])
    assert isinstance(outcome, Posted)
    assert ((run.id,), ("run_new",)) == (outcome.cut, outcome.woken)
    assert "newer" == (await found(store, run)).cancelled_by

    async def ended() -> bool:
        return await store.runs.end_cancelled("run_new", AT_MS) is None

    await until(ended)
    assert "queued" == (await found(store, replace(run, id="run_new"))).state


async def test_cancelling_reaches_the_runs_called_by_those_that_were_called(
    store: SqlStore,
) -> None:
    run = first = await working(store, await room_of(store))
    for number, other in enumerate((SECOND, ELIZA)):
        asked = Summons(other, f"run_{number}", f"msg_n{number}")
        await store.runs.finish(run.id, 1, replace(DONE, calls=(other,), summons=(asked,)))
        run = await found(store, replace(run, id=f"run_{number}"))
        run = run if number else await claimed(store, run)
    _, ended = await store.runs.cancel(ACME, first.id, "user_bob", AT_MS)
    assert ("run_1", "cancelled") == (ended.run.id, ended.run.state)


async def test_a_run_that_waits_after_its_end_was_asked_for_is_due(store: SqlStore) -> None:
    run = await working(store, await room_of(store))
    await store.runs.cancel(ACME, run.id, "user_bob", AT_MS)
    assert [] == await store.runs.due(0, 10)
    paused = await store.runs.pause(run.id, 1, ASKED)
    assert paused is not None
    assert (run.id,) == paused.woken
    assert [run.id] == await store.runs.due(0, 10)
    assert await store.runs.end_cancelled(run.id, AT_MS) is not None
