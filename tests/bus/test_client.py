"""`hub.bus.client`: a command is tried once, and waits for its answer in bounded time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import BusyLoadingError, ReadOnlyError, ResponseError

from hub.bus.client import answering, give_back, make_client
from hub.bus.redis import RedisBus, open_bus
from hub.core.errors import Unavailable

PATIENCE_S = 10.0


class Fickle:
    """A Redis that takes commands; after one named in `fatal` it hangs up, and to one named in
    `mute` it says nothing."""

    def __init__(self, *, fatal: str = "", mute: str = "") -> None:
        self.taken: list[str] = []
        self._fatal = fatal
        self._mute = mute

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while (command := await _command(reader)) != self._fatal:
                self.taken.append(command)
                if command != self._mute:
                    writer.write(b"+OK\r\n")
            self.taken.append(command)
        writer.close()


async def _command(reader: asyncio.StreamReader) -> str:
    """The name of the next command (github.com/redis/redis-specifications, RESP2)."""
    parts = []
    for _ in range(int((await reader.readuntil())[1:])):
        size = int((await reader.readuntil())[1:])
        parts.append((await reader.readexactly(size + 2))[:-2])
    return parts[0].decode().upper()


@contextlib.asynccontextmanager
async def running(redis: Fickle) -> AsyncIterator[str]:
    async with await asyncio.start_server(redis.serve, "127.0.0.1", 0) as server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("word", "ask"),
    [
        ("XADD", lambda bus: bus.publish([], ["run_1"])),
        ("GETDEL", lambda bus: bus.take_ticket("digest")),
    ],
)
async def test_a_command_whose_answer_is_lost_is_not_sent_again(
    word: str, ask: Callable[[RedisBus], Awaitable[object]]
) -> None:
    redis = Fickle(fatal=word)
    async with asyncio.timeout(PATIENCE_S), running(redis) as url, open_bus(url, "p", "b") as bus:
        with pytest.raises(Unavailable):
            await ask(bus)
    assert 1 == redis.taken.count(word)


async def test_a_server_that_is_silent_is_unavailable_in_time() -> None:
    async with asyncio.timeout(PATIENCE_S), running(Fickle(mute="PING")) as url:
        client = make_client(url, answer_timeout_s=0.1)
        with pytest.raises(Unavailable), answering():
            await client.ping()
        await client.aclose()


@pytest.mark.parametrize(
    "torn",
    [
        ConnectionResetError(),
        ReadOnlyError("You can't write against a read only replica."),
        MasterNotFoundError("no sentinel knows it"),
        BusyLoadingError("LOADING Redis is loading the dataset in memory"),
        ResponseError("NOREPLICAS Not enough good replicas to write."),
        AttributeError("'NoneType' object has no attribute 'writelines'"),
        RuntimeError("unable to perform operation on <TCPTransport closed=True …>"),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_whatever_a_torn_connection_raises_redis_is_unavailable(torn: Exception) -> None:
    with pytest.raises(Unavailable, match=r"^Redis does not answer: "), answering():
        raise torn


class Slow(BlockingConnectionPool):
    """A pool that takes connections back when it may."""

    may = asyncio.Event()

    async def release(self, connection: Any) -> None:
        await self.may.wait()
        await super().release(connection)


@pytest.mark.parametrize("torn", [False, True])
async def test_a_connection_goes_back_though_who_returns_it_is_cancelled(
    valkey: str, *, torn: bool
) -> None:
    pool: Any = Slow.from_url(valkey, max_connections=1, timeout=PATIENCE_S)
    pool.may = asyncio.Event()
    connection = await pool.get_connection()
    returning = asyncio.create_task(give_back(pool, connection, torn=torn))
    await asyncio.sleep(0)
    returning.cancel()
    await asyncio.wait({returning})
    pool.may.set()
    again = await pool.get_connection()
    assert connection is again
    await give_back(pool, again, torn=True)
    await pool.aclose()
