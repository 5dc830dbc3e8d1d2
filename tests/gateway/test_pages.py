"""Pages over HTTP while others are being made: each in its turn, and what waits holds up nobody."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import httpx
import pytest

from hub.gateway.app import make_app
from hub.gateway.gateway import Gateway
from hub.gateway.turns import ENTRIES, Turns
from hub.ports import Standing
from hub.store.log import SqlLog
from hub.wire.bodies import validate
from hub.wire.requests import CreateKey
from tests.support.parts import ALICE, Posts
from tests.support.redis import until

PATHS = (
    "/v1/rooms",
    "/v1/rooms/room_1",
    "/v1/rooms/room_1/messages?limit=200",
    "/v1/rooms/room_1/events",
)


class LateLog(SqlLog):
    """A log that grows in the moment in which it was asked where it stands."""

    posts: Posts | None = None

    async def standings(self, room_ids: Sequence[str]) -> dict[str, Standing]:
        found = await super().standings(room_ids)
        if self.posts is not None:
            posts, self.posts = self.posts, None
            await posts.send()
        return found


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with open_client(gateway) as opened:
        yield opened


@contextlib.asynccontextmanager
async def open_client(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    made = await gateway.parts.access.create_key(ALICE, validate(CreateKey, {"name": "k"}))
    transport = httpx.ASGITransport(make_app(gateway))
    headers = {"Authorization": f"Bearer {made['key']}"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://hub", headers=headers
    ) as opened:
        yield opened


def live(gateway: Gateway) -> int:
    """How many have joined the room and wait."""
    feed = gateway.fanout._feeds.get("room_1")
    return len(feed.subscribers) if feed else 0


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


async def test_what_many_wait_for_is_answered_as_it_comes_and_takes_no_turn(
    gateway: Gateway, client: httpx.AsyncClient
) -> None:
    path = "/v1/rooms/room_1/events"
    head = (await client.get(path)).json()["data"]["head"]
    url = f"{path}?since={head}&wait=30"
    waiting = [asyncio.create_task(client.get(url)) for _ in range(200)]
    await until(lambda: live(gateway) == 200)
    gateway.turns = Turns(waiting=0)
    async with gateway.turns.hold(ENTRIES, "key_of_another"):
        await Posts(gateway.parts.store).send()
        gateway.fanout.suspect(["room_1"])
        answers = [await each for each in waiting]
    assert {200} == {answer.status_code for answer in answers}
    read = (await client.get(f"{path}?since={head}")).json()
    assert read == answers[0].json()
    assert 1 == len(read["data"]["items"]) == len({answer.content for answer in answers})


async def test_what_came_between_asking_and_hearing_is_read_from_the_log(
    gateway: Gateway,
) -> None:
    store = copy.copy(gateway.parts.store)
    store.log = late = LateLog(store.database)
    other = Gateway(replace(gateway.parts, store=store))
    async with other.running(), open_client(other) as client:
        await until(lambda: not other.fanout.deaf)
        head = (await client.get("/v1/rooms/room_1/events")).json()["data"]["head"]
        late.posts = Posts(gateway.parts.store)
        url = f"/v1/rooms/room_1/events?since={head}&wait=30"
        found = (await asyncio.wait_for(client.get(url), 10)).json()
    assert [head + 1] == [event["seq"] for event in found["data"]["items"]]


async def test_of_what_comes_while_waiting_no_more_is_told_than_asked_for(
    gateway: Gateway, client: httpx.AsyncClient
) -> None:
    path, posts = "/v1/rooms/room_1/events", Posts(gateway.parts.store)
    head = (await client.get(path)).json()["data"]["head"]
    waiting = asyncio.create_task(client.get(f"{path}?since={head}&wait=30&limit=2"))
    await until(lambda: live(gateway) == 1)
    five = [await posts.new() for _ in range(5)]
    await gateway.parts.store.posts.commit(five)  # at once: heads are looked at all the time
    gateway.fanout.suspect(["room_1"])
    first = (await waiting).json()
    rest = (await client.get(path, params={"cursor": first["pagination"]["next_cursor"]})).json()
    shown = [event["seq"] for page in (first, rest) for event in page["data"]["items"]]
    assert (list(range(head + 1, head + 6)), 2) == (shown, len(first["data"]["items"]))
    assert head + 5 == first["data"]["head"]


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
