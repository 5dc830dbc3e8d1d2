"""`python -m tests.reliability.away`: PostgreSQL stands still, or is shut down, for some seconds
under a gateway with posters and a worker.

Prints what the posters were told, and exits 1 when any of it was false, came late, or the hub did
not go on by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import asyncpg
import httpx

from deploy.child import Child, start_child
from hub.client.connection import open_connection
from hub.client.rest import RoomhubClient, open_client
from hub.core.errors import Unavailable
from hub.core.runs import ENDED
from hub.core.values import Json
from tests.support.cluster import Cluster, run_cluster
from tests.support.redis import until

Manner = Literal["stand still", "shut down"]
MANNERS: Final[tuple[Manner, ...]] = ("stand still", "shut down")
AWAY_S: Final = 12.0  # longer than a statement may take
ANSWERED_S: Final = 30.0
RECOVERED_S: Final = 30.0
ENV = {
    "HUB_LOG_LEVEL": "error",
    "HUB_SWEEP_S": "0.5",
    "HUB_LEASE_S": "4",
    "HUB_LEASE_RENEW_S": "1",
}
BOT = {"type": "bot", "id": "bot_echo"}
CODES = {"STORE_UNAVAILABLE", "OUTCOME_UNKNOWN"}
Post = Callable[[str], Awaitable[str]]


class Poster:
    """Posts one after another, each with a key of its own, never again; keeps what it was told."""

    def __init__(self) -> None:
        self.acks: dict[str, str] = {}
        self.refused: dict[str, Unavailable] = {}
        self.longest_s = 0.0

    async def run(self, name: str, post: Post, stop: asyncio.Event) -> None:
        while not stop.is_set():
            key, began = f"{name}-{len(self.acks) + len(self.refused)}", time.monotonic()
            try:
                async with asyncio.timeout(ANSWERED_S):
                    self.acks[key] = await post(key)
            except Unavailable as error:
                self.refused[key] = error
                await asyncio.sleep(0.05)
            self.longest_s = max(self.longest_s, time.monotonic() - began)


def _processes(pid: int) -> list[int]:
    """A PostgreSQL server and all its backends."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


async def _go_away(cluster: Cluster, manner: Manner, away_s: float) -> None:
    """Keep the database away so long, and see /readyz say so."""
    leave = _stand_still if manner == "stand still" else _shut_down
    come_back = await leave(cluster)
    try:
        await asyncio.gather(_unready(cluster), asyncio.sleep(away_s))
    finally:
        come_back()


async def _stand_still(cluster: Cluster) -> Callable[[], None]:
    """SIGSTOP for everything of the server: its sockets stay open and nobody answers."""
    assert cluster.postgres.process is not None
    stopped = _processes(cluster.postgres.process.pid)

    def signal_all(number: signal.Signals) -> None:
        for pid in stopped:
            os.kill(pid, number)

    signal_all(signal.SIGSTOP)
    return lambda: signal_all(signal.SIGCONT)


async def _shut_down(cluster: Cluster) -> Callable[[], None]:
    """A shutdown that waits for nobody, as `pg_ctl stop -m immediate`."""
    await asyncio.to_thread(cluster.postgres.stop, signal.SIGQUIT)
    return cluster.postgres.start


async def _unready(cluster: Cluster) -> None:
    """Returns when /readyz says that the database is away."""
    assert 503 == await _ready(cluster, within_s=ANSWERED_S, status=503)


async def _ready(cluster: Cluster, *, within_s: float, status: int) -> int:
    """Ask until /readyz answers with this status; the last answer."""
    deadline = time.monotonic() + within_s
    async with httpx.AsyncClient(trust_env=False, timeout=within_s) as client:
        while True:
            got = (await client.get(f"{cluster.gateways[0].address}/readyz")).status_code
            if got == status or time.monotonic() > deadline:
                return got
            await asyncio.sleep(0.05)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What posters were told, what is stored, how long the longest answer and the recovery took,
    and how the runs of two mentions ended, each with its number of replies."""

    acks: dict[str, str]
    refused: dict[str, Unavailable]
    rows: dict[str, str]
    longest_s: float
    recovery_s: float
    runs: list[tuple[str, int]]

    def faults(self) -> list[str]:
        """What is wrong, each in a sentence."""
        codes = {error.code for error in self.refused.values()}
        sure = {k for k, error in self.refused.items() if error.code == "STORE_UNAVAILABLE"}
        checks = {
            "a post was acknowledged that is not stored": self.acks.items() <= self.rows.items(),
            "nobody saw the outage": bool(self.refused),
            f"posters were told {codes - CODES}": codes <= CODES,
            "a 503 did not say when to come back": all(
                error.retry_after for error in self.refused.values()
            ),
            "a post was stored though it was said that it was not": not sure & self.rows.keys(),
            "an answer took too long": self.longest_s < ANSWERED_S,
            f"runs ended as {self.runs}": [("succeeded", 1)] * 2 == self.runs,
        }
        return [fault for fault, holds in checks.items() if not holds]


async def measure(cluster: Cluster, manner: Manner, away_s: float) -> Outcome:
    """One outage on a cluster of one gateway, started with `ENV`."""
    pool = _start_workers(cluster)
    try:
        await until(lambda: "workers are ready" in pool.said(), RECOVERED_S)
        posters, runs, recovery_s = await _post_through(cluster, manner, away_s)
        rows = await _rows(cluster.postgres.url())
    finally:
        pool.ask_to_stop()
        pool.end(time.monotonic() + 5)
    return Outcome(
        {key: message_id for poster in posters for key, message_id in poster.acks.items()},
        {key: error for poster in posters for key, error in poster.refused.items()},
        rows, max(poster.longest_s for poster in posters), recovery_s, runs,
    )  # fmt: skip


def _start_workers(cluster: Cluster) -> Child:
    env = os.environ | cluster.env | {"HUB_DATA_DIR": str(cluster.gateways[0].data_dir)}
    program = [sys.executable, "-m", "hub.cli", "workers"]
    return start_child("workers", program, cluster.folder / "workers.log", env)


async def _post_through(
    cluster: Cluster, manner: Manner, away_s: float
) -> tuple[list[Poster], list[tuple[str, int]], float]:
    """Posters over REST and WebSocket before, during and after; how two mentions ended, one from
    just before and one from after; and how long after the return the hub was ready."""
    hub, posters, stop = cluster.gateways[0], [Poster() for _ in range(4)], asyncio.Event()
    async with (
        open_client(hub.address, cluster.key) as client,
        open_connection(hub.address, cluster.key) as connection,
        asyncio.TaskGroup() as group,
    ):
        driver = {"kind": "model", "model": "builtin/eliza"}
        await client.create_participant({**BOT, "name": "Echo", "driver": driver})
        room_id = (await client.create_room("Away", members=[BOT]))["id"]

        async def over_rest(key: str) -> str:
            return str((await client.post(room_id, "hello", client_id=key))["id"])

        async def over_socket(key: str) -> str:
            return (await connection.post(room_id, "hello", client_id=key)).id

        posting = [
            group.create_task(each.run(f"p{n}", over_rest if n % 2 else over_socket, stop))
            for n, each in enumerate(posters)
        ]
        before = await _mention(client, room_id, "before")
        await _go_away(cluster, manner, away_s)
        back = time.monotonic()
        assert 200 == await _ready(cluster, within_s=RECOVERED_S, status=200)
        recovery_s = time.monotonic() - back
        after = await _mention(client, room_id, "after")
        runs = [await _ended(client, room_id, message) for message in (before, after)]
        stop.set()
        await asyncio.gather(*posting)
    return posters, runs, recovery_s


async def _mention(client: RoomhubClient, room_id: str, key: str) -> Json:
    """A message that asks for a reply; tried again as its 503 says."""
    while True:
        try:
            return await client.post(room_id, "and you?", mention=[BOT], client_id=key)
        except Unavailable as error:
            await asyncio.sleep(error.retry_after or 1)


async def _ended(client: RoomhubClient, room_id: str, message: Json) -> tuple[str, int]:
    """The state in which the run of a mention ends, and how many replies there are."""
    (run,) = message["runs"]
    async with asyncio.timeout(RECOVERED_S):
        while True:
            state = (await client.run(run["id"]))["state"]
            if state in ENDED:
                break
            await asyncio.sleep(0.1)
    return state, len(await client.thread(room_id, message["id"])) - 1


async def _rows(url: str) -> dict[str, str]:
    """Message ids by key."""
    connection = await asyncpg.connect(url)
    try:
        return dict(await connection.fetch("SELECT client_id, id FROM messages"))
    finally:
        await connection.close()


def _report(manner: Manner, outcome: Outcome) -> str:
    codes = Counter(error.code for error in outcome.refused.values())
    unknown = [key for key, error in outcome.refused.items() if error.code == "OUTCOME_UNKNOWN"]
    return (
        f"{manner}: {len(outcome.acks)} acknowledged, all stored; refused {dict(codes)}, of the "
        f"unknown {len(outcome.rows.keys() & set(unknown))} are stored; longest answer "
        f"{outcome.longest_s:.1f} s; ready {outcome.recovery_s:.1f} s after the database"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.away", description=__doc__)
    parser.add_argument("--secs", type=float, default=20.0, help="how long it is away")
    given, broken = parser.parse_args(), False
    for manner in MANNERS:
        with tempfile.TemporaryDirectory(prefix="away-") as folder:
            with run_cluster(Path(folder), 1, env=ENV) as cluster:
                outcome = asyncio.run(measure(cluster, manner, given.secs))
        print(_report(manner, outcome), flush=True)
        for fault in outcome.faults():
            print(f"FAULT {fault}", file=sys.stderr)
        broken = broken or bool(outcome.faults())
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
