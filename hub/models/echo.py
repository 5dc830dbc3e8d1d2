"""A model that repeats what it was told last: for tests of everything around a model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from hub.core.chat import ChatPart, ChatRequest
from hub.models.speech import Sleep, last_user_text, speak


class EchoBackend:
    """`builtin/echo`: the last user turn as it is, word by word."""

    slug = "builtin/echo"

    def __init__(self, delay_s: float = 0.0, sleep: Sleep = asyncio.sleep) -> None:
        self._delay_s = delay_s
        self._sleep = sleep

    def stream(self, request: ChatRequest) -> AsyncIterator[ChatPart]:
        """See `ModelBackend`."""
        text = last_user_text(request)
        return speak(text, request, delay_s=self._delay_s, sleep=self._sleep)
