"""What a writer and a publisher count of what they did."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from hub.core.errors import Conflict, Limited, Unavailable
from hub.core.governor import NEARLY_SPENT, Budget, Limits, Spent, budget_over, chain_over
from hub.core.posts import Deferred, LogEntry, LogRow, Posted, StaleAccess
from hub.service.calling import PAUSED
from hub.service.post_counts import PostCounts
from hub.service.publisher import QUEUE_PACKETS
from hub.service.run_counts import RunCounts
from hub.service.writer import WAITING_POSTS, Writer

from .fakes import Answers, GatedPosts, RecordingBus, RoomsLog, publisher_on, stored
from .test_publisher import row, running
from .test_writer import begun, post
from .test_writer import running as writing


def test_every_verdict_has_its_name() -> None:
    counts, (posted,) = PostCounts(), stored([post(1)])
    assert isinstance(posted, Posted)
    counts.committed(
        [
            posted, posted, posted._replace(replayed=True), Conflict("it is closed"),
            Unavailable("away"), Unavailable("cut", code="OUTCOME_UNKNOWN"), Deferred(),
            StaleAccess(),
        ],
        0,
    )  # fmt: skip
    assert {
        "stored": 2, "replayed": 1, "refused": 1, "not_stored": 1, "unknown": 1, "deferred": 1,
        "stale": 1, "turned_away": 0,
    } == counts.outcomes  # fmt: skip
    assert (1, 8) == (counts.batch.buckets[-1][1], counts.batch.sum)


async def test_a_batch_is_measured_once() -> None:
    store = GatedPosts()
    async with writing(store) as writer:
        first = await begun(store, writer)
        others = [asyncio.create_task(writer.post(post(n))) for n in range(1, 61)]
        await asyncio.sleep(0)
        assert (60, 2 * 61) == writer.waiting  # content of the one in the transaction, too
        store.gate.set()
        await asyncio.gather(first, *others)
        counts = writer.counts
    assert (61, (0, 0)) == (counts.outcomes["stored"], writer.waiting)
    assert 61 == counts.batch.sum
    for measured in (counts.batch, counts.commit_s, counts.answer_s):
        assert 2 == measured.buckets[-1][1]


async def test_who_finds_no_room_is_counted() -> None:
    writer = Writer(GatedPosts(), publisher_on(RecordingBus()), RoomsLog())
    for number in range(WAITING_POSTS):
        writer.submit(post(number), Answers())
    with pytest.raises(Limited):
        writer.submit(post(WAITING_POSTS), Answers())
    assert 1 == writer.counts.outcomes["turned_away"]


async def test_posts_that_are_cut_off_are_of_unknown_outcome() -> None:
    store = GatedPosts()
    store.gate.clear()
    writer = Writer(store, publisher_on(RecordingBus()), RoomsLog())
    working = asyncio.create_task(writer.run())
    for number in (1, 2):
        writer.submit(post(number), Answers())
    await store.begun.wait()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert 2 == writer.counts.outcomes["unknown"]


async def test_packets_are_published_dropped_or_refused() -> None:
    bus = RecordingBus()
    async with running(bus, []) as publisher:
        publisher.put([row(1)])
        await publisher.drain(5)
        assert (1, 0, 0) == (publisher.published, publisher.dropped, publisher.refused)
        bus.away_rooms = {"room_1"}
        publisher.put([row(2)])
        await publisher.drain(5)
        assert (2, 0, 1) == (publisher.published, publisher.dropped, publisher.refused)
        bus.away = True
        publisher.put([row(3)])
        await publisher.drain(5)
        assert (2, 1, 1) == (publisher.published, publisher.dropped, publisher.refused)
        publisher.put([row(1, f"room_{n}") for n in range(QUEUE_PACKETS)])
        publisher.put([row(4)])  # one too many: those that wait make room
        assert 1 + QUEUE_PACKETS == publisher.dropped
        packets, size = publisher.waiting
        assert 1 == packets
        assert size > 0


def told(kind: str, state: str, code: str | None = None, **more: Any) -> LogRow:
    error = {"code": code, "message": "of this one alone"} if code else None
    about = {"state": state, "error": error} | more
    return LogEntry("room_1", 1, kind, 0, "run_1", about), None


def test_runs_are_counted_by_what_the_log_tells() -> None:
    counts = RunCounts()
    counts.note(
        [
            told("run.queued", "queued"), told("run.waiting", "waiting"),
            told("run.finished", "succeeded"), told("run.finished", "suppressed"),
            told("run.finished", "failed", "BACKEND_ERROR"),
            row(1, kind="message.created"),
        ]
    )  # fmt: skip
    assert 1 == counts.queued
    assert Counter(succeeded=1, suppressed=1, failed=1) == counts.ended
    assert Counter(BACKEND_ERROR=1) == counts.failed


def test_runs_are_held_back_by_a_cap_and_warn_of_a_budget() -> None:
    counts = RunCounts()
    reasons = (
        chain_over(Limits(), 7, 0, 0), chain_over(Limits(), 0, 12, 0),
        chain_over(Limits(), 0, 0, 10),
        budget_over("room", Budget(tokens=5), Spent(tokens=5)), PAUSED, None,
    )  # fmt: skip
    counts.note([told("run.finished", "suppressed", reason=reason) for reason in reasons])
    counts.note([told("run.queued", "queued", warning={"code": NEARLY_SPENT})])
    assert {"depth": 1, "replies": 1, "exchanges": 1, "budget": 1, "other": 2} == counts.held
    assert (6, 1) == (counts.ended["suppressed"], counts.warned)
