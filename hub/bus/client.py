"""Connections to Redis: one way to make them, one translation of their failures.

A command is tried once. redis-py would retry by default, and a retry of an XADD whose answer was
lost adds it twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from hub.bus.sentinel import SCHEMES, sentinel_pool
from hub.core.errors import Unavailable

CONNECTIONS: Final = 32
CONNECT_TIMEOUT_S: Final = 2.0
ANSWER_TIMEOUT_S: Final = 5.0
CANCEL_AGAIN_S: Final = 0.2
# A command whose connection is closed under it meets redis-py's writer when that is None, uvloop's
# transport when that is closed, or somebody else who reads.
TORN: Final = (RedisError, OSError, AttributeError, RuntimeError)


def make_client(url: str, *, answer_timeout_s: float | None = ANSWER_TIMEOUT_S) -> Redis:
    """A client of its own pool; a read that blocks needs `answer_timeout_s` beyond its wait. Who
    finds every connection busy waits as long for one."""
    options: dict[str, Any] = {
        "max_connections": CONNECTIONS,
        "timeout": answer_timeout_s,
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
        "socket_timeout": answer_timeout_s,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "client_name": "roomhub",
    }
    if url.startswith(SCHEMES):
        return Redis.from_pool(sentinel_pool(url, options))
    return Redis.from_pool(BlockingConnectionPool.from_url(url, **options))


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Turns what redis-py raises into Unavailable."""
    try:
        yield
    except (*TORN, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        raise Unavailable(f"Redis does not answer: {reason}", code="BUS_UNAVAILABLE") from error


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task that works on Redis, until it has ended: redis-py can swallow a cancellation
    that comes while it connects. A task group would cancel it once only."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_AGAIN_S)
