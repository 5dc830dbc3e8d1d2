"""The database stands still, and is shut down: every request is answered, none of them falsely, and
all goes on by itself."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import httpx
import pytest

from deploy.child import Child, start_child
from hub.client.connection import open_connection
from hub.client.rest import RoomhubClient, open_client
from hub.core.errors import Unavailable
from hub.core.runs import ENDED
from hub.core.values import Json
from tests.support.cluster import Cluster, run_cluster
from tests.support.redis import until

AWAY_S = 12.0  # longer than a statement may take
ANSWERED_S = 30.0
RECOVERED_S = 30.0
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


async def _stand_still(cluster: Cluster) -> None:
    """SIGSTOP for everything of the server: its sockets stay open and nobody answers."""
    assert cluster.postgres.process is not None
    stopped = _processes(cluster.postgres.process.pid)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.gather(_unready(cluster), asyncio.sleep(AWAY_S))
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


async def _shut_down(cluster: Cluster) -> None:
    """A shutdown that waits for nobody, as `pg_ctl stop -m immediate`, and a start."""
    await asyncio.to_thread(cluster.postgres.stop, signal.SIGQUIT)
    try:
        await _unready(cluster)
    finally:
        cluster.postgres.start()


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


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("go_away", [_stand_still, _shut_down])
async def test_while_the_database_is_away_all_are_answered_and_all_goes_on_by_itself(
    tmp_path: Path, go_away: Callable[[Cluster], Awaitable[None]]
) -> None:
    with run_cluster(tmp_path, 1, env=ENV) as cluster:
        pool = _start_workers(cluster)
        try:
            await until(lambda: "workers are ready" in pool.said(), RECOVERED_S)
            posters, runs = await _post_through(cluster, go_away)
            rows = await _rows(cluster.postgres.url())
        finally:
            pool.ask_to_stop()
            pool.end(time.monotonic() + 5)
    acks = {key: message_id for poster in posters for key, message_id in poster.acks.items()}
    refused = [error for poster in posters for error in poster.refused.values()]
    assert acks.items() <= rows.items(), "a post was acknowledged that is not stored"
    assert refused, "nobody saw the outage"
    assert {error.code for error in refused} <= CODES
    assert all(error.retry_after for error in refused)
    sure = {key for poster in posters for key, error in poster.refused.items()
            if error.code == "STORE_UNAVAILABLE"}  # fmt: skip
    assert not sure & rows.keys(), "a post was stored though it was said that it was not"
    assert max(poster.longest_s for poster in posters) < ANSWERED_S
    assert [("succeeded", 1)] * 2 == runs


def _start_workers(cluster: Cluster) -> Child:
    env = os.environ | cluster.env | {"HUB_DATA_DIR": str(cluster.gateways[0].data_dir)}
    program = [sys.executable, "-m", "hub.cli", "workers"]
    return start_child("workers", program, cluster.folder / "workers.log", env)


async def _post_through(
    cluster: Cluster, go_away: Callable[[Cluster], Awaitable[None]]
) -> tuple[list[Poster], list[tuple[str, int]]]:
    """Posters over REST and WebSocket before, during and after; and how two mentions ended, one
    from just before and one from after."""
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
        await go_away(cluster)
        assert 200 == await _ready(cluster, within_s=RECOVERED_S, status=200)
        after = await _mention(client, room_id, "after")
        runs = [await _ended(client, room_id, message) for message in (before, after)]
        stop.set()
        await asyncio.gather(*posting)
    return posters, runs


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
