"""`workers.run`: one attempt at one run, on real parts with a driver that plays a script."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import orjson
import pytest

from hub.core.chat import Finish, TextDelta, Usage
from hub.core.errors import Backend, BackendTimeout
from hub.core.values import Draft, Message, Run
from hub.parts import Parts, open_parts
from hub.ports import Ended
from hub.settings import Settings
from hub.wire.frames import bodies, frame
from hub.wire.packets import Packet
from tests.support.parts import ACME, ADMIN, ELIZA, Posts, add_room, add_session
from tests.support.redis import until
from workers.run import Attempt

from .fakes import FINISH, FakeDriver, tools

LEASE_MS = 60_000


async def claimed(parts: Parts, content: str = "hello", lease_ms: int = LEASE_MS) -> Run:
    """A run of a mention in a fresh room, claimed."""
    await add_room(parts.store)
    run = (await Posts(parts.store).send(content=content, calls=(ELIZA,))).runs[0]
    return await claim(parts, run, lease_ms)


async def claim(parts: Parts, run: Run, lease_ms: int = LEASE_MS) -> Run:
    found = await parts.store.runs.claim(run.id, "worker", lease_ms)
    assert found is not None
    return found


def with_settings(parts: Parts, **changes: Any) -> Parts:
    return replace(parts, settings=parts.settings.model_copy(update=changes))


async def worked(parts: Parts, driver: FakeDriver, run: Run) -> Ended:
    async with asyncio.timeout(10):
        ended = await Attempt(tools(parts, driver), run).work()
    assert ended is not None
    return ended


async def reply_of(parts: Parts, run: Run) -> Message | None:
    return await parts.store.messages.get(ACME, run.room_id, run.reply_message_id)


async def test_the_pieces_that_were_published_are_the_text_that_was_stored(parts: Parts) -> None:
    run = await claimed(parts)
    heard: list[dict[str, Any]] = []

    def hear(_: str, packet: Packet | None) -> None:
        if packet is not None:
            heard.extend(orjson.loads(body) for body in bodies(packet.frames))

    pieces = [f"word{n} 👍🏽 " for n in range(40)]
    async with parts.bus.listen(hear) as listener:
        await listener.subscribe("room_1")
        await worked(parts, FakeDriver(*pieces, FINISH), run)
        await until(lambda: any(e["type"] == "run.finished" for e in heard))
    text = ""
    deltas = [e["data"] for e in heard if e["type"] == "message.delta"]
    for delta in deltas:
        assert delta["offset"] == len(text)
        text += delta["text"]
    message = await reply_of(parts, run)
    assert message is not None
    assert text == message.content == "".join(pieces)
    assert 1 < len(deltas) <= len(pieces)
    assert {d["message_id"] for d in deltas} == {message.id}
    kinds = [e["type"] for e in heard]
    assert kinds[-2:] == ["message.created", "run.finished"]


async def test_the_first_piece_does_not_wait_for_the_next(parts: Parts) -> None:
    run, more = await claimed(parts), asyncio.Event()
    working = asyncio.create_task(worked(parts, FakeDriver("first", more, " rest", FINISH), run))

    async def seen() -> bool:
        return [d.text for d in await parts.bus.drafts(run.room_id, [run.id])] == ["first"]

    await until(seen)
    assert (await parts.store.runs.open_in("room_1"))[0].state == "running"
    more.set()
    assert (await working).run.state == "succeeded"


async def test_a_run_that_succeeds_has_its_message_usage_and_receipt(parts: Parts) -> None:
    run = await claimed(parts)
    ended = await worked(parts, FakeDriver("the reply", FINISH), run)
    assert ended.run.state == "succeeded"
    assert ended.run.usage == {"prompt_tokens": 7, "completion_tokens": 3, "estimated": False}
    assert ended.run.context is not None
    assert ended.run.context["message_ids"] == [run.trigger_message_id]
    assert ended.run.first_delta_ms is not None
    message = await reply_of(parts, run)
    assert message is not None
    assert (message.status, message.thread_id, message.finish_reason) == (
        "final", run.trigger_message_id, "stop"
    )  # fmt: skip


async def test_a_run_without_a_word_is_silent(parts: Parts) -> None:
    run = await claimed(parts)
    ended = await worked(parts, FakeDriver(FINISH), run)
    assert ended.run.state == "silent"
    assert await reply_of(parts, run) is None


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (Backend("the model is gone"), "BACKEND_ERROR", "the model is gone"),
        (BackendTimeout("too late"), "BACKEND_TIMEOUT", "too late"),
        (RuntimeError("secret internals"), "BACKEND_ERROR", "driver failed"),
    ],
)
async def test_a_run_that_fails_says_so_in_the_thread(
    error: Exception, code: str, said: str, parts: Parts
) -> None:
    run = await claimed(parts)
    driver = FakeDriver("half an ans", error)
    ended = await worked(parts, driver, run)
    assert (ended.run.state, (ended.run.error or {})["code"]) == ("failed", code)
    message = await reply_of(parts, run)
    assert message is not None
    assert (message.status, message.thread_id) == ("failed", run.trigger_message_id)
    assert message.content.startswith("half an ans\n\nSorry")
    assert said in message.content
    assert "secret internals" not in message.content + str(ended.run.error)
    assert driver.closed == 1


async def test_a_reply_that_breaks_off_has_failed(parts: Parts) -> None:
    run = await claimed(parts)
    ended = await worked(parts, FakeDriver("no end"), run)
    assert ended.run.state == "failed"


async def test_a_run_has_a_deadline(parts: Parts) -> None:
    run = await claimed(parts)
    driver = FakeDriver("a word", asyncio.Event())
    ended = await worked(with_settings(parts, run_deadline_s=0.1), driver, run)
    assert (ended.run.error or {})["code"] == "BACKEND_TIMEOUT"
    assert driver.closed == 1


async def test_a_participant_without_a_driver_fails_visibly(parts: Parts) -> None:
    run = await claimed(parts)
    await parts.participants.disable(ADMIN, ELIZA)
    driver = FakeDriver("x", FINISH)
    ended = await worked(parts, driver, run)
    assert ended.run.state == "failed"
    assert driver.requests == []


async def test_an_attempt_that_lost_its_run_stops_and_writes_nothing(parts: Parts) -> None:
    run = await claimed(parts, lease_ms=1)
    driver = FakeDriver("from the first", asyncio.Event())
    quick = with_settings(parts, lease_s=0.1, lease_renew_s=0.5)
    working = asyncio.create_task(Attempt(tools(quick, driver), run).work())
    await driver.begun.wait()
    second = await _claim_when_due(parts, run)  # before the first renewal, as after a long pause
    async with asyncio.timeout(10):
        assert await working is None
    assert driver.closed == 1
    assert await reply_of(parts, run) is None
    ended = await worked(parts, FakeDriver("from the second", FINISH), second)
    assert ended.run.attempt == 2
    message = await reply_of(parts, run)
    assert message is not None
    assert message.content == "from the second"


async def _claim_when_due(parts: Parts, run: Run) -> Run:
    found: list[Run] = []

    async def claims() -> bool:
        again = await parts.store.runs.claim(run.id, "other", LEASE_MS)
        if again is not None:
            found.append(again)
        return bool(found)

    await until(claims)
    return found[0]


async def test_an_attempt_that_comes_to_its_end_after_it_lost_the_run_lands_no_reply(
    parts: Parts,
) -> None:
    """Paused past its lease: it never asked whether it still held the run."""
    run = await claimed(parts, lease_ms=1)
    second = await _claim_when_due(parts, run)
    assert await Attempt(tools(parts, FakeDriver("late", FINISH)), run).work() is None
    assert await reply_of(parts, run) is None
    ended = await worked(parts, FakeDriver("right", FINISH), second)
    page = await parts.store.messages.page("room_1", limit=100)
    assert [m.content for m in page if m.author.id == ELIZA] == ["right"]
    assert ended.run.state == "succeeded"


async def test_a_draft_of_a_higher_attempt_is_not_written_over(parts: Parts) -> None:
    run = await claimed(parts, lease_ms=1)
    await _claim_when_due(parts, run)
    higher = Draft(run.id, run.reply_message_id, run.thread_id, {}, 2, "second")
    await parts.bus.append_draft(run.room_id, higher, "second", frame(b"{}"))
    assert await Attempt(tools(parts, FakeDriver("first", FINISH)), run).work() is None
    (draft,) = await parts.bus.drafts(run.room_id, [run.id])
    assert (draft.attempt, draft.text) == (2, "second")


async def test_a_lease_is_kept_while_the_driver_takes_its_time(parts: Parts) -> None:
    run, enough = await claimed(parts, lease_ms=1_000), asyncio.Event()
    quick = with_settings(parts, lease_s=1.0, lease_renew_s=0.1)
    working = asyncio.create_task(worked(quick, FakeDriver("x", enough, FINISH), run))
    for _ in range(10):  # two leases long
        assert await parts.store.runs.claim(run.id, "thief", LEASE_MS) is None
        await asyncio.sleep(0.2)
    enough.set()
    assert (await working).run.attempt == 1


async def test_cancelling_an_attempt_ends_what_it_began_outside(parts: Parts) -> None:
    run, driver = await claimed(parts), FakeDriver("x", asyncio.Event())
    working = asyncio.create_task(Attempt(tools(parts, driver), run).work())
    await driver.begun.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert driver.closed == 1
    assert await reply_of(parts, run) is None
    assert (await parts.store.runs.open_in("room_1"))[0].state == "running"


async def test_in_a_session_the_model_sees_the_history_and_answers_unthreaded(
    parts: Parts,
) -> None:
    await add_session(parts.store)
    posts = Posts(parts.store)
    for number in ("one", "two"):
        run = (await posts.send("sess_1", number, calls=(ELIZA,))).runs[0]
        driver = FakeDriver(f"re {number}", FINISH)
        await worked(parts, driver, await claim(parts, run))
    assert [(m.role, m.content) for m in driver.requests[0].messages] == [
        ("user", "one"), ("assistant", "re one"), ("user", "two")
    ]  # fmt: skip
    message = await reply_of(parts, run)
    assert message is not None
    assert message.thread_id is None


async def test_usage_that_the_hub_estimated_says_so(parts: Parts) -> None:
    run = await claimed(parts)
    finish = Finish("length", Usage(5, 9, estimated=True))
    ended = await worked(parts, FakeDriver(TextDelta("x"), finish), run)
    assert ended.run.usage == {"prompt_tokens": 5, "completion_tokens": 9, "estimated": True}
    message = await reply_of(parts, run)
    assert message is not None
    assert message.finish_reason == "length"


async def test_without_a_bus_the_reply_is_stored_all_the_same(settings: Settings) -> None:
    async with open_parts(settings, f"unix://{settings.data_dir}/none.sock") as parts:
        run = await claimed(parts)
        ended = await worked(parts, FakeDriver("a", "b", FINISH), run)
        assert ended.run.state == "succeeded"
        message = await reply_of(parts, run)
        assert message is not None
        assert message.content == "ab"
