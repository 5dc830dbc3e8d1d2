"""The bus over TLS, to one server and through a quorum of sentinels."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.bus.redis import RedisBus, open_bus
from hub.core.errors import Unavailable
from tests.support.redis import until
from tests.support.sentinel import Watched, run_redis, run_watched
from tests.support.shards import run_shards
from tests.support.tls import Door, make_certificate

from .heard import Heard, packet
from .test_cluster import heard_again

PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def door(tmp_path: Path, certificate: Path) -> Iterator[Door]:
    """A server that nobody reaches but through TLS."""
    opened = Door(certificate)
    with run_redis(tmp_path) as port, opened.open_to(port):
        yield opened


@pytest.fixture
def watched(tmp_path: Path, certificate: Path) -> Iterator[Watched]:
    """Three sentinels, of which two must agree, all behind TLS."""
    with run_watched(tmp_path, 3, certificate) as found:
        yield found


async def test_every_part_of_the_bus_speaks_tls(door: Door, certificate: Path) -> None:
    heard, url = Heard(), f"rediss://127.0.0.1:{door.port}?ssl_ca_certs={certificate}"
    async with open_bus(url, "hub", "a") as bus, bus.listen(heard) as listener:
        await listener.subscribe("room_1")
        await bus.publish([("room_1", packet(1))], ["run_1"])
        assert ["run_1"] == await _woken(bus)
        await heard.wait_for(lambda said: ("room_1", packet(1)) in said)
    assert door.secured > 0
    assert 0 == door.plain


async def test_a_server_whose_certificate_nobody_vouches_for_is_not_believed(door: Door) -> None:
    async with open_bus(f"rediss://127.0.0.1:{door.port}", "hub", "a") as bus:
        with pytest.raises(Unavailable, match="certificate verify failed"):
            await bus.ping()


async def test_a_certificate_of_another_host_is_not_believed(tmp_path: Path) -> None:
    another = make_certificate(tmp_path, "127.0.0.2")
    door = Door(another)
    with run_redis(tmp_path) as port, door.open_to(port):
        url = f"rediss://127.0.0.1:{door.port}?ssl_ca_certs={another}"
        async with open_bus(url, "hub", "a") as bus:
            with pytest.raises(Unavailable, match="certificate verify failed"):
                await bus.ping()


async def test_a_majority_of_sentinels_finds_a_new_master_over_tls(
    watched: Watched, certificate: Path
) -> None:
    heard, url = Heard(), f"{watched.url}?ssl_ca_certs={certificate}"
    async with open_bus(url, "hub", "a") as bus, bus.listen(heard) as listener:
        await listener.subscribe("room_1")
        await asyncio.to_thread(watched.kill_sentinel)  # the one that was asked so far
        old = await asyncio.to_thread(watched.kill_master)
        await until(lambda: watched.settled(old), PATIENCE_S)
        await until(lambda: ("room_1", None) in heard.all, PATIENCE_S)
        await until(lambda: _published(bus), PATIENCE_S)
        await heard.wait_for(lambda said: ("room_1", packet(1)) in said)
    secured = {door.port for door in watched.doors if door.secured}
    assert watched.servers.keys() <= secured
    assert 2 <= len(watched.sentinels.keys() & secured)  # one that was asked before, one after


async def test_every_server_of_a_cluster_is_reached_by_tls(
    tmp_path: Path, certificate: Path
) -> None:
    heard, rooms = Heard(), [f"room_{number}" for number in range(20)]
    with run_shards(tmp_path, 2, certificate=certificate) as shards:
        async with open_bus(shards.url, "hub", "a") as bus, bus.listen(heard) as listener:
            await listener.subscribe(*rooms)
            await heard_again(bus, heard, 1, rooms)
        doors = [server.door for server in shards.servers if server.door is not None]
    assert [0, 0] == [door.plain for door in doors]
    assert all(door.secured for door in doors)


async def _woken(bus: RedisBus) -> list[str]:
    """The first call makes the group."""
    return await bus.woken("worker", 1, 0.01) or await bus.woken("worker", 1, 1)


async def _published(bus: RedisBus) -> bool:
    try:
        await bus.publish([("room_1", packet(1))])
    except Unavailable:
        return False
    return True
