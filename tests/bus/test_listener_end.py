"""A listener that is ended the moment it connects ends then, not when it has gone deaf."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, cast

from redis.asyncio import Redis

from hub.bus.client import end
from hub.bus.listener import RedisListener
from hub.bus.names import Names
from hub.bus.places import OnePlace


class Swallowing:
    """A Redis whose first PUBLISH takes a cancellation for its own, as redis-py can while it
    connects; nothing is ever heard."""

    is_connected = True

    def __init__(self) -> None:
        self.published = 0
        self.publishing = asyncio.Event()

    @property
    def connection_pool(self) -> Swallowing:
        return self

    async def get_connection(self) -> Swallowing:
        return self

    async def release(self, _: object) -> None: ...

    def pack_commands(self, _: object) -> list[bytes]:
        return []

    async def send_packed_command(self, *_: object, **__: object) -> None: ...

    async def spublish(self, *_: object) -> None:
        self.published += 1
        if self.published == 1:
            self.publishing.set()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    async def read_response(self, **_: object) -> Any:
        await asyncio.Event().wait()

    async def disconnect(self, **_: object) -> None: ...


async def test_a_cancellation_that_redis_swallowed_is_heeded_all_the_same() -> None:
    redis = Swallowing()
    places = OnePlace(cast("Redis", redis))
    listener = RedisListener(places, Names("hub"), "a", lambda *_: None)
    listening = asyncio.create_task(listener.run())
    await redis.publishing.wait()
    await end(listening)
    assert 1 == redis.published
