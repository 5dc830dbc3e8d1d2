"""The production topology as a client sees it, through nginx; and what is left of it afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

from hub.client import (
    Disconnected,
    DraftGrew,
    Event,
    Logged,
    RoomConnection,
    RoomhubClient,
    open_client,
    open_connection,
)
from hub.core.errors import Backend
from tests.deploy.topology import TopologyProcess, left_of, run_topology

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the script needs Linux"),
]
PATIENCE_S: Final = 60.0
GONE_S: Final = 20.0
ELIZA: Final = {"type": "persona", "id": "persona_eliza"}


@pytest.fixture(scope="module")
def topology() -> Iterator[TopologyProcess]:
    """One for the tests that leave it whole."""
    with run_topology() as started:
        yield started


@pytest.fixture
async def client(topology: TopologyProcess) -> AsyncIterator[RoomhubClient]:
    async with open_client(topology.address, topology.key) as opened:
        yield opened


async def make_room(client: RoomhubClient) -> str:
    """A room of the admin's, with a persona on the builtin model."""
    known = {participant["id"] for participant in await client.participants()}
    if ELIZA["id"] not in known:
        driver = {"kind": "model", "model": "builtin/eliza"}
        await client.create_participant(ELIZA | {"name": "Eliza", "driver": driver})
    room = await client.create_room(f"Room {uuid.uuid4().hex}", members=[ELIZA])
    return str(room["id"])


async def until_messages(connection: RoomConnection, count: int) -> list[Event]:
    """What comes until that many messages have been created, those included."""
    events: list[Event] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(contents(events)) < count:
            events.append(await anext(connection))
    return events


def contents(events: list[Event]) -> list[str]:
    """The messages, in the order in which they came."""
    return [
        event.data["content"]
        for event in events
        if isinstance(event, Logged) and event.type == "message.created"
    ]


async def test_a_post_over_rest_reaches_a_websocket_and_a_mention_is_answered_in_deltas(
    topology: TopologyProcess, client: RoomhubClient
) -> None:
    room_id = await make_room(client)
    async with open_connection(topology.address, topology.key) as connection:
        await connection.subscribe(room_id)
        posted = await client.post(room_id, "I need a holiday", mention=[ELIZA])
        events = await until_messages(connection, 2)
    pieces = [event.text for event in events if isinstance(event, DraftGrew)]
    first, reply = contents(events)
    assert "I need a holiday" == first
    assert reply == "".join(pieces)
    assert 1 < len(pieces)
    (run,) = posted["runs"]
    assert "succeeded" == (await client.run(run["id"]))["state"]


async def test_a_streamed_session_send_arrives_in_pieces(topology: TopologyProcess) -> None:
    headers = {"Authorization": f"Bearer {topology.key}"}
    async with httpx.AsyncClient(
        base_url=topology.address, headers=headers, timeout=PATIENCE_S, trust_env=False
    ) as http:
        made = await http.post("/v1/sessions", json={"model": "builtin/eliza"})
        path = f"/v1/sessions/{made.raise_for_status().json()['data']['id']}/messages"
        asked = {"content": "My work worries me", "stream": True}
        async with http.stream("POST", path, json=asked) as answer:
            reads = [read async for read in answer.aiter_raw()]
    assert "text/event-stream" in answer.headers["content-type"]
    assert b"".join(reads).endswith(b"data: [DONE]\n\n")
    assert 3 <= sum(b'"delta":{"content"' in read for read in reads)


async def test_a_page_from_nginx_may_open_its_websocket_and_another_may_not(
    topology: TopologyProcess,
) -> None:
    headers = {"Authorization": f"Bearer {topology.key}"}
    url = topology.address.replace("http", "ws", 1) + "/v1/ws"
    own, foreign = Origin(topology.address), Origin("http://elsewhere.example")
    async with connect(url, additional_headers=headers, origin=own, proxy=None) as socket:
        assert '"hello"' in str(await socket.recv())
    async with connect(url, additional_headers=headers, origin=foreign, proxy=None) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert 4403 == closed.value.rcvd.code


async def test_a_request_keeps_its_id_through_nginx(topology: TopologyProcess) -> None:
    async with httpx.AsyncClient(base_url=topology.address, trust_env=False) as http:
        given = await http.get("/healthz", headers={"X-Request-ID": "mine-1"})
        made = await http.get("/healthz")
    assert "mine-1" == given.headers["x-request-id"]
    assert 32 == len(made.headers["x-request-id"])  # nginx's own, so that its log has it too


async def test_a_killed_gateway_costs_its_clients_a_reconnect_and_sigterm_leaves_no_process() -> (
    None
):
    with run_topology() as topology:
        processes = topology.processes()
        assert set(topology.parts.values()) < processes
        await _kill_a_gateway_under_load(topology)
        topology.wait_for("was ended by SIGKILL; the others go on")
        await _sent_away_by_sigterm(topology)
        assert 0 == await asyncio.to_thread(topology.process.wait, PATIENCE_S)
    assert set() == left_of(processes, 0)
    assert "stopped" in topology.said


async def _kill_a_gateway_under_load(topology: TopologyProcess) -> None:
    """Every listener gets every message once and in order; some of them notice a cut."""
    count = 40
    async with (
        open_client(topology.address, topology.key) as client,
        contextlib.AsyncExitStack() as stack,
        asyncio.TaskGroup() as group,
    ):
        room_id = await make_room(client)
        heard = []
        for _ in range(4):
            listener = open_connection(topology.address, topology.key)
            connection = await stack.enter_async_context(listener)
            await connection.subscribe(room_id)
            heard.append(group.create_task(until_messages(connection, count)))
        for number in range(count):
            if number == count // 4:
                os.kill(topology.parts["gateway1"], signal.SIGKILL)
            await post_until_stored(client, room_id, f"message {number}")
        collected = [await task for task in heard]
    expected = [f"message {number}" for number in range(count)]
    assert [expected] * 4 == [contents(events) for events in collected]
    cuts = [sum(isinstance(event, Disconnected) for event in events) for events in collected]
    assert any(cuts), "nobody was on the gateway that was killed"
    assert not all(cuts), "nginx put everybody on one gateway"


async def _sent_away_by_sigterm(topology: TopologyProcess) -> None:
    """Its clients are told to come back later."""
    headers = {"Authorization": f"Bearer {topology.key}"}
    url = topology.address.replace("http", "ws", 1) + "/v1/ws"
    async with connect(url, additional_headers=headers, proxy=None) as socket:
        await socket.recv()
        topology.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(socket.recv(), PATIENCE_S)
    assert closed.value.rcvd is not None
    assert 1012 == closed.value.rcvd.code


async def post_until_stored(client: RoomhubClient, room_id: str, content: str) -> dict[str, Any]:
    """As a program over REST: after an answer of which nobody knows whether it was stored, again
    with the same client_id."""
    while True:
        try:
            return await client.post(room_id, content, client_id=content)
        except Backend:
            continue


@pytest.mark.parametrize("part", ["valkey", "nginx"])
def test_without_an_engine_the_rest_is_stopped_too(part: str) -> None:
    with run_topology() as topology:
        processes = topology.processes()
        os.kill(topology.parts[part], signal.SIGKILL)
        assert 1 == topology.process.wait(PATIENCE_S)
    assert set() == left_of(processes, GONE_S)
    assert f"{part} (process {topology.parts[part]}) has ended" in topology.said


def test_a_killed_script_leaves_no_process() -> None:
    with run_topology() as topology:
        processes = topology.processes()
        topology.process.kill()
        topology.process.wait(PATIENCE_S)
        assert set() == left_of(processes, GONE_S)
