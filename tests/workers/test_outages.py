"""The database goes away while a run is worked: nothing that was said is asked for again."""

from __future__ import annotations

import asyncio

from hub.core.errors import Backend, Unavailable
from hub.core.governor import Limits
from hub.core.invoking import Remember
from hub.core.values import Json, Run
from hub.parts import Parts
from hub.ports import Ended, Reply
from hub.store.database import Database
from hub.store.runs import SqlRuns
from tests.support.redis import until

from .fakes import FINISH, FakeDriver
from .test_cut import failing_then, said
from .test_run import claimed, with_settings, worked


class AwayRuns(SqlRuns):
    """The store of runs, whose database is away for the first `times` that it is asked."""

    def __init__(self, database: Database, times: int) -> None:
        super().__init__(database, Limits())
        self.times = times

    def _ask(self) -> None:
        if self.times:
            self.times -= 1
            raise Unavailable("away")

    async def renew(self, run_id: str, attempt: int, lease_ms: int) -> Run | None:
        self._ask()
        return await super().renew(run_id, attempt, lease_ms)

    async def advance(self, run_id: str, attempt: int, lease_ms: int) -> Run | None:
        self._ask()
        return await super().advance(run_id, attempt, lease_ms)

    async def remember(self, run_id: str, attempt: int, memory: Json) -> bool:
        self._ask()
        return await super().remember(run_id, attempt, memory)

    async def finish(self, run_id: str, attempt: int, reply: Reply) -> Ended | None:
        self._ask()
        return await super().finish(run_id, attempt, reply)


def away(parts: Parts, times: int = 2) -> AwayRuns:
    """From now on."""
    runs = AwayRuns(parts.store.database, times)
    parts.store.runs = runs
    return runs


async def test_what_is_to_be_remembered_waits_for_the_database(parts: Parts) -> None:
    run, driver = await claimed(parts), FakeDriver(Remember({"task": "t1"}), "done", FINISH)
    runs = away(parts)
    ended = await worked(parts, driver, run)
    assert ("succeeded", 1, 0) == (ended.run.state, len(driver.invocations), runs.times)


async def test_a_reply_that_is_written_waits_for_the_database(parts: Parts) -> None:
    run, driver = await claimed(parts), FakeDriver("the reply", FINISH)
    runs = away(parts)
    ended = await worked(parts, driver, run)
    assert ("succeeded", 1, 0) == (ended.run.state, len(driver.invocations), runs.times)
    assert "the reply" == (await said(parts, run)).content


async def test_the_next_attempt_waits_for_the_database(parts: Parts) -> None:
    run = await claimed(parts)
    driver = failing_then("the whole", FINISH, before=("half a ", "word", " more"))
    runs = away(parts)
    ended = await worked(with_settings(parts, delta_flush_s=0.0), driver, run)
    assert ("succeeded", 2, 0) == (ended.run.state, ended.run.attempt, runs.times)


async def test_a_lease_that_cannot_be_renewed_for_a_while_is_not_given_up(parts: Parts) -> None:
    run, more = await claimed(parts), asyncio.Event()
    driver, runs = FakeDriver("first", more, " rest", FINISH), away(parts, 4)
    quick = with_settings(parts, lease_s=0.1, lease_renew_s=0.05)
    working = asyncio.create_task(worked(quick, driver, run))
    await until(lambda: not runs.times)  # twice as long as the lease
    more.set()
    assert ("succeeded", 1) == ((await working).run.state, driver.closed)
    assert "first rest" == (await said(parts, run)).content


async def test_who_may_not_speak_there_any_more_fails_without_a_word(parts: Parts) -> None:
    run = await claimed(parts)
    await parts.store.rooms.remove_member(run.tenant_id, run.room_id, run.participant_id, 1)
    driver = FakeDriver(Backend("not asked"))
    ended = await worked(parts, driver, run)
    assert ("failed", "it may not post in this room any more") == (
        ended.run.state, ended.run.reason,
    )  # fmt: skip
    assert [] == driver.invocations
    assert ["run.finished"] == [entry.type for entry, _ in ended.entries]
