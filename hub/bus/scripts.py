"""Lua scripts, called by their digest; a server that does not know one is told it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import NoScriptError

from hub.bus.cluster import Client


@dataclass(frozen=True, slots=True)
class Call:
    """The keys and values that a script is called with."""

    keys: Sequence[str]
    values: Sequence[Any]


class Script:
    """A script on one Redis. Its keys share a hash tag."""

    def __init__(self, redis: Client, text: str) -> None:
        self._redis = redis
        self._text = text
        self._sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def call(self, keys: Sequence[str], values: Sequence[Any]) -> Any:
        """What the script answers; raises what redis-py does."""
        (answer,) = await self.call_all([Call(keys, values)])
        return answer

    async def call_all(self, calls: Sequence[Call]) -> list[Any]:
        """The answers of calls that go out together; raises the first error."""
        answers = await self.answers(calls)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    async def answers(self, calls: Sequence[Call]) -> list[Any]:
        """The same, with errors among the answers."""
        answers = await self._ask(calls)
        unknown = [n for n, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if unknown:  # a server that restarted, or that was added
            await self._redis.script_load(self._text)
            again = await self._ask([calls[n] for n in unknown])
            for n, answer in zip(unknown, again, strict=True):
                answers[n] = answer
        return answers

    async def _ask(self, calls: Sequence[Call]) -> list[Any]:
        pipe = self._redis.pipeline(transaction=False)
        for call in calls:
            pipe.evalsha(self._sha, len(call.keys), *call.keys, *call.values)
        answers: list[Any] = await pipe.execute(raise_on_error=False)
        return answers
