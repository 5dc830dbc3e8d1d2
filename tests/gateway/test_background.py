"""What a gateway does in the background outlives what nobody expected."""

from __future__ import annotations

import pytest

from tests.support.redis import until

from .fakes import Client
from .test_fanout import Open, open_house

__all__ = ["open_house"]


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
