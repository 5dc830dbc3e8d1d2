"""`hub.gateway.enduring`: what a gateway does in the background outlives what nobody expected."""

from __future__ import annotations

import asyncio

import pytest

from hub.gateway.enduring import enduring
from tests.support.redis import until

from .fakes import Client
from .test_fanout import Open, open_house

__all__ = ["open_house"]


class Work:
    """Fails so many times, then is done."""

    def __init__(self, failures: int) -> None:
        self.begun = 0
        self._failures = failures

    async def __call__(self) -> None:
        self.begun += 1
        if self.begun <= self._failures:
            raise ValueError("a value that nobody expected")


async def test_work_that_failed_begins_again_until_it_is_done() -> None:
    work = Work(failures=2)
    await asyncio.wait_for(enduring(work, again_s=0), 5)
    assert 3 == work.begun


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


async def test_a_room_is_mended_after_its_head_could_not_be_read(
    open_house: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, client = await open_house(), Client()
    await house.join(client)
    heads, failed = house.store.log.heads, list[str]()

    async def failing_once(room_ids: list[str]) -> object:
        if not failed:
            failed.extend(room_ids)
            raise ValueError("a row that cannot be read")
        return await heads(room_ids)

    monkeypatch.setattr(house.store.log, "heads", failing_once)
    await house.post()
    house.fanout.suspect(["room_1"])
    await client.wait_for(lambda c: len(c.seqs) == 1)
    assert ["room_1"] == failed


async def test_the_loops_of_a_fan_out_go_on_after_an_error(
    open_house: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, client = await open_house(delay_s=0), Client()
    failed, unsubscribe = list[str](), house.bus.listener.unsubscribe

    async def failing_once(room_id: str) -> None:
        if not failed:
            failed.append(room_id)
            raise ValueError("an answer that nobody expected")
        await unsubscribe(room_id)

    monkeypatch.setattr(house.bus.listener, "unsubscribe", failing_once)
    await house.join(client)
    house.fanout.leave(client, "room_1")
    await until(lambda: bool(failed))
    await house.join(client)
    house.fanout.leave(client, "room_1")
    await until(lambda: house.bus.listener.left == ["room_1"])
