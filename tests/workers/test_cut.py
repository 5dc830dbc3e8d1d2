"""Runs whose end is asked for, and drivers that pause: what an attempt makes of both."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from hub.core.chat import Finish, TextDelta
from hub.core.errors import Backend
from hub.core.invoking import Ask, Escalate, Offer, Remember, Silence, Status, Wait
from hub.core.values import Message, Run
from hub.parts import Parts
from hub.ports import Ended
from hub.wire.packets import own_channel
from tests.support.parts import ACME, ALICE, ELIZA, Posts, add_room
from tests.support.redis import until
from workers.breaker import FAILURES, OPEN_S, Breaker
from workers.drivers.base import Gone
from workers.run import Attempt, Tools

from .fakes import FINISH, FakeDriver, tools
from .test_pool import asked, ended, pooled
from .test_run import claim, claimed, reply_of, with_settings, worked


async def cut_short(parts: Parts, driver: FakeDriver, run: Run) -> Ended:
    """The end of a run that somebody cancels while its driver writes."""
    attempt = Attempt(tools(parts, driver), run)
    working = asyncio.create_task(attempt.work())
    await driver.begun.wait()
    await asyncio.sleep(0.05)
    attempt.cut("user_bob")
    attempt.cut("user_carol")
    async with asyncio.timeout(5):
        ended = await working
    assert ended is not None
    return ended


async def said(parts: Parts, run: Run) -> Message:
    message = await reply_of(parts, run)
    assert message is not None
    return message


async def test_a_cut_closes_the_driver_and_keeps_what_there_is(parts: Parts) -> None:
    run, driver = await claimed(parts), FakeDriver("half an ", "answer", asyncio.Event())
    ended = await cut_short(parts, driver, run)
    assert ("cancelled", "cancelled by user_bob", 1) == (
        ended.run.state, ended.run.reason, driver.closed,
    )  # fmt: skip
    assert ended.run.usage is not None
    assert (True, 4) == (
        ended.run.usage["estimated"], ended.run.usage["completion_tokens"],
    )  # fmt: skip
    message = await said(parts, run)
    assert ("half an answer", "cancelled") == (message.content, message.status)


async def test_a_cut_before_the_first_word_leaves_no_message(parts: Parts) -> None:
    run, driver = await claimed(parts), FakeDriver(asyncio.Event())
    ended = await cut_short(parts, driver, run)
    assert "cancelled" == ended.run.state
    assert await reply_of(parts, run) is None


async def test_a_cut_ends_the_wait_between_two_tries(parts: Parts) -> None:
    run = await claimed(parts)
    driver = FakeDriver(Backend("busy", transient=True, retry_after=60))
    assert "cancelled" == (await cut_short(parts, driver, run)).run.state


async def test_the_lease_tells_of_a_cut_that_was_not_heard(parts: Parts) -> None:
    run, driver = await claimed(parts), FakeDriver("x", asyncio.Event())
    quick = with_settings(parts, lease_renew_s=0.05)
    working = asyncio.create_task(Attempt(tools(quick, driver), run).work())
    await driver.begun.wait()
    await parts.store.runs.cancel(ACME, run.id, "user_bob", 1)  # and nobody is told
    async with asyncio.timeout(5):
        ended = await working
    assert ended is not None
    assert "cancelled" == ended.run.state


async def test_a_pool_hears_of_a_cut_and_of_whom_to_abandon(parts: Parts) -> None:
    await add_room(parts.store)
    driver = FakeDriver("x", asyncio.Event())
    async with pooled(parts, driver, sweep_s=3_600):
        run = await asked(parts, fresh=True)
        parts.publisher.put((), [run.id])
        await driver.begun.wait()
        assert "running" == (await parts.runs.cancel(ALICE, run.id)).state
        await until(ended(parts, run), 3)
    found = await parts.store.runs.get(ACME, run.id)
    assert found is not None
    assert ("cancelled", f"cancelled by {ALICE.id}") == (found.state, found.reason)
    assert [] == driver.abandoned


async def test_what_a_waiting_run_began_elsewhere_is_abandoned_once(parts: Parts) -> None:
    await add_room(parts.store)
    driver = FakeDriver(Ask("Which?", {"task": "t1"}))
    async with pooled(parts, driver), pooled(parts, driver):
        run = await asked(parts)

        async def waits() -> bool:
            now = await parts.store.runs.get(ACME, run.id)
            return now is not None and now.state == "waiting"

        await until(waits)
        assert "cancelled" == (await parts.runs.cancel(ALICE, run.id)).state
        await until(lambda: bool(driver.abandoned))
        await asyncio.sleep(0.3)
    assert [run.id] == driver.abandoned


async def test_a_question_is_asked_in_the_thread_and_its_answer_taken_along(parts: Parts) -> None:
    run = await claimed(parts)
    first = FakeDriver("So far. ", Remember({"task": "t1"}), Ask("Which one?", {"context": "c"}))
    paused = await worked(parts, first, run)
    assert ("waiting", "person", {"task": "t1", "context": "c"}) == (
        paused.run.state, paused.run.awaits, paused.run.memory,
    )  # fmt: skip
    question = paused.entries[0][1]
    assert question is not None
    assert "So far. \n\nWhich one?" == question.content
    answer = await Posts(parts.store, count=500).send(content="the red", thread_id=run.thread_id)
    second = FakeDriver("Red it is.", FINISH)
    await worked(parts, second, await claim(parts, run))
    (invocation,) = second.invocations
    assert invocation.answer is not None
    assert (answer.message_id, "the red", "t1") == (
        invocation.answer.id, invocation.answer.content, invocation.run.memory["task"],
    )  # fmt: skip
    assert "Red it is." == (await said(parts, run)).content


@pytest.mark.parametrize(
    ("ending", "awaits", "word"),
    [(Ask("?"), "person", "nobody answered"), (Wait(), "answer", "promised"),
     (Offer({}), "socket", "not connected")],
)  # fmt: skip
async def test_who_waits_too_long_fails_and_says_for_what(
    parts: Parts, ending: Any, awaits: str, word: str
) -> None:
    run = await claimed(parts)
    paused = await worked(parts, FakeDriver("so far", ending), run)
    assert awaits == paused.run.awaits
    expire = text("UPDATE runs SET lease_until_ms = 0")
    await parts.store.database.write(lambda connection: connection.execute(expire).rowcount)
    over = await worked(parts, FakeDriver(FINISH), await claim(parts, run))
    assert ("failed", "BACKEND_TIMEOUT") == (over.run.state, (over.run.error or {})["code"])
    assert word in (await said(parts, run)).content


async def test_an_escalation_and_a_deliberate_silence(parts: Parts) -> None:
    run = await claimed(parts)
    ended = await worked(parts, FakeDriver(Escalate("I ask a colleague.")), run)
    assert ("succeeded", "escalated to people") == (ended.run.state, ended.run.reason)
    assert "I ask a colleague." == (await said(parts, run)).content
    again = (await Posts(parts.store, count=700).send(calls=(ELIZA,))).runs[0]
    quiet = await worked(parts, FakeDriver(Silence()), await claim(parts, again))
    assert ("silent", ["run.finished"]) == (
        quiet.run.state, [entry.type for entry, _ in quiet.entries],
    )  # fmt: skip


# Tries.


def failing_then(*script: Any, fails: int = 1, before: tuple[str, ...] = ()) -> FakeDriver:
    driver = FakeDriver()
    tries = iter([(*before, Backend("busy", transient=True, retry_after=0))] * fails + [script])
    driver.answer = lambda _: next(tries)
    return driver


async def test_a_try_that_failed_unseen_is_repeated_in_the_same_attempt(parts: Parts) -> None:
    run = await claimed(parts)
    ended = await worked(parts, failing_then("fine", FINISH, fails=3), run)
    assert ("succeeded", 1) == (ended.run.state, ended.run.attempt)
    assert "fine" == (await said(parts, run)).content


async def test_a_try_that_was_seen_is_replaced_by_the_next_attempt(parts: Parts) -> None:
    run = await claimed(parts)
    driver = failing_then("the whole", FINISH, before=("half a ", "word", " more", " and"))
    slow = with_settings(parts, delta_flush_s=0.0)
    ended = await worked(slow, driver, run)
    assert ("succeeded", 2) == (ended.run.state, ended.run.attempt)
    assert "the whole" == (await said(parts, run)).content


async def test_tries_come_to_an_end(parts: Parts) -> None:
    run = await claimed(parts)
    driver = failing_then("never", FINISH, fails=4)
    assert "failed" == (await worked(parts, driver, run)).run.state
    assert 4 == len(driver.invocations)


async def test_what_may_not_pass_is_not_tried_again(parts: Parts) -> None:
    run, driver = await claimed(parts), FakeDriver(Backend("wrong key"))
    assert "failed" == (await worked(parts, driver, run)).run.state
    assert 1 == len(driver.invocations)


async def test_a_wait_beyond_the_deadline_is_not_waited(parts: Parts) -> None:
    run = await claimed(parts)
    driver = FakeDriver(Backend("slow down", transient=True, retry_after=3_600))
    async with asyncio.timeout(5):
        ended = await worked(parts, driver, run)
    assert "slow down" in (ended.run.reason or "")


async def test_an_endpoint_that_keeps_failing_is_left_alone_for_a_while() -> None:
    now = [0.0]
    breaker = Breaker(lambda: now[0])
    for _ in range(FAILURES):
        breaker.enter("e")
        breaker.failed("e")
    with pytest.raises(Backend, match="too often") as caught:
        breaker.enter("e")
    assert not caught.value.transient
    assert 1 == breaker.resting
    breaker.enter("another")
    now[0] = OPEN_S + 1
    breaker.enter("e")  # one may try
    with pytest.raises(Backend):
        breaker.enter("e")
    breaker.succeeded("e")
    breaker.enter("e")
    breaker.enter("e")


async def test_a_pool_shares_its_breaker_among_runs(parts: Parts) -> None:
    await add_room(parts.store)
    posts, breaker = Posts(parts.store, count=800), Breaker(asyncio.get_running_loop().time)
    driver = FakeDriver(Backend("down", transient=True, retry_after=0))
    shared = Tools(parts, {"model": driver}, breaker)
    for _ in range(3):
        run = await claim(parts, (await posts.send(calls=(ELIZA,))).runs[0])
        assert await Attempt(shared, run).work() is not None
    assert FAILURES == len(driver.invocations)


# What a reply may be.


async def test_a_reply_is_as_long_as_a_message_may_be(parts: Parts) -> None:
    run = await claimed(parts)
    ended = await worked(parts, FakeDriver("é" * 20_000, "more", FINISH), run)
    message = await said(parts, run)
    assert (32_768, "length") == (len(message.content.encode()), message.finish_reason)
    assert "succeeded" == ended.run.state


async def test_text_that_cannot_be_stored_fails_the_run(parts: Parts) -> None:
    run = await claimed(parts)
    assert "failed" == (await worked(parts, FakeDriver("a\0b", FINISH), run)).run.state


async def test_a_refusal_calls_nobody(parts: Parts) -> None:
    await add_room(parts.store, people=("user_alice", ELIZA, "persona_second"))
    posts = Posts(parts.store)
    for reason, called in (("content_filter", 0), ("stop", 1)):
        run = await claim(parts, (await posts.send(calls=(ELIZA,))).runs[0])
        driver = FakeDriver(TextDelta("not me, ask @second"), Finish(reason))
        assert called == len((await worked(parts, driver, run)).woken)


async def test_a_participant_that_is_gone_loses_its_driver(parts: Parts) -> None:
    run = await claimed(parts)
    await worked(parts, FakeDriver(Gone("410")), run)
    known = await parts.store.participants.get(ACME, ELIZA)
    assert known is not None
    assert known.driver is None


async def test_a_whole_reply_is_not_seen_while_it_is_written(parts: Parts) -> None:
    driver = {"kind": "model", "model": "builtin/eliza", "response_mode": "whole"}
    await parts.store.participants.update(ACME, ELIZA, {"driver": driver})
    run, more = await claimed(parts), asyncio.Event()
    fake = FakeDriver("first", Status("searching"), more, "rest", FINISH)
    working = asyncio.create_task(worked(parts, fake, run))
    await fake.begun.wait()
    await asyncio.sleep(0.1)
    assert [] == await parts.bus.drafts(run.room_id, [run.id])
    more.set()
    assert (await working).run.first_delta_ms is not None
    assert "firstrest" == (await said(parts, run)).content


async def test_an_offer_is_told_on_the_participants_own_channel(parts: Parts) -> None:
    run = await claimed(parts)
    heard: list[bytes] = []
    async with parts.bus.listen(lambda _, p: heard.append(p.frames) if p else None) as listener:
        await listener.subscribe(own_channel(ACME, ELIZA))
        await worked(parts, FakeDriver(Offer({"message": "m"})), run)
        await until(lambda: bool(heard))
    assert b"run.offered" in heard[0]
    assert b'"token":"rhr_' in heard[0]
