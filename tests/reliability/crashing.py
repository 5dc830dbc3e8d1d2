"""Mentions under load while workers die, stand still and Redis forgets: how each one ended.

The cluster has one gateway; the workers are processes of `doomed.py`, and each that dies is
replaced. What is promised: one final reply a mention, and nearly all of them the whole text.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis

from hub.bus.client import end, make_client
from hub.bus.names import Names
from tests.models.server import ModelServer
from tests.support.cluster import Cluster
from tests.support.hub import HubProcess

LEASE_S: Final = 1.0
ENDED: Final = frozenset({"succeeded", "silent", "failed", "cancelled", "suppressed"})
BOT: Final = {"type": "bot", "id": "bot_random"}
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """`mentions` in `rooms`, `workers` at a time that die at `point` with the chance `share`. Every
    run is put on the stream `copies` times more. Now and then a worker is paused past its lease and
    Redis emptied, each every so many seconds; 0 is never."""

    mentions: int
    point: str
    share: float
    rooms: int = 5
    workers: int = 2
    copies: int = 1
    pause_every_s: float = 0.0
    flush_every_s: float = 0.0
    within_s: float = 90.0
    seed: int = 1


@dataclass(slots=True)
class Outcome:
    """What was done to the workers, and how the mentions ended."""

    deaths: Counter[str] = field(default_factory=Counter)
    pauses: int = 0
    flushes: int = 0
    finals: Counter[int] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    attempts: Counter[int] = field(default_factory=Counter)
    whole: int = 0
    seconds: float = 0.0

    @property
    def share_whole(self) -> float:
        """How many ended succeeded, with a text that the upstream sent in full."""
        return self.whole / max(1, self.states.total())


def settings(upstream: ModelServer, folder: Path) -> dict[str, str]:
    """The environment of gateway and workers: short times, and the upstream as a model."""
    config = folder / "hub.toml"
    config.write_text(
        f'[models."test/random"]\nbase_url = "{upstream.base_url}"\nupstream_model = "random"\n'
    )
    return {
        "HUB_CONFIG": str(config), "HUB_LEASE_S": str(LEASE_S), "HUB_LEASE_RENEW_S": "0.3",
        "HUB_SWEEP_S": "0.3", "HUB_LOG_LEVEL": "error", "HUB_WORKER_RUNS": "4",
    }  # fmt: skip


async def crash(cluster: Cluster, upstream: ModelServer, shape: Shape) -> Outcome:
    """Post everything, wait for every end, and compare with what the upstream sent."""
    outcome, began = Outcome(), time.monotonic()
    hub = cluster.gateways[0]
    rooms = _rooms(hub, shape)
    async with _harassed(cluster, shape, outcome):
        runs = await _ended(hub, await _post(cluster, rooms, shape), shape.within_s)
    outcome.seconds = time.monotonic() - began
    sent = set((await upstream.sent())["texts"])
    await _judge(hub, runs, sent, outcome)
    return outcome


def _rooms(hub: HubProcess, shape: Shape) -> list[str]:
    with hub.client() as admin:
        driver = {"kind": "model", "model": "test/random"}
        known = admin.get(f"/v1/participants/{BOT['id']}")
        if known.status_code == 404:
            bot = {**BOT, "name": "Random", "driver": driver}
            admin.post("/v1/participants", json=bot).raise_for_status()
        room = {"name": "Crash", "initial_members": [BOT]}
        made = [admin.post("/v1/rooms", json=room).raise_for_status() for _ in range(shape.rooms)]
    return [str(each.json()["data"]["id"]) for each in made]


async def _post(cluster: Cluster, rooms: list[str], shape: Shape) -> list[str]:
    """The ids of the runs, each named on the stream again and again."""
    redis: Redis = make_client(cluster.env["HUB_REDIS_URL"])
    names, runs = Names("roomhub"), []
    try:
        async with cluster.gateways[0].async_client() as client:
            for number in range(shape.mentions):
                path = f"/v1/rooms/{rooms[number % len(rooms)]}/messages"
                body = {"content": f"number {number}", "mention": [BOT]}
                posted = (await client.post(path, json=body)).raise_for_status().json()["data"]
                runs.append(str(posted["runs"][0]["id"]))
                for _ in range(shape.copies):
                    await redis.xadd(names.runs, {"run": runs[-1]})
    finally:
        await redis.aclose()
    return runs


async def _ended(hub: HubProcess, run_ids: list[str], within_s: float) -> list[Json]:
    """All runs, once they have ended or the time is over."""
    found: dict[str, Json] = {}
    give_up = time.monotonic() + within_s
    async with hub.async_client() as client:
        while len(found) < len(run_ids) and time.monotonic() < give_up:
            for run_id in run_ids:
                if run_id not in found:
                    run = (await client.get(f"/v1/runs/{run_id}")).json()["data"]
                    if run["state"] in ENDED:
                        found[run_id] = run
            await asyncio.sleep(0.1)
        return [
            found.get(run_id) or (await client.get(f"/v1/runs/{run_id}")).json()["data"]
            for run_id in run_ids
        ]


async def _judge(hub: HubProcess, runs: list[Json], sent: set[str], outcome: Outcome) -> None:
    async with hub.async_client() as client:
        for run in runs:
            path = f"/v1/rooms/{run['room_id']}/messages/{run['trigger_message_id']}/thread"
            replies = (await client.get(path)).json()["data"]["items"][1:]
            outcome.finals[len(replies)] += 1
            outcome.states[run["state"]] += 1
            outcome.attempts[run["attempt"]] += 1
            told = replies[0]["content"] if replies else ""
            outcome.whole += run["state"] == "succeeded" and told in sent


@contextlib.asynccontextmanager
async def _harassed(cluster: Cluster, shape: Shape, outcome: Outcome) -> AsyncIterator[None]:
    """Workers that die are replaced, some stand still, Redis is emptied; then all are ended."""
    workers: dict[int, Process] = {}
    dice = random.Random(shape.seed)
    env = _env(cluster)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_keep(workers, place, shape, env, dice, outcome))
                for place in range(shape.workers)
            ]
            if shape.pause_every_s:
                tasks.append(group.create_task(_pause(workers, shape, dice, outcome)))
            if shape.flush_every_s:
                tasks.append(group.create_task(_flush(cluster, shape, outcome)))
            try:
                yield
            finally:
                for task in tasks:
                    await end(task)
    finally:
        for process in workers.values():
            if process.returncode is None:
                process.kill()
            await process.wait()


def _env(cluster: Cluster) -> Mapping[str, str]:
    outside = {k: v for k, v in os.environ.items() if not k.startswith("HUB_")}
    return outside | dict(cluster.env) | {"HUB_DATA_DIR": str(cluster.folder / "workers")}


async def _keep(
    workers: dict[int, Process],
    place: int,
    shape: Shape,
    env: Mapping[str, str],
    dice: random.Random,
    outcome: Outcome,
) -> None:
    """One worker after the other."""
    while True:
        process = workers[place] = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.reliability.doomed", shape.point, str(shape.share),
            str(dice.random()), env=env, stdout=PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        async for line in process.stdout:
            said = line.decode().strip()
            if said.startswith("died "):
                outcome.deaths[said.removeprefix("died ")] += 1
        await process.wait()


async def _pause(
    workers: dict[int, Process], shape: Shape, dice: random.Random, outcome: Outcome
) -> None:
    """A worker stands still for two leases, and wakes not knowing it."""
    while True:
        await asyncio.sleep(shape.pause_every_s)
        process = dice.choice(list(workers.values()))
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGSTOP)
            outcome.pauses += 1
            await asyncio.sleep(2 * LEASE_S)
            process.send_signal(signal.SIGCONT)


async def _flush(cluster: Cluster, shape: Shape, outcome: Outcome) -> None:
    """Redis forgets everything: our own server, which nobody else uses."""
    redis: Redis = make_client(cluster.env["HUB_REDIS_URL"])
    try:
        while True:
            await asyncio.sleep(shape.flush_every_s)
            await redis.flushall()
            outcome.flushes += 1
    finally:
        await redis.aclose()
