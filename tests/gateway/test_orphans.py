"""`hub.gateway.orphans`: the rooms of a process that died are repaired first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis

from hub.bus.lives import FORGOTTEN_MS
from hub.bus.names import Names
from hub.gateway.gateway import Gateway
from hub.parts import Parts
from tests.support.parts import Posts, add_room
from tests.support.redis import until

from .fakes import Client


@pytest.fixture
def gateway(parts: Parts) -> Gateway:
    """It checks heads by itself once an hour."""
    settings = parts.settings.model_copy(update={"head_check_s": 3600.0})
    return Gateway(replace(parts, settings=settings))


async def _follow(gateway: Gateway) -> Client:
    await add_room(gateway.parts.store)
    client = Client()
    await gateway.fanout.complete(client, await gateway.fanout.prepare(client, "room_1", None))
    return client


async def test_what_a_process_that_died_had_not_published_is_seen(
    gateway: Gateway, valkey: str
) -> None:
    async with gateway.running(), Redis.from_url(valkey) as raw:
        client = await _follow(gateway)
        await Posts(gateway.parts.store).send()
        names = Names(gateway.parts.settings.redis_prefix)
        long_ago: Any = int((await raw.time())[0] * 1000 - FORGOTTEN_MS / 2)
        await raw.hset(names.unpublished, "dead", orjson.dumps(["room_1", "room_other"]))
        await raw.hset(names.lives, "dead", long_ago)
        await client.wait_for(lambda c: len(c.seqs) == 1)


async def test_what_a_process_could_not_publish_is_told_when_redis_is_back(
    gateway: Gateway,
) -> None:
    async with gateway.running():
        client = await _follow(gateway)
        await until(lambda: not gateway.fanout.deaf)
        await Posts(gateway.parts.store).send()
        gateway.parts.publisher.unpublished.lose(["room_1"])
        await client.wait_for(lambda c: len(c.seqs) == 1)
