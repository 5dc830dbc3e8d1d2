"""`workers.figures`: what a pool counts of runs, by the attempt and the flush."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from hub.core.errors import Unavailable
from hub.core.values import Draft
from hub.parts import Parts
from hub.wire.frames import frame
from tests.core.nouns import run
from tests.metrics.reading import values
from tests.support.faulty import Faulty
from tests.support.parts import add_room
from tests.support.redis import until
from workers.figures import WorkCounts
from workers.pool import Pool

from .fakes import FINISH, FakeDriver, tools
from .test_pool import asked

RUN = replace(
    run("run_1"), attempt=1, created_ms=1_000, started_ms=1_200, first_delta_ms=2_000,
    finished_ms=4_000, state="succeeded", usage={"prompt_tokens": 7, "completion_tokens": 3},
)  # fmt: skip


def test_times_are_those_that_people_wait() -> None:
    counts = WorkCounts()
    counts.claimed(RUN)
    counts.ended(RUN)
    assert 1 == counts.attempts
    assert [0.2, 1, 3] == [h.sum for h in (counts.queue_s, counts.first_delta_s, counts.run_s)]
    assert {"prompt": 7, "completion": 3} == counts.tokens


def test_what_waited_for_something_else_is_not_told_of_the_queue() -> None:
    counts = WorkCounts()
    counts.claimed(replace(RUN, attempt=2))
    assert (1, 0) == (counts.attempts, counts.queue_s.buckets[-1][1])


def test_a_run_that_pauses_has_not_ended() -> None:
    counts = WorkCounts()
    counts.ended(replace(RUN, state="waiting", finished_ms=None))
    assert (0, 0) == (counts.run_s.buckets[-1][1], counts.tokens["prompt"])


def test_clocks_that_disagree_make_no_time_negative() -> None:
    counts = WorkCounts()
    counts.claimed(replace(RUN, started_ms=900))
    assert 0 == counts.queue_s.sum


@pytest.mark.parametrize("away", [False, True])
async def test_pieces_are_shown_or_dropped(parts: Parts, away: bool) -> None:
    await add_room(parts.store)
    driver = FakeDriver("hello", FINISH)
    chosen = parts
    if away:

        def fault() -> Exception:
            return Unavailable("away")

        chosen = replace(parts, bus=Faulty(parts.bus, ["append_draft"], fault))  # type: ignore[arg-type]
    pool, stopping = Pool(tools(chosen, driver), "worker"), asyncio.Event()
    working = asyncio.create_task(pool.run(stopping))
    await asked(parts)
    await until(lambda: values(pool.tell())["hub_run_seconds_count"] == 1)
    told = values(pool.tell())
    assert (not away, away) == (
        told["hub_deltas_flushed_total"], told["hub_deltas_dropped_total"]
    )  # fmt: skip
    assert (0, 1) == (told["hub_worker_runs"], told["hub_run_attempts_total"])
    stopping.set()
    await working


async def test_a_run_that_another_has_taken_is_lost(parts: Parts) -> None:
    await add_room(parts.store)
    settings = parts.settings.model_copy(update={"lease_s": 0.05, "lease_renew_s": 0.4})
    driver = FakeDriver("first", asyncio.Event())
    pool = Pool(tools(replace(parts, settings=settings), driver), "worker")
    stopping = asyncio.Event()
    working = asyncio.create_task(pool.run(stopping))
    taken = await asked(parts)
    await until(lambda: driver.playing == 1)
    assert 1 == values(pool.tell())["hub_worker_runs"]

    async def taken_over() -> bool:
        return await parts.store.runs.claim(taken.id, "other", 60_000) is not None

    await until(taken_over)
    second = Draft(taken.id, taken.reply_message_id, taken.thread_id, {}, 2, "second")
    await parts.bus.append_draft(taken.room_id, second, "second", frame(b"{}"))
    await until(lambda: values(pool.tell())["hub_leases_lost_total"] == 1)
    stopping.set()
    await working
