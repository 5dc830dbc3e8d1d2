"""Reads that are shared by all who ask for the same at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from hub.core.errors import HubError

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Gathered(Generic[Key, Value]):
    """One `read` at a time, of all keys that were asked for while the last was under way, at most
    `at_once`: a crowd that asks for one thing each must not take a read for each. Every answer is
    from a read begun after it was asked for, and a HubError everybody's own, who may add to it.
    Cancelling who waits does not cancel the read."""

    def __init__(
        self, read: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Value]]], at_once: int
    ) -> None:
        self._read = read
        self._at_once = at_once
        self._asked: dict[Key, asyncio.Future[Value | None]] = {}
        self._reading: asyncio.Future[None] | None = None

    async def ask(self, key: Key) -> Value | None:
        """What there is at this key; None when there is nothing."""
        answer = self._asked.get(key)
        if answer is None:
            answer = self._asked[key] = asyncio.get_running_loop().create_future()
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._read_all())
        try:
            return await asyncio.shield(answer)
        except HubError as error:
            raise error.twin() from error.__cause__

    async def _read_all(self) -> None:
        try:
            while self._asked:
                some = list(self._asked)[: self._at_once]
                await self._answer({key: self._asked.pop(key) for key in some})
        finally:
            self._reading = None
            for answer in self._asked.values():  # only when it was cancelled
                answer.cancel()

    async def _answer(self, asked: Mapping[Key, asyncio.Future[Value | None]]) -> None:
        """What one of them is to blame for must not be answered to the others."""
        try:
            found = await self._read(list(asked))
        except HubError as error:
            _fail(asked.values(), error)
        except Exception as error:
            if len(asked) == 1:
                _fail(asked.values(), error)
            else:
                for key, answer in asked.items():
                    await self._answer({key: answer})
        except BaseException:
            for answer in asked.values():
                answer.cancel()
            raise
        else:
            for key, answer in asked.items():
                answer.set_result(found.get(key))


def _fail(answers: Iterable[asyncio.Future[Value]], error: Exception) -> None:
    for answer in answers:
        answer.set_exception(error)
        answer.exception()  # nobody may wait for it any more
