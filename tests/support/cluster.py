"""Several gateways as processes of their own on one PostgreSQL and one Valkey."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from hub.bus.embedded import run_valkey
from tests.support.hub import HubProcess
from tests.support.postgres import PostgresServer, run_postgres

WATCH_S: Final = 0.1
T = TypeVar("T")


@dataclass
class Cluster:
    """What runs. The first gateway makes the admin's key, which is good on all."""

    postgres: PostgresServer
    folder: Path
    env: Mapping[str, str]
    gateways: list[HubProcess] = field(default_factory=list)

    @property
    def key(self) -> str:
        return self.gateways[0].key

    def start_gateway(self, **env: str) -> HubProcess:
        """One more, with settings of its own."""
        folder = self.folder / f"gateway{len(self.gateways)}"
        hub = HubProcess(folder, {**self.env, **env}, command="gateway")
        self.gateways.append(hub)
        return hub.start()

    async def outlives(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` gives; AssertionError with its output as soon as a gateway ends."""
        async with asyncio.TaskGroup() as group:
            working, watching = group.create_task(work), group.create_task(self._watch())
            await asyncio.wait({working})
            watching.cancel()
        return working.result()

    async def _watch(self) -> None:
        while True:
            for hub in self.gateways:
                if told := hub.ended():
                    raise AssertionError(told)
            await asyncio.sleep(WATCH_S)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """All gateways stand still, as on a machine that is overloaded."""
        pids = [hub.process.pid for hub in self.gateways if hub.process is not None]
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def end(self) -> None:
        for hub in self.gateways:
            if hub.process is not None and hub.process.poll() is None:
                hub.kill()


@contextlib.contextmanager
def run_cluster(
    folder: Path, gateways: int = 2, *, env: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    """Everything started, and gone at the end. Call it from the main thread."""
    (folder / "valkey").mkdir()
    with run_postgres() as postgres, run_valkey(folder / "valkey") as redis_url:
        shared = {
            "HUB_DATABASE_URL": postgres.url(),
            "HUB_REDIS_URL": redis_url,
            "HUB_SECRET_KEY": "the same on every gateway",
        }
        cluster = Cluster(postgres, folder, shared | dict(env or {}))
        try:
            for _ in range(gateways):
                cluster.start_gateway()
            yield cluster
        finally:
            cluster.end()
