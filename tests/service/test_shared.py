"""`hub.service.shared`: a crowd that asks for one thing each is answered by few reads."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Sequence

import pytest

from hub.core.errors import FieldError, Unavailable
from hub.service.shared import Gathered


class Numbers:
    """Counts up at every read; answers what the count was when the read began."""

    def __init__(self) -> None:
        self.reads: list[list[str]] = []
        self.began = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.bad: dict[str, Exception] = {}

    async def read(self, keys: Sequence[str]) -> dict[str, int]:
        self.reads.append(list(keys))
        now = len(self.reads)
        self.began.set()
        await self.gate.wait()
        for key in keys:
            if key in self.bad:
                raise self.bad[key]
        return {key: now for key in keys if key != "nothing"}


async def test_a_crowd_is_answered_by_one_read() -> None:
    numbers = Numbers()
    gathered = Gathered(numbers.read, 100)
    found = await asyncio.gather(*(gathered.ask(f"k{n % 60}") for n in range(300)))
    assert [1] * 300 == found
    assert [60] == [len(read) for read in numbers.reads]


async def test_what_is_asked_for_under_way_is_read_next() -> None:
    """Also when it is being read: that read may have begun before what the caller knows of."""
    numbers = Numbers()
    gathered = Gathered(numbers.read, 100)
    numbers.gate.clear()
    first = asyncio.create_task(gathered.ask("same"))
    await numbers.began.wait()
    others = [asyncio.create_task(gathered.ask(key)) for key in ("same", "other")]
    await asyncio.sleep(0)
    numbers.gate.set()
    assert [1, 2, 2] == [await each for each in (first, *others)]
    assert [["same"], ["same", "other"]] == numbers.reads


async def test_a_read_takes_no_more_than_it_may() -> None:
    numbers = Numbers()
    gathered = Gathered(numbers.read, 3)
    found = await asyncio.gather(*(gathered.ask(f"k{n}") for n in range(7)))
    assert [1, 1, 1, 2, 2, 2, 3] == found


async def test_what_is_not_there_is_none() -> None:
    assert await Gathered(Numbers().read, 3).ask("nothing") is None


async def test_one_that_cannot_be_read_takes_no_other_along() -> None:
    numbers = Numbers()
    gathered = Gathered(numbers.read, 3)
    numbers.bad["bad"] = ValueError("bad")
    good, bad = await asyncio.gather(
        gathered.ask("good"), gathered.ask("bad"), return_exceptions=True
    )
    assert isinstance(good, int)
    assert isinstance(bad, ValueError)


async def test_a_store_that_is_away_is_asked_once() -> None:
    numbers = Numbers()
    gathered = Gathered(numbers.read, 3)
    numbers.bad["a"] = Unavailable("away")
    found = await asyncio.gather(*map(gathered.ask, "abc"), return_exceptions=True)
    assert 3 == sum(isinstance(each, Unavailable) for each in found)
    assert 1 == len(numbers.reads)
    numbers.bad.clear()
    assert 2 == await gathered.ask("a")


async def test_an_error_is_everybodys_own_and_says_where_it_came_from() -> None:
    numbers = Numbers()
    gathered, cause = Gathered(numbers.read, 3), OSError("no route")
    away = numbers.bad["a"] = Unavailable("away", retry_after=7)
    away.__cause__ = cause
    errors = await asyncio.gather(*map(gathered.ask, "aab"), return_exceptions=True)
    told = [error for error in errors if isinstance(error, Unavailable)]
    assert 4 == len({*map(id, told), id(away)})
    assert [("away", 7, cause)] * 3 == [(e.message, e.retry_after, e.__cause__) for e in told]
    told[0].details = (FieldError("rooms[3]", "away"),)
    assert [(), ()] == [error.details for error in told[1:]]
    for error in told:
        frames = traceback.extract_tb(error.__traceback__)
        assert ("read", 1) == (frames[-1].name, len([f for f in frames if f.name == "read"]))


async def test_who_gives_up_takes_nobody_along() -> None:
    numbers = Numbers()
    gathered = Gathered(numbers.read, 3)
    numbers.gate.clear()
    gone, stays = (asyncio.create_task(gathered.ask("same")) for _ in range(2))
    await numbers.began.wait()
    gone.cancel()
    numbers.gate.set()
    assert 1 == await stays
    with pytest.raises(asyncio.CancelledError):
        await gone
