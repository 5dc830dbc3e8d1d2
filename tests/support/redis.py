"""A real Valkey for component tests. One server serves a whole folder of tests: every test has a
prefix of its own, and nobody flushes a server that others use."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from hub.bus.embedded import run_valkey
from hub.bus.redis import RedisBus, open_bus

PATIENCE_S = 10.0


def pid_of(url: str) -> int:
    """The process of the server at `url`."""
    with Redis.from_url(url) as client:
        about: Any = client.info("server")
    return int(about["process_id"])


class Server:
    """A Valkey that a test may end, start again on the same socket, and freeze."""

    def __init__(self, folder: Path) -> None:
        self.url = ""
        self._folder = folder
        self._running = contextlib.ExitStack()

    def start(self) -> None:
        self.url = self._running.enter_context(run_valkey(self._folder))

    def stop(self) -> None:
        self._running.close()

    def kill(self) -> None:
        """kill -9."""
        os.kill(pid_of(self.url), signal.SIGKILL)
        self._running.close()

    def flush(self) -> None:
        """FLUSHALL: what an operator may do, and what no run may be lost by."""
        with Redis.from_url(self.url) as client:
            client.flushall()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Alive, connected, and silent."""
        pid = pid_of(self.url)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def run_server(folder: Path) -> Iterator[Server]:
    """A started server of a test's own."""
    server = Server(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that others use too."""
    with run_server(tmp_path_factory.mktemp("valkey")) as server:
        yield server.url


@pytest.fixture
def prefix() -> str:
    """Keys and channels of one test."""
    return f"test-{secrets.token_hex(6)}"


@pytest.fixture
async def bus(valkey: str, prefix: str) -> AsyncIterator[RedisBus]:
    async with open_bus(valkey, prefix, "bus") as opened:
        yield opened


async def until(holds: Callable[[], bool | Awaitable[bool]], within_s: float = PATIENCE_S) -> None:
    """Return as soon as a condition holds that nothing announces; fail when it never does."""
    async with asyncio.timeout(within_s):
        while True:
            found = holds()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.005)
