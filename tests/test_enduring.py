"""`hub.enduring`: what a process does in the background outlives what nobody expected."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
import structlog.testing

from hub.core.errors import Unavailable
from hub.enduring import enduring
from tests.support.redis import until


class Work:
    """Fails so many times, then waits for `then`, if at all."""

    def __init__(
        self,
        failures: int,
        fault: BaseException | None = None,
        then: asyncio.Event | None = None,
    ) -> None:
        self.begun = 0
        self._failures = failures
        self._fault = fault or ValueError("a value that nobody expected")
        self._then = then

    async def __call__(self) -> None:
        self.begun += 1
        if self.begun <= self._failures:
            raise self._fault
        if self._then is not None:
            await self._then.wait()

    async def sum(self, _: int) -> None:
        await self()


async def test_work_that_fails_at_once_waits_before_it_begins_again() -> None:
    work = Work(failures=1)
    enduring_it = asyncio.create_task(enduring(work, again_s=60))
    await until(lambda: work.begun == 1)
    for _ in range(10):
        await asyncio.sleep(0)
    assert 1 == work.begun
    enduring_it.cancel()
    with pytest.raises(asyncio.CancelledError):
        await enduring_it


@pytest.mark.parametrize(
    "fault",
    [
        ValueError("a value"),
        RuntimeError("a transport that is closed"),
        Unavailable("away"),
        TimeoutError(),
        ExceptionGroup("of a task group", [KeyError("a name")]),
        asyncio.CancelledError("that nobody asked for"),
    ],
    ids=lambda fault: type(fault).__name__,
)
async def test_whatever_work_raises_it_begins_again(fault: BaseException) -> None:
    work = Work(failures=2, fault=fault)
    await asyncio.wait_for(enduring(work, again_s=0), 5)
    assert 3 == work.begun


async def test_what_ends_a_process_ends_its_work() -> None:
    class Ending(BaseException):
        """As SystemExit, which the test runner would heed."""

    work = Work(failures=1, fault=Ending())
    with pytest.raises(Ending):
        await enduring(work, again_s=0)


async def test_work_that_is_cancelled_ends_though_it_was_cut_off_before() -> None:
    work = Work(failures=1, fault=asyncio.CancelledError(), then=asyncio.Event())
    enduring_it = asyncio.create_task(enduring(work, again_s=0))
    await until(lambda: work.begun == 2)
    enduring_it.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(enduring_it, 5)


async def test_what_failed_is_told_by_name_and_with_where_it_came_from() -> None:
    work = Work(failures=1)
    with structlog.testing.capture_logs() as told:
        await enduring(partial(work.sum, 1), again_s=0)
    assert [("error", "Work.sum", True)] == [
        (each["log_level"], each["work"], each["exc_info"]) for each in told
    ]
