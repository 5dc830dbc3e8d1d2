"""Connections to Redis: one way to make them, one translation of their failures.

A command is tried once. redis-py would retry by default, and a retry of an XADD whose answer was
lost adds it twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import MovedError, RedisError

from hub.bus.cluster import CLUSTER_SCHEMES, ClusterClient, open_shards
from hub.bus.pipe import Pipe, Sender
from hub.bus.places import OnePlace, Places
from hub.bus.sentinel import SCHEMES, sentinel_pool
from hub.bus.shards import LOOK_S
from hub.core.errors import Unavailable

CONNECTIONS: Final = 32
CONNECT_TIMEOUT_S: Final = 2.0
ANSWER_TIMEOUT_S: Final = 5.0
SHARD_ANSWER_S: Final = 2.0  # what is for other shards waits for one that is silent, once
BLOCKING_S: Final = 30.0
CANCEL_AGAIN_S: Final = 0.2
ONE_OF_MANY: Final = (
    "Redis is a cluster whose slots are served elsewhere: HUB_REDIS_URL must begin with "
    "redis+cluster://, or the cluster is changing"
)
# A command whose connection is closed under it meets redis-py's writer when that is None, uvloop's
# transport when that is closed, or somebody else who reads.
TORN: Final = (RedisError, OSError, AttributeError, RuntimeError)


Client = Redis | ClusterClient


@dataclass(frozen=True, slots=True)
class Clients:
    """How a bus reaches Redis: for commands, for many that go out together all the time, for reads
    that block, and where channels are served. Each has connections of its own."""

    commands: Client
    sender: Sender
    blocking: Client
    places: Places


@contextlib.asynccontextmanager
async def open_clients(url: str, *, look_s: float = LOOK_S) -> AsyncIterator[Clients]:
    """Clients of the Redis at a URL, of whatever kind; closed at the end."""
    if url.startswith(CLUSTER_SCHEMES):
        options = _options(SHARD_ANSWER_S)
        async with open_shards(url, options, blocking_s=BLOCKING_S, look_s=look_s) as shards:
            commands = ClusterClient(shards, attrgetter("commands"))
            blocks = ClusterClient(shards, attrgetter("blocking"))
            yield Clients(commands, commands, blocks, commands)
        return
    one, blocking = make_client(url), make_client(url, answer_timeout_s=BLOCKING_S)
    try:
        yield Clients(one, Pipe(one.connection_pool, ANSWER_TIMEOUT_S), blocking, OnePlace(one))
    finally:
        await one.aclose()
        await blocking.aclose()


def make_client(url: str, *, answer_timeout_s: float = ANSWER_TIMEOUT_S) -> Redis:
    """A client of its own pool, of one server or the master behind sentinels; a read that blocks
    needs `answer_timeout_s` beyond its wait. Who finds every connection busy waits as long."""
    options = _options(answer_timeout_s)
    if url.startswith(SCHEMES):
        return Redis.from_pool(sentinel_pool(url, options))
    return Redis.from_pool(BlockingConnectionPool.from_url(url, **options))


def _options(answer_timeout_s: float) -> dict[str, Any]:
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


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task that works on Redis, until it has ended: redis-py can swallow a cancellation
    that comes while it connects. A task group would cancel it once only."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_AGAIN_S)
