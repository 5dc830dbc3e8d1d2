"""Pages over HTTP while others are being made: each in its turn, and what waits holds up nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from hub.gateway.app import make_app
from hub.gateway.gateway import Gateway
from hub.gateway.turns import ENTRIES, Turns
from hub.parts import Parts
from hub.wire.bodies import validate
from hub.wire.requests import CreateKey
from tests.support.parts import ALICE, Posts, add_room
from tests.support.redis import until

PATHS = (
    "/v1/rooms",
    "/v1/rooms/room_1",
    "/v1/rooms/room_1/messages?limit=200",
    "/v1/rooms/room_1/events",
)


@pytest.fixture
async def gateway(parts: Parts) -> AsyncIterator[Gateway]:
    await add_room(parts.store)
    opened = Gateway(parts)
    async with opened.running():
        await until(lambda: not opened.fanout.deaf)
        yield opened


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    made = await gateway.parts.access.create_key(ALICE, validate(CreateKey, {"name": "k"}))
    transport = httpx.ASGITransport(make_app(gateway))
    headers = {"Authorization": f"Bearer {made['key']}"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://hub", headers=headers
    ) as opened:
        yield opened


async def test_a_page_is_made_when_its_turn_comes(
    gateway: Gateway, client: httpx.AsyncClient
) -> None:
    gateway.turns = Turns(waiting=0)
    async with gateway.turns.hold(ENTRIES, "key_of_another"):
        refused = [await client.get(path) for path in PATHS]
    for answer in refused:
        assert (429, "RATE_LIMITED") == (answer.status_code, answer.json()["error"]["code"])
        assert answer.headers["Retry-After"]
    assert [200] * len(PATHS) == [(await client.get(path)).status_code for path in PATHS]


async def test_who_waits_for_the_log_holds_up_no_page(
    gateway: Gateway, client: httpx.AsyncClient
) -> None:
    gateway.turns = Turns(entries=1)
    head = (await client.get("/v1/rooms/room_1/events")).json()["data"]["head"]
    url = f"/v1/rooms/room_1/events?since={head}&wait=30"
    waiting = asyncio.create_task(client.get(url))
    await until(lambda: bool(gateway.readers))
    assert 200 == (await client.get("/v1/rooms/room_1/messages")).status_code
    posted = await Posts(gateway.parts.store).send()
    gateway.fanout.suspect(["room_1"])
    items = (await waiting).json()["data"]["items"]
    assert [posted.seq] == [event["seq"] for event in items]
