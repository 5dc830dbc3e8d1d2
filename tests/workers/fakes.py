"""A driver that says what a test tells it to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager

from hub.core.chat import ChatRequest, Finish, TextDelta, Usage
from hub.core.invoking import Invocation, Part
from hub.parts import Parts
from workers.breaker import Breaker
from workers.run import Tools

FINISH = Finish("stop", Usage(7, 3))
Script = Sequence[Part | str | Exception | asyncio.Event]


class FakeDriver:
    """Plays a script: text, parts, errors to raise, and events to wait for. Knows how many play at
    once, and whether each was closed."""

    def __init__(self, *script: Part | str | Exception | asyncio.Event) -> None:
        self.answer: Callable[[ChatRequest], Script] = lambda _: script
        self.invocations: list[Invocation] = []
        self.abandoned: list[str] = []
        self.begun = asyncio.Event()
        self.playing = 0
        self.most_at_once = 0
        self.closed = 0

    @property
    def requests(self) -> list[ChatRequest]:
        return [invocation.chat for invocation in self.invocations]

    def invoke(self, invocation: Invocation) -> AbstractAsyncContextManager[AsyncIterator[Part]]:
        return self._opened(invocation)

    async def abandon(self, invocation: Invocation) -> None:
        self.abandoned.append(invocation.run.id)

    @contextlib.asynccontextmanager
    async def _opened(self, invocation: Invocation) -> AsyncIterator[AsyncIterator[Part]]:
        self.invocations.append(invocation)
        self.playing += 1
        self.most_at_once = max(self.most_at_once, self.playing)
        playing = self._play(self.answer(invocation.chat))
        try:
            yield playing
        finally:
            await playing.aclose()
            self.playing -= 1
            self.closed += 1

    async def _play(self, script: Script) -> AsyncGenerator[Part, None]:
        self.begun.set()
        for item in script:
            if isinstance(item, asyncio.Event):
                await item.wait()
            elif isinstance(item, Exception):
                raise item
            else:
                await asyncio.sleep(0)
                yield TextDelta(item) if isinstance(item, str) else item


def tools(parts: Parts, driver: FakeDriver) -> Tools:
    """What a pool works with, this driver for every participant of the kind `model`."""
    return Tools(parts, {"model": driver}, Breaker(asyncio.get_running_loop().time))
