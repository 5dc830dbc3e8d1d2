"""`hub.bus.sentinel`: whoever is the master, every part of the bus finds it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.connection import SSLConnection

from hub.bus.client import make_client
from hub.bus.redis import RedisBus, open_bus
from hub.bus.sentinel import SentinelPool
from hub.core.errors import Unavailable
from hub.core.values import Draft
from tests.support.redis import until
from tests.support.sentinel import Watched, run_watched

from .heard import Heard, packet

PATIENCE_S = 30.0
DRAFT = Draft("run_1", "msg_1", "msg_0", {"type": "persona", "id": "persona_e"}, 1, "text")


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with run_watched(tmp_path) as found:
        yield found


def pool_of(url: str) -> tuple[SentinelPool, list[dict[str, Any]]]:
    """The pool of a URL, and how each sentinel is asked."""
    pool = make_client(url).connection_pool
    assert isinstance(pool, SentinelPool)
    sentinels = pool.sentinel_manager.sentinels
    return pool, [each.connection_pool.connection_kwargs for each in sentinels]


async def test_a_url_names_sentinels_a_master_and_how_to_log_in() -> None:
    pool, sentinels = pool_of(
        "redis+sentinel://hub:p%40ss@a.example,10.0.0.2:5000,[::1]:5001,[::2]/main/3"
        "?sentinel_username=asks&sentinel_password=it"
    )
    assert "main" == pool.service_name
    asked = pool.connection_kwargs
    assert ("hub", "p@ss", 3) == (asked["username"], asked["password"], asked["db"])
    assert [("a.example", 26379), ("10.0.0.2", 5000), ("::1", 5001), ("::2", 26379)] == [
        (each["host"], each["port"]) for each in sentinels
    ]
    assert {("asks", "it")} == {(each["username"], each["password"]) for each in sentinels}


async def test_without_a_login_nobody_logs_in() -> None:
    pool, (sentinel,) = pool_of("redis+sentinel://a.example/main")
    assert not pool.connection_kwargs.get("password")
    assert not sentinel.get("password")
    assert not issubclass(pool.connection_class, SSLConnection)


async def test_tls_is_for_the_master_and_the_sentinels() -> None:
    pool, (sentinel,) = pool_of("rediss+sentinel://a.example/main?ssl_ca_certs=ca.pem")
    assert issubclass(pool.connection_class, SSLConnection)
    assert "ca.pem" == pool.connection_kwargs["ssl_ca_certs"] == sentinel["ssl_ca_certs"]


async def test_when_nobody_knows_the_master_redis_is_unavailable(watched: Watched) -> None:
    async with open_bus(watched.url.replace("mymaster", "another"), "hub", "a") as bus:
        with pytest.raises(Unavailable, match=r"no sentinel knows a master 'another' that is up$"):
            await bus.ping()


async def test_a_sentinel_that_is_silent_is_passed_over(watched: Watched) -> None:
    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(swallow, "127.0.0.1", 0) as mute:
        port = mute.sockets[0].getsockname()[1]
        url = f"redis+sentinel://127.0.0.1:{port},127.0.0.1:{watched.sentinel}/mymaster"
        async with asyncio.timeout(4), open_bus(url, "hub", "a") as bus:
            await bus.ping()


async def test_a_bus_that_is_closed_keeps_no_connection_to_a_sentinel(watched: Watched) -> None:
    async with Redis(port=watched.sentinel) as raw:
        before = len(await raw.client_list())
        async with open_bus(watched.url, "hub", "a") as bus:
            await bus.ping()
            assert before < len(await raw.client_list())

        async def gone() -> bool:
            return before == len(await raw.client_list())

        await until(gone, 1)


async def test_every_part_of_the_bus_follows_to_a_new_master(watched: Watched) -> None:
    heard = Heard()
    async with open_bus(watched.url, "hub", "a") as bus, bus.listen(heard) as listener:
        await bus.woken("worker", 1, 0.01)  # makes the group
        await listener.subscribe("room_1")
        await _use(bus)
        waiting = asyncio.create_task(_woken(bus))  # blocks on the old master
        old = await asyncio.to_thread(watched.kill_master)
        await until(lambda: watched.settled(old), PATIENCE_S)
        await until(lambda: ("room_1", None) in heard.all, PATIENCE_S)
        await until(lambda: _works(bus), PATIENCE_S)
        await bus.publish([("room_1", packet(1))])
        await heard.wait_for(lambda said: ("room_1", packet(1)) in said)
        async with asyncio.timeout(PATIENCE_S):
            while not waiting.done():  # one may be lost while all change over; the sweep repeats it
                await bus.publish([], ["run_1"])
                await asyncio.wait({waiting}, timeout=0.5)
        assert ["run_1"] == waiting.result()


async def _use(bus: RedisBus) -> None:
    """Everything but the streams and the channels, whose answers are looked at elsewhere."""
    await bus.append_draft("room_1", DRAFT, "text", b"")
    assert [DRAFT] == await bus.drafts("room_1", ["run_1"])
    await bus.presence.put({"room_1": ["user_alice"]}, 60_000)
    assert {"room_1": frozenset({"user_alice"})} == await bus.presence.read(["room_1"])
    await bus.lives.note(["room_1"])
    await bus.put_ticket("digest", b"value", 60)
    assert b"value" == await bus.take_ticket("digest")


async def _works(bus: RedisBus) -> bool:
    try:
        await _use(bus)
    except Unavailable:
        return False
    return True


async def _woken(bus: RedisBus) -> list[str]:
    """As a worker waits: again and again, whatever becomes of the server."""
    while True:
        try:
            if found := await bus.woken("worker", 1, 5):
                return found
        except Unavailable:
            await asyncio.sleep(0.05)
