"""`python -m tests.reliability.bus_faults`: Redis fails in every way under two gateways with load.

Posts go on all the while; for each fault the longest answer to a post, the longest time from that
answer to the receipt by a client, what was missing after 5 s, and what came twice or out of order.
Exits 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
from redis import Redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from hub.bus.names import Names
from hub.client.connection import RoomConnection, open_connection
from hub.client.rest import open_client
from hub.core.errors import Unavailable
from tests.support.cluster import Cluster, run_cluster
from tests.support.hub import HubProcess
from tests.support.logs import Applied, Tally, compare, read_messages
from tests.support.redis import Server, run_server
from tests.support.redis_proxy import RedisProxy, run_redis_proxy

ENV: Final = {"HUB_LOG_LEVEL": "error"}
ROOMS: Final = 40
PER_S: Final = 60.0
UNSEEN_S: Final = 5.0
BEFORE_S: Final = 0.5
HIDDEN: Final = "1mb 512kb 1"


@dataclass
class House:
    """Two gateways, each with its own way to the one Redis; ways can be broken one by one."""

    cluster: Cluster
    server: Server
    proxies: list[RedisProxy]
    room_ids: list[str] = field(default_factory=list)

    @property
    def gateways(self) -> list[HubProcess]:
        return self.cluster.gateways


@dataclass
class Outcome:
    """What one fault did."""

    posts: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    stalest_s: float = 0.0
    unseen: int = 0
    cut_off: int = 0
    tally: Tally = field(default_factory=Tally)

    def faults(self) -> list[str]:
        checks = {
            "a post was refused": not self.refused,
            f"{self.unseen} messages were not seen after {UNSEEN_S:.0f} s": not self.unseen,
            "a client was cut off": not self.cut_off,
            str(self.tally): self.tally.clean,
        }
        return [fault for fault, holds in checks.items() if not holds]


Fault = Callable[[House], Awaitable[None]]


async def killed(house: House) -> None:
    """kill -9, nothing for a second, a new one."""
    house.server.kill()
    await asyncio.sleep(1)
    house.server.start()


async def restarted(house: House) -> None:
    """A clean stop, and a start at once."""
    house.server.stop()
    house.server.start()


async def flushed(house: House) -> None:
    """FLUSHALL, three times."""
    for _ in range(3):
        await asyncio.to_thread(house.server.flush)
        await asyncio.sleep(0.3)


async def cut_for_a_moment(house: House) -> None:
    """Every connection of one gateway cut, and none let in for 0.3 s; then the other's."""
    for proxy in house.proxies:
        proxy.refusing = True
        proxy.cut()
        await asyncio.sleep(0.3)
        proxy.refusing = False
        await asyncio.sleep(0.5)


async def black_hole(house: House, seconds: float = 30.0) -> None:
    """Connections stand and every byte is lost, both ways, for both gateways."""
    for proxy in house.proxies:
        proxy.swallowing = True
    await asyncio.sleep(seconds)
    for proxy in house.proxies:
        proxy.swallowing = False
        proxy.cut()  # what was swallowed is lost: the stream cannot be taken up again


async def one_black_hole(house: House, seconds: float = 10.0) -> None:
    """The same for one gateway alone."""
    proxy = house.proxies[0]
    proxy.swallowing = True
    await asyncio.sleep(seconds)
    proxy.swallowing = False
    proxy.cut()


async def lost_packets(house: House) -> None:
    """Everything published to rooms is lost on the way to both gateways, for 3 s."""
    for proxy in house.proxies:
        proxy.lossy = True
    await asyncio.sleep(3)
    for proxy in house.proxies:
        assert proxy.lost, "nothing was lost"
        proxy.lossy = False


async def paused_subscriber(house: House) -> None:
    """A gateway stands still until Redis gives up its full output buffer, then goes on."""
    process = house.gateways[1].process
    assert process is not None
    with Redis.from_url(house.server.url) as raw:
        raw.config_set("client-output-buffer-limit", f"pubsub {HIDDEN}")
        os.kill(process.pid, signal.SIGSTOP)
        try:
            while not _given_up(raw):
                raw.spublish(Names("roomhub").room(house.room_ids[0]), b"x" * 100_000)
                await asyncio.sleep(0.01)
        finally:
            os.kill(process.pid, signal.SIGCONT)


def _given_up(raw: Redis) -> int:
    """How many clients the server has cut because their output buffer was full."""
    about: Any = raw.info("stats")
    return int(about["client_output_buffer_limit_disconnections"])


FAULTS: Final[dict[str, Fault]] = {
    "killed": killed,
    "restarted": restarted,
    "flushed": flushed,
    "cut for 0.3 s": cut_for_a_moment,
    "black hole, 30 s": black_hole,
    "one black hole, 10 s": one_black_hole,
    "subscriber paused": paused_subscriber,
    "packets lost": lost_packets,
}


class Watcher:
    """A raw client of one gateway: applies what comes as it comes, and when."""

    def __init__(self, hub: HubProcess, key: str) -> None:
        self._hub = hub
        self._headers = {"Authorization": f"Bearer {key}"}
        self.applied: dict[str, Applied] = {}
        self.seen_s: dict[str, float] = {}
        self.cut_off = 0

    @contextlib.asynccontextmanager
    async def watching(self, room_ids: Sequence[str]) -> AsyncIterator[None]:
        async with connect(
            self._hub.ws_address, additional_headers=self._headers, compression=None,
            max_size=None, max_queue=None, ping_interval=None,
        ) as client:  # fmt: skip
            rooms = [{"room_id": room_id} for room_id in room_ids]
            command = {"id": 1, "type": "subscribe", "rooms": rooms}
            await client.send(orjson.dumps(command), text=True)
            while (frame := orjson.loads(await client.recv()))["type"] != "reply":
                pass
            for joined in frame["data"]["rooms"]:
                self.applied[joined["room_id"]] = Applied(joined["head"])
            reading = asyncio.create_task(self._read(client))
            try:
                yield
            finally:
                reading.cancel()
                await asyncio.wait({reading})

    async def _read(self, client: ClientConnection) -> None:
        try:
            while True:
                self._take(orjson.loads(await client.recv()))
        except ConnectionClosed:
            self.cut_off += 1

    def _take(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "message.created":
            message_id = frame["data"]["id"]
            self.applied[frame["room_id"]].entries.append((frame["seq"], message_id))
            self.seen_s.setdefault(message_id, time.monotonic())


class Load:
    """Posts at an even pace to random rooms, by turns over the gateways that are awake."""

    def __init__(self, key: str, room_ids: Sequence[str], outcome: Outcome) -> None:
        self.acked_s: dict[str, float] = {}
        self._key = key
        self._room_ids = room_ids
        self._outcome = outcome
        self._run = random.randbytes(4).hex()
        self._pick = random.Random(1)

    async def run(self, stop: asyncio.Event, gateways: Sequence[HubProcess]) -> None:
        began, number = time.monotonic(), 0
        async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            doors = [
                await stack.enter_async_context(open_connection(each.address, self._key))
                for each in gateways
            ]
            while not stop.is_set():
                group.create_task(self._one(doors[number % len(doors)], number))
                number += 1
                await asyncio.sleep(max(0.0, began + number / PER_S - time.monotonic()))

    async def _one(self, door: RoomConnection, number: int) -> None:
        began, room_id = time.monotonic(), self._pick.choice(self._room_ids)
        self._outcome.posts += 1
        try:
            posted = await door.post(room_id, "hello", client_id=f"{self._run}-{number}")
        except Unavailable:
            self._outcome.refused += 1
            return
        self.acked_s[posted.id] = time.monotonic()
        self._outcome.slowest_s = max(self._outcome.slowest_s, self.acked_s[posted.id] - began)


async def measure(house: House, fault: Fault) -> Outcome:
    """One fault under load, and what clients of both gateways saw of it."""
    frozen = fault is paused_subscriber  # no door for posts, and time begins when it goes on
    return await under_load(house.cluster, house.room_ids, lambda: fault(house), one_frozen=frozen)


async def under_load(
    cluster: Cluster,
    room_ids: Sequence[str],
    fault: Callable[[], Awaitable[None]],
    *,
    one_frozen: bool = False,
) -> Outcome:
    """Whatever `fault` does, while the first gateway, or all, take posts to these rooms. A gateway
    that ends ends it, with its output."""
    return await cluster.outlives(_under_load(cluster, room_ids, fault, one_frozen=one_frozen))


async def _under_load(
    cluster: Cluster,
    room_ids: Sequence[str],
    fault: Callable[[], Awaitable[None]],
    *,
    one_frozen: bool,
) -> Outcome:
    outcome, stop = Outcome(), asyncio.Event()
    load = Load(cluster.key, room_ids, outcome)
    watchers = [Watcher(hub, cluster.key) for hub in cluster.gateways]
    async with contextlib.AsyncExitStack() as stack:
        for watcher in watchers:
            await stack.enter_async_context(watcher.watching(room_ids))
        doors = cluster.gateways[:1] if one_frozen else cluster.gateways
        async with asyncio.TaskGroup() as group:
            group.create_task(load.run(stop, doors))
            await asyncio.sleep(BEFORE_S)
            await fault()
            thawed_s = time.monotonic() if one_frozen else 0.0
            stop.set()
        await _until_seen(load, watchers)
    _judge(outcome, load, watchers, thawed_s)
    await _compare(cluster, room_ids, outcome, watchers)
    return outcome


async def _until_seen(load: Load, watchers: Sequence[Watcher]) -> None:
    """Wait for everything, twice as long as it may take."""
    deadline = time.monotonic() + 2 * UNSEEN_S
    while time.monotonic() < deadline:
        if all(load.acked_s.keys() <= watcher.seen_s.keys() for watcher in watchers):
            return
        await asyncio.sleep(0.05)


def _judge(outcome: Outcome, load: Load, watchers: Sequence[Watcher], from_s: float) -> None:
    """How late each message was; `from_s` is when a gateway that stood still went on."""
    for watcher in watchers:
        outcome.cut_off += watcher.cut_off
        for message_id, acked_s in load.acked_s.items():
            seen_s = watcher.seen_s.get(message_id)
            if seen_s is None:
                outcome.unseen += 1
                continue
            late_s = seen_s - max(acked_s, from_s)
            outcome.stalest_s = max(outcome.stalest_s, late_s)
            outcome.unseen += late_s > UNSEEN_S


async def _compare(
    cluster: Cluster, room_ids: Sequence[str], outcome: Outcome, watchers: Sequence[Watcher]
) -> None:
    stored = await read_messages(cluster.postgres.url())
    for room_id in room_ids:
        lists = [watcher.applied[room_id] for watcher in watchers]
        outcome.tally += compare(stored.get(room_id, []), lists)


@contextlib.asynccontextmanager
async def open_house(cluster: Cluster, server: Server, rooms: int = ROOMS) -> AsyncIterator[House]:
    """Two gateways of a cluster that has none, on a server that the faults may break."""
    async with contextlib.AsyncExitStack() as stack:
        proxies = [await stack.enter_async_context(run_redis_proxy(server.url)) for _ in range(2)]
        for proxy in proxies:
            await asyncio.to_thread(cluster.start_gateway, HUB_REDIS_URL=proxy.url)
        house = House(cluster, server, proxies)
        async with open_client(house.gateways[0].address, cluster.key) as client:
            for number in range(rooms):
                house.room_ids.append((await client.create_room(f"Fault {number}"))["id"])
        yield house


def row(name: str, outcome: Outcome) -> str:
    return (
        f"{name:22} {outcome.posts:6} posts, longest answer {outcome.slowest_s:5.2f} s; seen "
        f"after at most {outcome.stalest_s:5.2f} s, unseen {outcome.unseen}; {outcome.tally}"
    )


async def _run(cluster: Cluster, server: Server, names: Sequence[str]) -> bool:
    broken = False
    async with open_house(cluster, server) as house:
        for name in names:
            outcome = await measure(house, FAULTS[name])
            print(row(name, outcome), flush=True)
            for fault in outcome.faults():
                print(f"FAULT {fault}", file=sys.stderr)
            broken = broken or bool(outcome.faults())
    return broken


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.reliability.bus_faults", description=__doc__
    )
    parser.add_argument("names", nargs="*", default=list(FAULTS), help=", ".join(FAULTS))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bus-") as folder:
        path = Path(folder)
        (path / "broken").mkdir()
        with run_server(path / "broken") as server, run_cluster(path, 0, env=ENV) as cluster:
            return int(asyncio.run(_run(cluster, server, given.names)))


if __name__ == "__main__":
    sys.exit(main())
