"""Connections to Redis: one way to make them, one translation of their failures.

A command is tried once. redis-py would retry by default, and a retry of an XADD whose answer was
lost adds it twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import MovedError, RedisError

from hub.bus.sentinel import SCHEMES, sentinel_pool
from hub.core.errors import Unavailable

CONNECTIONS: Final = 32
CONNECT_TIMEOUT_S: Final = 2.0
ANSWER_TIMEOUT_S: Final = 5.0
BLOCKING_S: Final = 30.0
CANCEL_AGAIN_S: Final = 0.2
ONE_OF_MANY: Final = (
    "Redis is a cluster whose slots are served elsewhere: HUB_REDIS_URL must begin with "
    "redis+cluster://, or the cluster is changing"
)
# A command whose connection is closed under it meets redis-py's writer when that is None, uvloop's
# transport when that is closed, or somebody else who reads.
TORN: Final = (RedisError, OSError, AttributeError, RuntimeError)


def make_client(url: str, *, answer_timeout_s: float = ANSWER_TIMEOUT_S) -> Redis:
    """A client of its own pool, of one server or the master behind sentinels; a read that blocks
    needs `answer_timeout_s` beyond its wait. Who finds every connection busy waits as long."""
    options = options_of(answer_timeout_s)
    if url.startswith(SCHEMES):
        return Redis.from_pool(sentinel_pool(url, options))
    return Redis.from_pool(BlockingConnectionPool.from_url(url, **options))


def options_of(answer_timeout_s: float) -> dict[str, Any]:
    """What every pool of connections has in common."""
    return {
        "max_connections": CONNECTIONS,
        "timeout": answer_timeout_s,
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
        "socket_timeout": answer_timeout_s,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "client_name": "roomhub",
    }


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Turns what redis-py raises into Unavailable."""
    try:
        yield
    except MovedError as error:
        raise Unavailable(ONE_OF_MANY, code="BUS_UNAVAILABLE") from error
    except (*TORN, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        raise Unavailable(f"Redis does not answer: {reason}", code="BUS_UNAVAILABLE") from error


async def give_back(pool: ConnectionPool, connection: Any, *, torn: bool) -> None:
    """Return a connection to its pool, a `torn` one closed. It is returned even if whoever returns
    it is cancelled meanwhile: it would count as in use for ever."""

    async def returned() -> None:
        try:
            if torn:
                await connection.disconnect(nowait=True)
        finally:
            await pool.release(connection)

    await asyncio.shield(returned())


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task that works on Redis, until it has ended: redis-py can swallow a cancellation
    that comes while it connects. A task group would cancel it once only."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_AGAIN_S)
