"""`python -m tests.reliability.on_a_cluster [NAME …]`: a Valkey Cluster of three masters, each with
a replica, changes in every way under two gateways and a pool of workers.

The figures are those of `bus_faults`; exits 1 when a promise was broken, or when a mention after a
change had no reply, or nobody saw it being written. The pool never sweeps: only Redis can wake it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from hub.bus.names import Names
from hub.bus.slots import slot_of
from tests.reliability.bus_faults import ROOMS, Outcome, row
from tests.reliability.failing_over import AFTER_S, ENV, PATIENCE_S, House, endure, open_house
from tests.support.cluster import Cluster, run_cluster
from tests.support.redis import until
from tests.support.shards import ShardCluster, ShardServer, run_shards

FROZEN_S: Final = 10.0
DOWN_S: Final = 2.0
NAMES: Final = Names("roomhub")
Change = Callable[[ShardCluster, Sequence[str]], Awaitable[None]]


async def _well(shards: ShardCluster) -> None:
    """Until everybody knows everybody, every slot is served, and every replica is in step."""

    def holds() -> bool:
        replicas = [server for server in shards.servers if not server.is_master()]
        return shards.well() and all(replica.replicates() for replica in replicas)

    await until(lambda: asyncio.to_thread(holds), PATIENCE_S)


def _masters(shards: ShardCluster, room_ids: Sequence[str]) -> list[ShardServer]:
    """Who serves these rooms, most first."""
    masters = [shards.master_of(NAMES.room(room_id)) for room_id in room_ids]
    ports = sorted({each.port for each in masters}, key=[each.port for each in masters].count)
    return [next(each for each in masters if each.port == port) for port in reversed(ports)]


async def killed(shards: ShardCluster, room_ids: Sequence[str]) -> None:
    """kill -9 of a master; when its replica serves, it comes back as a replica of that."""
    server = _masters(shards, room_ids)[0]
    await asyncio.to_thread(server.kill)
    await until(lambda: asyncio.to_thread(shards.well), PATIENCE_S)
    await asyncio.sleep(AFTER_S)
    await asyncio.to_thread(server.start)
    await _well(shards)


async def handed_over(shards: ShardCluster, room_ids: Sequence[str]) -> None:
    """The planned way: a replica takes over, the master lives on as its replica."""
    server = _masters(shards, room_ids)[0]
    replica = next(each for each in shards.servers if _follows(each, server))
    replica.ask("CLUSTER", "FAILOVER")
    await until(lambda: asyncio.to_thread(replica.is_master), PATIENCE_S)
    await _well(shards)


def _follows(server: ShardServer, master: ShardServer) -> bool:
    about = server.ask("INFO", "replication")
    return bool(about["role"] == "slave" and about["master_port"] == master.port)


async def frozen(shards: ShardCluster, room_ids: Sequence[str]) -> None:
    """A master stands still for 10 s: its replica takes over, and it comes back."""
    with _masters(shards, room_ids)[0].frozen():
        await asyncio.sleep(FROZEN_S)
    await _well(shards)


async def moved_one_by_one(shards: ShardCluster, room_ids: Sequence[str]) -> None:
    """The slot of every room, to the next master, with its keys."""
    masters = _masters(shards, room_ids)
    for slot in {slot_of(NAMES.room(room_id)) for room_id in room_ids}:
        giver = _server_of(shards, slot)
        taker = masters[(masters.index(giver) + 1) % len(masters)]
        await asyncio.to_thread(shards.move, slot, giver, taker)


async def moved_at_once(shards: ShardCluster, room_ids: Sequence[str]) -> None:
    """The longest span of slots of a master, to another, in one step."""
    giver, taker = _masters(shards, room_ids)[:2]
    spans = [span for span in giver.layout().spans if span.address[1] == giver.port]
    span = max(spans, key=lambda span: span.last - span.first)
    await asyncio.to_thread(shards.give, span.first, span.last, giver, taker)


async def added(shards: ShardCluster, room_ids: Sequence[str]) -> None:
    """One more master, which takes a span from each of the others."""
    server = await asyncio.to_thread(shards.add)
    await asyncio.to_thread(shards.meet, server)
    await until(lambda: asyncio.to_thread(shards.well), PATIENCE_S)
    for giver in _masters(shards, room_ids):
        spans = [span for span in giver.layout().spans if span.address[1] == giver.port]
        span = max(spans, key=lambda span: span.last - span.first)
        middle = (span.first + span.last) // 2
        await asyncio.to_thread(shards.give, span.first, middle, giver, server)


async def down_and_up(shards: ShardCluster, _: Sequence[str]) -> None:
    """kill -9 of every server, nothing for 2 s, and all of them again."""
    for server in shards.servers:
        server.kill()
    await asyncio.sleep(DOWN_S)
    await asyncio.gather(*(asyncio.to_thread(server.start) for server in shards.servers))
    await _well(shards)


def _server_of(shards: ShardCluster, slot: int) -> ShardServer:
    address = shards.servers[0].layout().table()[slot]
    return next(each for each in shards.servers if address and each.port == address[1])


CHANGES: Final[dict[str, Change]] = {
    "handed over": handed_over,
    "killed": killed,
    "frozen": frozen,
    "slots moved one by one": moved_one_by_one,
    "slots moved at once": moved_at_once,
    "a master added": added,
    "all killed": down_and_up,
}


async def change(
    cluster: Cluster, shards: ShardCluster, house: House, name: str
) -> tuple[Outcome, str]:
    """What clients saw of a change under load, and how a mention went afterwards."""

    async def fault() -> None:
        await CHANGES[name](shards, house.room_ids)
        await asyncio.sleep(AFTER_S)

    return await endure(cluster, house, fault)


@contextlib.contextmanager
def run_sharded_cluster(folder: Path) -> Iterator[tuple[Cluster, ShardCluster]]:
    """PostgreSQL, three masters with a replica each, and two gateways."""
    (folder / "shards").mkdir()
    with run_shards(folder / "shards", 3, 3) as shards:
        with run_cluster(folder, 2, env={**ENV, "HUB_REDIS_URL": shards.url}) as cluster:
            yield cluster, shards


async def _run(cluster: Cluster, shards: ShardCluster, names: Sequence[str]) -> bool:
    broken = False
    async with open_house(cluster, ROOMS) as house:
        for name in names:
            outcome, state = await change(cluster, shards, house, name)
            print(f"{row(name, outcome)}; a mention afterwards {state}", flush=True)
            faults = [*outcome.faults(), *([state] if state != "succeeded" else [])]
            for fault in faults:
                print(f"FAULT {fault}", file=sys.stderr)
            broken = broken or bool(faults)
    return broken


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.reliability.on_a_cluster", description=__doc__
    )
    parser.add_argument("names", nargs="*", default=list(CHANGES), help=", ".join(CHANGES))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sharded-") as folder:
        with run_sharded_cluster(Path(folder)) as (cluster, shards):
            return int(asyncio.run(_run(cluster, shards, given.names)))


if __name__ == "__main__":
    sys.exit(main())
