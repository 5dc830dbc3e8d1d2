"""A driver that says what a test tells it to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager

from hub.core.chat import ChatPart, ChatRequest, Finish, TextDelta, Usage

FINISH = Finish("stop", Usage(7, 3))
Script = Sequence[ChatPart | str | Exception | asyncio.Event]


class FakeDriver:
    """Plays a script: text, parts, errors to raise, and events to wait for. Knows how many play at
    once, and whether each was closed."""

    def __init__(self, *script: ChatPart | str | Exception | asyncio.Event) -> None:
        self.answer: Callable[[ChatRequest], Script] = lambda _: script
        self.requests: list[ChatRequest] = []
        self.begun = asyncio.Event()
        self.playing = 0
        self.most_at_once = 0
        self.closed = 0

    def invoke(self, request: ChatRequest) -> AbstractAsyncContextManager[AsyncIterator[ChatPart]]:
        return self._opened(request)

    @contextlib.asynccontextmanager
    async def _opened(self, request: ChatRequest) -> AsyncIterator[AsyncIterator[ChatPart]]:
        self.requests.append(request)
        self.playing += 1
        self.most_at_once = max(self.most_at_once, self.playing)
        playing = self._play(self.answer(request))
        try:
            yield playing
        finally:
            await playing.aclose()
            self.playing -= 1
            self.closed += 1

    async def _play(self, script: Script) -> AsyncGenerator[ChatPart, None]:
        self.begun.set()
        for item in script:
            if isinstance(item, asyncio.Event):
                await item.wait()
            elif isinstance(item, Exception):
                raise item
            else:
                await asyncio.sleep(0)
                yield TextDelta(item) if isinstance(item, str) else item
