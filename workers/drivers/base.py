"""The port every driver is behind: it is asked once and yields what comes. It never sees the
store or the bus."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from hub.core.chat import ChatPart, ChatRequest


class Driver(Protocol):
    """Yields `TextDelta`s and last one `Finish`; raises `Backend` when it fails.

    Leaving the context, however it is left, ends what was begun outside the hub.
    """

    def invoke(
        self, request: ChatRequest
    ) -> AbstractAsyncContextManager[AsyncIterator[ChatPart]]: ...
