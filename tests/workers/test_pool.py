"""`workers.pool`: runs are worked as they are woken, and found when nobody woke them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from typing import Any, cast

from sqlalchemy import text

from hub.core.values import Run
from hub.parts import Parts, now_ms
from hub.store.store import SqlStore
from tests.support.faulty import Faulty
from tests.support.parts import ACME, ELIZA, Posts, add_room, add_session
from tests.support.redis import until
from workers.pool import ATTEMPTS, Pool

from .fakes import FINISH, FakeDriver, tools


@contextlib.asynccontextmanager
async def pooled(
    parts: Parts, driver: FakeDriver, **settings: Any
) -> AsyncIterator[Callable[[], None]]:
    """A pool at work until the context ends; yields what stops it."""
    chosen = replace(parts, settings=parts.settings.model_copy(update=settings))
    stopping = asyncio.Event()
    task = asyncio.create_task(Pool(tools(chosen, driver), "worker").run(stopping))
    try:
        yield stopping.set
    finally:
        stopping.set()
        async with asyncio.timeout(10):
            await task


async def asked(parts: Parts, *, fresh: bool = False, **rest: Any) -> Run:
    """A run that was stored and of which nobody was told. `fresh` is too young for the sweep."""
    at_ms = now_ms() + 3_600_000 if fresh else now_ms() - 3_600_000
    posted = await Posts(parts.store, count=next(_numbers)).send(
        calls=(ELIZA,), at_ms=at_ms, **rest
    )
    return posted.runs[0]


_numbers = iter(range(10, 10**6, 10))


def ended(parts: Parts, *runs: Run) -> Callable[[], Coroutine[Any, Any, bool]]:
    async def all_are() -> bool:
        found = [await parts.store.runs.get(ACME, run.id) for run in runs]
        return all(run is not None and run.finished_ms is not None for run in found)

    return all_are


async def test_a_run_that_is_woken_is_worked_at_once(parts: Parts) -> None:
    await add_room(parts.store)
    async with pooled(parts, FakeDriver("hi", FINISH), sweep_s=3_600):
        run = await asked(parts, fresh=True)
        parts.publisher.put((), [run.id])
        await until(ended(parts, run))
    message = await parts.store.messages.get(ACME, "room_1", run.reply_message_id)
    assert message is not None
    assert message.content == "hi"
    await parts.publisher.drain(5)
    assert await parts.bus.drafts(run.room_id, [run.id]) == []


async def test_a_run_that_redis_forgot_is_found_in_the_database(parts: Parts) -> None:
    """As after FLUSHALL: it is stored, and nobody was or will be woken."""
    await add_room(parts.store)
    async with pooled(parts, FakeDriver("hi", FINISH)):
        run = await asked(parts)
        await until(ended(parts, run))


async def test_a_run_whose_worker_died_is_worked_again(parts: Parts) -> None:
    await add_room(parts.store)
    run = await asked(parts)
    assert await parts.store.runs.claim(run.id, "dead", 1) is not None
    async with pooled(parts, FakeDriver("hi", FINISH)):
        await until(ended(parts, run))
    found = await parts.store.runs.get(ACME, run.id)
    assert found is not None
    assert (found.state, found.attempt) == ("succeeded", 2)


async def test_a_run_woken_many_times_has_one_reply(parts: Parts) -> None:
    await add_room(parts.store)
    driver = FakeDriver("hi", FINISH)
    async with pooled(parts, driver), pooled(parts, driver):
        run = await asked(parts)
        for _ in range(20):
            parts.publisher.put((), [run.id] * 3)
        await until(ended(parts, run))
    page = await parts.store.messages.page("room_1", limit=100)
    assert len([m for m in page if m.author.id == ELIZA]) == 1
    assert len(driver.requests) == 1


async def test_the_runs_of_a_session_go_one_after_the_other_in_order(parts: Parts) -> None:
    await add_session(parts.store)
    driver = FakeDriver()
    driver.answer = lambda request: [f"re {request.messages[-1].content}", FINISH]
    async with pooled(parts, driver):
        runs = [await asked(parts, room_id="sess_1", content=str(n)) for n in range(6)]
        parts.publisher.put((), [run.id for run in reversed(runs)])
        await until(ended(parts, *runs))
    page = await parts.store.messages.page("sess_1", limit=100)
    assert [m.content for m in page if m.author.id == ELIZA] == [f"re {n}" for n in range(6)]
    assert driver.most_at_once == 1


async def test_a_run_that_waited_in_its_lane_is_woken_by_the_end_of_the_one_before(
    parts: Parts,
) -> None:
    await add_session(parts.store)
    async with pooled(parts, FakeDriver("hi", FINISH), sweep_s=3_600):
        runs = [await asked(parts, fresh=True, room_id="sess_1") for _ in range(4)]
        parts.publisher.put((), [runs[0].id])
        await until(ended(parts, *runs))


async def test_no_more_runs_are_worked_than_the_pool_holds(parts: Parts) -> None:
    enough = asyncio.Event()
    driver = FakeDriver("hi", enough, FINISH)
    await add_room(parts.store)
    async with pooled(parts, driver, worker_runs=3):
        runs = [await asked(parts) for _ in range(9)]
        parts.publisher.put((), [run.id for run in runs])
        await until(lambda: driver.playing >= 3)
        await asyncio.sleep(0.5)  # sweeps and wake-ups go on meanwhile
        assert 3 == driver.most_at_once
        enough.set()
        await until(ended(parts, *runs))
    assert 3 == driver.most_at_once


async def test_a_driver_that_breaks_ends_its_run_and_not_the_pool(parts: Parts) -> None:
    await add_room(parts.store)
    driver = FakeDriver(RuntimeError("broken"))
    async with pooled(parts, driver):
        broken = await asked(parts)
        await until(ended(parts, broken))
        driver.answer = lambda _: ["fine", FINISH]
        fine = await asked(parts)
        await until(ended(parts, fine))
    states = [await parts.store.runs.get(ACME, run.id) for run in (broken, fine)]
    assert [run and run.state for run in states] == ["failed", "succeeded"]


async def test_a_run_that_breaks_off_again_and_again_fails_visibly(parts: Parts) -> None:
    await add_room(parts.store)
    run = await asked(parts)
    tried = text("UPDATE runs SET attempt = :n WHERE id = :id")
    await parts.store.database.write(lambda c: c.execute(tried, {"n": ATTEMPTS, "id": run.id}))
    driver = FakeDriver("hi", FINISH)
    async with pooled(parts, driver):
        await until(ended(parts, run))
    message = await parts.store.messages.get(ACME, "room_1", run.reply_message_id)
    assert message is not None
    assert message.status == "failed"
    assert driver.requests == []
    assert abs(message.created_ms - now_ms()) < 60_000


async def test_a_run_that_is_given_up_makes_room_for_the_next_at_once(parts: Parts) -> None:
    await add_session(parts.store)
    first = await asked(parts, room_id="sess_1", fresh=True)
    second = await asked(parts, room_id="sess_1", fresh=True)
    tried = text("UPDATE runs SET attempt = :n WHERE id = :id")
    await parts.store.database.write(lambda c: c.execute(tried, {"n": ATTEMPTS, "id": first.id}))
    async with pooled(parts, FakeDriver("hi", FINISH), sweep_s=3_600):
        parts.publisher.put((), [first.id])
        await until(ended(parts, first, second))


class Counting(Pool):
    """A pool that notes what it begins to work."""

    worked: list[str]

    async def _work(self, run_id: str) -> None:
        self.worked.append(run_id)
        await super()._work(run_id)


async def test_a_run_that_is_woken_twice_while_the_pool_is_full_is_taken_once(
    parts: Parts,
) -> None:
    await add_room(parts.store)
    enough = asyncio.Event()
    driver = FakeDriver("hi", enough, FINISH)
    chosen = replace(parts, settings=parts.settings.model_copy(update={"worker_runs": 2}))
    pool = Counting(tools(chosen, driver), "worker")
    pool.worked = []
    runs = [(await asked(parts)).id for _ in range(3)]
    async with asyncio.TaskGroup() as group:
        for run_id in runs[:2]:
            await pool._take(group, run_id)
        await until(lambda: driver.playing == 2)
        twice = [group.create_task(pool._take(group, runs[2])) for _ in range(2)]
        await asyncio.sleep(0)
        enough.set()
        await until(lambda: all(task.done() for task in twice))
    assert pool.worked == runs


async def test_a_pool_that_stops_lets_what_it_began_come_to_its_end(parts: Parts) -> None:
    await add_room(parts.store)
    enough = asyncio.Event()
    driver = FakeDriver("hi", enough, FINISH)
    async with pooled(parts, driver, sweep_s=0.05) as stop:
        begun = await asked(parts)
        await until(lambda: driver.playing == 1)
        stop()
        await asyncio.sleep(0)
        later = await asked(parts)
        enough.set()
        await until(ended(parts, begun))
    found = await parts.store.runs.get(ACME, later.id)
    assert found is not None
    assert found.state == "queued"


async def test_a_pool_that_may_not_wait_longer_leaves_the_run_to_its_lease(parts: Parts) -> None:
    await add_room(parts.store)
    driver = FakeDriver("hi", asyncio.Event())
    async with pooled(parts, driver, drain_s=0.1) as stop:
        run = await asked(parts)
        await until(lambda: driver.playing == 1)
        stop()
    assert driver.closed == 1
    found = await parts.store.runs.get(ACME, run.id)
    assert found is not None
    assert found.state == "running"


async def test_a_cut_that_cannot_be_looked_up_ends_no_other_work(parts: Parts) -> None:
    await add_room(parts.store)
    gate = asyncio.Event()
    driver = FakeDriver(gate, "hi", FINISH)
    store = Faulty(parts.store, {"runs.peek"}, lambda: ValueError("a row of nobody's"))
    async with pooled(replace(parts, store=cast("SqlStore", store)), driver):
        run = await asked(parts)
        await driver.begun.wait()

        async def failed() -> bool:
            await parts.bus.publish([], cut=[run.id])
            return store.all_failed

        await until(failed)
        gate.set()
        await until(ended(parts, run))
        again = await parts.store.runs.get(ACME, run.id)
    assert again is not None
    assert "succeeded" == again.state
