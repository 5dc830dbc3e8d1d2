"""The port every language model is reached through, and the one way to hold its stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from hub.core.chat import ChatPart, ChatRequest


class ModelBackend(Protocol):
    """Someone who answers a chat.

    Order: `TextDelta`s, none of them empty, then exactly one `Finish`, then the end. The joined
    deltas are the reply; a reply may be empty, and then there is only the `Finish`.
    Failure: raises `Backend` (or `BackendTimeout`) from hub.core.errors instead of the `Finish`,
    perhaps after some deltas; its `transient` says whether asking again may help. What was
    yielded before a failure is a torn reply, to be dropped.
    Time: nothing is sent before the first item is asked for. The backend bounds its own waiting,
    and the time the consumer takes between two items counts.
    Closing: `aclose()` of the iterator, or cancelling the task that waits for an item, closes the
    upstream connection before it returns. Abandoning the iterator does not: use `open_stream`.
    Sharing: one backend serves any number of streams at a time; a stream has one consumer.
    """

    def stream(self, request: ChatRequest) -> AsyncIterator[ChatPart]: ...


@asynccontextmanager
async def open_stream(
    backend: ModelBackend, request: ChatRequest
) -> AsyncIterator[AsyncIterator[ChatPart]]:
    """The parts of one reply; leaving the block, however it is left, ends the upstream request."""
    parts = backend.stream(request)
    try:
        yield parts
    finally:
        close = getattr(parts, "aclose", None)
        if close is not None:
            await close()
