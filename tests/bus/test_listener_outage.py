"""`hub.bus.listener` outlives its server: waiting for `_keep_hearing` to end as a lost bus."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from hub.bus.client import make_client
from hub.bus.listener import open_listener
from hub.bus.names import Names
from hub.bus.places import OnePlace
from hub.bus.redis import RedisBus, open_bus
from hub.core.errors import Unavailable
from hub.wire.packets import Packet
from tests.support.redis import run_server, until

from .heard import Heard, packet


async def test_a_server_that_went_and_came_back_is_told_room_by_room(tmp_path: Path) -> None:
    """What was published meanwhile is lost; the rooms' heads are to be read again."""
    heard = Heard()
    with run_server(tmp_path) as server:
        async with open_bus(server.url, "hub", "a") as bus, bus.listen(heard) as listener:
            await listener.subscribe("room_1")
            await listener.subscribe("room_2")
            server.stop()
            await until(lambda: listener.deaf)
            with pytest.raises(Unavailable):
                await bus.publish([("room_1", packet(1))], ())
            server.start()
            await heard.wait_for(lambda said: {("room_1", None), ("room_2", None)} <= set(said))
            assert not listener.deaf
            assert listener.rebuilt >= 1
            await bus.publish([("room_2", packet(2))], ())
            await heard.wait_for(lambda said: ("room_2", packet(2)) in said)
            assert ("room_1", packet(1)) not in heard.all


async def test_a_subscription_asked_for_while_the_server_is_away_comes_with_it(
    tmp_path: Path,
) -> None:
    heard = Heard()
    with run_server(tmp_path) as server:
        async with open_bus(server.url, "hub", "a") as bus, bus.listen(heard) as listener:
            await until(lambda: not listener.deaf)
            server.stop()
            await until(lambda: listener.deaf)
            asked = asyncio.create_task(listener.subscribe("room_1"))
            server.start()
            await asked
            await bus.publish([("room_1", packet(1))], ())
            await heard.wait_for(lambda said: ("room_1", packet(1)) in said)


async def test_a_server_that_freezes_is_noticed_and_survived(tmp_path: Path) -> None:
    """A black hole: the connections stand and nothing comes, not even the answer to a probe."""
    heard = Heard()
    with run_server(tmp_path) as server:
        client, names = make_client(server.url, answer_timeout_s=60), Names("hub")
        try:
            async with open_listener(OnePlace(client), names, "a", heard) as listener:
                await listener.subscribe("room_1")
                with server.frozen():
                    await until(lambda: listener.deaf)
                await heard.wait_for(lambda said: ("room_1", None) in said)
                assert not listener.deaf
        finally:
            await client.aclose()


async def test_a_command_connection_cut_by_the_server_ends_nothing(
    valkey: str, bus: RedisBus
) -> None:
    heard = Heard()
    async with bus.listen(heard) as listener, Redis.from_url(valkey) as raw:
        await listener.subscribe("room_1")
        for _ in range(3):
            await raw.client_kill_filter(_type="normal", skipme=True)
            await asyncio.sleep(1.1)  # over the next probe
        await bus.publish([("room_1", packet(1))], ())
        await heard.wait_for(lambda said: ("room_1", packet(1)) in said)


async def test_a_packet_that_cannot_be_taken_ends_no_listener(bus: RedisBus) -> None:
    heard = Heard()

    def hear(room_id: str, found: Packet | None) -> None:
        if found == packet(1):
            raise ValueError("a value that nobody expected")
        heard(room_id, found)

    with capture_logs() as told:
        async with bus.listen(hear) as listener:
            await listener.subscribe("room_1")
            await bus.publish([("room_1", packet(1))], ())
            await heard.wait_for(lambda said: ("room_1", None) in said)
            await bus.publish([("room_1", packet(2))], ())
            await heard.wait_for(lambda said: ("room_1", packet(2)) in said)
    assert ["the bus cannot be heard, connecting again"] == [each["event"] for each in told]
