"""hub/models/base.py: a stream is closed however its block is left."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hub.core.chat import ChatPart, ChatRequest, TextDelta
from hub.models.base import open_stream

from .asking import ask


class Endless:
    """Never finishes; notes that it was closed."""

    closed = False

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatPart]:
        try:
            while True:
                yield TextDelta(request.model)
        finally:
            self.closed = True


class NotAGenerator:
    def stream(self, request: ChatRequest) -> AsyncIterator[ChatPart]:
        return self

    def __aiter__(self) -> AsyncIterator[ChatPart]:
        return self

    async def __anext__(self) -> ChatPart:
        return TextDelta("x")


async def test_leaving_the_block_closes_the_stream() -> None:
    backend = Endless()
    async with open_stream(backend, ask("hi")) as parts:
        assert await anext(parts) == TextDelta("any")
    assert backend.closed


async def test_an_error_in_the_block_closes_it_too() -> None:
    backend = Endless()
    with pytest.raises(KeyError):
        async with open_stream(backend, ask("hi")) as parts:
            await anext(parts)
            raise KeyError
    assert backend.closed


async def test_an_iterator_without_aclose_will_do() -> None:
    async with open_stream(NotAGenerator(), ask("hi")) as parts:
        assert await anext(parts) == TextDelta("x")
