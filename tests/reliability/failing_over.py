"""`python -m tests.reliability.failing_over`: Redis's master is killed, and handed over as planned,
under two gateways and a pool of workers that reach it through a sentinel.

The figures are those of `bus_faults`; exits 1 when a promise was broken, or when a mention after
the change of masters had no reply. The pool never sweeps: only Redis can wake it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Final

from deploy.child import start_child
from hub.client.rest import RoomhubClient, open_client
from hub.core.runs import ENDED
from tests.reliability.bus_faults import Outcome, row, under_load
from tests.support.cluster import Cluster, run_cluster
from tests.support.redis import until
from tests.support.sentinel import Watched, run_watched

ENV: Final = {"HUB_LOG_LEVEL": "error", "HUB_SWEEP_S": "3600"}
PATIENCE_S: Final = 30.0
AFTER_S: Final = 2.0
BOT: Final = {"type": "bot", "id": "bot_echo"}
Change = Callable[[Watched], int]
CHANGES: Final[dict[str, Change]] = {
    "killed": Watched.kill_master,
    "handed over": Watched.hand_over,
}


async def change_masters(
    cluster: Cluster, room_ids: list[str], watched: Watched, change: Change
) -> tuple[Outcome, str]:
    """What clients saw of it under load, and how the run of a mention ended afterwards."""

    async def fault() -> None:
        old = await asyncio.to_thread(change, watched)
        await until(lambda: watched.settled(old), PATIENCE_S)
        await asyncio.sleep(AFTER_S)  # load on the new master

    outcome = await under_load(cluster, room_ids, fault)
    async with open_client(cluster.gateways[0].address, cluster.key) as client:
        return outcome, await _mentioned(client, room_ids[0])


async def _mentioned(client: RoomhubClient, room_id: str) -> str:
    """The state in which the run of a mention ends."""
    (run,) = (await client.post(room_id, "and you?", mention=[BOT]))["runs"]
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        state = str((await client.run(run["id"]))["state"])
        if state in ENDED:
            break
        await asyncio.sleep(0.1)
    return state


@contextlib.contextmanager
def run_sentinel_cluster(folder: Path) -> Iterator[tuple[Cluster, Watched]]:
    """PostgreSQL, a master, a replica, a sentinel and two gateways."""
    (folder / "redis").mkdir()
    with run_watched(folder / "redis") as watched:
        env = {**ENV, "HUB_REDIS_URL": watched.url}
        with run_cluster(folder, 2, env=env) as cluster:
            yield cluster, watched


@contextlib.asynccontextmanager
async def open_rooms(cluster: Cluster, many: int) -> AsyncIterator[list[str]]:
    """Rooms with a bot in each, and a pool of workers that writes its replies."""
    hub = cluster.gateways[0]
    env = os.environ | cluster.env | {"HUB_DATA_DIR": str(hub.data_dir), "HUB_LOG_LEVEL": "info"}
    program = [sys.executable, "-m", "hub.cli", "workers"]
    pool = start_child("workers", program, cluster.folder / "workers.log", env)
    try:
        await until(lambda: "workers are ready" in pool.said(), PATIENCE_S)
        async with open_client(hub.address, cluster.key) as client:
            driver = {"kind": "model", "model": "builtin/eliza"}
            await client.create_participant({**BOT, "name": "Echo", "driver": driver})
            rooms = [await client.create_room(f"Room {n}", members=[BOT]) for n in range(many)]
        yield [room["id"] for room in rooms]
    finally:
        pool.ask_to_stop()
        pool.end(time.monotonic() + 5)


async def _run(cluster: Cluster, watched: Watched) -> bool:
    broken = False
    async with open_rooms(cluster, 40) as room_ids:
        for name in ("handed over", "killed"):  # who was killed does not come back
            outcome, state = await change_masters(cluster, room_ids, watched, CHANGES[name])
            print(f"{row(name, outcome)}; a mention afterwards {state}", flush=True)
            faults = [*outcome.faults(), *(["no reply"] if state != "succeeded" else [])]
            for fault in faults:
                print(f"FAULT {fault}", file=sys.stderr)
            broken = broken or bool(faults)
    return broken


def main() -> int:
    argparse.ArgumentParser(
        prog="python -m tests.reliability.failing_over", description=__doc__
    ).parse_args()
    with tempfile.TemporaryDirectory(prefix="failing-") as folder:
        with run_sentinel_cluster(Path(folder)) as (cluster, watched):
            return int(asyncio.run(_run(cluster, watched)))


if __name__ == "__main__":
    sys.exit(main())
