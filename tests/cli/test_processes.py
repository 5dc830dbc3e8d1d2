"""`roomhub gateway --processes`: several on one port, crashes of one, the end of all."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from hub.bench.cpu import family
from tests.support.cluster import run_cluster
from tests.support.hub import HubProcess
from tests.support.redis import until

CLIENTS = 16


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    folder: Path = tmp_path_factory.mktemp("processes")
    with run_cluster(folder, gateways=0) as cluster:
        hub = HubProcess(folder / "hub", cluster.env, command="gateway")
        cluster.gateways.append(hub.start("--processes", "2"))
        yield hub


def processes(hub: HubProcess) -> set[int]:
    """The gateways, without the process that looks after them."""
    assert hub.process is not None
    return set(family(hub.process.pid)) - {hub.process.pid}


def make_room(hub: HubProcess) -> str:
    with hub.client() as client:
        made = client.post("/v1/rooms", json={"name": "Shared"}).raise_for_status()
    return str(made.json()["data"]["id"])


def post(hub: HubProcess, room_id: str, content: str) -> None:
    with hub.client() as client:
        path = f"/v1/rooms/{room_id}/messages"
        client.post(path, json={"content": content}).raise_for_status()


async def follow(stack: contextlib.AsyncExitStack, hub: HubProcess, room_id: str) -> Line:
    line = Line(
        await stack.enter_async_context(
            connect(hub.ws_address, additional_headers=hub.headers, proxy=None)
        )
    )
    await line.socket.send(json.dumps({"id": 1, "type": "subscribe", "room_id": room_id}))
    await line.until('"recovered":')
    return line


class Line:
    """A client's connection."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def until(self, mark: str) -> bool:
        """True when it was heard, False when the connection went away first."""
        async with asyncio.timeout(20):
            try:
                while mark not in str(await self.socket.recv()):
                    pass
            except ConnectionClosed:
                return False
        return True


async def test_one_that_is_killed_takes_its_own_clients_and_is_started_again(
    hub: HubProcess,
) -> None:
    await until(lambda: len(processes(hub)) == 2)
    before, room_id = processes(hub), make_room(hub)
    async with contextlib.AsyncExitStack() as stack:
        lines = [await follow(stack, hub, room_id) for _ in range(CLIENTS)]
        post(hub, room_id, "to both")
        assert all(await asyncio.gather(*(line.until("to both") for line in lines)))
        os.kill(min(before), signal.SIGKILL)
        await until(lambda: len(processes(hub)) == 2 and processes(hub) != before)
        post(hub, room_id, "to the other")
        heard = await asyncio.gather(*(line.until("to the other") for line in lines))
    assert 0 < sum(heard) < CLIENTS


def test_all_end_with_the_one_that_looks_after_them(hub: HubProcess) -> None:
    pids = processes(hub)
    assert 0 == hub.stop()
    assert not {pid for pid in pids if Path(f"/proc/{pid}").exists()}
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{hub.address}/healthz", trust_env=False)
