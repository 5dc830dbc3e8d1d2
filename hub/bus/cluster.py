"""Redis or Valkey Cluster: every command goes to the server of its slot.

The URL names some servers of the cluster, which know the others; login and options are the same
for all:

    redis+cluster://[user:password@]host[:port][,host[:port]…][?option=value]

redis-py's own cluster client is not used: a pipeline that fails does not have it look for a server
that took over, one server that is silent delays what is for others, and a refresh closes
connections that are in use.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Any, Final, Literal

from redis.asyncio import BlockingConnectionPool, Redis
from redis.commands import AsyncCoreCommands
from redis.exceptions import ConnectionError as Gone
from redis.exceptions import ResponseError

from hub.bus.client import BLOCKING_S, end, options_of
from hub.bus.pipe import Command, Pipe
from hub.bus.router import Router
from hub.bus.shards import Server, Shards
from hub.bus.slots import slot_of
from hub.bus.urls import Address, read_many
from hub.enduring import enduring

SCHEMES: Final = ("redis+cluster://", "rediss+cluster://")
PORT: Final = 6379
ANSWER_S: Final = 2.0  # what is for other servers waits for one that is silent, once
ASK_S: Final = 1.0  # who serves what is told soon or not at all
EVERYWHERE: Final = ("PING", "SCRIPT LOAD")


@contextlib.asynccontextmanager
async def open_shards(url: str, look_s: float) -> AsyncIterator[Shards]:
    """The cluster of a URL, looked after until the context ends."""
    said = read_many(url, PORT)

    def client(address: Address, answer_timeout_s: float) -> Redis:
        host, port = address
        options = {**options_of(answer_timeout_s), **said.options, "host": host, "port": port}
        return Redis.from_pool(BlockingConnectionPool(**options))

    def connect(address: Address) -> Server:
        commands, blocking = client(address, ANSWER_S), client(address, BLOCKING_S)
        pipe = Pipe(commands.connection_pool, ANSWER_S)
        return Server(address, commands, pipe, blocking, asking=client(address, ASK_S))

    shards = Shards(said.addresses, connect, look_s)
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(enduring(shards.keep))
        try:
            yield shards
        finally:
            await end(keeping)
            await shards.aclose()


class _Commands(AsyncCoreCommands):
    """redis-py's commands, with what its types ask of a client."""

    _is_async_client: Literal[True] = True
    _event_dispatcher: Any = None


class ClusterClient(_Commands):
    """Commands to a cluster; `pick` is which client of a server to use. Also its `Places`."""

    def __init__(self, shards: Shards, pick: Callable[[Server], Redis]) -> None:
        self._shards = shards
        self._pick = pick
        self._router = Router(shards, self._answers)

    async def execute_command(self, *words: Any, **options: Any) -> Any:
        await self._shards.known()
        if words[0] in EVERYWHERE:
            return await self._everywhere((words, options))
        (answer,) = await self.send([(words, options)])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def pipeline(self, transaction: bool = False) -> ClusterPipeline:
        """Commands that go out together, to each server its own."""
        assert not transaction, "a transaction is of one slot"
        return ClusterPipeline(self)

    async def _everywhere(self, command: Command) -> Any:
        """To all who serve anything and are not away; raises when nobody answers."""
        error: Exception = self._shards.nobody()
        found = []
        for server in self._shards.serving():
            (answer,) = (
                [Gone(server.away)] if server.away else await self._router.ask(server, [command])
            )
            if isinstance(answer, Exception):
                error = answer
            else:
                found.append(answer)
        if not found:
            raise error
        return found[0]

    async def send(self, commands: Sequence[Command]) -> list[Any]:
        """The answers in order, errors among them."""
        return await self._router.send(commands)

    async def _answers(self, server: Server, commands: Sequence[Command]) -> list[Any]:
        pipe = self._pick(server).pipeline(transaction=False)
        for words, options in commands:
            pipe.execute_command(*words, **options)
        answers: list[Any] = await pipe.execute(raise_on_error=False)
        return answers

    async def aclose(self) -> None:
        """Connections are those of the shards, who close them."""

    # As places of channels.

    def all(self) -> Collection[Redis]:
        return [self._pick(server) for server in self._shards.serving()]

    def of(self, channel: str) -> Redis | None:
        server = self._shards.of(slot_of(channel))
        return self._pick(server) if server is not None else None

    def lost(self, server: Redis, error: ResponseError | None = None) -> None:
        for each in self._shards.serving():
            if self._pick(each) is server:
                self._shards.lost(each, error)

    def watching(self, changed: Callable[[], None]) -> contextlib.AbstractContextManager[None]:
        return self._shards.watching(changed)


Client = Redis | ClusterClient


class ClusterPipeline(_Commands):
    """Commands that wait to go out together."""

    def __init__(self, client: ClusterClient) -> None:
        self._client = client
        self._commands: list[Command] = []

    def execute_command(self, *words: Any, **options: Any) -> ClusterPipeline:
        self._commands.append((words, options))
        return self

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """The answers in order; the first error is raised, or they are among the answers."""
        commands, self._commands = self._commands, []
        answers = await self._client.send(commands)
        for answer in answers:
            if raise_on_error and isinstance(answer, Exception):
                raise answer
        return answers
