"""`python -m tests.reliability.failing_over`: Redis's master is killed, and handed over as planned,
under two gateways and a pool of workers that reach it through a sentinel.

The figures are those of `bus_faults`; exits 1 when a promise was broken, when a mention after the
change of masters had no reply, or when a gateway or the pool ended, whose output is then shown. The
pool never sweeps: only Redis can wake it. All the while clients come to rooms that nobody else
follows, and leave them: gateways subscribe and unsubscribe in the middle of it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Final

import orjson
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from deploy.child import Child, start_child
from hub.client.connection import open_connection
from hub.client.events import DraftGrew
from hub.client.rest import RoomhubClient, open_client
from hub.core.runs import ENDED
from tests.reliability.bus_faults import ROOMS, Outcome, row, under_load
from tests.support.cluster import Cluster, run_cluster
from tests.support.hub import HubProcess
from tests.support.redis import until
from tests.support.sentinel import Watched, run_watched, wait_until

ENV: Final = {
    "HUB_LOG_LEVEL": "error", "HUB_SWEEP_S": "3600", "HUB_UNSUBSCRIBE_DELAY_S": "0.01",
}  # fmt: skip
VISITORS: Final = 8
STAY_S: Final = 0.05
PATIENCE_S: Final = 30.0
ALL_S: Final = 90.0
AFTER_S: Final = 2.0
DRAFT_S: Final = 2.0
BOT: Final = {"type": "bot", "id": "bot_echo"}
Change = Callable[[Cluster, Watched], int]


def killed(_: Cluster, watched: Watched) -> int:
    """kill -9; returns its port."""
    return watched.kill_master()


def killed_unseen(cluster: Cluster, watched: Watched) -> int:
    """kill -9 while the gateways stand still: to them the old master ends and the new one is there
    in the same moment."""
    with cluster.frozen():
        old = watched.kill_master()
        wait_until(lambda: watched.settled(old), PATIENCE_S)
    return old


def handed_over(_: Cluster, watched: Watched) -> int:
    """As planned; returns the port of the old master."""
    return watched.hand_over()


CHANGES: Final[dict[str, Change]] = {
    "handed over": handed_over,
    "killed": killed,
    "killed, gateways stalled": killed_unseen,
}


async def change_masters(
    cluster: Cluster, house: House, watched: Watched, change: Change
) -> tuple[Outcome, str]:
    """What clients saw of it under load, and how the run of a mention ended afterwards."""

    async def fault() -> None:
        old = await asyncio.to_thread(change, cluster, watched)
        await until(lambda: watched.settled(old), PATIENCE_S)
        await asyncio.sleep(AFTER_S)  # load on the new master

    return await endure(cluster, house, fault)


async def endure(
    cluster: Cluster, house: House, fault: Callable[[], Awaitable[None]]
) -> tuple[Outcome, str]:
    """What clients see of a fault under load, and how a mention went afterwards."""
    async with asyncio.timeout(ALL_S), asyncio.TaskGroup() as group:
        visiting = [
            group.create_task(_come_and_go(hub, cluster.key, room_id))
            for hub in cluster.gateways
            for room_id in house.quiet_ids
        ]
        outcome = await under_load(cluster, house.room_ids, fault)
        for task in visiting:
            task.cancel()
    house.check_pool()
    return outcome, await _mentioned(cluster, house.room_ids[0])


async def _come_and_go(hub: HubProcess, key: str, room_id: str) -> None:
    """Subscribe and unsubscribe until cancelled, whatever the answer."""
    headers = {"Authorization": f"Bearer {key}"}
    with contextlib.suppress(ConnectionClosed):  # of the watchers each one that is cut off counts
        async with connect(hub.ws_address, additional_headers=headers) as client:
            for kind in cycle(("subscribe", "unsubscribe")):
                command = {"id": 1, "type": kind, "room_id": room_id}
                await client.send(orjson.dumps(command), text=True)
                while orjson.loads(await client.recv())["type"] != "reply":
                    pass
                await asyncio.sleep(STAY_S)


async def _mentioned(cluster: Cluster, room_id: str) -> str:
    """How the run of a mention at the first gateway ends, and whether a client of the last has
    seen its reply being written."""
    first, last = cluster.gateways[0], cluster.gateways[-1]
    async with (
        open_client(first.address, cluster.key) as client,
        open_connection(last.address, cluster.key) as follower,
    ):
        await follower.subscribe(room_id)
        state = await _ended(client, room_id)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAFT_S):
                async for event in follower:
                    if isinstance(event, DraftGrew):
                        return state
    return f"{state}, without a draft"


async def _ended(client: RoomhubClient, room_id: str) -> str:
    """The state in which the run of a mention ends."""
    (run,) = (await client.post(room_id, "and you?", mention=[BOT]))["runs"]
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        state = str((await client.run(run["id"]))["state"])
        if state in ENDED:
            break
        await asyncio.sleep(0.1)
    return state


@dataclass(frozen=True, slots=True)
class House:
    """Rooms with a bot that are posted to, rooms that people only come to, and the bot's pool."""

    room_ids: list[str]
    quiet_ids: list[str]
    pool: Child

    def check_pool(self) -> None:
        status = self.pool.process.poll()
        assert status is None, f"the pool ended with status {status}:\n{self.pool.said()}"


@contextlib.contextmanager
def run_sentinel_cluster(folder: Path) -> Iterator[tuple[Cluster, Watched]]:
    """PostgreSQL, a master, a replica, a sentinel and two gateways."""
    (folder / "redis").mkdir()
    with run_watched(folder / "redis") as watched:
        env = {**ENV, "HUB_REDIS_URL": watched.url}
        with run_cluster(folder, 2, env=env) as cluster:
            yield cluster, watched


async def _until_ready(pool: Child) -> None:
    def ready() -> bool:
        return "workers are ready" in pool.said()

    try:
        await until(lambda: ready() or pool.process.poll() is not None, PATIENCE_S)
    finally:
        assert ready(), f"the pool did not start:\n{pool.said()}"


@contextlib.asynccontextmanager
async def open_house(cluster: Cluster, rooms: int) -> AsyncIterator[House]:
    """So many rooms with a bot in each, a few without, and a pool that writes the bot's replies."""
    hub = cluster.gateways[0]
    env = os.environ | cluster.env | {"HUB_DATA_DIR": str(hub.data_dir), "HUB_LOG_LEVEL": "info"}
    program = [sys.executable, "-m", "hub.cli", "workers"]
    pool = start_child("workers", program, cluster.folder / "workers.log", env)
    try:
        await _until_ready(pool)
        async with open_client(hub.address, cluster.key) as client:
            driver = {"kind": "model", "model": "builtin/eliza"}
            await client.create_participant({**BOT, "name": "Echo", "driver": driver})
            busy = [await client.create_room(f"Room {n}", members=[BOT]) for n in range(rooms)]
            quiet = [await client.create_room(f"Quiet {n}") for n in range(VISITORS)]
        yield House([room["id"] for room in busy], [room["id"] for room in quiet], pool)
    finally:
        pool.ask_to_stop()
        pool.end(time.monotonic() + 5)


async def _run(cluster: Cluster, watched: Watched, name: str) -> list[str]:
    async with open_house(cluster, ROOMS) as house:
        outcome, state = await change_masters(cluster, house, watched, CHANGES[name])
    print(f"{row(name, outcome)}; a mention afterwards {state}", flush=True)
    return [*outcome.faults(), *(["no reply"] if state != "succeeded" else [])]


def _run_anew(name: str) -> list[str]:
    """What was broken, on servers of its own: who was killed does not come back."""
    with tempfile.TemporaryDirectory(prefix="failing-") as folder:
        with run_sentinel_cluster(Path(folder)) as (cluster, watched):
            return asyncio.run(_run(cluster, watched, name))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.reliability.failing_over", description=__doc__
    )
    parser.add_argument("--times", type=int, default=1, help="how often all of it is done")
    parser.add_argument("names", nargs="*", default=list(CHANGES), help=", ".join(CHANGES))
    given = parser.parse_args()
    broken = [fault for name in given.names * given.times for fault in _run_anew(name)]
    for fault in broken:
        print(f"FAULT {fault}", file=sys.stderr)
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
