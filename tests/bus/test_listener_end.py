"""A listener that is ended the moment it connects ends then, not when it has gone deaf."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, cast

from redis.asyncio import Redis

from hub.bus.client import end
from hub.bus.listener import RedisListener
from hub.bus.names import Names


class Swallowing:
    """A Redis whose first PUBLISH takes a cancellation for its own, as redis-py can while it
    connects; nothing is ever heard."""

    def __init__(self) -> None:
        self.published = 0
        self.publishing = asyncio.Event()

    @property
    def connection_pool(self) -> Swallowing:
        return self

    async def publish(self, *_: object) -> None:
        self.published += 1
        if self.published == 1:
            self.publishing.set()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    # Its pool, and the one connection of that.

    is_connected = True

    async def get_connection(self) -> Swallowing:
        return self

    async def release(self, _: Swallowing) -> None: ...

    async def send_command(self, *_: object, **__: object) -> None: ...

    async def read_response(self, **_: object) -> Any:
        await asyncio.Event().wait()

    async def disconnect(self, **_: object) -> None: ...


async def test_a_cancellation_that_redis_swallowed_is_heeded_all_the_same() -> None:
    redis = Swallowing()
    listener = RedisListener(cast("Redis", redis), Names("hub"), "a", lambda *_: None)
    listening = asyncio.create_task(listener.run())
    await redis.publishing.wait()
    await end(listening)
    assert 1 == redis.published
