"""One script, called by many at once: what comes while an answer is awaited goes out together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import ConnectionError as Gone

from hub.bus.cluster import Client
from hub.bus.scripts import Call, Script


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A call on its way; `answer` gets what came, or the error."""

    call: Call
    answer: asyncio.Future[Any]


class Together:
    """A Lua script. Whoever has the turn sends for all that wait for theirs, in one pipeline."""

    def __init__(self, redis: Client, script: str) -> None:
        self._script = Script(redis, script)
        self._turn = asyncio.Lock()
        self._waiting: list[_Waiting] = []

    async def call(self, keys: Sequence[str], values: Sequence[Any]) -> Any:
        """What the script answers; raises what redis-py does. Cancelled while it has the turn, it
        fails those who waited with it: they may be done or not."""
        mine = _Waiting(Call(keys, values), asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        async with self._turn:
            if not mine.answer.done():
                await self._send()
        answer = mine.answer.result()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        answers: Sequence[Any] = [Gone("cut off before the answer")] * len(waiting)
        try:
            answers = await self._script.answers([each.call for each in waiting])
        except Exception as error:
            answers = [error] * len(waiting)
        finally:
            for each, answer in zip(waiting, answers, strict=True):
                each.answer.set_result(answer)
