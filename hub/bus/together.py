"""One script, called by many at once: what comes while an answer is awaited goes out together."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Gone
from redis.exceptions import NoScriptError


@dataclass(frozen=True, slots=True)
class _Call:
    """A call on its way; `answer` gets what came, or the error."""

    keys: Sequence[str]
    values: Sequence[Any]
    answer: asyncio.Future[Any]


class Together:
    """A Lua script. Whoever has the turn sends for all that wait for theirs, in one pipeline."""

    def __init__(self, redis: Redis, script: str) -> None:
        self._redis = redis
        self._script = script
        self._sha = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
        self._turn = asyncio.Lock()
        self._calls: list[_Call] = []

    async def call(self, keys: Sequence[str], values: Sequence[Any]) -> Any:
        """What the script answers; raises what redis-py does. Cancelled while it has the turn, it
        fails those who waited with it: they may be done or not."""
        mine = _Call(keys, values, asyncio.get_running_loop().create_future())
        self._calls.append(mine)
        async with self._turn:
            if not mine.answer.done():
                await self._send()
        answer = mine.answer.result()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _send(self) -> None:
        calls, self._calls = self._calls, []
        answers: Sequence[Any] = [Gone("cut off before the answer")] * len(calls)
        try:
            answers = await self._answers(calls)
        except Exception as error:
            answers = [error] * len(calls)
        finally:
            for call, answer in zip(calls, answers, strict=True):
                call.answer.set_result(answer)

    async def _answers(self, calls: Sequence[_Call]) -> list[Any]:
        answers = await self._ask(calls)
        if any(isinstance(answer, NoScriptError) for answer in answers):  # a server that restarted
            await self._redis.script_load(self._script)
            answers = await self._ask(calls)
        return answers

    async def _ask(self, calls: Sequence[_Call]) -> list[Any]:
        pipe = self._redis.pipeline(transaction=False)
        for call in calls:
            pipe.evalsha(self._sha, len(call.keys), *call.keys, *call.values)
        answers: list[Any] = await pipe.execute(raise_on_error=False)
        return answers
