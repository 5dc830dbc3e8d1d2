"""`hub.bus.cluster` and `hub.bus.shards`: slots move, servers come and go, and the bus goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from redis import Redis

from hub.bus.names import Names
from hub.bus.redis import RedisBus, open_bus
from hub.bus.slots import slot_of
from hub.core.errors import Unavailable
from tests.support.redis import until
from tests.support.redis_proxy import run_redis_proxy
from tests.support.shards import ShardCluster, ShardServer

from .heard import Heard, packet
from .test_redis import grow

ROOMS = [f"room_{number}" for number in range(60)]
PATIENCE_S = 20.0


def of_server(shards: ShardCluster, names: Names, server: ShardServer) -> list[str]:
    """The rooms whose channels it serves."""
    return [room for room in ROOMS if shards.master_of(names.room(room)) is server]


async def heard_again(bus: RedisBus, heard: Heard, seq: int, rooms: Sequence[str] = ROOMS) -> None:
    """Everything is published and heard, soon: what comes while all change over may be lost."""
    everything = [(room, packet(seq)) for room in rooms]

    async def all_heard() -> bool:
        try:
            await bus.publish([each for each in everything if each not in heard.all])
        except Unavailable:
            return False
        await asyncio.sleep(0.02)
        return all(each in heard.all for each in everything)

    await until(all_heard, PATIENCE_S)


async def test_rooms_are_on_every_server_and_each_is_published_at_its_own(
    shards: ShardCluster, sharded: RedisBus, prefix: str
) -> None:
    def published() -> list[int]:
        stats = [server.ask("INFO", "commandstats") for server in shards.servers[:3]]
        return [each.get("cmdstat_spublish", {"calls": 0})["calls"] for each in stats]

    names, heard = Names(prefix), Heard()
    async with sharded.listen(heard) as listener:
        await listener.subscribe(*ROOMS)
        await sharded.ping()
        before = published()
        await sharded.publish([(room, packet(1)) for room in ROOMS])
        said = await heard.count(len(ROOMS))
        assert {(room, packet(1)) for room in ROOMS} == set(said)
        for server, old, new in zip(shards.servers, before, published(), strict=False):
            own = len(of_server(shards, names, server))
            assert own > 0
            assert own <= new - old <= own + 2  # and perhaps a probe


@pytest.mark.parametrize("followed", [True, False])
async def test_a_room_whose_slot_moves_is_heard_where_it_is_served(
    shards: ShardCluster, sharded: RedisBus, prefix: str, *, followed: bool
) -> None:
    """With the keys of its slot; who listens is told that something may be missing. It moves more
    than once: the first time may be seen by chance, as a bus looks twice when it begins."""
    channel, heard = Names(prefix).room("room_1"), Heard()
    giver = shards.master_of(channel)
    taker = next(server for server in shards.servers[:3] if server is not giver)
    await grow(sharded, "one", "one")
    async with sharded.listen(heard) as listener:
        if followed:
            await listener.subscribe("room_1")
        ways = [(giver, taker), (taker, giver), (giver, taker)] if followed else [(giver, taker)]
        for number, way in enumerate(ways, 1):
            await asyncio.to_thread(shards.move, slot_of(channel), *way)
            if followed:
                await heard.told("room_1", None, number)
        await listener.subscribe("room_1")
        await sharded.publish([("room_1", packet(1))])
        await heard.wait_for(lambda said: ("room_1", packet(1)) in said)
        assert not listener.deaf
        assert await grow(sharded, "one two", " two")
        (draft,) = await sharded.drafts("room_1", ["run_1"])
        assert "one two" == draft.text
        await asyncio.to_thread(shards.move, slot_of(channel), taker, giver)


async def test_a_room_that_nobody_serves_is_heard_as_soon_as_somebody_does(
    shards: ShardCluster, sharded: RedisBus, prefix: str
) -> None:
    channel, heard = Names(prefix).room("room_1"), Heard()
    server = shards.master_of(channel)
    async with sharded.listen(heard) as listener:
        await listener.subscribe("room_2")
        server.ask("CLUSTER", "DELSLOTS", slot_of(channel))
        subscribing = asyncio.create_task(listener.subscribe("room_1"))
        await asyncio.sleep(0.2)
        assert not subscribing.done()
        server.ask("CLUSTER", "ADDSLOTS", slot_of(channel))
        await subscribing
        await heard_again(sharded, heard, 1, ["room_1", "room_2"])
    await until(lambda: asyncio.to_thread(shards.well), PATIENCE_S)


async def test_a_slot_on_its_way_is_asked_at_both_ends(
    shards: ShardCluster, sharded: RedisBus, prefix: str
) -> None:
    name = Names(prefix).ticket("digest")
    slot, giver = slot_of(name), shards.master_of(name)
    taker = next(server for server in shards.servers[:3] if server is not giver)
    await sharded.put_ticket("digest", b"stays", 60)
    taker.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", giver.id)
    giver.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", taker.id)
    assert b"stays" == await sharded.take_ticket("digest")
    await sharded.put_ticket("digest", b"went", 60)
    assert b"went" == taker_has(taker, name)
    assert b"went" == await sharded.take_ticket("digest")
    for server in (taker, giver):
        server.ask("CLUSTER", "SETSLOT", slot, "STABLE")


def taker_has(server: ShardServer, name: str) -> object:
    """The value of a key at the server that its slot is on the way to."""
    with Redis(port=server.port, protocol=2) as client:
        pipe = client.pipeline(transaction=False)
        pipe.execute_command("ASKING")
        pipe.get(name)
        return pipe.execute()[1]


async def test_a_script_that_one_server_forgot_is_told_to_it_again(
    shards: ShardCluster, sharded: RedisBus
) -> None:
    people = {room: ["user_a"] for room in ROOMS}
    await sharded.presence.put(people, 60_000)
    shards.servers[1].ask("SCRIPT", "FLUSH")
    await sharded.presence.put(people, 60_000)
    found = await sharded.presence.read(ROOMS)
    assert dict.fromkeys(ROOMS, frozenset({"user_a"})) == found


async def test_a_server_that_is_silent_makes_deaf_who_follows_its_rooms_and_harms_no_others(
    shards: ShardCluster, sharded: RedisBus, prefix: str
) -> None:
    silent = shards.servers[2]
    own = of_server(shards, Names(prefix), silent)
    others, heard, other = [room for room in ROOMS if room not in own], Heard(), Heard()
    async with sharded.listen(heard) as listener, sharded.listen(other) as unaffected:
        await listener.subscribe(*ROOMS)
        await unaffected.subscribe(*others)
        await until(lambda: not listener.deaf and not unaffected.deaf)
        with silent.frozen():
            assert set(own) == await sharded.publish([(room, packet(1)) for room in ROOMS])
            async with asyncio.timeout(1):  # once is enough
                assert set(own) == await sharded.publish([(room, packet(2)) for room in ROOMS])
            await until(lambda: {(room, packet(2)) for room in others} <= set(heard.all))
            await until(lambda: listener.deaf)
            assert not unaffected.deaf
        await heard.wait_for(lambda said: {(room, None) for room in own} <= set(said))
        await until(lambda: not listener.deaf)
        assert not {(room, None) for room in others} & set(heard.all)
        await heard_again(sharded, heard, 3)
    await until(lambda: asyncio.to_thread(shards.well), PATIENCE_S)


async def test_what_a_silent_server_confirms_late_holds_up_nothing_and_is_told(
    shards: ShardCluster, sharded: RedisBus, prefix: str
) -> None:
    silent, heard = shards.servers[2], Heard()
    own = of_server(shards, Names(prefix), silent)
    others = [room for room in ROOMS if room not in own]
    async with sharded.listen(heard) as listener:
        await until(lambda: not listener.deaf)
        with silent.frozen():
            await listener.follow(*ROOMS)
            await heard.wait_for(lambda said: {(room, None) for room in others} <= set(said))
            assert not {(room, None) for room in own} & set(heard.all)
        await heard.wait_for(lambda said: {(room, None) for room in own} <= set(said))
        await heard_again(sharded, heard, 1)
    await until(lambda: asyncio.to_thread(shards.well), PATIENCE_S)


async def test_who_is_in_the_rooms_of_others_is_known_while_a_server_is_silent(
    shards: ShardCluster, sharded: RedisBus, prefix: str
) -> None:
    silent, people = shards.servers[2], {room: ["user_a"] for room in ROOMS}
    presence = sharded.presence
    assert not await presence.put(people, 60_000)
    own = [room for room in ROOMS if shards.master_of(Names(prefix).presence(room)) is silent]
    with shards.covering_in_part(), silent.frozen():
        assert set(own) == set(await presence.put(people, 60_000))
        assert set(ROOMS) - set(own) == (await presence.read(ROOMS)).keys()
        with pytest.raises(Unavailable):
            await presence.read(own)
    await until(lambda: asyncio.to_thread(shards.well), PATIENCE_S)


async def test_a_master_that_is_killed_is_soon_followed_by_its_replica(
    shards: ShardCluster, sharded: RedisBus, prefix: str
) -> None:
    killed, heard = shards.servers[0], Heard()
    own = of_server(shards, Names(prefix), killed)
    async with sharded.listen(heard) as listener:
        await listener.subscribe(*ROOMS)
        killed.kill()
        await until(lambda: listener.deaf)
        await heard.wait_for(lambda said: {(room, None) for room in own} <= set(said))
        await until(lambda: not listener.deaf)
        await heard_again(sharded, heard, 1)
        killed.start()
        await until(lambda: asyncio.to_thread(killed.replicates), PATIENCE_S)
        await heard_again(sharded, heard, 2)
    promoted = shards.servers[3]
    shards.servers[0], shards.servers[3] = promoted, killed


async def test_a_server_that_is_added_takes_slots_and_is_heard(
    shards: ShardCluster, sharded: RedisBus, prefix: str
) -> None:
    """Before it takes any command: of this slot there are no keys."""
    channel, heard = Names(prefix).room("room_added"), Heard()
    giver = shards.master_of(channel)
    async with sharded.listen(heard) as listener:
        await listener.subscribe(*ROOMS, "room_added")
        added = shards.add()
        await asyncio.to_thread(shards.meet, added)
        await until(lambda: asyncio.to_thread(shards.met), PATIENCE_S)
        await asyncio.to_thread(shards.move, slot_of(channel), giver, added)
        await heard.wait_for(lambda said: ("room_added", None) in said)
        await heard_again(sharded, heard, 1, [*ROOMS, "room_added"])
        await asyncio.to_thread(shards.move, slot_of(channel), added, giver)
        await heard_again(sharded, heard, 2, [*ROOMS, "room_added"])


async def test_a_server_that_is_of_no_cluster_says_so(valkey: str) -> None:
    async with run_redis_proxy(valkey) as proxy:
        url = proxy.url.replace("redis://", "redis+cluster://")
        async with open_bus(url, "hub", "a") as bus:
            with pytest.raises(Unavailable, match="cluster support disabled"):
                await bus.ping()


async def test_without_any_server_commands_are_unavailable_at_once() -> None:
    async with asyncio.timeout(2), open_bus("redis+cluster://127.0.0.1:1", "hub", "a") as bus:
        for command in (
            bus.publish([("room_1", packet(1))], ["run_1"]),
            bus.ping(),
            bus.drafts("room_1", ["run_1"]),
            bus.woken("w", 1, 2),
            grow(bus, "a", "a"),
        ):
            with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1"):
                await command


async def test_who_knows_no_server_is_deaf_before_anything_is_wanted() -> None:
    async with open_bus("redis+cluster://127.0.0.1:1", "hub", "a") as bus:
        async with bus.listen(Heard()) as listener:
            for _ in range(2):
                with pytest.raises(Unavailable):
                    await bus.ping()
            assert listener.deaf
