"""Waiting for `RedisListener.subscribe` to return before the server has confirmed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hub.bus.redis import open_bus
from tests.support.redis import run_server, until

from .heard import Heard, packet


async def test_subscribe_returns_when_the_server_has_confirmed(tmp_path: Path) -> None:
    heard = Heard()
    with run_server(tmp_path) as server:
        async with open_bus(server.url, "hub", "bus") as bus, bus.listen(heard) as listener:
            await until(lambda: not listener.deaf)
            with server.frozen():
                subscribing = asyncio.create_task(listener.subscribe("room_1"))
                await asyncio.sleep(0.2)
                assert not subscribing.done()
            await subscribing
            await bus.publish([("room_1", packet(1))], ())
            assert [("room_1", packet(1))] == await heard.count(1)
