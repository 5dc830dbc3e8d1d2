"""Commands that go out together, on a connection that is kept for them while it is busy.

A pipeline of redis-py's takes a connection from the pool, tries whether it is well and gives it
back, every time: three times the computing time for one command, six times for each of many.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

import hiredis
from redis.asyncio import ConnectionPool
from redis.exceptions import ResponseError

from hub.bus.client import give_back

KEPT_S: Final = 1.0
Command = tuple[tuple[Any, ...], dict[str, Any]]
"""The words of a command, and what redis-py needs to read its answer."""


def unless_all_failed(answers: list[Any]) -> list[Any]:
    """The answers; raises the first error when they are nothing else."""
    if answers and all(isinstance(answer, Exception) for answer in answers):
        raise answers[0]
    return answers


def refused(asked: Iterable[str], answers: Iterable[Any]) -> set[str]:
    """Of what was asked for, that whose answer is an error."""
    pairs = zip(asked, answers, strict=False)
    return {name for name, answer in pairs if isinstance(answer, Exception)}


class Sender(Protocol):
    """Sends commands to where they belong."""

    async def send(self, commands: Sequence[Command]) -> list[Any]:
        """The answers in order, errors among them; what is not answered may be done or not."""


class Pipe:
    """A `Sender` to one server. Whoever sends meanwhile waits; everybody has the answer in
    `answer_s` or none. A connection is kept for the next who sends, however late; after `kept_s`
    it goes through the pool before, which sees when it has died."""

    def __init__(self, pool: ConnectionPool, answer_s: float, kept_s: float = KEPT_S) -> None:
        self._pool: Any = pool
        self._answer_s = answer_s
        self._kept_s = kept_s
        self._turn = asyncio.Lock()
        self._connection: Any = None
        self._used_s = 0.0

    async def send(self, commands: Sequence[Command]) -> list[Any]:
        async with asyncio.timeout(self._answer_s), self._turn:
            try:
                return await self._answers(commands)
            except BaseException:  # answers may be on their way that are no one's
                await self._drop()
                raise

    async def _answers(self, commands: Sequence[Command]) -> list[Any]:
        connection = await self._open()
        packed = b"".join([hiredis.pack_command(words) for words, _ in commands])
        await connection.send_packed_command([packed], check_health=False)
        return [await _answer(connection) for _ in commands]

    async def _open(self) -> Any:
        """The one that was used just now, or one that the pool has found to be well."""
        now_s = asyncio.get_running_loop().time()
        if self._connection is not None and now_s - self._used_s > self._kept_s:
            connection, self._connection = self._connection, None
            await give_back(self._pool, connection, torn=False)
        if self._connection is None:
            self._connection = await self._pool.get_connection()
        self._used_s = now_s
        return self._connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await give_back(self._pool, connection, torn=True)


async def _answer(connection: Any) -> Any:
    try:
        return await connection.read_response(timeout=math.inf, disconnect_on_error=False)
    except ResponseError as error:
        return error
