"""Commands of many slots: each goes to the server of its own, and after it when it moves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from redis.exceptions import AskError, ClusterDownError, MovedError, TryAgainError
from redis.exceptions import ConnectionError as Gone

from hub.bus.pipe import Command
from hub.bus.shards import FAILED, Server, Shards
from hub.bus.slots import slot_of

HOPS: Final = 5
TRY_AGAIN_S: Final = 0.05  # a slot on its way from server to server has half of the keys
AGAIN: Final = (MovedError, AskError, TryAgainError)
ASKING: Final[Command] = (("ASKING",), {})
AskServer = Callable[[Server, Sequence[Command]], Awaitable[list[Any]]]
"""Has a server answer, in order, errors among the answers; raises when it does not."""


class Router:
    """`Sender` to a cluster."""

    def __init__(self, shards: Shards, ask: AskServer) -> None:
        self._shards = shards
        self._ask_server = ask

    async def send(self, commands: Sequence[Command]) -> list[Any]:
        """The answers in order, errors among them. Commands of one slot arrive in order, unless
        their slot moves."""
        await self._shards.known()
        answers: list[Any] = [None] * len(commands)
        left, sent_on = list(range(len(commands))), dict[int, Server]()
        for _ in range(HOPS):
            await self._round(commands, answers, left, sent_on)
            left = [number for number in left if isinstance(answers[number], AGAIN)]
            if not left:
                break
            sent_on = self._sent_on(answers, left)
            if any(isinstance(answers[number], TryAgainError) for number in left):
                await asyncio.sleep(TRY_AGAIN_S)
        return answers

    async def _round(
        self,
        commands: Sequence[Command],
        answers: list[Any],
        numbers: Sequence[int],
        sent_on: dict[int, Server],
    ) -> None:
        parts: dict[tuple[Server, bool], list[int]] = {}
        for number in numbers:
            if server := sent_on.get(number):
                parts.setdefault((server, True), []).append(number)
                continue
            try:
                server = self._shards.able(slot_of(key_of(commands[number][0])))
            except Gone as error:
                answers[number] = error
                continue
            parts.setdefault((server, False), []).append(number)

        async def part(server: Server, asking: bool, numbers: Sequence[int]) -> None:
            found = await self.ask(server, [commands[n] for n in numbers], asking=asking)
            for number, answer in zip(numbers, found, strict=True):
                answers[number] = answer

        if len(parts) == 1:
            (((server, asking), some),) = parts.items()
            await part(server, asking, some)
            return
        async with asyncio.TaskGroup() as group:
            for (server, asking), some in parts.items():
                group.create_task(part(server, asking, some))

    async def ask(
        self, server: Server, commands: Sequence[Command], *, asking: bool = False
    ) -> list[Any]:
        """The answers of one server, errors among them; `asking` when it was sent to by another."""
        if asking:
            commands = [each for command in commands for each in (ASKING, command)]
        try:
            answers = await self._ask_server(server, commands)
        except FAILED as error:
            self._shards.failed(server, error)
            answers = [error] * len(commands)
        for answer in answers:
            if isinstance(answer, AskError) and not answer.host:
                answer.host = server.address[0]
            if isinstance(answer, MovedError | ClusterDownError):
                self._shards.lost(server, answer)
        return answers[1::2] if asking else answers

    def _sent_on(self, answers: Sequence[Any], left: Sequence[int]) -> dict[int, Server]:
        """Where those are to be sent whose slot is on its way."""
        return {
            number: self._shards.at((str(error.host), int(error.port)))
            for number in left
            if isinstance(error := answers[number], AskError) and not isinstance(error, MovedError)
        }


def key_of(words: Sequence[Any]) -> str | bytes:
    """The name whose slot decides who serves a command."""
    if words[0] in ("EVALSHA", "EVAL"):
        key = words[3]
    elif words[0] == "XREADGROUP":
        key = words[list(words).index(b"STREAMS") + 1]
    else:
        key = words[1]
    return key  # type: ignore[no-any-return]
